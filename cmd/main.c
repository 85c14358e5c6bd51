/* SPDX-License-Identifier: MIT
 *
 * main.c - one binary, several programs
 *
 * A program is chosen by the name the binary was called by (`edge`,
 * `unmap-edge`), else by the first argument (`unmap edge`). The list of
 * programs is commands.def.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd/complete.h"
#include "cmd/links.h"
#include "cmd/log.h"
#include "cmd/options.h"

#define COMMAND(name) int name##_main(int argc, char **argv);
#include "cmd/commands.def"
#undef COMMAND

static const struct command programs[] = {
#define COMMAND(name) { &name##_program, name##_main },
#include "cmd/commands.def"
#undef COMMAND
	{ NULL, NULL }
};

struct root_opts {
	bool version;
	const char *install, *completions;
};

static const struct opt root_table[] = {
	{ .name = "version", .at = offsetof(struct root_opts, version),
	  .help = "show the version and the date of the build" },
	{ .name = "install", .arg = "DIR", .parse = opt_text,
	  .at = offsetof(struct root_opts, install),
	  .help = "make links to this binary in DIR: edge, unmap-edge ...",
	  .complete = "dir" },
	{ 0 }
};

static const struct program root = {
	.name = "",
	.purpose = "portable IPv6 through a CGNAT by replacing headers",
	.operands = "",
	.opts = root_table,
	.subs = programs,
	.examples =
		"unmap keygen init pki --hub hub.example.net "
		"--prefix 2001:db8:100::/48\n"
		"unmap keygen edge pki alice\n"
		"unmap hub pki/hub.pem\n"
		"unmap edge alice.pem --lan br-lan\n",
};

/* A line that went out as it was printed fails then, not at the flush. */
static int written(void)
{
	if (!fflush(stdout) && !ferror(stdout))
		return EX_OK;
	log_error("cannot write the output");
	return EX_IOERR;
}

static int show_version(void)
{
	time_t t = UNMAP_BUILD_TIME;
	char date[16];

	strftime(date, sizeof(date), "%Y-%m-%d", gmtime(&t));
	printf("unmap %s (%s)\n", UNMAP_VERSION, date);
	return written();
}

static const struct command *find_program(const char *name)
{
	if (!strncmp(name, "unmap-", 6))
		name += 6;
	for (const struct command *c = programs; c->program; c++)
		if (!strcmp(c->program->name, name))
			return c;
	return NULL;
}

/* --completions is for `make completions` alone, and so stands in no help. */
static int write_completions(const char *shell)
{
	if (shell && complete_write(&root, shell, stdout))
		return written();
	log_error("--completions: expected bash, zsh or fish");
	return EX_USAGE;
}

/* No program was named: an option of `unmap` itself, or a mistake. */
static int run_root(int argc, char **argv)
{
	static const struct program options_only = {
		.name = "", .operands = "", .opts = root_table,
	};
	struct root_opts o = { 0 };

	if (argc > 1 && !strcmp(argv[1], "--completions"))
		return write_completions(argv[2]);
	if (argc < 2 || argv[1][0] != '-' || !strcmp(argv[1], "-h") ||
	    !strcmp(argv[1], "--help"))
		return opts_run_sub(&root, argc, argv);
	opts_parse(&options_only, &o, argc, argv);
	if (o.install)
		return links_install(programs, o.install);
	if (o.version)
		return show_version();
	return opts_run_sub(&root, 1, argv);
}

/* A log line must not go into a device that got the number of a closed
 * stderr. Not for writing: who closed it is told so as before.
 */
static void fill_stdio(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= 0 && fd < STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

int main(int argc, char **argv)
{
	const char *slash = argc ? strrchr(argv[0], '/') : NULL;
	const struct command *c = NULL;

	fill_stdio();
	if (argc)
		c = find_program(slash ? slash + 1 : argv[0]);
	if (c)
		return c->run(argc, argv);
	if (argc > 1 && argv[1][0] != '-' && (c = find_program(argv[1])))
		return c->run(argc - 1, argv + 1);
	return run_root(argc, argv);
}
