# SPDX-License-Identifier: MIT
"""station.py: places in the laboratory where hand-made packets go in and out

One process has sockets in several network namespaces. A Station is a place on
a link: what it sends goes out as it is, bytes and offload header; what it reads
is what came, without its own. A Tap only listens. The addresses of the stations
belong to no host, so no kernel answers what they get.

Offload header: struct virtio_net_hdr, as in core/frame.h.
"""
import ctypes
import os
import select
import socket
import struct
import time

CLONE_NEWNET = 0x40000000
SOL_PACKET, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING = 263, 15, 23
ETH_IP4, ETH_IP6, ETH_ALL = 0x0800, 0x86dd, 3
VNET = struct.Struct("<BBHHHH")
PLAIN = bytes(VNET.size)
NEEDS_CSUM, GSO_TCP6, GSO_UDP_L4 = 1, 4, 5

libc = ctypes.CDLL(None, use_errno=True)


def in_namespace(name, what):
    """Run @what where network namespace @name is the current one."""
    here = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open("/run/netns/" + name, os.O_RDONLY)
    try:
        if libc.setns(there, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        return what()
    finally:
        libc.setns(here, CLONE_NEWNET)
        os.close(here)
        os.close(there)


def mac_of(iface):
    with open("/proc/self/net/dev"):
        pass
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    s.bind((iface, 0))
    mac = s.getsockname()[4]
    s.close()
    return mac


class Port:
    """A packet socket on @iface in namespace @space"""

    def __init__(self, space, iface, own=False):
        def make():
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                              socket.htons(ETH_ALL))
            s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)   # RCVBUFFORCE
            s.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
            if not own:
                s.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
            s.bind((iface, ETH_ALL))
            return s, s.getsockname()[4]

        self.sock, self.mac = in_namespace(space, make)
        self.iface = iface
        self.link = len(self.mac) == 6
        self.sock.setblocking(False)

    def read(self, wait=0.0):
        """All that is there, or comes first within @wait: (offload, packet)"""
        got = []
        if wait and not select.select([self.sock], [], [], wait)[0]:
            return got
        while True:
            try:
                data = self.sock.recv(1 << 17)
            except BlockingIOError:
                return got
            at = VNET.size + (14 if self.link else 0)
            got.append((data[:VNET.size], data[at:]))


class Station(Port):
    """@mac_to: the router's on this link (None: a TUN, written as it is)"""

    def __init__(self, space, iface, mac_to, address):
        super().__init__(space, iface)
        self.mac_to = mac_to
        self.address = address

    def send(self, packet, offload=PLAIN):
        packet = bytes(packet)
        kind = ETH_IP4 if packet[:1] and packet[0] >> 4 == 4 else ETH_IP6
        if self.link:
            packet = (self.mac_to + self.mac + struct.pack("!H", kind) + packet)
            if offload != PLAIN:
                f = list(VNET.unpack(offload))
                f[2] += 14
                f[4] += 14
                offload = VNET.pack(*f)
            self.send_(offload + packet)
        else:
            self.sock.sendto(offload + packet, (self.iface, kind))

    def send_(self, data):
        for _ in range(100):
            try:
                self.sock.send(data)
                return
            except BlockingIOError:
                time.sleep(0.001)
        raise TimeoutError("a full queue")


def csum(data, start=0):
    """RFC 1071 sum of @data onto @start, not inverted"""
    if len(data) & 1:
        data = bytes(data) + b"\0"
    total = start + sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def pseudo6(p, proto, length):
    return csum(p[8:40] + struct.pack("!II", length, proto))


def pseudo4(p, proto, length):
    return csum(p[12:20] + struct.pack("!HH", proto, length))


def l4_is_whole(p):
    """Is the checksum of this IPv4 TCP or UDP packet right?"""
    body = p[20:]
    return csum(body, pseudo4(p, p[9], len(body))) == 0xffff


class Fail(Exception):
    pass


def need(true, what):
    if not true:
        raise Fail(what() if callable(what) else what)


def key(p):
    """What must be equal on both sides, and tells packets apart"""
    return p[6:7] + p[8:]


def datagrams(offload, p):
    """What stands in a super-packet of UDP: unmap joins what comes together"""
    flags, gso, _, size, _, _ = VNET.unpack(offload)
    if gso != GSO_UDP_L4 or not flags & NEEDS_CSUM or p[6:7] != b"\x11":
        return [p]
    out = []
    for at in range(48, len(p), size):
        body = p[at:at + size]
        n = struct.pack("!H", 8 + len(body))
        one = p[:4] + n + p[6:44] + n + bytes(2) + body
        out.append(one[:46] + struct.pack("!H", check6(one)) + one[48:])
    return out


def differs(sent, got, cost=3, label=True):
    """None, or how @got is not @sent after @cost routers"""
    flow = struct.unpack("!I", got[:4])[0] & 0xfffff
    if got[0] >> 4 != 6:
        return "version %d" % (got[0] >> 4)
    if sent[0] & 15 != got[0] & 15 or sent[1] & 0xf0 != got[1] & 0xf0:
        return "traffic class %02x became %02x" % (
            tclass(sent), tclass(got))
    if sent[4:6] != got[4:6] or len(sent) != len(got):
        return "length %d became %d" % (len(sent), len(got))
    if sent[7] - cost != got[7]:
        return "hop limit %d became %d" % (sent[7], got[7])
    return None if flow or not label else "flow label 0"


