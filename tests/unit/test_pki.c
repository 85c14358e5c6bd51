/* SPDX-License-Identifier: MIT
 *
 * test_pki.c - keygen's directory: what is handed out, and interruptions
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "crypto/pki.h"
#include "crypto/store.h"
#include "tests/unit/pki_fixture.h"

static char top[64], dir[80], err[PKI_ERROR_MAX];
static struct prefix6 got;

static void setup(void)
{
	snprintf(top, sizeof(top), "/tmp/unmap-test-pki" FIXTURE_TEMP);
	ck_assert_ptr_nonnull(mkdtemp(top));
	snprintf(dir, sizeof(dir), "%s/pki", top);
	err[0] = '\0';
}

static void teardown(void)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf %s", top);
	ck_assert_int_eq(system(command), 0);
}

static int init(const char *prefix)
{
	struct pki_hub plan = { .dir = dir, .hub_count = 1, .days = 10 };

	ck_assert(hub_addr_parse(&plan.hubs[0], "hub.example.net"));
	fixture_prefix(&plan.prefix, prefix);
	return pki_init(&plan, err);
}

static int edge(const char *name, const char *prefix)
{
	struct pki_edge plan = { .dir = dir, .name = name, .days = 10 };

	plan.has_prefix = prefix != NULL;
	if (prefix)
		fixture_prefix(&plan.prefix, prefix);
	return pki_make_edge(&plan, &got, err);
}

/* It is made, and gets @want */
static void edge_gets(const char *name, const char *prefix, const char *want)
{
	char text[PREFIX6_TEXT];
	int code = edge(name, prefix);

	ck_assert_msg(code == 0, "%s: %s", name, err);
	ck_assert_str_eq(prefix6_format(&got, text), want);
}

static void edge_refused(const char *name, const char *prefix, int code,
			 const char *words)
{
	int got_code = edge(name, prefix);

	ck_assert_msg(got_code == code, "%s: %d", name, got_code);
	ck_assert_msg(strstr(err, words), "says: %s", err);
	ck_assert_ptr_null(strchr(err, '\n'));
}

static const char *in_dir(const char *file)
{
	static char path[2][160];
	static unsigned turn;

	turn ^= 1;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", dir, file);
	return path[turn];
}

static unsigned mode_of(const char *path)
{
	struct stat st;

	ck_assert_msg(!stat(path, &st), "%s", path);
	return st.st_mode & 07777;
}

START_TEST(files_and_modes)
{
	static const struct { const char *name; unsigned mode; } files[] = {
		{ "ca.key", 0600 }, { "ca.crt", 0644 }, { "hub.pem", 0600 },
		{ "revoked", 0644 }, { "index", 0600 }, { "alice.pem", 0600 },
	};
	unsigned i;

	umask(0);
	ck_assert_msg(!init("2001:db8:100::/48"), "%s", err);
	edge_gets("alice", NULL, "2001:db8:100:1::/64");
	ck_assert_uint_eq(mode_of(dir), 0700);
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		ck_assert_uint_eq(mode_of(in_dir(files[i].name)),
				  files[i].mode);
}
END_TEST

START_TEST(prefixes_in_order)
{
	ck_assert(!init("2001:db8:100::/48"));
	edge_gets("a", NULL, "2001:db8:100:1::/64");
	edge_gets("b", "2001:db8:100:2::/63", "2001:db8:100:2::/63");
	edge_gets("c", NULL, "2001:db8:100:4::/64");
	edge_gets("d", "2001:db8:100:ff00::/56", "2001:db8:100:ff00::/56");
	edge_gets("e", "2001:db8:100:6::/64", "2001:db8:100:6::/64");
	edge_gets("f", NULL, "2001:db8:100:5::/64");
	edge_gets("g", NULL, "2001:db8:100:7::/64");
}
END_TEST

START_TEST(prefixes_refused)
{
	ck_assert(!init("2001:db8:100::/48"));
	edge_gets("a", "2001:db8:100:10::/60", "2001:db8:100:10::/60");
	edge_refused("b", "2001:db8:100:1f::/64", EX_USAGE,
		     "overlaps 2001:db8:100:10::/60 of a");
	edge_refused("b", "2001:db8:100::/52", EX_USAGE, "holds subnet 0");
	edge_refused("b", "2001:db8:100:8000::/49", EX_OK, "");
	edge_refused("c", "2001:db8:100:a000::/51", EX_USAGE, "overlaps");
	edge_refused("c", "2001:db8:100::/64", EX_USAGE, "holds subnet 0");
	edge_refused("c", "2001:db8:100::/48", EX_USAGE, "holds subnet 0");
	edge_refused("c", "2001:db8:101:1::/64", EX_USAGE,
		     "not inside the hub's 2001:db8:100::/48");
	edge_refused("c", "2001:db8::/32", EX_USAGE, "not inside");
	edge_refused("c", "2001:db8:100:1:8000::/65", EX_USAGE,
		     "longer than /64");
}
END_TEST

