#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""wire.py: hand-made packets through edge and hub, compared field by field

wire.py CARRIER LAB UNMAP SITE [CASE...]

CARRIER (own, shared, relay) is what both daemons were told to use; LAB names
the laboratory, SITE is the site's /64 without its last zeroes. What a station
beside the LAN host or the server sends must arrive at the other as RFC 8200 and
design section 4 say: all behind the IPv6 header byte by byte, Traffic Class as
it was, Hop Limit less three (edge, hub, a router), a flow label. Prints "ok
NAME", or what was seen and "not ok NAME".
"""
import json
import random
import socket
import struct
import subprocess
import sys
import time
import traceback

from scapy.config import conf
from scapy.layers.inet import TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6PacketTooBig,
    ICMPv6ParamProblem, ICMPv6TimeExceeded, IPv6, IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN,
    RouterAlert)
from scapy.packet import Raw

from station import (
    GSO_TCP6, GSO_UDP_L4, NEEDS_CSUM, VNET, Fail, Net, check6, csum, differs,
    flow_label, ip6, key, l4_is_whole, need, pseudo6, tclass)

conf.verb = 0
OWN_GAIN, SHARED_GAIN = 20, 8
net = None
carrier = lab = unmap = ''


def run(node, *command):
    return subprocess.run(("ip", "netns", "exec", lab + "." + node) + command,
                          capture_output=True, text=True, timeout=10)


def status(of, node):
    out = run(node, unmap, "status", lab + "-" + of, "--json").stdout
    return json.loads(out)


def edge_status():
    return status("alice", "edge")


def drops(which, of="alice", node="edge"):
    return status(of, node)["drops"].get(which, 0)


def sides():
    return (net.lan, net.srv)


# -- flows: what a packet belongs to ---------------------------------------------


class Udp:
    """A UDP flow on the carrier under test"""
    ports = 40000

    def __init__(self):
        Udp.ports += 1
        self.port = {net.lan: Udp.ports, net.srv: 7777}
        for _ in range(40):
            self.warm()
            if self.is_there():
                return
            time.sleep(0.05)
        raise Fail("UDP does not get to its carrier")

    def warm(self):
        for side in sides():
            net.same(side, [self.make(side)], what="UDP set-up:")

    def is_there(self):
        """Do packets take the carrier, both ways?"""
        if carrier == "relay":
            return True
        for side in sides():
            p = bytes(self.make(side))
            net.same(side, [p], what="UDP set-up:")
            if not on_wire([p]):
                return False
        return True

    def make(self, side, body=b'', **fields):
        other = net.other(side)
        return (IPv6(src=side.address, dst=other.address, **fields) /
                UDP(sport=self.port[side], dport=self.port[other]) /
                Raw(net.mark() + body))


class Tcp:
    """An established TCP connection on the carrier under test"""
    ports = 30000

    def __init__(self, first=None):
        Tcp.ports += 1
        first = first or net.lan
        other = net.other(first)
        self.port = {first: Tcp.ports, other: 8888}
        self.seq = {side: random.getrandbits(32) for side in sides()}
        opts = [('MSS', 1440), ('SAckOK', b''), ('WScale', 7)]
        net.same(first, [self.make(first, 'S', b'', opts, ack=0)],
                 what="SYN:")
        self.seq[first] += 1
        # its hop limit is told beside the carrier, and may come later
        synack = self.make(other, 'SA', b'', opts)
        if carrier == "own":
            need(net.cross(other, [synack])[0], "SYN/ACK: did not arrive")
        else:
            net.same(other, [synack], what="SYN/ACK:")
        self.seq[other] += 1
        net.same(first, [self.make(first, 'A', b'')], what="ACK:")
        for _ in range(40):
            if self.is_there():
                return
            time.sleep(0.05)
        raise Fail("TCP does not get to its carrier")

    def is_there(self):
        for side in sides():
            p = bytes(self.data(side))
            net.same(side, [p], what="TCP set-up:")
            if carrier != "relay" and not on_wire([p]):
                return False
        return True

    def make(self, side, flags, body, options=(), ack=None, seq=None, ip={},
             **fields):
        other = net.other(side)
        tcp = TCP(sport=self.port[side], dport=self.port[other], flags=flags,
                  seq=(self.seq[side] if seq is None else seq) & 0xffffffff,
                  ack=(self.seq[other] if ack is None else ack) & 0xffffffff,
                  options=list(options), window=fields.pop('window', 65000),
                  **fields)
        p = IPv6(src=side.address, dst=other.address, **ip) / tcp
        return p / Raw(body) if body else p

    def data(self, side, size=8, flags='PA', **more):
        """The next segment"""
        body = (net.mark() + bytes(size))[:max(size, 8)]
        p = self.make(side, flags, body, **more)
        self.seq[side] += len(body)
        return p


def outer_of(p):
    """What is the same of an inner packet on own and on shared carriers"""
    if carrier == "shared":
        return p[40:]
    return p[44:46] + p[48:] if p[6] == 17 else p[44:56] + p[58:]


def wire_key(o):
    if carrier == "shared":
        return o[32:]
    return o[24:26] + o[28:] if o[9] == 17 else o[24:36] + o[38:]


def on_wire(packets):
    """Outer packets of these, which crossed last; None unless each has one"""
    seen = {wire_key(o): o for o in net.wire(0.02)}
    found = [seen.get(outer_of(bytes(p))) for p in packets]
    return None if None in found else found


def check_wire(packets, outer):
    need(outer, "not on its carrier")
    for p, o in zip(packets, outer):
        need(o[0] == 0x45, "IPv4 header %02x" % o[0])
        need(o[1] == tclass(p), "outer TOS %02x of %02x" % (o[1], tclass(p)))
        need(csum(o[:20]) == 0xffff, "IPv4 header checksum")
        need(struct.unpack("!H", o[2:4])[0] == len(o), "outer length")
        need(o[8] <= 64, "outer TTL %d" % o[8])
        need(o[9] != 17 or o[26:28] != b"\0\0", "outer UDP checksum 0")
        need(l4_is_whole(o), "outer checksum of %s" % o.hex())
        if carrier == "own":
            need(o[4:8] == b"\0\0\x40\0", "ID, DF: %s" % o[4:8].hex())
            need(o[9] == p[6] and len(o) == len(p) - 20, "own form")
        else:
            need(o[9] == 17 and len(o) == len(p) - 8, "shared form")


# -- cases -------------------------------------------------------------------------


def crossing(flow_of, packets_of):
    """Both directions, and what is on the wire"""
    flow = flow_of()
    for side in sides():
        packets = [bytes(p) for p in packets_of(flow, side)]
        got = net.same(side, packets)
        need(len({flow_label(p) for p in got}) == 1, "flow label not stable")
        if carrier != "relay":
            check_wire(packets, on_wire(packets))


def case_tclass_udp():
    """Every DSCP and ECN value"""
    crossing(Udp, lambda f, side: [f.make(side, tc=v) for v in range(256)])


def case_tclass_tcp():
    crossing(Tcp, lambda f, side: [f.data(side, ip={'tc': v})
                                   for v in range(256)])


def case_ce():
    """A congestion mark of the CGNAT reaches the inside (RFC 6040)"""
    udp, tcp = Udp(), Tcp()
    run("cgnat", "nft", "add rule ip filter forward ip ecn { ect0, ect1 } "
        "ip ecn set ce")
    try:
        for side in sides():
            for dscp in (0, 46 << 2):
                for ecn, want in ((0, 0), (1, 3), (2, 3), (3, 3)):
                    if carrier == "relay":
                        want = ecn
                    sent = [bytes(udp.make(side, tc=dscp | ecn)),
                            bytes(tcp.data(side, ip={'tc': dscp | ecn})),
                            # another hop limit: explicit
                            bytes(udp.make(side, tc=dscp | ecn, hlim=9)),
                            # in two pieces
                            bytes(udp.make(side, bytes(1444), tc=dscp | ecn,
                                           hlim=9))]
                    for n, got in enumerate(net.cross(side, sent)):
                        need(got, "no %d did not arrive" % n)
                        need(tclass(got) == dscp | want, "no %d: %02x "
                             "became %02x" % (n, dscp | ecn, tclass(got)))
    finally:
        rules = run("cgnat", "nft", "-a", "list chain ip filter forward")
        for line in rules.stdout.splitlines():
            if "ecn" in line:
                run("cgnat", "nft", "delete rule ip filter forward handle " +
                    line.split()[-1])


def case_explicit():
    """What fits no agreement goes explicit: all classes, sizes and pieces"""
    udp = Udp()
    for side in sides():
        net.same(side, [udp.make(side, bytes(v * 5), tc=v, hlim=20 + v % 7)
                        for v in range(256)])
        net.same(side, [udp.make(side, bytes(n), hlim=33)
                        for n in range(1224, 1445)])


def hop_probe(make, side, hop):
    """Who answers a packet with that hop limit, None: it arrives"""
    p = bytes(make(hop))
    back = net.errors(side, [p], wait=1.0)
    need(back, "nobody answers hop limit %d" % hop)
    e = IPv6(back[0])
    need(back[0][40:42] == b"\3\0", "type, code %s" % back[0][40:42].hex())
    need(csum(back[0][40:], pseudo6(back[0], 58, len(back[0]) - 40)) == 0xffff,
         "checksum of the error")
    quoted = back[0][48:]
    need(key(quoted) == key(p[:len(quoted)]), "quotes another packet")
    return e.src


def hops(what, make):
    """One hop for the tunnel: edge, hub, the router behind, then the peer"""
    site = net.lan.address[:-2]
    path = [site + "1", "2001:db8:100::1", "2001:db8:1::1"]
    back = ["2001:db8:5::1", None, site + "1"]
    for side, routers in ((net.lan, path), (net.srv, back)):
        for hop, router in enumerate(routers):
            who = hop_probe(lambda h: make(side, h), side, hop + 1)
            need(not router or who == router, "%s hop %d: %s, not %s" % (
                what, hop + 1, who, router))
        packets = [make(side, h) for h in (4, 5, 63, 64, 65, 128, 255, 64)]
        net.same(side, packets, what=what)


def case_hops_udp():
    """RFC 8200, 3; traceroute -U, also where a flow is established"""
    udp = Udp()
    hops("UDP", lambda side, h: udp.make(side, hlim=h))
    fresh = iter(range(33434, 34000))
    hops("UDP probe", lambda side, h: IPv6(
        src=side.address, dst=net.other(side).address, hlim=h) /
        UDP(sport=50000, dport=next(fresh)) / Raw(net.mark()))


def case_hops_echo():
    hops("echo", lambda side, h: IPv6(
        src=side.address, dst=net.other(side).address, hlim=h) /
        ICMPv6EchoRequest(id=5, seq=h, data=net.mark()))


def case_hops_tcp():
    tcp = Tcp()
    hops("TCP", lambda side, h: tcp.data(side, ip={'hlim': h}))
    ports = iter(range(20000, 30000))
    hops("SYN probe", lambda side, h: IPv6(
        src=side.address, dst=net.other(side).address, hlim=h) /
        TCP(sport=next(ports), dport=443, flags='S', seq=1))


def case_hop_limit_rises():
    """More hops than before is fine, fewer is never hidden for long"""
    udp = Udp()
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        net.same(net.lan, [udp.make(net.lan, hlim=50)])
        time.sleep(0.3)
    got = net.cross(net.lan, [udp.make(net.lan, hlim=60)])[0]
    need(got and got[7] in (47, 57), "hop limit %d of 60" % got[7])
    net.same(net.lan, [udp.make(net.lan, hlim=40)])


def case_flow_label():
    """RFC 6437: the sender's own label changes nothing, nor does the carrier"""
    udp, tcp = Udp(), Tcp()
    for side in sides():
        for flow in (lambda **f: udp.make(side, **f),
                     lambda **f: tcp.data(side, ip=f)):
            got = net.same(side, [flow(fl=v, hlim=h) for v in (0, 1, 0xfffff)
                                  for h in (64, 33)])
            need(len({flow_label(p) for p in got}) == 1, "labels " + " ".join(
                hex(flow_label(p)) for p in got))
    other = Udp()
    labels = {flow_label(net.same(net.lan, [u.make(net.lan)])[0])
              for u in (udp, other)}
    need(len(labels) == 2, "one label for two flows")


