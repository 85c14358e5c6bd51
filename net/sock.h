/* SPDX-License-Identifier: MIT
 *
 * sock.h - the shared carrier's UDP socket, and TCP sockets for control and
 * relay (design sections 3.1, 5 and 7)
 */
#ifndef NET_SOCK_H
#define NET_SOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/bytes.h"

/* One recvmmsg() fills UDP_SLOTS buffers; each may hold a train that the
 * kernel joined from at most UDP_TRAIN datagrams.
 */
enum { UDP_SLOTS = 8, UDP_SLOT_BYTES = 65536, UDP_TRAIN = 64 };
enum { UDP_BATCH = UDP_SLOTS * UDP_TRAIN };
#define UDP_BATCH_BYTES ((size_t)UDP_SLOTS * UDP_SLOT_BYTES)

/** struct datagram - one UDP datagram, to send or received
 * @from: received: who sent it
 * @to: to send: where it goes
 * @local: our address: received: the one it was sent to; to send: the one it
 *	leaves from (0: the kernel chooses)
 * @tos: DSCP << 2 | ECN of the IP header
 * @head, @body: the payload in two pieces; received: all of it in @body
 * @gso_size: to send: 0, or the payload is a train and every so many bytes of
 *	it are a datagram (no @head then, at most UDP_TRAIN of them)
 */
struct datagram {
	struct taddr4 from, to;
	uint32_t local;
	uint8_t tos;
	struct span head, body;
	uint16_t gso_size;
};

/** struct udp - a socket and what the kernel does for it
 * @gso: it cuts trains (UDP_SEGMENT, 4.18); cleared when a device refuses,
 *	until udp_retry()
 * @gro: it joins trains (UDP_GRO, 5.0)
 * @refused: datagrams that could not be sent and are lost (too big for the
 *	device, no route, refused by a firewall)
 * @last_error: errno of the last of them, positive
 */
struct udp {
	int fd;
	bool gso, gro;
	uint64_t refused;
	int last_error;
};

/** struct udp_batch - what one udp_recv() gave
 * @buf: UDP_BATCH_BYTES of the caller's; the datagrams point into it
 * @d, @count: the datagrams, in the order of arrival
 * @more: every slot was filled, so more may wait
 * @lost: datagrams too long or too many to be given, all calls together
 */
struct udp_batch {
	uint8_t *buf;
	struct datagram d[UDP_BATCH];
	size_t count;
	bool more;
	uint64_t lost;
};

/** struct udp_conf - what to open
 * @at: address and port to bind; 0: any
 * @ifindex: only this interface (0: all)
 * @buffer: bytes of send and receive buffer wished for (0: 4 MiB)
 */
struct udp_conf {
	struct taddr4 at;
	int ifindex;
	int buffer;
};

/** udp_open() - Open and bind a nonblocking socket for the shared carrier
 *
 * DF is set on all it sends and the kernel's path MTU is not used: sizes are
 * core's affair. Tells the TOS and the local address of each datagram.
 * Return: 0, or negative errno (EADDRINUSE, EADDRNOTAVAIL)
 */
int udp_open(struct udp *u, const struct udp_conf *c);
void udp_close(struct udp *u);
/** udp_retry() - It sends by another device now, which may cut trains */
void udp_retry(struct udp *u);
/** udp_recv() - Take what has arrived, up to UDP_SLOTS trains
 *
 * Return: b->count, 0 if there is nothing, negative errno
 */
int udp_recv(struct udp *u, struct udp_batch *b);
/** udp_send() - Send @n datagrams in order
 *
 * Neighbours of equal size, destination, local address and TOS leave as one
 * train (the last of a train may be shorter). A datagram that the kernel
 * refuses is lost and counted, and the rest goes on.
 * Return: how many are done with; fewer than @n: the socket is full, wait
 * until it is writable; negative errno: the socket is broken
 */
int udp_send(struct udp *u, const struct datagram *d, size_t n);

/** tcp_connect() - Start connecting; writable when done, then sock_error()
 * @ifindex: by this interface (0: any)
 * Return: nonblocking descriptor, or negative errno
 */
int tcp_connect(struct taddr4 to, int ifindex);
/** tcp_listen() - Nonblocking listener with SO_REUSEADDR */
int tcp_listen(struct taddr4 at, int backlog);
/** tcp_accept() - Next connection: nonblocking descriptor and its peer, or
 * negative errno (EAGAIN: none waits). A connection that was already reset
 * counts as none
 */
int tcp_accept(int fd, struct taddr4 *peer);
/** tcp_tune() - TCP_NODELAY; give up after @timeout_ms without an
 * acknowledgement (0: the kernel's 15 minutes); keep at most @lowat bytes
 * unsent in the kernel (0: no limit). Return: 0 or negative errno
 */
int tcp_tune(int fd, unsigned timeout_ms, unsigned lowat);
/** sock_error() - Take the pending error: 0 or negative errno */
int sock_error(int fd);
/** sock_local() - Our end: address and port */
int sock_local(int fd, struct taddr4 *t);
/** sock_peer() - The other end; -ENOTCONN while not connected */
int sock_peer(int fd, struct taddr4 *t);
/** sock_source() - The address we would send from to @to (asks the routing
 * table, sends nothing). Return: 0 or negative errno (ENETUNREACH: no route)
 */
int sock_source(struct taddr4 to, uint32_t *addr);

#endif