def tclass(p):
    return (p[0] << 4 | p[1] >> 4) & 255


def flow_label(p):
    return struct.unpack("!I", p[:4])[0] & 0xfffff


class Net:
    """The LAN side, the Internet side and the wire before the CGNAT"""

    def __init__(self, lab, site):
        def mac(space, iface):
            return in_namespace(lab + "." + space, lambda: mac_of(iface))

        self.lab = lab
        self.lan = Station(lab + ".lan", "eth0", mac("edge", "br-lan"),
                           site + "77")
        self.srv = Station(lab + ".server", "eth0", mac("internet", "sv"),
                           "2001:db8:5::77")
        self.inner = Station(lab + ".edge", "unmap0", None, site + "77")
        self.hub_inner = Station(lab + ".hub", "unmap0", None,
                                 "2001:db8:5::77")
        self.at_hub = Station(lab + ".internet", "hb", mac("hub", "wan"), "")
        self.at_edge = Station(lab + ".cgnat", "in1", mac("edge", "wan"), "")
        self.hub_tap = Port(lab + ".internet", "hb", own=True)
        self.tap = Port(lab + ".cgnat", "in1", own=True)
        self.serial = 0

    def other(self, side):
        return self.srv if side in (self.lan, self.inner) else self.lan

    def mark(self):
        """Eight bytes that no other packet has"""
        self.serial += 1
        return struct.pack("!Q", 0x7769726500000000 + self.serial)

    def cross(self, side, packets, wait=0.6, to=None):
        """Send and wait. What came of each, None if nothing"""
        to = to or self.other(side)
        to.read()
        self.tap.read()
        sent = [bytes(p) for p in packets]
        got = {}
        want = {key(p) for p in sent}
        for i, p in enumerate(sent):
            side.send(p)
            if i % 32 == 31:
                self.take(to, got, 0.005)
        end = time.monotonic() + wait
        while want - got.keys() and time.monotonic() < end:
            if self.take(to, got, 0.05):
                end = time.monotonic() + wait
        return [got.get(key(p)) for p in sent]

    @staticmethod
    def take(to, got, wait):
        new = to.read(wait)
        for offload, train in new:
            for p in datagrams(offload, train):
                if len(p) >= 40:
                    got[key(p)] = p
        return len(new)

    def same(self, side, packets, cost=3, what="", label=True):
        """All must arrive, and as they were; returns what came"""
        packets = [bytes(p) for p in packets]
        got = self.cross(side, packets)
        for i, (p, q) in enumerate(zip(packets, got)):
            need(q, lambda: "%s no %d of %d did not arrive: %s" % (
                what, i, len(packets), p.hex()[:240]))
            bad = differs(p, q, cost, label)
            need(not bad, lambda: "%s no %d: %s" % (what, i, bad))
        return got

    def none(self, side, packets, what="", fence=True):
        """None may arrive"""
        packets = [bytes(p) for p in packets]
        got = self.cross(side, packets, wait=0.15)
        for i, q in enumerate(got):
            need(not q, lambda: "%s no %d arrived: %s" % (
                what, i, packets[i].hex()[:240]))
        if fence:
            self.alive()

    def fence(self, side):
        a, b = (self.lan, self.srv) if side is self.lan else (
            self.srv, self.lan)
        body = struct.pack("!HHHH", 9, 9, 16, 0) + self.mark()
        p = ip6(a.address, b.address, 17, body)
        return p[:46] + struct.pack("!H", check6(p)) + p[48:]

    def alive(self):
        for side in (self.lan, self.srv):
            self.same(side, [self.fence(side)], what="still alive:")

    def errors(self, side, packets, wait=0.3):
        """ICMPv6 errors that come back to where the packets were sent"""
        side.read()
        for p in packets:
            side.send(bytes(p))
        end = time.monotonic() + wait
        got = []
        while time.monotonic() < end:
            got += [p for _, p in side.read(0.05)
                    if len(p) >= 48 and p[6] == 58 and p[40] < 128]
            if len(got) >= len(packets):
                break
        return got

    def wire(self, wait=0.05):
        """IPv4 packets on the wire"""
        return [p for _, p in self.tap.read(wait)
                if len(p) >= 28 and p[0] >> 4 == 4]


def ip6(src, dst, nh, body, hop=64, tc=0, flow=0, length=None):
    return (struct.pack("!IHBB", 6 << 28 | tc << 20 | flow,
                        len(body) if length is None else length, nh, hop) +
            socket.inet_pton(socket.AF_INET6, src) +
            socket.inet_pton(socket.AF_INET6, dst) + body)


def check6(p, proto=None, at=40):
    """The checksum for the packet's body, whose own field is 0"""
    body = p[at:]
    v = ~csum(body, pseudo6(p, proto or p[6], len(body))) & 0xffff
    return 0xffff if not v and (proto or p[6]) == 17 else v