def with_sum(p, at, want):
    """@p with its last two bytes such that the checksum at @at is @want"""
    p = bytearray(p)
    p[-2:] = p[at:at + 2] = b"\0\0"
    have = csum(p[40:], pseudo6(p, p[6], len(p) - 40))
    # ~(have + x) == want
    x = ((~want & 0xffff) - have) % 0xffff
    p[-2:] = struct.pack("!H", x)
    p[at:at + 2] = struct.pack("!H", want or 0xffff)
    return bytes(p)


def case_udp_checksum():
    """Never 0 inside; what computes to 0 goes as ffff (RFC 8200, 8.1)"""
    udp = Udp()
    before = drops("checksum")
    for side in sides():
        p = with_sum(bytes(udp.make(side, b"xx")), 46, 0)
        need(p[46:48] == b"\xff\xff", "made wrong")
        net.same(side, [p], what="ffff:")
        if carrier == "own":
            # the sum that comes out as 0 outside
            outer = on_wire([p])[0]
            delta = (csum(struct.pack("!H", ~struct.unpack("!H", outer[
                26:28])[0] & 0xffff)) - 0) % 0xffff
            p = with_sum(p, 46, (0 + delta) & 0xffff)
            net.same(side, [p], what="0 outside:")
            need(on_wire([p])[0][26:28] == b"\xff\xff", "not ffff outside")
        zero = bytearray(bytes(udp.make(side, b"zero")))
        zero[46:48] = b"\0\0"
        net.none(side, [zero], what="checksum 0:")
    need(drops("checksum") == before + 1, "drop not counted")


