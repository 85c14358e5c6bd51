/* SPDX-License-Identifier: MIT
 *
 * relayq.h - the queue in front of a relay connection
 *
 * Design section 5: fair per session (deficit round robin over hashed flows),
 * small and first packets of a flow first, drop by sojourn time (CoDel, RFC
 * 8289: target and interval fit for a TCP in the path), bounded in bytes; when
 * full the head of the longest flow is dropped. Copies what it takes. Memory
 * by the caller.
 */
#ifndef CORE_RELAYQ_H
#define CORE_RELAYQ_H

#include "core/bytes.h"
#include "core/wheel.h"

struct relayq;	/* opaque: relayq_bytes() of caller's memory */

/** relayq_bytes() - Memory for a queue that holds @cap bytes of packets */
size_t relayq_bytes(size_t cap);
/** relayq_init() - @memory: relayq_bytes(@cap) bytes, aligned as by malloc() */
struct relayq *relayq_init(void *memory, size_t cap);
/** relayq_put() - Queue a packet (@head then @body) of @flow (a hash); what had
 * to be dropped for it is counted. Packets over 2048 bytes are refused
 */
void relayq_put(struct relayq *q, uint32_t flow, struct span head,
		struct span body, msec now);
/** relayq_get() - Next packet to send; its bytes are good until the next call
 * of any relayq function. at NULL: empty
 */
struct span relayq_get(struct relayq *q, msec now);
size_t relayq_len(const struct relayq *q);
/** relayq_drops() - Packets dropped so far */
uint64_t relayq_drops(const struct relayq *q);

#endif
