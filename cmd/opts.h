/* SPDX-License-Identifier: MIT
 *
 * opts.h - one const table per program: parsing, --help, completions
 *
 * A program is a struct program: name, purpose, options, operands, examples.
 * Each option row says where its value goes (an offset into the program's own
 * options struct) and which function turns text into that value. Everything
 * that lists options walks these tables; nothing else knows their names.
 *
 * Options may stand before and after operands, as --name=value, --name value,
 * -n value or -nvalue; "--" ends them. A wrong line ends the process with one
 * sentence on stderr and EX_USAGE; --help prints to stdout and exits 0.
 *
 *	struct edge_opts o = { 0 };
 *	int count = opts_parse(&edge_program, &o, argc, argv);
 *	(operands are argv[1] .. argv[count])
 */
#ifndef CMD_OPTS_H
#define CMD_OPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define OPT_MANY 16		/* most values of one repeatable option */
#define OPT_HOST_MAX 254	/* longest DNS name and its NUL */
#define OPT_DEFAULT_PORT 6464

/**
 * opt_parse_fn - Turn @text into the value at @field
 *
 * Gives NULL, or what is wanted instead, to follow "expected " in the error
 * line. Repeatable ones append, and are called once for each time given.
 */
typedef const char *opt_parse_fn(void *field, const char *text);

/**
 * struct opt - one option: one row of a program's table
 * @name:	long name without dashes; NULL ends the table
 * @letter:	short form, or 0
 * @arg:	name of the value in help, as "IFACE"; NULL: a flag, its field
 *		is a bool
 * @parse:	value reader; not used for flags
 * @at:		offsetof() the field in the program's options struct
 * @many:	may be given several times
 * @preset:	value when not given, as text, read by @parse; or NULL
 * @help:	one line, no full stop
 * @complete:	"file", "dir", "iface", or the words to offer ("none all"); or
 *		NULL
 */
struct opt {
	const char *name;
	char letter;
	const char *arg;
	opt_parse_fn *parse;
	size_t at;
	bool many;
	const char *preset;
	const char *help;
	const char *complete;
};

struct program;

/** struct command - a program and what runs it; tables end with a NULL row */
struct command {
	const struct program *program;
	int (*run)(int argc, char **argv);
};

/**
 * struct program - all that a user can say to one program
 * @name:	"edge"; of a subcommand both words: "keygen init"
 * @purpose:	one line, lower case, no full stop
 * @operands:	as in the synopsis: "BUNDLE.pem", "DIR NAME", "" for none
 * @min:	fewest operands
 * @max:	most operands
 * @complete:	what operands are: "file", "dir", words, or NULL
 * @opts:	options, ended by a row without name; NULL for none
 * @subs:	subcommands, ended by a row without program; or NULL
 * @examples:	complete command lines, one per line
 * @notes:	further text for --help, lines ended by '\n'; or NULL
 */
struct program {
	const char *name;
	const char *purpose;
	const char *operands;
	unsigned char min, max;
	const char *complete;
	const struct opt *opts;
	const struct command *subs;
	const char *examples;
	const char *notes;
};

/** struct opt_names - values of a repeatable text option, in order */
struct opt_names {
	const char *at[OPT_MANY];
	unsigned count;
};

/** struct opt_endpoint - HOST[:PORT]; IPv6 without its brackets
 * @has_port: false: @port is OPT_DEFAULT_PORT because none was given
 */
struct opt_endpoint {
	char host[OPT_HOST_MAX];
	uint16_t port;
	bool has_port;
};

struct opt_endpoints {
	struct opt_endpoint at[OPT_MANY];
	unsigned count;
};

/** struct opt_ports - an inclusive range of ports */
struct opt_ports {
	uint16_t lo, hi;
};

/** enum opt_carriers - --carriers: which kinds may be used (design.md 3) */
enum opt_carriers {
	OPT_CARRIERS_AUTO,
	OPT_CARRIERS_OWN,
	OPT_CARRIERS_SHARED,
	OPT_CARRIERS_RELAY,
	OPT_CARRIERS_COUNT
};

/* Value readers; the comment is the type of the field. */
opt_parse_fn opt_text;		/* const char * */
opt_parse_fn opt_text_many;	/* struct opt_names */
opt_parse_fn opt_iface_many;	/* struct opt_names, each a valid name */
opt_parse_fn opt_name;		/* const char *: letters, digits, . _ - only */
opt_parse_fn opt_u32;		/* uint32_t */
opt_parse_fn opt_bench;		/* uint32_t: "no" (0) or Mbit/s */
opt_parse_fn opt_ports;		/* struct opt_ports */
opt_parse_fn opt_endpoint_many;	/* struct opt_endpoints: HOST[:PORT] */
opt_parse_fn opt_listen_many;	/* struct opt_endpoints: ADDR[:PORT] */
opt_parse_fn opt_carriers;	/* enum opt_carriers */
opt_parse_fn opt_log;		/* enum log_level of cmd/log.h */

/**
 * opts_parse() - Read a command line into @config; does not return if wrong
 * @p:		the program
 * @config:	its options struct, zeroed by the caller; presets are filled in
 * @argc, @argv: as given to the program, argv[0] skipped
 *
 * Moves the operands to argv[1]... and gives their number, which is within
 * @p->min and @p->max.
 */
int opts_parse(const struct program *p, void *config, int argc, char **argv);

/**
 * opts_run_sub() - Run the subcommand that argv[1] names
 *
 * Its argv[0] is the subcommand's word. --help lists them; an unknown or
 * missing one is an error and does not return.
 */
int opts_run_sub(const struct program *p, int argc, char **argv);

/** opts_help() - Write the program's --help to @to */
void opts_help(const struct program *p, FILE *to);

/** opts_word() - Last word of a program's name: "init" of "keygen init" */
const char *opts_word(const struct program *p);

/** opts_similar() - Is @b so like @a that it may have been meant? */
bool opts_similar(const char *a, const char *b);

#endif