def case_wrong_checksums():
    """Arrive as they came, never repaired; the end decides"""
    udp, tcp = Udp(), Tcp()
    run("cgnat", "sysctl", "-qw", "net.netfilter.nf_conntrack_checksum=0")
    for side in sides():
        packets = []
        for p, at in ((udp.make(side, b"wrong"), 46), (tcp.data(side), 56),
                      (tcp.data(side), 56), (udp.make(side, b"wrong"), 46),
                      (IPv6(src=side.address, dst=net.other(side).address) /
                       ICMPv6EchoRequest(id=1, data=net.mark()), 42)):
            p = bytearray(bytes(p))
            p[at] ^= 0x5a
            packets.append(p)
        net.same(side, packets)


def echo(side, size, kind=ICMPv6EchoRequest, **ip):
    body = (net.mark() + bytes(range(256)) * 6)[:size]
    return bytes(IPv6(src=side.address, dst=net.other(side).address, **ip) /
                 kind(id=77, seq=size, data=body))


def case_echo_sizes():
    """Every size up to what a 1500-byte link holds"""
    for side, kind in ((net.lan, ICMPv6EchoRequest),
                       (net.srv, ICMPv6EchoReply)):
        net.same(side, [echo(side, n, kind) for n in range(1453)])


def fragments(side, body, cuts, ident, proto=17):
    """@body of a packet in fragments at offsets of 8 bytes"""
    head = IPv6(src=side.address, dst=net.other(side).address)
    out = []
    for at, end in cuts:
        f = IPv6ExtHdrFragment(nh=proto, offset=at // 8, id=ident,
                               m=1 if end < len(body) else 0)
        out.append(bytes(head / f / Raw(body[at:end])))
    return out


def case_fragments():
    """Any order, overlapping, atomic (RFC 6946), tiny, with and without ports"""
    for side in sides():
        whole = bytes(UDP(sport=5, dport=6, len=4008) /
                      Raw(net.mark() * 500))
        cuts = [(0, 1400), (1400, 2800), (2800, 4008)]
        f = fragments(side, whole, cuts, 1)
        net.same(side, f, what="in order")
        f = fragments(side, whole, cuts, 2)
        net.same(side, f[::-1], what="last first")
        net.same(side, fragments(side, whole, [(0, 1400), (1000, 2400),
                                               (16, 80)], 3), what="overlap")
        net.same(side, fragments(side, bytes(
            UDP(sport=5, dport=6, len=16) / Raw(net.mark())), [(0, 16)], 4),
            what="atomic")
        net.same(side, fragments(side, whole, [(0, 8), (8, 16), (16, 4008)][
            :2], 5), what="tiny")
        net.same(side, fragments(side, b"\0" * 8, [(0, 8)], 6, proto=59),
                 what="nothing in it")
        big = net.mark() * 8192
        cuts = [(n, min(n + 1448, 65527)) for n in range(0, 65527, 1448)]
        net.same(side, fragments(side, big[:65527], cuts, 7, 58),
                 what="64 KB")
        net.same(side, fragments(side, whole, [(2800, 65535 // 8 * 8)], 8)[:1],
                 what="offset")
        first = fragments(side, whole, [(0, 1400)], 9)[0]
        net.same(side, [first[:46] + bytes([first[46]]) + first[47:]])


def other_headers(side):
    head = IPv6(src=side.address, dst=net.other(side).address)
    tcp = lambda: TCP(sport=1, dport=2, seq=net.serial) / Raw(net.mark())
    udp = lambda: UDP(sport=1, dport=2) / Raw(net.mark())
    hop = IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)])
    opts = IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 12)])
    yield "hop-by-hop", head / hop / udp()
    yield "router alert", head / IPv6ExtHdrHopByHop(
        options=[RouterAlert(), PadN(optdata=b"")]) / tcp()
    yield "destination options", head / opts / tcp()
    yield "long options", head / Raw(bytes([17, 30, 1, 246]) + bytes(244)) / Raw(
        bytes([1, 2, 0, 16]) + net.mark()), 60
    yield "both", head / hop / opts / udp()
    for kind in (0, 4, 253):
        yield "routing type %d" % kind, head / IPv6ExtHdrRouting(
            type=kind, segleft=0, addresses=["2001:db8::9"]) / udp()
    yield "ESP", head / Raw(b"\0\0\0\1\0\0\0\2" + net.mark() * 9), 50
    yield "AH", head / Raw(bytes([17, 4, 0, 0]) + bytes(16) +
                           bytes(8) + net.mark()), 51
    yield "no next header", head / Raw(b""), 59
    yield "no next header, more", head / Raw(net.mark()), 59
    yield "SCTP", head / Raw(b"\0\1\0\2\0\0\0\0\0\0\0\0\1\0\0\24" +
                             net.mark() * 2), 132
    yield "DCCP", head / Raw(b"\0\1\0\2\4\0\0\0" + net.mark()), 33
    yield "UDP-Lite", head / Raw(b"\0\1\0\2\0\10\0\0" + net.mark()), 136
    yield "GRE", head / Raw(b"\0\0\x08\0\x45" + net.mark()), 47
    yield "IPv6 in IPv6", head / Raw(bytes(head / udp())), 41
    yield "IPv4 in IPv6", head / Raw(b"\x45" + bytes(19) + net.mark()), 4
    yield "IPv4's ICMP", head / Raw(b"\10\0\0\0" + net.mark()), 1
    yield "experiment 253", head / Raw(net.mark()), 253
    yield "reserved 255", head / Raw(net.mark()), 255
    yield "short ICMPv6", head / Raw(b"\x80\0\1"), 58