START_TEST(prefixes_run_out)
{
	ck_assert(!init("2001:db8:100::/62"));
	edge_gets("a", NULL, "2001:db8:100:1::/64");
	edge_gets("b", NULL, "2001:db8:100:2::/64");
	edge_gets("c", NULL, "2001:db8:100:3::/64");
	edge_refused("d", NULL, EX_UNAVAILABLE, "no free /64 is left");
	/* A revoked one's is free only for who asks for it. */
	ck_assert(!pki_revoke(dir, "b", err));
	edge_refused("d", NULL, EX_UNAVAILABLE, "no free /64 is left");
	edge_gets("d", "2001:db8:100:2::/64", "2001:db8:100:2::/64");
	edge_refused("e", "2001:db8:100:2::/64", EX_USAGE, "of d");
}
END_TEST

START_TEST(hub_prefixes_refused)
{
	ck_assert_int_eq(init("2001:db8:100::/64"), EX_USAGE);
	ck_assert_msg(strstr(err, "no room for edges"), "says: %s", err);
	ck_assert_int_eq(init("2000::/8"), EX_USAGE);
	ck_assert_int_eq(init("ff00::/32"), EX_USAGE);
	ck_assert_msg(strstr(err, "not unicast"), "says: %s", err);
	ck_assert_int_eq(access(dir, F_OK), -1);
}
END_TEST

START_TEST(never_overwrites)
{
	struct bundle b;
	int fd;

	ck_assert(!init("2001:db8:100::/48"));
	ck_assert_int_eq(init("2001:db8:100::/48"), EX_CANTCREAT);
	ck_assert_msg(strstr(err, "exists already"), "says: %s", err);
	edge_gets("a", NULL, "2001:db8:100:1::/64");
	edge_refused("a", NULL, EX_CANTCREAT, "a exists already");
	/* Moved away is not free. */
	ck_assert(!rename(in_dir("a.pem"), in_dir("elsewhere")));
	edge_refused("a", NULL, EX_CANTCREAT, "a exists already");
	edge_gets("b", NULL, "2001:db8:100:2::/64");
	/* A file of somebody else stays, and nothing is handed out. */
	fd = open(in_dir("c.pem"), O_CREAT | O_WRONLY, 0644);
	ck_assert_int_eq(write(fd, "mine", 4), 4);
	close(fd);
	edge_refused("c", NULL, EX_CANTCREAT, "c.pem exists already");
	ck_assert_uint_eq(mode_of(in_dir("c.pem")), 0644);
	edge_gets("d", NULL, "2001:db8:100:3::/64");
	ck_assert(bundle_read(&b, in_dir("elsewhere"), err));
	edge_refused("hub", NULL, EX_USAGE, "taken by DIR itself");
	edge_refused("ca", NULL, EX_USAGE, "taken by DIR itself");
	edge_refused("../a", NULL, EX_USAGE, "NAME: ");
}
END_TEST

START_TEST(renewing)
{
	static struct bundle before, after;
	int64_t end;

	ck_assert(!init("2001:db8:100::/48"));
	edge_gets("a", NULL, "2001:db8:100:1::/64");
	ck_assert(bundle_load(&before, in_dir("a.pem"), err));
	ck_assert(!pki_renew(dir, "a", 100, &end, err));
	ck_assert(bundle_load(&after, in_dir("a.pem"), err));
	ck_assert_mem_eq(&before.key, &after.key, sizeof(before.key));
	ck_assert(!memcmp(&before.id.prefix, &after.id.prefix,
			  sizeof(before.id.prefix)));
	ck_assert_mem_ne(before.id.serial, after.id.serial, CERT_SERIAL_LEN);
	ck_assert_int_eq(after.id.not_after, end);
	ck_assert_int_ge(after.id.not_after,
			 before.id.not_after + 90 * 86400 - 5);
	ck_assert_uint_eq(mode_of(in_dir("a.pem")), 0600);
	ck_assert_int_eq(pki_renew(dir, "b", 100, &end, err), EX_USAGE);
	ck_assert(!pki_renew(dir, "hub", 100, &end, err));
	ck_assert(bundle_load(&after, in_dir("hub.pem"), err));
	ck_assert(after.id.is_hub);
}
END_TEST

