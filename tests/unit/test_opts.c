/* SPDX-License-Identifier: MIT
 *
 * test_opts.c - command lines, value readers, and that the tables are sane
 */
#include <check.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cmd/complete.h"
#include "cmd/options.h"
#include "cmd/opts.h"

static const struct program *const tables[] = {
	&edge_program, &hub_program, &status_program, &bench_program,
};
#define TABLES (sizeof(tables) / sizeof(*tables))

/* A program of the test's own, with every kind of row. */
struct demo {
	bool flag, loud;
	uint32_t size;
	const char *text;
	struct opt_names names;
};

static const struct opt demo_opts[] = {
	{ .name = "flag", .letter = 'f', .at = offsetof(struct demo, flag),
	  .help = "a flag" },
	{ .name = "loud", .letter = 'l', .at = offsetof(struct demo, loud),
	  .help = "another" },
	{ .name = "size", .letter = 's', .arg = "N", .parse = opt_u32,
	  .at = offsetof(struct demo, size), .preset = "7", .help = "a size" },
	{ .name = "text", .arg = "TEXT", .parse = opt_text,
	  .at = offsetof(struct demo, text), .help = "it's a [text]: or not" },
	{ .name = "name", .letter = 'n', .arg = "NAME", .parse = opt_text_many,
	  .at = offsetof(struct demo, names), .many = true, .help = "names" },
	{ 0 }
};

static const struct program demo_program = {
	.name = "demo", .purpose = "show all", .operands = "A [B]",
	.min = 1, .max = 2, .opts = demo_opts, .examples = "unmap demo a\n",
};

/* Split @line at blanks into argv; gives argc. */
static int split(char *line, char **argv, int max)
{
	int argc = 0;

	for (char *w = strtok(line, " "); w && argc < max; w = strtok(NULL, " "))
		argv[argc++] = w;
	argv[argc] = NULL;
	return argc;
}

static int parse(struct demo *d, const char *text, char **argv)
{
	static char line[512];

	memset(d, 0, sizeof(*d));
	snprintf(line, sizeof(line), "%s", text);
	return opts_parse(&demo_program, d, split(line, argv, 60), argv);
}

START_TEST(presets_and_operands)
{
	char *argv[64];
	struct demo d;

	ck_assert_int_eq(parse(&d, "demo one", argv), 1);
	ck_assert_str_eq(argv[1], "one");
	ck_assert_ptr_null(argv[2]);
	ck_assert_uint_eq(d.size, 7);
	ck_assert(!d.flag && !d.loud && !d.text && !d.names.count);
}
END_TEST

START_TEST(any_order)
{
	char *argv[64];
	struct demo d;

	ck_assert_int_eq(parse(&d, "demo --size 9 one --name=x -f two -n y",
			       argv), 2);
	ck_assert_str_eq(argv[1], "one");
	ck_assert_str_eq(argv[2], "two");
	ck_assert_ptr_null(argv[3]);
	ck_assert_uint_eq(d.size, 9);
	ck_assert(d.flag && !d.loud);
	ck_assert_uint_eq(d.names.count, 2);
	ck_assert_str_eq(d.names.at[0], "x");
	ck_assert_str_eq(d.names.at[1], "y");
}
END_TEST

START_TEST(forms)
{
	char *argv[64];
	struct demo d;

	parse(&d, "demo one -fls12", argv);
	ck_assert(d.flag && d.loud);
	ck_assert_uint_eq(d.size, 12);
	parse(&d, "demo one --text=a=b --size=1 --size=2", argv);
	ck_assert_str_eq(d.text, "a=b");
	ck_assert_uint_eq(d.size, 2);
	ck_assert_int_eq(parse(&d, "demo - -- --flag", argv), 2);
	ck_assert_str_eq(argv[1], "-");
	ck_assert_str_eq(argv[2], "--flag");
	ck_assert(!d.flag);
	parse(&d, "demo one --text --flag", argv);
	ck_assert_str_eq(d.text, "--flag");
	ck_assert(!d.flag);
}
END_TEST