def case_other_headers():
    """Every extension header and protocol goes as it is"""
    for side in sides():
        for tc, hop in ((0, 64), (0xb9, 17)):
            for row in other_headers(side):
                p = bytearray(bytes(row[1]))
                if len(row) > 2:
                    p[6] = row[2]
                p[7] = hop
                p[0:2] = struct.pack("!H", 6 << 12 | tc << 4)
                net.same(side, [p], what=row[0])


def errors_about(side, quoted):
    """All ICMPv6 errors that @side's end may send about @quoted"""
    other = net.other(side)
    router = side.address[:-1] + "8"
    for src in (side.address, router):
        head = IPv6(src=src, dst=other.address)
        for kind in ([ICMPv6DestUnreach(code=c) for c in range(7)] +
                     [ICMPv6TimeExceeded(code=c) for c in (0, 1)] +
                     [ICMPv6ParamProblem(code=c, ptr=40) for c in (0, 1, 2)]):
            for size in (48, len(quoted)):
                p = bytes(head / kind / Raw(quoted[:size]))
                yield p[:1280]


def case_errors():
    """Errors about what crossed, either way (RFC 4443, 4890)"""
    udp, tcp = Udp(), Tcp()
    for side in sides():
        other = net.other(side)
        about = [bytes(udp.make(other)), bytes(tcp.data(other)),
                 echo(other, 100), echo(other, 3),
                 fragments(other, bytes(UDP(sport=1, dport=2, len=4000) /
                                        Raw(net.mark() * 200)),
                           [(0, 800), (800, 1600)], 99)[1],
                 bytes(IPv6(src=other.address, dst=side.address, nh=50) /
                       Raw(b"\0\0\0\1" + net.mark()))]
        net.same(other, about)
        for p in about:
            net.same(side, list(errors_about(side, p)), label=False,
                     what="about %s" % p[:48].hex())


def case_foreign_errors():
    """Errors about nothing we know are dropped, both ways"""
    udp = Udp()
    before = drops("no_session") + drops("no_session", "hub", "hub")
    for side in sides():
        other = net.other(side)
        head = IPv6(src=side.address, dst=other.address)
        mine = bytes(udp.make(other))
        foreign = [
            # never sent
            bytes(IPv6(src=other.address, dst="2001:db8:77::1") /
                  UDP(sport=4, dport=5) / Raw(net.mark())),
            bytes(IPv6(src=other.address, dst="2001:db8:77::1") /
                  TCP(sport=4, dport=5)),
            # the error's receiver did not send it
            bytes(udp.make(side)),
            bytes(IPv6(src="2001:db8:9::9", dst=side.address) /
                  UDP(sport=4, dport=5) / Raw(net.mark())),
            # other ports
            mine[:40] + b"\1\2\3\4" + mine[44:],
            # too little to tell
            mine[:46], mine[:40], mine[:8], b"",
            b"\x45" + mine[1:],
        ]
        net.none(side, [bytes(head / kind / Raw(q)) for q in foreign for kind
                        in (ICMPv6DestUnreach(code=4), ICMPv6PacketTooBig(
                            mtu=1300), ICMPv6TimeExceeded())], what="foreign")
    after = drops("no_session") + drops("no_session", "hub", "hub")
    need(after >= before + 50, "%d counted" % (after - before))


def case_tcp_odd():
    """Unusual options, flags, pointers, data where it is not expected"""
    tcp = Tcp()
    full = [('NOP', None)] * 40
    for side in sides():
        odd = [tcp.data(side, options=[(19, bytes(16)), ('EOL', None)]),
               tcp.data(side, options=[(254, b"\x12\x34abcd")]),
               tcp.data(side, options=full),
               tcp.data(side, options=[(254, b"x" * 38)]),
               tcp.data(side, options=[('Timestamp', (1, 2))]),
               tcp.data(side, flags='PAU', urgptr=3),
               tcp.data(side, flags='AE'), tcp.data(side, flags='AC'),
               tcp.data(side, flags='PAEC'), tcp.data(side, flags='PANEC'),
               tcp.data(side, flags='AN'), tcp.data(side, window=0),
               tcp.data(side, reserved=7), tcp.data(side, urgptr=77),
               tcp.data(side, size=1400), tcp.data(side, size=1440)]
        net.same(side, odd)
        # options that lie about their length: the end decides
        for lie in (b"\xfe\0\0\0", b"\xfe\1\0\0", b"\xfe\xff\0\0",
                    b"\5\x0a\0\0", b"\2\4\5", b"\x22"):
            p = bytearray(bytes(tcp.data(side, options=full[:4])))
            p[60:64] = lie.ljust(4, b"\0")
            p[56:58] = b"\0\0"
            p[56:58] = struct.pack("!H", check6(p))
            net.same(side, [p], what="option " + lie.hex())


def case_tcp_flags():
    """All 512 combinations of flags cross where no NAT judges them"""
    if carrier == "own":
        return
    tcp = Tcp()
    for side in sides():
        packets = []
        for flags in range(512):
            if flags & 4 or flags & 2:
                continue        # those end or begin sessions
            packets.append(tcp.make(side, flags, net.mark(),
                                    seq=tcp.seq[side] + 1))
        net.same(side, packets)