START_TEST(revoking)
{
	static struct bundle old, new, other;
	static struct revoked list;
	struct span ca;
	int64_t end;

	ck_assert(!init("2001:db8:100::/48"));
	edge_gets("a", NULL, "2001:db8:100:1::/64");
	edge_gets("b", NULL, "2001:db8:100:2::/64");
	ck_assert(bundle_load(&old, in_dir("a.pem"), err));
	ck_assert(!pki_renew(dir, "a", 100, &end, err));
	ck_assert(bundle_load(&new, in_dir("a.pem"), err));
	ck_assert(bundle_load(&other, in_dir("b.pem"), err));
	ca = (struct span){ other.ca, other.ca_len };
	ck_assert(revoked_load(&list, in_dir("revoked"), ca, err));
	ck_assert_uint_eq(list.count, 0);

	ck_assert(!pki_revoke(dir, "a", err));
	ck_assert(revoked_load(&list, in_dir("revoked"), ca, err));
	ck_assert_uint_eq(list.count, 2);
	ck_assert(revoked_has(&list, &old.id));
	ck_assert(revoked_has(&list, &new.id));
	ck_assert(!revoked_has(&list, &other.id));

	ck_assert(!pki_revoke(dir, "a", err));	/* again is fine */
	ck_assert(!pki_revoke(dir, "b", err));
	ck_assert(revoked_load(&list, in_dir("revoked"), ca, err));
	ck_assert_uint_eq(list.count, 3);

	ck_assert_int_eq(pki_renew(dir, "a", 10, &end, err), EX_USAGE);
	ck_assert_msg(strstr(err, "a is revoked"), "says: %s", err);
	edge_refused("a", NULL, EX_CANTCREAT, "a is revoked");
	ck_assert_int_eq(pki_revoke(dir, "hub", err), EX_USAGE);
	ck_assert_int_eq(pki_revoke(dir, "nobody", err), EX_USAGE);
}
END_TEST

/* A list that somebody altered is not signed anew. */
START_TEST(revoking_on_a_forged_list)
{
	int fd;

	ck_assert(!init("2001:db8:100::/48"));
	edge_gets("a", NULL, "2001:db8:100:1::/64");
	fd = open(in_dir("revoked"), O_WRONLY | O_TRUNC);
	close(fd);
	ck_assert_int_eq(pki_revoke(dir, "a", err), EX_DATAERR);
	ck_assert_msg(strstr(err, "revoked: truncated"), "says: %s", err);
}
END_TEST

static unsigned rows_seen;

static void see_row(void *to, const struct pki_row *r)
{
	const char *const *want = to;

	ck_assert_str_eq(r->name, want[rows_seen]);
	ck_assert(r->is_revoked == !strcmp(r->name, "a"));
	ck_assert(!r->is_expired);
	rows_seen++;
}

START_TEST(listing)
{
	static const char *want[] = { "hub", "a", "b" };
	int64_t end;

	ck_assert(!init("2001:db8:100::/48"));
	edge_gets("a", NULL, "2001:db8:100:1::/64");
	edge_gets("b", NULL, "2001:db8:100:2::/64");
	ck_assert(!pki_renew(dir, "hub", 10, &end, err));
	ck_assert(!pki_revoke(dir, "a", err));
	rows_seen = 0;
	ck_assert_msg(!pki_list(dir, see_row, want, err), "%s", err);
	ck_assert_uint_eq(rows_seen, 3);
	ck_assert_int_eq(pki_list(top, see_row, want, err), EX_NOINPUT);
	ck_assert_int_eq(pki_list("/nonexistent", see_row, want, err),
			 EX_NOINPUT);
}
END_TEST

/* ---- interruptions ------------------------------------------------------- */

static void copy_file(const char *from, const char *to)
{
	static uint8_t bytes[BUNDLE_FILE_MAX];
	long len = file_read(AT_FDCWD, from, bytes, sizeof(bytes));
	int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert(len >= 0 && fd >= 0);
	ck_assert_int_eq(write(fd, bytes, (size_t)len), len);
	close(fd);
}

