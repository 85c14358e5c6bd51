/* SPDX-License-Identifier: MIT
 *
 * tun.h - TUN devices that give and take super-packets (design section 7)
 */
#ifndef NET_TUN_H
#define NET_TUN_H

#include <net/if.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/frame.h"

/* A buffer that any packet of a TUN fits into. */
#define TUN_BUF (FRAME_HEADROOM + FRAME_MAX)

/* Bits of tun_open()'s features; tun.c asserts that they are the kernel's. */
enum {
	TUN_CSUM = 0x01, TUN_TSO4 = 0x02, TUN_TSO6 = 0x04, TUN_ECN = 0x08,
	TUN_USO4 = 0x20, TUN_USO6 = 0x40
};

/** tun_open() - Make a TUN device; it lives as long as the descriptor
 * @pattern: name, or pattern such as "unmap%d" that the kernel completes
 * @name: the name it got
 * @features: TUN_* that the kernel accepted; TUN_CSUM and TSO on every kernel
 *	we know, USO from 6.2 on
 *
 * Nonblocking, closed on exec; the device is down and has no address.
 * Return: descriptor, or negative errno (ENOENT: no /dev/net/tun; EPERM: no
 * CAP_NET_ADMIN; EBUSY: the name is taken)
 */
int tun_open(const char *pattern, char name[static IFNAMSIZ],
	     unsigned *features);
/** tun_read() - Take one packet
 * @buf: @cap bytes, TUN_BUF or more; afterwards f->at is FRAME_HEADROOM
 *	behind it
 *
 * Return: 1 and the packet, 0 if there is none now, negative errno (EBADFD:
 * the device was deleted)
 */
int tun_read(int fd, uint8_t *buf, size_t cap, struct frame *f);
/** tun_write() - Give one packet, in two pieces of which either may be empty
 * @off: what is left to do on it; NULL: nothing
 *
 * Return: 0, or negative errno: EIO while the device is down, EINVAL if the
 * kernel does not believe @off, EAGAIN or ENOBUFS if the packet is lost
 */
int tun_write(int fd, const struct offload *off, struct span head,
	      struct span body);

#endif