def case_syn_data():
    """Data, options and marks in a SYN (RFC 7413, 3168)"""
    for side in sides():
        other = net.other(side)
        head = IPv6(src=side.address, dst=other.address)
        syns = [head / TCP(sport=2000 + n, dport=80, flags=flags, seq=n << 24,
                           options=options) / Raw(body)
                for n, (flags, options, body) in enumerate((
                    ('S', [('MSS', 1440)], net.mark()),
                    ('SEC', [('MSS', 1440), ('SAckOK', b'')], b''),
                    ('SNEC', [('MSS', 536)], b''),
                    ('S', [(34, b'12345678'), ('MSS', 9000)], net.mark() * 9),
                    ('S', [(19, bytes(16)), ('MSS', 1200)], b''),
                    ('S', [('NOP', None)] * 40, b''),
                    ('S', [(253, b'z' * 38)], net.mark())))]
        net.same(side, [bytes(p) for p in syns])
        # the same once more is another SYN of that host, not before 0.9 s
        time.sleep(1)
        net.same(side, [bytes(p) for p in syns], what="again")


def case_resets():
    """A RST arrives as it was"""
    for first in sides():
        for side in sides():
            tcp = Tcp(first)
            net.same(side, [tcp.make(side, 'RA', b'', window=0)],
                     what="RST:")
            tcp = Tcp(first)
            net.same(side, [tcp.make(side, 'R', b'', ack=0)], what="RST:")


def case_closing():
    """FIN both ways, half closed between"""
    for first in sides():
        tcp = Tcp(first)
        other = net.other(first)
        fin = tcp.make(first, 'FA', net.mark())
        tcp.seq[first] += 9
        net.same(first, [fin])
        net.same(other, [tcp.data(other) for _ in range(3)])
        fin = tcp.make(other, 'FA', b'')
        tcp.seq[other] += 1
        net.same(other, [fin])
        net.same(first, [tcp.make(first, 'A', b'')])


def case_lengths():
    """Truncated, padded, of another version, jumbograms: never an echo inside"""
    udp = Udp()
    p = bytes(udp.make(net.lan, b"whole"))
    tcp = bytes(IPv6(src=net.lan.address, dst=net.srv.address) /
                TCP(sport=9, dport=9, flags='A') / Raw(net.mark()))
    before = edge_status()["drops"]
    bad = [p[:n] for n in range(0, len(p))]
    bad += [bytes([v << 4 | p[0] & 15]) + p[1:] for v in range(16) if v != 6]
    bad += [p[:4] + struct.pack("!H", v) + p[6:] for v in (
        0, 1, 7, len(p) - 39, 1280, 65535)]
    bad += [p[:44] + struct.pack("!H", v) + p[46:] for v in (
        0, 7, len(p) - 39, 65535)]
    bad += [tcp[:52] + bytes([v << 4]) + tcp[53:] for v in (0, 4, 9, 15)]
    bad += [p[:6] + b"\0" + p[7:40] + bytes([17, 0, 0xc2, 4, 0, 1, 0, 0]) +
            p[40:]]             # jumbo payload, length 0 and not
    bad[-1] = bad[-1][:4] + b"\0\0" + bad[-1][6:]
    for q in bad:
        if not q:
            continue
        net.inner.send(q)
    net.none(net.inner, [q for q in bad if len(q) > 39], fence=False)
    after = edge_status()["drops"]
    for reason, least in (("short", 40), ("version", 14), ("length", 5)):
        need(after.get(reason, 0) >= before.get(reason, 0) + least,
             "%s: %d then %d" % (reason, before.get(reason, 0),
                                 after.get(reason, 0)))
    # padding of the link is not part of the packet
    q = bytes(udp.make(net.lan))
    net.lan.send(q + b"padding!")
    net.same(net.lan, [q], what="padded")
    # a datagram shorter than its packet is legal (RFC 9868)
    q = bytearray(bytes(udp.make(net.lan, b"surplus!")))
    q[44:46] = struct.pack("!H", 16)
    q[46:48] = b"\0\0"
    v = ~csum(q[40:56], csum(q[8:40] + struct.pack("!II", 16, 17))) & 0xffff
    q[46:48] = struct.pack("!H", v)
    net.same(net.inner, [q], cost=2, what="surplus")
    net.alive()


MARTIANS = ("::", "::1", "ff02::1", "ff0e::1", "fe80::1", "febf::1",
            "::ffff:192.0.2.1")


def case_martians():
    """Addresses that cannot be there, and those that are not the sender's"""
    before = edge_status()["drops"]
    ours, theirs = net.lan.address, net.srv.address
    bad = [(m, theirs) for m in MARTIANS] + [(ours, m) for m in MARTIANS]
    bad += [("2001:db8:100::1", theirs), ("2001:db8:100:2::1", theirs),
            ("2001:db8:5::77", theirs), (ours, net.lan.address[:-1] + "8"),
            ("2001:db8:5::77", ours)]
    sent = []
    for src, dst in bad:
        p = bytes(IPv6(src=src, dst=dst) / UDP(sport=1, dport=2) /
                  Raw(net.mark()))
        net.inner.send(p)
        sent.append(p)
    net.none(net.inner, sent, what="martian", fence=False)
    after = edge_status()["drops"]
    need(after["martian"] >= before.get("martian", 0) + 14, "martians counted")
    need(after["spoofed"] >= before.get("spoofed", 0) + 4, "spoofed counted")
    sent = []
    for src in MARTIANS + (ours, "2001:db8:100:1::99"):
        p = bytes(IPv6(src=src, dst=ours) / UDP(sport=1, dport=2) /
                  Raw(net.mark()))
        net.hub_inner.send(p)
        sent.append(p)
    net.none(net.hub_inner, sent, what="martian from the Internet")


