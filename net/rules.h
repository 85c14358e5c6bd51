/* SPDX-License-Identifier: MIT
 *
 * rules.h - capture by policy rules, where there is no BPF
 */
#ifndef NET_RULES_H
#define NET_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** struct rules_conf - as struct capture_conf; @uplink is the name */
struct rules_conf {
	const char *uplink;
	int outer;
	uint32_t addr;
	uint16_t lo, hi, peer_lo, peer_hi;
	bool is_edge;
	const uint32_t *peer;
	size_t peers;
};

/** rules_add() - Send what is for our ports to the outer TUN: rules before the
 * local table, and a table with a default route. 0 or negative errno
 */
int rules_add(const struct rules_conf *c);
/** rules_change() - Add or remove the rules of one address or peer */
int rules_change(const struct rules_conf *c, bool add);
/** rules_remove() - Take back the rules to @outer, and put the local table's
 * rule back to the front if nobody else needs it where it is
 */
void rules_remove(int outer);
/** rules_sweep() - Take back what killed processes left (it does no harm) */
void rules_sweep(void);

#endif
