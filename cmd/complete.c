/* SPDX-License-Identifier: MIT
 *
 * complete.c - shell completions, written from the programs' tables
 *
 * Theory of operation
 * ===================
 * The three shells want the same facts in three forms. Each form is a struct
 * shell: a head, a tail and a function per program; walk() visits the programs
 * and their subcommands, depth first. A program is known in the script by its
 * words ("keygen init"), which the script finds by leaving out options and
 * what does not name a command.
 *
 *	bash	one function with a case per program; the links `unmap-edge`
 *		are completed too, bare names like `edge` are not ours to take
 *	zsh	one function per program for _arguments
 *	fish	one `complete` line per option, conditioned on the program
 */
#include <string.h>

#include "cmd/complete.h"

/** struct shell - how one shell wants it
 * @leaf: writes a program without subcommands
 * @group: writes one with them, before they are written themselves
 */
struct shell {
	const char *name;
	void (*head)(FILE *to, const struct program *root);
	void (*group)(FILE *to, const struct program *p);
	void (*leaf)(FILE *to, const struct program *p);
	void (*tail)(FILE *to, const struct program *root);
};

static const char credit[] =
	"# SPDX-License-Identifier: MIT\n"
	"# Written by `make completions` from the tables of options.\n";

static bool is_kind(const char *complete, const char *kind)
{
	return complete && !strcmp(complete, kind);
}

/* Words to offer, that is: neither nothing nor "file", "dir", "iface". */
static bool is_words(const char *complete)
{
	return complete && !is_kind(complete, "file") &&
	       !is_kind(complete, "dir") && !is_kind(complete, "iface");
}

static void put_sub_words(FILE *to, const struct program *p)
{
	for (const struct command *c = p->subs; c->program; c++)
		fprintf(to, "%s%s", c == p->subs ? "" : " ",
			opts_word(c->program));
}

/* ---- bash --------------------------------------------------------------- */

static void bash_action(FILE *to, const char *complete)
{
	if (is_words(complete))
		fprintf(to, "_unmap_reply -W '%s'", complete);
	else if (is_kind(complete, "file"))
		fputs("_unmap_reply -f", to);
	else if (is_kind(complete, "dir"))
		fputs("_unmap_reply -d", to);
	else if (is_kind(complete, "iface"))
		fputs("_unmap_reply -W '$(command ls /sys/class/net "
		      "2>/dev/null)'", to);
	else
		fputs("COMPREPLY=()", to);
}

static void bash_groups(FILE *to, const struct program *p)
{
	for (const struct command *c = p->subs; c->program; c++) {
		if (*p->name)
			fprintf(to, "\t\t'%s %s') prog=$prog\\ $w ;;\n",
				p->name, opts_word(c->program));
		else
			fprintf(to, "\t\t' %s') prog=$w ;;\n",
				opts_word(c->program));
		if (c->program->subs)
			bash_groups(to, c->program);
	}
}

static void bash_head(FILE *to, const struct program *root)
{
	fputs(credit, to);
	fputs("# shellcheck shell=bash disable=SC2016 # compgen expands the words\n\n"
	      "_unmap_reply() # WHAT: the words of compgen WHAT that fit\n{\n"
	      "\tmapfile -t COMPREPLY < <(compgen \"$@\" -- \"$cur\")\n}\n\n"
	      "_unmap()\n{\n"
	      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev='' prog='' w i\n"
	      "\t[ \"$COMP_CWORD\" -gt 0 ] && "
	      "prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
	      "\t# The shell makes words of --name, = and value.\n"
	      "\tif [ \"$cur\" = = ]; then\n\t\tcur=\n"
	      "\telif [ \"$prev\" = = ]; then\n"
	      "\t\tprev=${COMP_WORDS[COMP_CWORD - 2]}\n\tfi\n"
	      "\tcase ${COMP_WORDS[0]##*/} in\n"
	      "\tunmap-*) prog=${COMP_WORDS[0]##*/unmap-}\n"
	      "\t\tprog=${prog#unmap-} ;;\n\tesac\n"
	      "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	      "\t\tw=${COMP_WORDS[i]}\n"
	      "\t\tcase \"$prog $w\" in\n", to);
	bash_groups(to, root);
	fputs("\t\tesac\n\tdone\n\tcase $prog in\n", to);
}

static void bash_group(FILE *to, const struct program *p)
{
	fprintf(to, "\t'%s')\n\t\t_unmap_reply -W '", p->name);
	put_sub_words(to, p);
	for (const struct opt *o = p->opts; o && o->name; o++)
		fprintf(to, " --%s", o->name);
	fputs(" --help'\n\t\t;;\n", to);
}

