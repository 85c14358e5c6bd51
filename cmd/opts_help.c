/* SPDX-License-Identifier: MIT
 *
 * opts_help.c - a program's table as --help
 */
#include <string.h>

#include "cmd/opts.h"

enum { HELP_COLUMN = 29, HELP_WIDTH = 79 };

/* Write @text from column HELP_COLUMN on, broken between words. */
static void put_wrapped(FILE *to, const char *text)
{
	int column = HELP_COLUMN;

	while (*text) {
		int len = (int)strcspn(text, " ");

		if (column > HELP_COLUMN && column + 1 + len > HELP_WIDTH) {
			fprintf(to, "\n%*s", HELP_COLUMN, "");
			column = HELP_COLUMN;
		} else if (column > HELP_COLUMN) {
			fputc(' ', to);
			column++;
		}
		fprintf(to, "%.*s", len, text);
		column += len;
		text += len;
		text += strspn(text, " ");
	}
	fputc('\n', to);
}

static void put_row(FILE *to, const char *left, const char *text)
{
	int len = fprintf(to, "%s", left);

	if (len > HELP_COLUMN - 2)
		fprintf(to, "\n%*s", HELP_COLUMN, "");
	else
		fprintf(to, "%*s", HELP_COLUMN - len, "");
	put_wrapped(to, text);
}

static void put_option(FILE *to, const struct opt *o)
{
	char left[64], help[256], letter[8] = "    ";

	if (o->letter)
		snprintf(letter, sizeof(letter), "-%c, ", o->letter);
	snprintf(left, sizeof(left), "  %s--%s%s%s", letter, o->name,
		 o->arg ? " " : "", o->arg ? o->arg : "");
	snprintf(help, sizeof(help), "%s%s%s%s%s", o->help,
		 o->many ? " (can be repeated)" : "",
		 o->preset ? " (default " : "", o->preset ? o->preset : "",
		 o->preset ? ")" : "");
	put_row(to, left, help);
}

static void put_synopsis(FILE *to, const struct program *p)
{
	fprintf(to, "Usage: unmap%s%s", *p->name ? " " : "", p->name);
	if (p->subs)
		fputs(" COMMAND", to);
	if (*p->operands)
		fprintf(to, " %s", p->operands);
	if (p->opts && p->opts->name)
		fputs(" [OPTION]...", to);
	fprintf(to, "\n\n%c%s.\n", p->purpose[0] - 'a' + 'A', p->purpose + 1);
}

static void put_subs(FILE *to, const struct program *p)
{
	fputs("\nCommands:\n", to);
	for (const struct command *c = p->subs; c->program; c++) {
		char left[64];

		snprintf(left, sizeof(left), "  %s %s", opts_word(c->program),
			 c->program->subs ? "COMMAND" : c->program->operands);
		put_row(to, left, c->program->purpose);
	}
	fprintf(to, "\n`unmap %s%sCOMMAND --help` tells more.\n", p->name,
		*p->name ? " " : "");
}

static void put_lines(FILE *to, const char *title, const char *text)
{
	fprintf(to, "\n%s:\n", title);
	while (*text) {
		int len = (int)strcspn(text, "\n");

		fprintf(to, "  %.*s\n", len, text);
		text += len + (text[len] == '\n');
	}
}

void opts_help(const struct program *p, FILE *to)
{
	put_synopsis(to, p);
	if (p->subs)
		put_subs(to, p);
	fputs("\nOptions:\n", to);
	for (const struct opt *o = p->opts; o && o->name; o++)
		put_option(to, o);
	put_row(to, "  -h, --help", "show this and exit");
	if (p->examples)
		put_lines(to, "Examples", p->examples);
	if (p->notes)
		fprintf(to, "\n%s", p->notes);
}
