/* SPDX-License-Identifier: MIT
 *
 * tun.c - TUN devices
 *
 * Theory of operation
 * ===================
 * Both our devices (inner and outer, design section 7) are opened alike:
 * packets without a link header, and before each one a virtio_net_hdr, by which
 * the kernel hands over what it would else cut into wire-sized packets and
 * checksum: that is the difference between 0.8 and 0.13 of plain forwarding.
 *
 * core's struct offload is laid out as that header, so it is read and written
 * in place, in host byte order (the kernel's default for TUN). The header and
 * the packet go to two places in one readv(): nothing is moved, and the bytes
 * before the packet stay free for a longer IP header.
 *
 * What the kernel refuses is asked for again without: USO first (before 6.2).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "net/tun.h"

enum { TUN_QUEUE = 4000 };

/* Newer than the headers of some build hosts (5.18, 6.2). */
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#endif
#ifndef TUN_F_USO6
#define TUN_F_USO6 0x40
#endif
#ifndef IFF_TUN_EXCL
#define IFF_TUN_EXCL 0x8000
#endif

#define SAME_OFFSET(a, b) \
	_Static_assert(offsetof(struct offload, a) == \
		       offsetof(struct virtio_net_hdr, b), #a)

_Static_assert(sizeof(struct offload) == sizeof(struct virtio_net_hdr),
	       "struct offload is a virtio_net_hdr");
SAME_OFFSET(flags, flags);
SAME_OFFSET(gso_type, gso_type);
SAME_OFFSET(hdr_len, hdr_len);
SAME_OFFSET(gso_size, gso_size);
SAME_OFFSET(csum_start, csum_start);
SAME_OFFSET(csum_offset, csum_offset);
_Static_assert(OFFLOAD_NEEDS_CSUM == VIRTIO_NET_HDR_F_NEEDS_CSUM &&
	       OFFLOAD_DATA_VALID == VIRTIO_NET_HDR_F_DATA_VALID,
	       "flags of virtio_net_hdr");
_Static_assert(OFFLOAD_GSO_NONE == VIRTIO_NET_HDR_GSO_NONE &&
	       OFFLOAD_GSO_TCP4 == VIRTIO_NET_HDR_GSO_TCPV4 &&
	       OFFLOAD_GSO_TCP6 == VIRTIO_NET_HDR_GSO_TCPV6 &&
	       OFFLOAD_GSO_UDP_L4 == VIRTIO_NET_HDR_GSO_UDP_L4 &&
	       OFFLOAD_GSO_ECN == VIRTIO_NET_HDR_GSO_ECN,
	       "gso_type of virtio_net_hdr");
_Static_assert(TUN_CSUM == TUN_F_CSUM && TUN_TSO4 == TUN_F_TSO4 &&
	       TUN_TSO6 == TUN_F_TSO6 && TUN_ECN == TUN_F_TSO_ECN &&
	       TUN_USO4 == TUN_F_USO4 && TUN_USO6 == TUN_F_USO6,
	       "TUNSETOFFLOAD");

/* What we ask for, best first. */
static const unsigned wishes[] = {
	TUN_CSUM | TUN_TSO4 | TUN_TSO6 | TUN_ECN | TUN_USO4 | TUN_USO6,
	TUN_CSUM | TUN_TSO4 | TUN_TSO6 | TUN_ECN,
	TUN_CSUM | TUN_TSO4 | TUN_TSO6,
	0,
};

/** tun_attach() - Make the device and its offloads on an open descriptor */
static int tun_attach(int fd, struct ifreq *ifr, unsigned *features)
{
	int size = sizeof(struct virtio_net_hdr);
	size_t i;

	if (ioctl(fd, TUNSETIFF, ifr) || ioctl(fd, TUNSETVNETHDRSZ, &size))
		return -errno;
	for (i = 0; i < sizeof(wishes) / sizeof(*wishes); i++) {
		if (!ioctl(fd, TUNSETOFFLOAD, (unsigned long)wishes[i])) {
			*features = wishes[i];
			return 0;
		}
	}
	return -errno;
}

/* Room for a burst of ordinary packets; the default of 500 is less than a
 * receive window's worth, and what overflows is sent again. Best effort.
 */
static void tun_queue(const struct ifreq *named)
{
	struct ifreq ifr = { .ifr_qlen = TUN_QUEUE };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	memcpy(ifr.ifr_name, named->ifr_name, IFNAMSIZ);
	(void)ioctl(fd, SIOCSIFTXQLEN, &ifr);
	close(fd);
}

int tun_open(const char *pattern, char name[static IFNAMSIZ],
	     unsigned *features)
{
	struct ifreq ifr = { .ifr_name = "" };
	int fd, err;

	if (strlen(pattern) >= IFNAMSIZ)
		return -ENAMETOOLONG;
	memcpy(ifr.ifr_name, pattern, strlen(pattern));
	ifr.ifr_flags = (short)(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR |
				IFF_TUN_EXCL);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = tun_attach(fd, &ifr, features);
	if (err) {
		close(fd);
		return err;
	}
	tun_queue(&ifr);
	memcpy(name, ifr.ifr_name, IFNAMSIZ);
	return fd;
}

int tun_read(int fd, uint8_t *buf, size_t cap, struct frame *f)
{
	struct iovec iov[2] = {
		{ &f->off, sizeof(f->off) },
		{ buf + FRAME_HEADROOM, cap - FRAME_HEADROOM },
	};
	ssize_t n;

	do
		n = readv(fd, iov, 2);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	if ((size_t)n < sizeof(f->off))
		return -EIO;
	f->at = buf + FRAME_HEADROOM;
	f->len = (size_t)n - sizeof(f->off);
	return 1;
}

int tun_write(int fd, const struct offload *off, struct span head,
	      struct span body)
{
	static const struct offload nothing;
	struct iovec iov[3] = {
		{ (void *)(uintptr_t)(off ? off : &nothing), sizeof(*off) },
		{ (void *)(uintptr_t)head.at, head.len },
		{ (void *)(uintptr_t)body.at, body.len },
	};
	ssize_t n;

	do
		n = writev(fd, iov, 3);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}
