/* SPDX-License-Identifier: MIT
 *
 * opts.c - reading a command line by a program's table
 *
 * Theory of operation
 * ===================
 * One pass over argv. What begins with a dash and is longer than it is an
 * option until "--" has been seen; its row tells where the value goes. All
 * other words are operands and move to the front of argv, in order: an operand
 * never stands behind a word that is still to be read, so nothing is
 * overwritten. Presets go in first, so a value given on the line replaces
 * them; of an option that may stand once only, the last one counts, because
 * wrapper scripts append.
 *
 * Every error is one line and ends the process: a command line that is not
 * understood completely is not obeyed in part.
 */
#include <stdlib.h>
#include <string.h>

#include "cmd/log.h"
#include "cmd/opts.h"

/** struct line - the command line while it is read
 * @next: first word not read yet
 * @operands: how many have been moved to argv[1]...
 */
struct line {
	const struct program *p;
	void *config;
	int argc;
	char **argv;
	int next, operands;
};

const char *opts_word(const struct program *p)
{
	const char *space = strrchr(p->name, ' ');

	return space ? space + 1 : p->name;
}

/* Where to look when something is wrong. */
static const char *help_hint(const struct program *p)
{
	static char hint[80];

	snprintf(hint, sizeof(hint), "see `unmap%s%s --help`",
		 *p->name ? " " : "", p->name);
	return hint;
}

/*
 * Edit distance of Levenshtein, plus one for exchanged neighbours, over the
 * first 23 characters: option and program names are short.
 */
static unsigned edit_distance(const char *a, const char *b)
{
	enum { MAX = 24 };
	unsigned d[MAX][MAX];
	size_t la = strnlen(a, MAX - 1), lb = strnlen(b, MAX - 1);

	for (size_t i = 0; i <= la; i++)
		d[i][0] = (unsigned)i;
	for (size_t j = 0; j <= lb; j++)
		d[0][j] = (unsigned)j;
	for (size_t i = 1; i <= la; i++) {
		for (size_t j = 1; j <= lb; j++) {
			unsigned best = d[i - 1][j - 1] +
					(a[i - 1] != b[j - 1]);

			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	}
	return d[la][lb];
}

bool opts_similar(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);
	unsigned allow = la > 4 ? 2 : 1;

	if (la >= 2 && lb > la && !strncmp(a, b, la))
		return true;
	return edit_distance(a, b) <= allow;
}

static const struct opt *find_long(const struct program *p, const char *name,
				   size_t len)
{
	for (const struct opt *o = p->opts; o && o->name; o++)
		if (strlen(o->name) == len && !memcmp(o->name, name, len))
			return o;
	return NULL;
}

static const struct opt *find_letter(const struct program *p, char letter)
{
	for (const struct opt *o = p->opts; o && o->name; o++)
		if (o->letter == letter)
			return o;
	return NULL;
}

static _Noreturn void die_unknown(const struct program *p, const char *word,
				  size_t len)
{
	char name[40];

	snprintf(name, sizeof(name), "%.*s", (int)len - 2, word + 2);
	for (const struct opt *o = p->opts; o && o->name; o++)
		if (word[1] == '-' && opts_similar(name, o->name))
			die(EX_USAGE, "unknown option %.*s, did you mean --%s?",
			    (int)len, word, o->name);
	die(EX_USAGE, "unknown option %.*s, %s", (int)len, word, help_hint(p));
}

static void set_value(const struct program *p, void *config,
		      const struct opt *o, const char *text)
{
	void *field = (char *)config + o->at;
	const char *wanted;

	if (!o->arg) {
		*(bool *)field = true;
		return;
	}
	wanted = o->parse(field, text);
	if (wanted)
		die(EX_USAGE, "--%s %s: expected %s; %s", o->name, text, wanted,
		    help_hint(p));
}

