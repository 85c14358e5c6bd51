/* SPDX-License-Identifier: MIT
 *
 * frame.h - a packet in a buffer, with what the kernel said about it
 *
 * A frame is one IP packet as a TUN with IFF_VNET_HDR gives or takes it: an
 * ordinary packet, or a super-packet of up to 64 KB that the kernel cuts later
 * (TCP with GSO, UDP with UDP_L4), whose checksum may be partial.
 */
#ifndef CORE_FRAME_H
#define CORE_FRAME_H

#include <stdint.h>
#include <stddef.h>

/* Room before the packet: to_inner makes the header 20 bytes longer. */
#define FRAME_HEADROOM 64
/* Largest packet a TUN hands over (an IPv6 payload length, and its header). */
#define FRAME_MAX (65535 + 40)

/* Values of struct virtio_net_hdr (virtio 1.2, 5.1.6); net/tun.c asserts that
 * they are the kernel's.
 */
enum { OFFLOAD_NEEDS_CSUM = 1, OFFLOAD_DATA_VALID = 2 };
enum {
	OFFLOAD_GSO_NONE = 0, OFFLOAD_GSO_TCP4 = 1, OFFLOAD_GSO_TCP6 = 4,
	OFFLOAD_GSO_UDP_L4 = 5, OFFLOAD_GSO_ECN = 0x80
};

/** struct offload - what the kernel left to do; laid out as virtio_net_hdr
 * @flags: OFFLOAD_NEEDS_CSUM: the checksum at csum_start + csum_offset holds
 *	the pseudo-header sum only. OFFLOAD_DATA_VALID: already verified
 * @gso_type: OFFLOAD_GSO_*; the packet is a train of segments
 * @hdr_len: bytes of headers, IP header included (a hint)
 * @gso_size: payload bytes per segment
 * @csum_start: where summing starts, from the IP header
 * @csum_offset: where the sum goes, from csum_start
 */
struct offload {
	uint8_t flags;
	uint8_t gso_type;
	uint16_t hdr_len;
	uint16_t gso_size;
	uint16_t csum_start;
	uint16_t csum_offset;
};

/** struct frame - one packet that may be changed in place
 * @at: its IP header; at least FRAME_HEADROOM bytes before it are ours too
 * @len: bytes of the packet
 * @off: what the kernel left to do
 */
struct frame {
	uint8_t *at;
	size_t len;
	struct offload off;
};

#endif