def case_spoofed():
    """A source outside the prefix: ICMPv6 code 5 (RFC 4443, 3.1)"""
    p = bytes(IPv6(src="2001:db8:aaaa::77", dst=net.srv.address) /
              UDP(sport=1, dport=2) / Raw(net.mark()))
    back = net.errors(net.lan, [p])
    need(len(back) == 1, "%d answers" % len(back))
    need(back[0][40:42] == b"\1\5", "type, code " + back[0][40:42].hex())
    need(key(back[0][48:]) == key(p), "quotes another packet")
    net.none(net.lan, [p])
    # and none for what must not be answered (RFC 4443, 2.4 e)
    quiet = [IPv6(src="2001:db8:aaaa::77", dst=net.srv.address) /
             ICMPv6DestUnreach() / Raw(p),
             IPv6(src="2001:db8:aaaa::77", dst=net.srv.address) /
             IPv6ExtHdrFragment(offset=9, nh=17) / Raw(net.mark())]
    back = net.errors(net.lan, quiet)
    need(not back, "%d errors about errors" % len(back))


def case_ipv4_inside():
    """The inner TUN is for IPv6: others are counted, not carried"""
    before = drops("version")
    p = bytes.fromhex("4500001c000000004011000064400102cb00710a") + bytes(8)
    for _ in range(5):
        net.inner.send(p)
        net.hub_inner.send(p)
    net.alive()
    need(drops("version") >= before + 5, "not counted")