static void bash_leaf(FILE *to, const struct program *p)
{
	fprintf(to, "\t'%s')\n\t\tcase $prev in\n", p->name);
	for (const struct opt *o = p->opts; o && o->name; o++) {
		if (!o->arg)
			continue;
		fprintf(to, "\t\t--%s) ", o->name);
		bash_action(to, o->complete);
		fputs("; return ;;\n", to);
	}
	fputs("\t\tesac\n\t\tcase $cur in\n"
	      "\t\t-*) _unmap_reply -W '", to);
	for (const struct opt *o = p->opts; o && o->name; o++)
		fprintf(to, "--%s ", o->name);
	fputs("--help' ;;\n\t\t*) ", to);
	bash_action(to, p->complete);
	fputs(" ;;\n\t\tesac\n\t\t;;\n", to);
}

static void bash_tail(FILE *to, const struct program *root)
{
	fputs("\tesac\n}\ncomplete -o filenames -F _unmap unmap", to);
	for (const struct command *c = root->subs; c->program; c++)
		fprintf(to, " unmap-%s", opts_word(c->program));
	fputc('\n', to);
}

/* ---- zsh ---------------------------------------------------------------- */

static void zsh_action(FILE *to, const char *complete)
{
	if (is_words(complete))
		fprintf(to, "(%s)", complete);
	else if (is_kind(complete, "file"))
		fputs("_files", to);
	else if (is_kind(complete, "dir"))
		fputs("_files -/", to);
	else if (is_kind(complete, "iface"))
		fputs("_net_interfaces", to);
	else
		fputs("( )", to);
}

/* Functions are named by the program's words, joined by '_'. */
static void zsh_name(FILE *to, const struct program *p)
{
	fputs(*p->name ? "_unmap_" : "_unmap_any", to);
	for (const char *c = p->name; *c; c++)
		fputc(*c == ' ' ? '_' : *c, to);
}

/* A text inside a quoted spec: ':' and brackets mean something there. */
static void zsh_text(FILE *to, const char *text)
{
	for (; *text; text++) {
		if (strchr(":[]\\", *text))
			fputc('\\', to);
		fputs(*text == '\'' ? "'\\'" : "", to);
		fputc(*text, to);
	}
}

static void zsh_options(FILE *to, const struct program *p)
{
	for (const struct opt *o = p->opts; o && o->name; o++) {
		fprintf(to, "\t\t'%s--%s%s[", o->many ? "*" : "", o->name,
			o->arg ? "=" : "");
		zsh_text(to, o->help);
		fputc(']', to);
		if (o->arg) {
			fputc(':', to);
			zsh_text(to, o->arg);
			fputc(':', to);
			zsh_action(to, o->complete);
		}
		fputs("' \\\n", to);
	}
	fputs("\t\t'(- *)'{-h,--help}'[show help]'", to);
}

static void zsh_head(FILE *to, const struct program *root)
{
	fputs("#compdef unmap", to);
	for (const struct command *c = root->subs; c->program; c++)
		fprintf(to, " unmap-%s", opts_word(c->program));
	fputc('\n', to);
	fputs(credit, to);
}

static void zsh_group(FILE *to, const struct program *p)
{
	fputc('\n', to);
	zsh_name(to, p);
	fputs("() {\n\tlocal state line\n\tlocal -a commands\n"
	      "\tcommands=(\n", to);
	for (const struct command *c = p->subs; c->program; c++) {
		fprintf(to, "\t\t'%s:", opts_word(c->program));
		zsh_text(to, c->program->purpose);
		fputs("'\n", to);
	}
	fputs("\t)\n\t_arguments -C \\\n", to);
	zsh_options(to, p);
	fputs(" \\\n\t\t'1:command:->command' '*::argument:->argument'\n"
	      "\tcase $state in\n"
	      "\tcommand) _describe command commands ;;\n"
	      "\targument)\n\t\tcase $line[1] in\n", to);
	for (const struct command *c = p->subs; c->program; c++) {
		fprintf(to, "\t\t%s) ", opts_word(c->program));
		zsh_name(to, c->program);
		fputs(" ;;\n", to);
	}
	fputs("\t\tesac\n\t\t;;\n\tesac\n}\n", to);
}

static void zsh_leaf(FILE *to, const struct program *p)
{
	fputc('\n', to);
	zsh_name(to, p);
	fputs("() {\n\t_arguments \\\n", to);
	zsh_options(to, p);
	if (p->max) {
		fputs(" \\\n\t\t'*:", to);
		zsh_text(to, p->operands);
		fputc(':', to);
		zsh_action(to, p->complete);
		fputc('\'', to);
	}
	fputs("\n}\n", to);
}

