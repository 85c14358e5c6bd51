/* SPDX-License-Identifier: MIT
 *
 * benchwire.c - BENCH messages to bytes and back
 */
#include "cmd/benchwire.h"

size_t bench_write(uint8_t *to, const struct bench_note *n)
{
	struct writer w = writer_of(to, BENCH_BODY);

	write8(&w, BENCH_VERSION);
	write8(&w, n->type);
	write32(&w, n->id);
	if (n->type == BENCH_REFUSE)
		write8(&w, n->reason);
	if (n->type != BENCH_OFFER)
		return w.len;
	write_bytes(&w, n->token, sizeof(n->token));
	write_bytes(&w, n->self.b, sizeof(n->self.b));
	write16(&w, n->tcp6);
	write16(&w, n->udp6);
	write16(&w, n->tcp4);
	write16(&w, n->udp4);
	write32(&w, n->mbit);
	return w.len;
}

bool bench_read(struct bench_note *n, struct span body)
{
	struct reader r = reader_of(body);
	uint8_t version = read8(&r);

	memset(n, 0, sizeof(*n));
	n->type = read8(&r);
	n->id = read32(&r);
	if (n->type == BENCH_REFUSE)
		n->reason = read8(&r);
	if (n->type == BENCH_OFFER) {
		read_into(&r, n->token, sizeof(n->token));
		read_into(&r, n->self.b, sizeof(n->self.b));
		n->tcp6 = read16(&r);
		n->udp6 = read16(&r);
		n->tcp4 = read16(&r);
		n->udp4 = read16(&r);
		n->mbit = read32(&r);
	}
	return !r.bad && version >= BENCH_VERSION;
}

bool bench_token_eq(const uint8_t *a, const uint8_t *b)
{
	uint8_t differ = 0;

	for (int i = 0; i < BENCH_TOKEN; i++)
		differ |= a[i] ^ b[i];
	return !differ;
}