def super_packet(side, proto, size, count, ext=b""):
    """Headers, body, and the offload header of a train of packets"""
    body = b"".join(net.mark() for _ in range(size * count // 8 + 1))
    body = body[:size * count - 3]
    other = net.other(side)
    if proto == 6:
        super_packet.port += 1
        l4 = bytes(TCP(sport=super_packet.port, dport=99, flags='PAC', seq=7,
                       ack=1, chksum=0))
    else:
        l4 = struct.pack("!HHHH", 4000, 99, 8 + len(body), 0)
    nh = 60 if ext else proto
    p = ip6(side.address, other.address, nh, ext + l4 + body, tc=0xb8)
    at = 40 + len(ext)
    where = 16 if proto == 6 else 6
    pseudo = pseudo6(p, proto, len(l4) + len(body))
    p = p[:at + where] + struct.pack("!H", pseudo) + p[at + where + 2:]
    off = VNET.pack(NEEDS_CSUM, GSO_TCP6 if proto == 6 else GSO_UDP_L4,
                    at + len(l4), size, at, where)
    return p, off, body


super_packet.port = 1000


def segments(got, proto, ext):
    """(offset, payload) of what came, super-packets cut"""
    at = 40 + ext
    for offload, p in got:
        need(p[40 + ext:42 + ext], "short")
        head = at + (p[at + 12] >> 4) * 4 if proto == 6 else at + 8
        seq = struct.unpack("!I", p[at + 4:at + 8])[0] if proto == 6 else 0
        flags, kind, _, size, _, _ = VNET.unpack(offload)
        total = csum(p[at:], pseudo6(p, proto, len(p) - at))
        if flags & NEEDS_CSUM:
            where = at + (16 if proto == 6 else 6)
            need(p[where:where + 2] == struct.pack("!H", pseudo6(
                p, proto, len(p) - at)), "partial checksum")
        else:
            need(total == 0xffff, "checksum of a segment")
            need(not kind, "a train with a full checksum")
        need(p[1] & 0xf0 == 0x80 and p[0] == 0x6b, "traffic class")
        yield seq, p[head:], size if kind else 0


def case_super_packets():
    """Trains of segments with partial checksums: every byte arrives once"""
    opt = lambda n: bytes([0, n // 8 - 1, 1, n - 4]) + bytes(n - 4)
    for side in sides():
        to = net.other(side)
        for proto, size, count, ext in (
                (6, 1428, 10, 0), (6, 1207, 13, 0), (6, 536, 40, 0),
                (6, 7, 20, 0), (6, 1, 30, 0), (17, 1200, 8, 0),
                (17, 1201, 5, 0), (17, 33, 30, 0), (6, 1300, 7, 16),
                (6, 1207, 5, 104), (6, 900, 5, 240), (17, 1101, 7, 16)):
            extra = opt(ext) if ext else b""
            if ext:
                extra = bytes([proto]) + extra[1:]
            p, off, body = super_packet(side, proto, size, count, extra)
            to.read()
            side.send(p, off)
            what = "proto %d, %d of %d, %d before" % (proto, count, size, ext)
            got, end = [], time.monotonic() + 1
            while time.monotonic() < end:
                got += [(o, q) for o, q in to.read(0.05)
                        if q[6:7] == p[6:7] and q[8:40] == p[8:40] and
                        q[40 + ext:44 + ext] == p[40 + ext:44 + ext]]
                if sum(len(s[1]) for s in segments(got, proto, ext)) >= len(
                        body):
                    break
            parts = sorted(segments(got, proto, ext), key=lambda s: s[0])
            need(b"".join(s[1] for s in parts) == body, "%s: %d of %d bytes "
                 "came in %d" % (what, sum(len(s[1]) for s in parts),
                                 len(body), len(parts)))
            need(all(s[2] == size or len(s[1]) <= size for s in parts),
                 what + ": another size")


def case_partial():
    """One packet whose checksum is left to do"""
    for side in sides():
        for proto, size in ((6, 100), (6, 101), (17, 100), (17, 1), (17, 1452)):
            p, off, body = super_packet(side, proto, size + 3, 1)
            f = list(VNET.unpack(off))
            f[1:4] = [0, 0, 0]
            to = net.other(side)
            to.read()
            side.send(p, VNET.pack(*f))
            end, got = time.monotonic() + 1, []
            while not got and time.monotonic() < end:
                got = [(o, q) for o, q in to.read(0.05) if q[8:46] == p[8:46]]
            need(got, "proto %d of %d did not arrive" % (proto, size))
            need([s[1] for s in segments(got, proto, 0)] == [body], "body")


# -- from outside: what strangers put on the wires ---------------------------------


def ip4(src, dst, proto, body, ident=0, frag=0x4000, options=b"", ttl=60):
    head = (struct.pack("!BBHHHBBH", 0x45 + len(options) // 4, 0,
                        20 + len(options) + len(body), ident, frag, ttl, proto,
                        0) + src + dst + options)
    v = ~csum(head) & 0xffff
    return head[:10] + struct.pack("!H", v) + head[12:] + body


def again(o, **changes):
    """An outer packet once more, with other fields and a right checksum"""
    src, dst = changes.pop('src', o[12:16]), changes.pop('dst', o[16:20])
    body = bytearray(changes.pop('body', o[20:]))
    for at, new in changes.pop('put', {}).items():
        body[at:at + len(new)] = new
    where = 16 if o[9] == 6 else 6
    if len(body) >= where + 2:
        body[where:where + 2] = b"\0\0"
        v = ~csum(body, csum(src + dst + struct.pack("!HH", o[9], len(
            body)))) & 0xffff
        body[where:where + 2] = struct.pack("!H", v or 0xffff)
    return ip4(src, dst, o[9], bytes(body), **changes)


def icmp4(to, quoted, kind=3, code=4, word=576, src=b"\x64\x40\1\1"):
    body = struct.pack("!BBHI", kind, code, 0, word) + quoted[:28]
    v = ~csum(body) & 0xffff
    return ip4(src, to, 1, body[:2] + struct.pack("!H", v) + body[4:])


def silent(packets, what, wait=0.1):
    """Send them to edge and hub: nothing may come out inside"""
    net.lan.read()
    net.srv.read()
    for door, p in packets:
        door.send(p)
    time.sleep(wait)
    for side in sides():
        for _, q in side.read():
            if len(q) > 40 and q[24:40] == socket.inet_pton(
                    socket.AF_INET6, side.address):
                raise Fail("%s: delivered %s" % (what, q.hex()[:200]))


def bad_forms(o):
    """An outer packet as none of ours is"""
    yield o[:10] + bytes([o[10] ^ 1]) + o[11:]
    yield again(o, options=b"\1\1\1\0")
    yield again(o, options=b"\x83\3\x04\0" + bytes(36))
    yield again(o, frag=0x2000)
    yield again(o, frag=0x00b9)
    yield again(o, frag=0xa000)
    for n in (20, 21, 24, 27, 28, 32, 35):
        yield again(o, body=o[20:n])
    yield o[:2] + b"\xff\xff" + o[4:]
    yield o[:2] + b"\0\x14" + o[4:]
    yield b"\x44" + o[1:]
    yield b"\x4f" + o[1:]
    yield o[:9] + b"\xfd" + o[10:]
    yield again(o, src=b"\xc6\x33\x64\x63")
    yield again(o, put={0: b"\x12\x34"})
    yield again(o, put={2: b"\xff\xfe"})
    yield again(o, put={0: b"\0\0\0\0"})


def outer_pair(flow, make):
    """The outer packets of a flow, as edge and hub got them"""
    found = {}
    for side, door, tap in ((net.srv, net.at_edge, net.tap),
                            (net.lan, net.at_hub, net.hub_tap)):
        tap.read()
        p = bytes(make(flow, side))
        net.same(side, [p])
        seen = {wire_key(o): o for _, o in tap.read(0.05) if len(o) > 35}
        need(outer_of(p) in seen, "not on its carrier")
        found[door] = seen[outer_of(p)]
    return found


def case_outer_noise():
    """Random, cut, bent and misaddressed packets to both ends"""
    rnd = random.Random(7)
    hub, edge, peer = b"\xcb\0\x71\x0a", b"\x64\x40\1\2", b"\xcb\0\x71\x85"
    nat = b"\xc6\x33\x64\1"
    packets = []
    for n in range(1500):
        size = rnd.choice((0, 1, 7, 8, 19, 20, 28, 60, 300))
        body = bytearray(rnd.randbytes(size))
        port = rnd.choice((6464, 61000, 61001, 63333, 65535))
        if size > 3:
            body[2:4] = struct.pack("!H", port)
        proto = rnd.choice((6, 6, 17, 17, 17, 1, 47, 253))
        frag = rnd.choice((0x4000, 0x4000, 0x4000, 0, 0x2000, 0x1234))
        door, src, dst = rnd.choice(((net.at_hub, rnd.choice((peer, nat)),
                                      hub), (net.at_edge, hub, edge)))
        p = ip4(src, dst, proto, bytes(body), frag=frag,
                options=rnd.choice((b"", b"", b"", b"\1\1\1\1")))
        if n % 50 == 0:
            p = p[:rnd.randrange(20, len(p) + 1)]
        packets.append((door, p))
    silent(packets, "noise")
    net.alive()


def case_outer_forged():
    """Of the right carrier but wrong in form: nothing comes out, all goes on"""
    if carrier != "own":
        return
    for flow, make in ((Udp(), lambda f, side: f.make(side)),
                       (Tcp(), lambda f, side: f.data(side))):
        for door, o in outer_pair(flow, make).items():
            for n, p in enumerate(bad_forms(o)):
                silent([(door, p)], "form %d" % n, 0.02)
        for side in sides():
            p = bytes(make(flow, side))
            net.same(side, [p])
            # TCP with options or in fragments is not captured: the host's
            # stack answers it with a RST, which ends the carrier (3.4)
            need(p[6] == 6 or on_wire([p]), "left its carrier")


def case_outer_out_of_window():
    """Segments of a guesser: the carrier and the connection live on"""
    if carrier != "own":
        return
    tcp = Tcp()
    for door, o in outer_pair(tcp, lambda f, side: f.data(side)).items():
        seq = struct.unpack("!I", o[24:28])[0]
        ack = struct.unpack("!I", o[28:32])[0]
        for ds, da in ((1 << 31, 0), (1 << 30, 0), (-(1 << 30), 0),
                       (0, 1 << 30), (1 << 31, 1 << 31), (5000, 0)):
            for flags in (0x10, 0x18, 0x11, 2, 0x12, 0):
                door.send(again(o, put={
                    4: struct.pack("!II", seq + ds & 0xffffffff,
                                   ack + da & 0xffffffff),
                    13: bytes([flags])}))
        time.sleep(0.05)
    for _ in range(4):
        for side in sides():
            p = bytes(tcp.data(side))
            net.same(side, [p], what="after the guesser")
    need(on_wire([p]), "left its carrier")


def case_outer_reset():
    """A forged RST ends nothing: the session goes on, elsewhere"""
    if carrier != "own":
        return
    for which in (0, 1):
        tcp = Tcp()
        door, o = list(outer_pair(tcp, lambda f, side: f.data(
            side)).items())[which]
        silent([(door, again(o, put={13: b"\x14"}, body=o[20:40]))], "RST")
        for _ in range(4):
            for side in sides():
                net.same(side, [tcp.data(side)], what="after the RST")


def case_outer_icmp():
    """Forged "fragmentation needed" changes no size, nothing goes inside"""
    if carrier != "own":
        return
    udp, tcp = Udp(), Tcp()
    outer = [outer_pair(udp, lambda f, side: f.make(side)),
             outer_pair(tcp, lambda f, side: f.data(side))]
    before = drops("outer_icmp")
    packets = []
    for pair in outer:
        # what the edge sent is what came to the hub, before the NAT
        for quoted in pair.values():
            for word in (0, 68, 576, 1280, 1400, 65535):
                packets.append((net.at_edge, icmp4(
                    b"\x64\x40\1\2", quoted, word=word)))
                turned = (quoted[:12] + quoted[16:20] + quoted[12:16] +
                          quoted[22:24] + quoted[20:22] + quoted[24:])
                packets.append((net.at_edge, icmp4(
                    b"\x64\x40\1\2", turned, word=word)))
    silent(packets, "ICMPv4")
    need(drops("outer_icmp") > before, "not noted")
    for _ in range(30):
        time.sleep(0.2)
        if edge_status()["link"]["path_mtu"] == 1500:
            break
    need(edge_status()["link"]["path_mtu"] == 1500, "path MTU %d" %
         edge_status()["link"]["path_mtu"])
    big = [bytes(udp.make(side, bytes(1444))) for side in sides()]
    for side, p in zip(sides(), big):
        need(len(p) == 1500, "size")
        net.same(side, [p])


# -- sizes (design 3) ----------------------------------------------------------------


def path_mtu():
    return edge_status()["link"]["path_mtu"]


def settled(side, largest):
    """Wait until what is too big is answered"""
    p = echo(side, largest + 1 - 48)
    for _ in range(60):
        if net.errors(side, [p], wait=0.2):
            return
    raise Fail("no PTB for %d" % len(p))


def told(side, packets, wait=0.25):
    """MTUs of the PTBs that come back"""
    mtus = []
    for e in net.errors(side, packets, wait):
        need(e[40:42] == b"\2\0", "type, code " + e[40:42].hex())
        need(len(e) <= 1280, "an error of %d bytes" % len(e))
        need(csum(e[40:], pseudo6(e, 58, len(e) - 40)) == 0xffff, "checksum")
        mtus.append(struct.unpack("!I", e[44:48])[0])
    return mtus


def extra_sizes():
    """Sizes one by one around each limit; PTB exact, hints once a second"""
    m = path_mtu()
    own, shared = m + OWN_GAIN, m + SHARED_GAIN
    top = min(own, 1500)
    udp = Udp()
    udp_of = lambda side, n: bytes(udp.make(side, bytes(n - 56)))
    for side in sides():
        if own < 1500:
            settled(side, own)
        whole = shared if carrier == "shared" else own
        for make, whole in ((udp_of, whole), (
                lambda side, n: echo(side, n - 48), shared)):
            time.sleep(1.05)
            sizes = range(1280, min(whole, 1500) + 1)
            packets = [make(side, n) for n in sizes]
            side.read()
            net.same(side, packets, what="fits")
            back = [p for _, p in side.read() if len(p) > 48 and p[6] == 58
                    and p[40] == 2]
            need(not back, "PTB for what fits, MTU %s" % [
                struct.unpack("!I", p[44:48])[0] for p in back])
            if whole < top:
                packets = [make(side, n) for n in range(whole + 1, top + 1)]
                mtus = told(side, packets[:1])
                need(mtus == [shared], "hint: %s, not %d" % (mtus, shared))
                net.same(side, packets, what="in two pieces")
                need(len(told(side, packets)) <= 1, "more than one hint")
            for n in range(top + 1, min(top + 21, 1501)):
                mtus = told(side, [make(side, n)])
                need(mtus == [own], "%d bytes: PTB %s, not %d" % (
                    n, mtus, own))
            if own < 1500:
                net.none(side, [make(side, n) for n in (own + 1, 1500)])
    # over the LAN's 1500, where links are larger
    for side in sides():
        for n in (1501, 1520, 1521, 4000, 9000):
            mtus = told(side, [echo(side, n - 48)])
            need(mtus and mtus[0] in (1500, own), "%d bytes: PTB %s" % (
                n, mtus))


def extra_shrinks():
    """A genuine "fragmentation needed": found, confirmed, told inside"""
    udp = Udp()
    for side in sides():
        net.same(side, [udp.make(side, bytes(1444))])
    for node, iface in (("cgnat", "out"), ("internet", "cg")):
        run(node, "ip", "link", "set", iface, "mtu", "1400")
    side = net.lan if carrier == "own" else net.srv
    end = time.monotonic() + 8
    while path_mtu() != 1400 and time.monotonic() < end:
        net.cross(side, [udp.make(side, bytes(1444))], wait=0.1)
    need(path_mtu() == 1400, "path MTU %d" % path_mtu())
    settled(net.lan, 1420)
    need(told(net.lan, [udp.make(net.lan, bytes(1444))]) == [1420], "PTB")
    net.same(net.lan, [udp.make(net.lan, bytes(n - 56))
                       for n in range(1400, 1421)])


CASES = {name.split("_", 1)[1]: what for name, what in list(globals().items())
         if name.startswith(("case_", "extra_"))}
EXTRA = ("sizes", "shrinks")


def main(argv):
    global carrier, lab, unmap, net
    carrier, lab, unmap, site = argv[:4]
    net = Net(lab, site)
    bad = 0
    for name in argv[4:] or [c for c in CASES if c not in EXTRA]:
        start = time.monotonic()
        try:
            CASES[name]()
            print("ok wire/%s/%s" % (carrier, name))
        except Fail as err:
            print("# %s: %s" % (name, err))
            print("not ok wire/%s/%s" % (carrier, name))
            bad = 1
        except Exception:
            traceback.print_exc(file=sys.stdout)
            print("not ok wire/%s/%s" % (carrier, name))
            bad = 1
        if time.monotonic() - start > 3:
            print("# %s: %.1f s" % (name, time.monotonic() - start))
        sys.stdout.flush()
    return bad


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