/* Stopped after the index and before NAME.pem: finished by the next one */
START_TEST(stopped_before_the_name)
{
	struct bundle b;

	ck_assert(!init("2001:db8:100::/48"));
	edge_gets("a", NULL, "2001:db8:100:1::/64");
	ck_assert(!rename(in_dir("a.pem"), in_dir(".new-a.pem")));
	edge_gets("b", NULL, "2001:db8:100:2::/64");
	ck_assert(bundle_load(&b, in_dir("a.pem"), err));
	ck_assert_int_eq(access(in_dir(".new-a.pem"), F_OK), -1);
}
END_TEST

/* Stopped before the index: as if it had not been, and the name is free */
START_TEST(stopped_before_the_index)
{
	ck_assert(!init("2001:db8:100::/48"));
	copy_file(in_dir("index"), in_dir("before"));
	edge_gets("a", NULL, "2001:db8:100:1::/64");
	ck_assert(!rename(in_dir("a.pem"), in_dir(".new-a.pem")));
	ck_assert(!rename(in_dir("before"), in_dir("index")));
	edge_gets("a", NULL, "2001:db8:100:1::/64");
	ck_assert_int_eq(access(in_dir(".new-a.pem"), F_OK), -1);
}
END_TEST

/* The same, but somebody put another file there: it stays. */
START_TEST(stopped_and_taken)
{
	ck_assert(!init("2001:db8:100::/48"));
	edge_gets("a", NULL, "2001:db8:100:1::/64");
	ck_assert(!rename(in_dir("a.pem"), in_dir(".new-a.pem")));
	copy_file(in_dir("ca.crt"), in_dir("a.pem"));
	edge_gets("b", NULL, "2001:db8:100:2::/64");
	ck_assert(!bundle_read(&(struct bundle){ .hub_count = 0 },
			       in_dir("a.pem"), err));
	ck_assert_int_eq(access(in_dir(".new-a.pem"), F_OK), -1);
}
END_TEST

/* Stopped while renewing: the newer one takes the older one's place. */
START_TEST(stopped_while_renewing)
{
	struct bundle old, new;
	int64_t end;

	ck_assert(!init("2001:db8:100::/48"));
	edge_gets("a", NULL, "2001:db8:100:1::/64");
	copy_file(in_dir("a.pem"), in_dir("old"));
	ck_assert(!pki_renew(dir, "a", 100, &end, err));
	ck_assert(!rename(in_dir("a.pem"), in_dir(".new-a.pem")));
	ck_assert(!rename(in_dir("old"), in_dir("a.pem")));
	ck_assert(bundle_load(&old, in_dir("a.pem"), err));
	edge_gets("b", NULL, "2001:db8:100:2::/64");
	ck_assert(bundle_load(&new, in_dir("a.pem"), err));
	ck_assert_int_eq(new.id.not_after, end);
	ck_assert_int_lt(old.id.not_after, end);
}
END_TEST

/* Half a file under a temporary name is nobody's */
START_TEST(stopped_in_a_file)
{
	int fd;

	ck_assert(!init("2001:db8:100::/48"));
	fd = open(in_dir(".new-a.pem"), O_CREAT | O_WRONLY, 0600);
	ck_assert_int_eq(write(fd, "-----BEGIN", 10), 10);
	close(fd);
	copy_file(in_dir("index"), in_dir(".tmp-index"));
	edge_gets("a", NULL, "2001:db8:100:1::/64");
	ck_assert_int_eq(access(in_dir(".new-a.pem"), F_OK), -1);
	ck_assert_int_eq(access(in_dir(".tmp-index"), F_OK), -1);
}
END_TEST

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

#define KILLS 150	/* fewer than subnets in the prefix's last byte */

/* Killed at moments spread over the whole run: what is there is whole, each
 * prefix is given once, and none that was given is forgotten.
 */
