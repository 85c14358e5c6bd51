/* SPDX-License-Identifier: MIT
 *
 * proof.c - who sent an explicit packet or a punch (design 3.1)
 *
 * Theory of operation
 * ===================
 * Both carry a counter and a MAC under a key of the control connection.
 * prove() is the one place where such a packet is believed: number, length and
 * counter before the MAC, so a flood costs little, and the window of counters
 * moves only after it, so a forged packet moves nothing. The key of the former
 * connection stays good until the first packet under the new one. Direction,
 * protocol, port and carrier are under the MAC too: nothing can be reflected or
 * moved to another carrier.
 */
#include "core/state.h"

struct proof proof_of(enum dir dir, const struct carrier *own)
{
	struct proof p = { dir, PROTO_UDP, 0, 0 };

	if (own) {
		p.hport = own->hport;
		p.carrier = own->name;
	}
	return p;
}

static uint64_t mac_of(const struct siphash_key *k, const struct proof *p,
		       uint64_t counter, struct span covered)
{
	uint8_t in[WIRE_MAC_INPUT];

	if (covered.len > WIRE_MACED)
		covered.len = WIRE_MACED;
	in[0] = (uint8_t)p->dir;
	in[1] = p->proto;
	put16(in + 2, p->hport);
	put32(in + 4, p->carrier);
	put64(in + 8, counter);
	memcpy(in + 16, covered.at, covered.len);
	return siphash24(k, in, 16 + covered.len);
}

static bool window_fresh(const struct window *w, uint64_t counter)
{
	if (counter > w->top)
		return true;
	return counter && w->top - counter < 64 &&
	       !(w->bits >> (w->top - counter) & 1);
}

static void window_note(struct window *w, uint64_t counter)
{
	if (counter > w->top) {
		uint64_t by = counter - w->top;

		w->bits = by < 64 ? w->bits << by | 1 : 1;
		w->top = counter;
	} else {
		w->bits |= (uint64_t)1 << (w->top - counter);
	}
}

/* Believe that @in comes from the other end of @l. The only place. */
enum drop prove(struct link *l, struct span in, const struct proof *p,
		       uint64_t *counter)
{
	struct keys *k = &l->rx;
	struct span covered = { in.at + WIRE_PROVEN, in.len - WIRE_PROVEN };
	uint64_t mac = get64(in.at + WIRE_MAC_AT);

	*counter = get64(in.at + WIRE_TAG);
	if (k->has_now && window_fresh(&k->seen, *counter) &&
	    mac_of(&k->now, p, *counter, covered) == mac) {
		window_note(&k->seen, *counter);
		k->has_before = false;
		return DROP_NONE;
	}
	if (k->has_before && window_fresh(&k->seen_before, *counter) &&
	    mac_of(&k->before, p, *counter, covered) == mac) {
		window_note(&k->seen_before, *counter);
		return DROP_NONE;
	}
	return k->has_now && !window_fresh(&k->seen, *counter) ? DROP_REPLAY :
	       DROP_MAC;
}

/* Tag, counter and MAC before what stands at @at + WIRE_PROVEN already. */
void write_proof(struct link *l, uint8_t *at, uint32_t kind,
		 const struct proof *p, size_t covered)
{
	uint64_t counter = ++l->tx_counter;

	put32(at, kind << TAG_KIND_SHIFT | l->peer_number);
	put64(at + WIRE_TAG, counter);
	put64(at + WIRE_MAC_AT, mac_of(&l->tx_key, p, counter,
		(struct span){ at + WIRE_PROVEN, covered }));
}

size_t punch_write(struct engine *e, struct link *l, struct writer *w,
		   const struct punch *p, const struct carrier *own)
{
	struct proof proof = proof_of(dir_sent(e), own);
	uint8_t *at = write_room(w, WIRE_PUNCH);

	if (!at)
		return 0;
	at[WIRE_PROVEN] = p->type;
	put32(at + WIRE_PROVEN + 1, p->carrier);
	put64(at + WIRE_PROVEN + 5, p->nonce);
	put32(at + WIRE_PROVEN + 13, p->addr.addr);
	put16(at + WIRE_PROVEN + 17, p->addr.port);
	put16(at + WIRE_PROVEN + 19, p->size);
	write_proof(l, at, TAG_PUNCH, &proof, WIRE_PUNCH - WIRE_PROVEN);
	return WIRE_PUNCH;
}

bool is_punch(struct span payload, uint32_t number)
{
	return payload.len >= WIRE_TAG &&
	       get32(payload.at) ==
	       ((uint32_t)TAG_PUNCH << TAG_KIND_SHIFT | number);
}

uint32_t punch_carrier(struct span in)
{
	return get32(in.at + WIRE_PROVEN + 1);
}

enum drop punch_read(struct engine *e, struct link *l, struct span in,
		     const struct carrier *own, struct punch *p,
		     uint64_t *counter)
{
	struct proof proof = proof_of(dir_received(e), own);
	enum drop bad;

	if (in.len < WIRE_PUNCH)
		return DROP_SHORT;
	/* padding is not covered: a punch is proved by its own fields */
	in.len = WIRE_PUNCH;
	bad = prove(l, in, &proof, counter);
	if (bad)
		return bad;
	p->type = in.at[WIRE_PROVEN];
	p->carrier = punch_carrier(in);
	p->nonce = get64(in.at + WIRE_PROVEN + 5);
	p->addr.addr = get32(in.at + WIRE_PROVEN + 13);
	p->addr.port = get16(in.at + WIRE_PROVEN + 17);
	p->size = get16(in.at + WIRE_PROVEN + 19);
	return p->type && p->type < PUNCH_COUNT ? DROP_NONE : DROP_TAG;
}