/* Each of these ends with EX_USAGE. */
static const char *const wrong[] = {
	"demo", "demo a b c", "demo a --nope", "demo a --siz 3", "demo a -x",
	"demo a --size", "demo a --size=", "demo a --size 4294967296",
	"demo a --size -1", "demo a --flag=1", "demo a --sizes=3", "demo a -fz",
	"demo a --text=", "demo --", "demo a ---flag",
	"demo a -na -na -na -na -na -na -na -na -na -na -na -na -na -na -na "
	"-na -na",
};

START_TEST(wrong_line)
{
	char *argv[64];
	struct demo d;

	parse(&d, wrong[_i], argv);
}
END_TEST

START_TEST(help_exits_well)
{
	char *argv[64];
	struct demo d;

	if (!freopen("/dev/null", "w", stdout))
		exit(1);
	parse(&d, _i ? "demo -fh" : "demo --nothing=wrong --help", argv);
}
END_TEST

static const struct {
	opt_parse_fn *read;
	const char *text;
	bool good;
} values[] = {
	{ opt_u32, "0", true }, { opt_u32, "4294967295", true },
	{ opt_u32, "", false }, { opt_u32, "1x", false },
	{ opt_u32, " 1", false }, { opt_u32, "99999999999999999999", false },
	{ opt_bench, "no", true }, { opt_bench, "100", true },
	{ opt_bench, "0", false }, { opt_bench, "yes", false },
	{ opt_ports, "61000-65535", true }, { opt_ports, "1024-1039", true },
	{ opt_ports, "1024-1038", false }, { opt_ports, "1023-2000", false },
	{ opt_ports, "65535-61000", false }, { opt_ports, "61000", false },
	{ opt_ports, "61000-65536", false }, { opt_ports, "-61000", false },
	{ opt_ports, "61000-", false }, { opt_ports, "1-2-3", false },
	{ opt_ports, "000000061000-62000", false },
	{ opt_carriers, "auto", true }, { opt_carriers, "relay", true },
	{ opt_carriers, "Auto", false }, { opt_carriers, "", false },
	{ opt_log, "debug", true }, { opt_log, "loud", false },
	{ opt_iface_many, "br-lan", true }, { opt_iface_many, "", false },
	{ opt_iface_many, "a/b", false }, { opt_iface_many, "..", false },
	{ opt_iface_many, "abcdefghijklmno", true },
	{ opt_iface_many, "abcdefghijklmnop", false },
	{ opt_name, "alice-2.home", true }, { opt_name, "../x", false },
	{ opt_name, "", false }, { opt_name, "a b", false },
	{ opt_endpoint_many, "hub.example.net", true },
	{ opt_endpoint_many, "hub.example.net:443", true },
	{ opt_endpoint_many, "[2001:db8::1]:443", true },
	{ opt_endpoint_many, "2001:db8::1", true },
	{ opt_endpoint_many, "hub:0", false },
	{ opt_endpoint_many, "hub:65536", false },
	{ opt_endpoint_many, "hub:", false }, { opt_endpoint_many, ":1", false },
	{ opt_endpoint_many, "[::1", false }, { opt_endpoint_many, "", false },
	{ opt_endpoint_many, "[::1]x", false },
	{ opt_endpoint_many, "[hub]:1", false },
	{ opt_endpoint_many, "-hub", false },
	{ opt_endpoint_many, "256.1.1.1", false },
	{ opt_endpoint_many, "hu b", false },
	{ opt_endpoint_many, "1:2:3", false },
	{ opt_listen_many, "203.0.113.10", true },
	{ opt_listen_many, "203.0.113.10:443", true },
	{ opt_listen_many, "hub.example.net", false },
	{ opt_listen_many, "203.0.113.256", false },
};