START_TEST(killed_at_any_moment)
{
	bool seen[256] = { false };
	char name[24];
	struct bundle b;
	double one;
	int i, made = 0;
	pid_t child;

	ck_assert(!init("2001:db8:100::/48"));
	one = seconds();
	ck_assert(!edge("warm", NULL));
	one = (seconds() - one) * 2;
	for (i = 0; i < KILLS; i++) {
		snprintf(name, sizeof(name), "e%d", i);
		child = fork();
		if (!child)
			_exit(edge(name, NULL));
		usleep((useconds_t)(one * 1e6 * i / KILLS));
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	ck_assert_msg(!edge("last", NULL), "%s", err);
	for (i = 0; i < KILLS; i++) {
		snprintf(name, sizeof(name), "e%d.pem", i);
		if (access(in_dir(name), F_OK))
			continue;
		ck_assert_msg(bundle_load(&b, in_dir(name), err), "%s", err);
		ck_assert_msg(!seen[b.id.prefix.addr.b[7]], "%s: given twice",
			      name);
		seen[b.id.prefix.addr.b[7]] = true;
		made++;
	}
	ck_assert_int_eq(got.addr.b[7], made + 2);	/* no gap */
	ck_assert_msg(made > 0 && made < KILLS, "%d made: not spread", made);
}
END_TEST

/* Several at once: every one gets a prefix, none the same */
START_TEST(several_at_once)
{
	bool seen[10] = { false };
	struct bundle b;
	char name[24];
	int i, status;

	ck_assert(!init("2001:db8:100::/48"));
	for (i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "e%d", i);
		if (!fork())
			_exit(edge(name, NULL));
	}
	for (i = 0; i < 8; i++) {
		ck_assert_int_gt(wait(&status), 0);
		ck_assert_int_eq(status, 0);
	}
	for (i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "e%d.pem", i);
		ck_assert(bundle_load(&b, in_dir(name), err));
		ck_assert(b.id.prefix.addr.b[7] >= 1 &&
			  b.id.prefix.addr.b[7] <= 8);
		ck_assert(!seen[b.id.prefix.addr.b[7]]);
		seen[b.id.prefix.addr.b[7]] = true;
	}
}
END_TEST

START_TEST(damaged_directory)
{
	ck_assert(!init("2001:db8:100::/48"));
	ck_assert(!truncate(in_dir("index"), 30));
	edge_refused("a", NULL, EX_DATAERR, "index is truncated");
	ck_assert(!unlink(in_dir("index")));
	edge_refused("a", NULL, EX_NOINPUT, "not made by `unmap keygen init`");
}
END_TEST

START_TEST(key_kept_elsewhere)
{
	ck_assert(!init("2001:db8:100::/48"));
	ck_assert(!unlink(in_dir("ca.key")));
	edge_refused("a", NULL, EX_NOINPUT, "ca.key: No such file");
	ck_assert_int_eq(access(in_dir("a.pem"), F_OK), -1);
}
END_TEST

START_TEST(ipv4_addresses)
{
	struct pki_edge plan = { .dir = dir, .name = "a", .days = 10,
				 .has_ipv4 = true, .ipv4 = 0xc633644d };
	struct bundle b;

	ck_assert(!init("2001:db8:100::/48"));
	ck_assert(!pki_make_edge(&plan, &got, err));
	ck_assert(bundle_load(&b, in_dir("a.pem"), err));
	ck_assert(b.id.has_ipv4);
	ck_assert_uint_eq(b.id.ipv4, 0xc633644d);
	ck_assert_uint_eq(b.id.ipv4_len, 32);
	plan.name = "b";
	ck_assert_int_eq(pki_make_edge(&plan, &got, err), EX_USAGE);
	ck_assert_msg(strstr(err, "198.51.100.77: is a's already"), "says: %s",
		      err);
	plan.ipv4 = 0x7f000001;
	ck_assert_int_eq(pki_make_edge(&plan, &got, err), EX_USAGE);
	plan.ipv4 = 0xe0000001;
	ck_assert_int_eq(pki_make_edge(&plan, &got, err), EX_USAGE);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pki");
	TCase *t = tcase_create("pki");

	tcase_set_timeout(t, 100);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, files_and_modes);
	tcase_add_test(t, prefixes_in_order);
	tcase_add_test(t, prefixes_refused);
	tcase_add_test(t, prefixes_run_out);
	tcase_add_test(t, hub_prefixes_refused);
	tcase_add_test(t, never_overwrites);
	tcase_add_test(t, renewing);
	tcase_add_test(t, revoking);
	tcase_add_test(t, revoking_on_a_forged_list);
	tcase_add_test(t, listing);
	tcase_add_test(t, stopped_before_the_name);
	tcase_add_test(t, stopped_before_the_index);
	tcase_add_test(t, stopped_and_taken);
	tcase_add_test(t, stopped_while_renewing);
	tcase_add_test(t, stopped_in_a_file);
	tcase_add_test(t, killed_at_any_moment);
	tcase_add_test(t, several_at_once);
	tcase_add_test(t, damaged_directory);
	tcase_add_test(t, key_kept_elsewhere);
	tcase_add_test(t, ipv4_addresses);
	suite_add_tcase(s, t);
	return fixture_run(s);
}
