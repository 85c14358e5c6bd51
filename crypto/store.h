/* SPDX-License-Identifier: MIT
 *
 * store.h - the directory of keygen: lock, whole files, index of what was issued
 */
#ifndef CRYPTO_STORE_H
#define CRYPTO_STORE_H

#include "crypto/bundle.h"

#define STORE_ERROR_MAX 512
#define STORE_INDEX_MAX (8u << 20)
#define STORE_NAME_MAX 64	/* of a file in the directory */

/** struct store_row - one certificate that was issued */
struct store_row {
	uint8_t serial[CERT_SERIAL_LEN];
	char name[CERT_NAME_MAX + 1];
	struct prefix6 prefix;
	bool has_ipv4;
	uint32_t ipv4;
	int64_t not_after;
};

/** struct store - an open directory; functions give a sysexits code and @err
 * @rows: in the order of issue, the newest of a name counts
 */
struct store {
	char dir[4096];
	int fd;
	struct store_row *rows;
	unsigned count;
	char *err;
};

enum store_how { STORE_NEW, STORE_REPLACE };

/** store_fail() - Set the sentence; gives @code */
__attribute__((format(printf, 3, 4)))
int store_fail(char *err, int code, const char *format, ...);
/** store_create() - A new directory under a name of its own for the time being
 * @dir: as it will be called; must not exist
 */
int store_create(struct store *s, const char *dir,
		 char err[static STORE_ERROR_MAX]);
/** store_publish() - Everything is in it: give it its real name, or clean up
 * @code: of what was done so far; not 0: remove it all. Gives the final code
 */
int store_publish(struct store *s, int code);
/** store_open() - Open, lock, finish what was interrupted, read the index
 * @will_write: lock against everybody, else against writers
 */
int store_open(struct store *s, const char *dir, bool will_write,
	       char err[static STORE_ERROR_MAX]);
void store_close(struct store *s);

/** store_read() - Read a file of the directory; its length, or -1 and errno */
long store_read(const struct store *s, const char *file, uint8_t *to,
		size_t cap);
/** store_has() - Is there a file of that name, of whatever kind? */
bool store_has(const struct store *s, const char *file);
/** store_write() - Write a whole file or nothing */
int store_write(struct store *s, const char *file, struct span text, int mode,
		enum store_how how);
/** store_issue() - Write NAME.pem and the row that tells of it, both or none */
int store_issue(struct store *s, const struct store_row *row, struct span text,
		enum store_how how);
/** store_index_init() - An empty index */
int store_index_init(struct store *s);
/** store_find() - Newest row of a name, or NULL */
const struct store_row *store_find(const struct store *s, const char *name);

/** hex_format() - Bytes to lower-case hex in @to (2 * @len + 1 bytes) */
const char *hex_format(const uint8_t *bytes, size_t len, char *to);

#endif
