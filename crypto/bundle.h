/* SPDX-License-Identifier: MIT
 *
 * bundle.h - one file that is all an edge or a hub has to be given
 */
#ifndef CRYPTO_BUNDLE_H
#define CRYPTO_BUNDLE_H

#include "crypto/cert.h"

#define BUNDLE_HUBS_MAX 8
#define BUNDLE_FILE_MAX 65536
#define BUNDLE_ERROR_MAX 256
#define BUNDLE_PORT 6464

/** struct hub_addr - where a hub is; @host is a name or an address */
struct hub_addr {
	char host[256];
	uint16_t port;
};

/** struct bundle - a bundle that was read, checked in itself
 * @id:	who its owner is, and when that ends
 * @cert: the owner's certificate, @ca: that of the CA, DER
 */
struct bundle {
	struct identity id;
	struct hub_addr hubs[BUNDLE_HUBS_MAX];
	unsigned hub_count;
	struct key key;
	uint8_t cert[CERT_MAX], ca[CERT_MAX];
	size_t cert_len, ca_len;
};

/** hub_addr_parse() - HOST, HOST:PORT, ADDR6, [ADDR6], [ADDR6]:PORT; port
 * BUNDLE_PORT if none; false if it is none of them
 */
bool hub_addr_parse(struct hub_addr *a, const char *text);
/** hub_addr_format() - Back to text, always with port; @to: HUB_ADDR_TEXT */
#define HUB_ADDR_TEXT 270
const char *hub_addr_format(const struct hub_addr *a, char *to);

/** bundle_load() - Read and check the bundle at @path
 *
 * On failure @err is a sentence that names the file and says what to do.
 */
bool bundle_load(struct bundle *b, const char *path,
		 char err[static BUNDLE_ERROR_MAX]);
/** bundle_read() - The same, but one that has expired is fine */
bool bundle_read(struct bundle *b, const char *path,
		 char err[static BUNDLE_ERROR_MAX]);
/** bundle_code() - Code of sysexits(3) for a sentence of these functions:
 * EX_NOINPUT if the file cannot be read, else EX_DATAERR
 */
int bundle_code(const char *err);
/** bundle_parse() - The same from memory; @path is for the sentence only */
bool bundle_parse(struct bundle *b, struct span text, const char *path,
		  char err[static BUNDLE_ERROR_MAX]);
/** bundle_is_hub() - The hub's? */
static inline bool bundle_is_hub(const struct bundle *b)
{
	return b->id.is_hub;
}
/** bundle_expect() - Refuse an edge's bundle given to the hub and the reverse */
bool bundle_expect(const struct bundle *b, bool is_hub, const char *path,
		   char err[static BUNDLE_ERROR_MAX]);
/** bundle_write() - Write it as text */
void bundle_write(struct writer *w, const struct bundle *b);
/** bundle_wipe() - Forget the key */
void bundle_wipe(struct bundle *b);

/** date_format() - "2046-11-23" in @to (DATE_TEXT bytes), UTC */
#define DATE_TEXT 24
const char *date_format(int64_t seconds, char *to);

/** file_read() - Read a file of at most @cap bytes into @to; -1 and errno, with
 * EFBIG if it is larger and EISDIR if it is a directory
 */
long file_read(int dir, const char *path, uint8_t *to, size_t cap);

#endif