/* The value: what follows in the same word, or else the next word. */
static void take_option(struct line *l, const struct opt *o, const char *rest)
{
	if (o->arg && !rest) {
		if (l->next >= l->argc)
			die(EX_USAGE, "--%s needs a value: --%s %s", o->name,
			    o->name, o->arg);
		rest = l->argv[l->next++];
	}
	if (!o->arg && rest)
		die(EX_USAGE, "--%s takes no value, leave out %s", o->name,
		    rest);
	set_value(l->p, l->config, o, rest);
}

static _Noreturn void show_help(const struct program *p)
{
	opts_help(p, stdout);
	if (fflush(stdout) || ferror(stdout))
		die(EX_IOERR, "cannot write the help text");
	exit(EX_OK);
}

static void take_long(struct line *l, const char *word)
{
	const char *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : strlen(word);
	const struct opt *o = find_long(l->p, word + 2, len - 2);

	if (!strcmp(word, "--help"))
		show_help(l->p);
	if (len == 6 && !memcmp(word, "--help", len))
		die(EX_USAGE, "--help takes no value, leave out %s",
		    equals + 1);
	if (o)
		take_option(l, o, equals ? equals + 1 : NULL);
	else
		die_unknown(l->p, word, len);
}

/* One letter of -abVALUE; true if what follows it was its value. */
static bool take_letter(struct line *l, const char *word, const char *c)
{
	const struct opt *o = find_letter(l->p, *c);

	if (o) {
		take_option(l, o, o->arg && c[1] ? c + 1 : NULL);
		return o->arg;
	}
	if (*c == 'h')
		show_help(l->p);
	die_unknown(l->p, word, strlen(word));
}

static void take_letters(struct line *l, const char *word)
{
	for (const char *c = word + 1; *c; c++)
		if (take_letter(l, word, c))
			return;
}

static void check_operands(const struct line *l)
{
	const struct program *p = l->p;

	if (l->operands < p->min)
		die(EX_USAGE, "missing operand: unmap %s %s; %s", p->name,
		    p->operands, help_hint(p));
	if (l->operands > p->max)
		die(EX_USAGE, "%s is one operand too many; %s",
		    l->argv[p->max + 1], help_hint(p));
}

int opts_parse(const struct program *p, void *config, int argc, char **argv)
{
	struct line l = { p, config, argc, argv, 1, 0 };
	bool options = true;

	log_open(p->name, LEVEL_INFO);
	for (const struct opt *o = p->opts; o && o->name; o++)
		if (o->preset)
			set_value(p, config, o, o->preset);
	while (l.next < argc) {
		char *word = argv[l.next++];

		if (!options || word[0] != '-' || !word[1])
			argv[++l.operands] = word;
		else if (!strcmp(word, "--"))
			options = false;
		else if (word[1] == '-')
			take_long(&l, word);
		else
			take_letters(&l, word);
	}
	check_operands(&l);
	if (l.operands + 1 < argc)
		argv[l.operands + 1] = NULL;
	return l.operands;
}

static _Noreturn void die_no_sub(const struct program *p, const char *word)
{
	if (!word)
		die(EX_USAGE, "missing command: unmap%s%s COMMAND; %s",
		    *p->name ? " " : "", p->name, help_hint(p));
	for (const struct command *c = p->subs; c->program; c++)
		if (opts_similar(word, opts_word(c->program)))
			die(EX_USAGE, "unknown command %s, did you mean %s?",
			    word, opts_word(c->program));
	die(EX_USAGE, "unknown %s %s, %s",
	    *word == '-' ? "option" : "command", word, help_hint(p));
}

int opts_run_sub(const struct program *p, int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : NULL;

	log_open(p->name, LEVEL_INFO);
	if (word && (!strcmp(word, "--help") || !strcmp(word, "-h")))
		show_help(p);
	for (const struct command *c = p->subs; word && c->program; c++)
		if (!strcmp(word, opts_word(c->program)))
			return c->run(argc - 1, argv + 1);
	die_no_sub(p, word);
}