static void zsh_tail(FILE *to, const struct program *root)
{
	(void)root;
	fputs("\n_unmap() {\n\tcase $service in\n"
	      "\tunmap-*) _unmap_${service#unmap-} ;;\n"
	      "\t*) _unmap_any ;;\n\tesac\n}\n\n"
	      "# Loaded by name, this is the first call; sourced, it registers.\n"
	      "if [ \"$funcstack[1]\" = _unmap ]; then\n"
	      "\t_unmap \"$@\"\nelse\n\tcompdef _unmap unmap\nfi\n", to);
}

/* ---- fish --------------------------------------------------------------- */

static void fish_action(FILE *to, const char *complete)
{
	if (is_words(complete))
		fprintf(to, " -x -a '%s'", complete);
	else if (is_kind(complete, "file"))
		fputs(" -r -F", to);
	else if (is_kind(complete, "dir"))
		fputs(" -x -a '(__fish_complete_directories)'", to);
	else if (is_kind(complete, "iface"))
		fputs(" -x -a '(command ls /sys/class/net 2>/dev/null)'", to);
	else
		fputs(" -x", to);
}

static void fish_text(FILE *to, const char *text)
{
	fputc('\'', to);
	for (; *text; text++) {
		if (strchr("'\\", *text))
			fputc('\\', to);
		fputc(*text, to);
	}
	fputc('\'', to);
}

static void fish_condition(FILE *to, const struct program *p)
{
	fprintf(to, "complete -c unmap -n '__unmap_program \"%s\"'", p->name);
}

static void fish_options(FILE *to, const struct program *p)
{
	for (const struct opt *o = p->opts; o && o->name; o++) {
		fish_condition(to, p);
		if (o->letter)
			fprintf(to, " -s %c", o->letter);
		fprintf(to, " -l %s", o->name);
		if (o->arg)
			fish_action(to, o->complete);
		fputs(" -d ", to);
		fish_text(to, o->help);
		fputc('\n', to);
	}
}

static void fish_cases(FILE *to, const struct program *p)
{
	for (const struct command *c = p->subs; c->program; c++) {
		fprintf(to, "            case '%s %s'\n"
			    "                set program %s\n", p->name,
			opts_word(c->program), *p->name ? "\"$program $word\"" :
							  "$word");
		if (c->program->subs)
			fish_cases(to, c->program);
	}
}

static void fish_head(FILE *to, const struct program *root)
{
	fputs(credit, to);
	fputs("function __unmap_program\n"
	      "    set -l words (commandline -opc)\n"
	      "    set -l program ''\n"
	      "    for word in $words[2..-1]\n"
	      "        switch \"$program $word\"\n", to);
	fish_cases(to, root);
	fputs("        end\n    end\n"
	      "    test \"$program\" = \"$argv[1]\"\n"
	      "end\n\n"
	      "complete -c unmap -f\n"
	      "complete -c unmap -s h -l help -d 'show help'\n", to);
}

static void fish_group(FILE *to, const struct program *p)
{
	for (const struct command *c = p->subs; c->program; c++) {
		fish_condition(to, p);
		fprintf(to, " -a %s -d ", opts_word(c->program));
		fish_text(to, c->program->purpose);
		fputc('\n', to);
	}
	fish_options(to, p);
}

static void fish_leaf(FILE *to, const struct program *p)
{
	if (p->max && p->complete) {
		fish_condition(to, p);
		if (is_kind(p->complete, "file"))
			fputs(" -F", to);
		else
			fish_action(to, p->complete);
		fputc('\n', to);
	}
	fish_options(to, p);
}

static void fish_tail(FILE *to, const struct program *root)
{
	for (const struct command *c = root->subs; c->program; c++)
		fprintf(to, "complete -c unmap-%s -w 'unmap %s'\n",
			opts_word(c->program), opts_word(c->program));
}

/* ---- all ---------------------------------------------------------------- */

static const struct shell shells[] = {
	{ "bash", bash_head, bash_group, bash_leaf, bash_tail },
	{ "zsh", zsh_head, zsh_group, zsh_leaf, zsh_tail },
	{ "fish", fish_head, fish_group, fish_leaf, fish_tail },
};

static void walk(const struct shell *s, FILE *to, const struct program *p)
{
	if (!p->subs) {
		s->leaf(to, p);
		return;
	}
	s->group(to, p);
	for (const struct command *c = p->subs; c->program; c++)
		walk(s, to, c->program);
}

bool complete_write(const struct program *root, const char *shell, FILE *to)
{
	for (size_t i = 0; i < sizeof(shells) / sizeof(*shells); i++) {
		if (strcmp(shell, shells[i].name))
			continue;
		shells[i].head(to, root);
		walk(&shells[i], to, root);
		shells[i].tail(to, root);
		return true;
	}
	return false;
}