START_TEST(value_readers)
{
	static _Alignas(16) char field[sizeof(struct opt_endpoints)];
	static const char zero[sizeof(field)];
	const char *wanted;

	memset(field, 0, sizeof(field));
	wanted = values[_i].read(field, values[_i].text);
	ck_assert_msg(values[_i].good == !wanted, "%s", values[_i].text);
	if (wanted)
		ck_assert_mem_eq(field, zero, sizeof(field));
}
END_TEST

START_TEST(endpoint_parts)
{
	struct opt_endpoints e = { 0 };
	char longest[300];

	ck_assert_ptr_null(opt_endpoint_many(&e, "hub.example.net"));
	ck_assert_ptr_null(opt_endpoint_many(&e, "[2001:db8::1]:443"));
	ck_assert_ptr_null(opt_endpoint_many(&e, "192.0.2.1:7"));
	ck_assert_uint_eq(e.count, 3);
	ck_assert_str_eq(e.at[0].host, "hub.example.net");
	ck_assert_uint_eq(e.at[0].port, 6464);
	ck_assert(!e.at[0].has_port);
	ck_assert_str_eq(e.at[1].host, "2001:db8::1");
	ck_assert_uint_eq(e.at[1].port, 443);
	ck_assert(e.at[1].has_port);
	ck_assert_uint_eq(e.at[2].port, 7);
	memset(longest, 'a', sizeof(longest));
	for (size_t i = 63; i < sizeof(longest); i += 64)
		longest[i] = '.';
	longest[OPT_HOST_MAX] = 0;
	ck_assert_ptr_nonnull(opt_endpoint_many(&e, longest));
	longest[OPT_HOST_MAX - 1] = 0;
	ck_assert_ptr_null(opt_endpoint_many(&e, longest));
}
END_TEST

START_TEST(ports_parts)
{
	struct opt_ports p = { 0 };
	uint32_t mbit = 1;

	ck_assert_ptr_null(opt_ports(&p, "50000-59999"));
	ck_assert(p.lo == 50000 && p.hi == 59999);
	ck_assert_ptr_null(opt_bench(&mbit, "no"));
	ck_assert_uint_eq(mbit, 0);
}
END_TEST

START_TEST(similar)
{
	ck_assert(opts_similar("edgee", "edge"));
	ck_assert(opts_similar("egde", "edge"));
	ck_assert(opts_similar("statsu", "status"));
	ck_assert(opts_similar("carr", "carriers"));
	ck_assert(opts_similar("no-pbf", "no-bpf"));
	ck_assert(!opts_similar("frob", "edge"));
	ck_assert(!opts_similar("x", "hub"));
	ck_assert(!opts_similar("", "hub"));
}
END_TEST

/* Text that help and three shells can show: printable, not ended by a stop. */
static void check_text(const char *text)
{
	size_t len = strlen(text);

	ck_assert_uint_gt(len, 4);
	ck_assert_msg(islower((unsigned char)*text), "%s", text);
	ck_assert_msg(text[len - 1] != '.', "%s", text);
	for (const char *c = text; *c; c++)
		ck_assert_msg(isprint((unsigned char)*c), "%s", text);
}

START_TEST(tables_are_sane)
{
	const struct program *p = tables[_i];

	check_text(p->purpose);
	ck_assert_ptr_nonnull(p->examples);
	ck_assert(p->min <= p->max);
	ck_assert_int_eq(!p->max, !*p->operands);
	for (const struct opt *o = p->opts; o->name; o++) {
		check_text(o->help);
		ck_assert_msg(!o->arg == !o->parse, "%s", o->name);
		ck_assert_msg(!(o->many && o->preset), "%s", o->name);
		ck_assert_msg(!o->complete || o->arg, "%s", o->name);
		ck_assert_str_ne(o->name, "help");
		for (const struct opt *q = p->opts; q != o; q++) {
			ck_assert_str_ne(q->name, o->name);
			ck_assert(!o->letter || q->letter != o->letter);
		}
	}
}
END_TEST

/* Every example of --help is a line that the program understands. */
START_TEST(examples_are_true)
{
	static _Alignas(16) char config[64 * 1024];
	const struct program *p = tables[_i];
	char *text = strdup(p->examples), *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *argv[64];
		int argc = split(line, argv, 60);

		ck_assert_int_ge(argc, 2);
		ck_assert_str_eq(argv[0], "unmap");
		ck_assert_str_eq(argv[1], p->name);
		memset(config, 0, sizeof(config));
		opts_parse(p, config, argc - 1, argv + 1);
	}
	free(text);
}
END_TEST

static char *capture(void (*write)(const void *what, FILE *to),
		     const void *what)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	write(what, to);
	fclose(to);
	return text;
}

static void write_help(const void *p, FILE *to)
{
	opts_help(p, to);
}

START_TEST(help_is_whole)
{
	const struct program *p = _i < (int)TABLES ? tables[_i] : &demo_program;
	char *text = capture(write_help, p), word[64];

	for (const struct opt *o = p->opts; o->name; o++) {
		snprintf(word, sizeof(word), "--%s", o->name);
		ck_assert_msg(strstr(text, word) != NULL, "%s", word);
		if (o->arg)
			ck_assert(strstr(text, o->arg) != NULL);
	}
	ck_assert_ptr_nonnull(strstr(text, "--help"));
	ck_assert_ptr_nonnull(strstr(text, "Examples:"));
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		ck_assert_msg(strlen(line) <= 79, "%s", line);
	free(text);
}
END_TEST

static const struct command demo_subs[] = {
	{ &demo_program, NULL }, { &edge_program, NULL }, { NULL, NULL }
};
static const struct program demo_root = {
	.name = "", .purpose = "all", .operands = "", .subs = demo_subs,
};

static const char *const shells[] = { "bash", "zsh", "fish" };

static void write_completions(const void *shell, FILE *to)
{
	ck_assert(complete_write(&demo_root, shell, to));
}

START_TEST(completions_are_whole)
{
	char *text = capture(write_completions, shells[_i]), word[64];
	const char *dashes = _i == 2 ? "-l " : "--";

	for (const struct command *c = demo_subs; c->program; c++) {
		for (const struct opt *o = c->program->opts; o->name; o++) {
			snprintf(word, sizeof(word), "%s%s", dashes, o->name);
			ck_assert_msg(strstr(text, word) != NULL, "%s", word);
		}
		snprintf(word, sizeof(word), "unmap-%s", c->program->name);
		ck_assert_ptr_nonnull(strstr(text, word));
	}
	free(text);
}
END_TEST

START_TEST(no_such_shell)
{
	ck_assert(!complete_write(&demo_root, "csh", stderr));
}
END_TEST

#define COUNT(rows) ((int)(sizeof(rows) / sizeof(*(rows))))

int main(void)
{
	Suite *s = suite_create("opts");
	TCase *t = tcase_create("opts");
	SRunner *r;
	int failed;

	tcase_add_test(t, presets_and_operands);
	tcase_add_test(t, any_order);
	tcase_add_test(t, forms);
	tcase_add_loop_exit_test(t, wrong_line, EX_USAGE, 0, COUNT(wrong));
	tcase_add_loop_exit_test(t, help_exits_well, 0, 1, 2);
	tcase_add_loop_exit_test(t, help_exits_well, EX_USAGE, 0, 1);
	tcase_add_loop_test(t, value_readers, 0, COUNT(values));
	tcase_add_test(t, endpoint_parts);
	tcase_add_test(t, ports_parts);
	tcase_add_test(t, similar);
	tcase_add_loop_test(t, tables_are_sane, 0, TABLES);
	tcase_add_loop_test(t, examples_are_true, 0, TABLES);
	tcase_add_loop_test(t, help_is_whole, 0, TABLES + 1);
	tcase_add_loop_test(t, completions_are_whole, 0, COUNT(shells));
	tcase_add_test(t, no_such_shell);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
