#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""strange.py: what strangers send to a hub, and who answers them

  noise HUB PORT LO HI      random datagrams, TCP bytes and SYNs; 200 TLS
                            handshakes left half open; prints what was answered
  record IFACE FILE SECONDS keep outer UDP packets that pass by
  replay IFACE FILE [ADDR]  send them again, several times; ADDR: from there
  flows ADDR PORT COUNT     UDP flows to an echo server; prints how many answer
"""
import os
import pickle
import random
import resource
import select
import socket
import struct
import sys
import time


def noise_udp(hub, ports):
    rnd = random.Random(1)
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    answers = 0
    for i in range(6000):
        body = bytearray(rnd.randbytes(rnd.choice((0, 1, 4, 20, 21, 60, 1400))))
        if body and i % 2:
            body[0] = body[0] & 0x3f | (i >> 1) % 4 << 6  # every kind of tag
        try:
            s.sendto(body, (hub, ports[i % len(ports)]))
        except OSError:
            pass  # a port unreachable that is told here
        if i % 100 == 99:
            time.sleep(0.002)
    end = time.time() + 1
    while select.select([s], [], [], max(0, end - time.time()))[0]:
        try:
            s.recv(2000)
            answers += 1
        except OSError:
            pass
    return answers


def noise_tcp(hub, port):
    rnd = random.Random(2)
    for i in range(20):
        s = socket.create_connection((hub, port), 3)
        s.sendall(rnd.randbytes(rnd.choice((1, 5, 300, 5000))))
        s.close()
    hello = bytes.fromhex("16030100050100000103")
    half = []
    for i in range(200):
        s = socket.socket()
        s.settimeout(3)
        try:
            s.connect((hub, port))
            s.send(hello[:i % 10 + 1])
        except OSError:
            pass
        half.append(s)
    time.sleep(1)
    return half


def noise_syn(hub, lo, hi):
    answers = 0
    tries = []
    for i in range(400):
        s = socket.socket()
        s.setblocking(False)
        try:
            s.connect((hub, lo + i * 7 % (hi - lo + 1)))
        except OSError:
            pass
        tries.append(s)
    time.sleep(0.5)
    for s in tries:
        if s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            answers += 1  # RST or ICMP: somebody answered
        s.close()
    return answers


def noise(hub, port, lo, hi):
    ports = [port, lo, lo + 1, (lo + hi) // 2, hi]
    udp = noise_udp(hub, ports)
    half = noise_tcp(hub, port)
    syn = noise_syn(hub, lo, hi)
    print("udp", udp, "syn", syn, "half", len(half))


def packet_socket(iface):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    s.bind((iface, 3))
    return s


def record(iface, path, seconds):
    s = packet_socket(iface)
    kept = []
    end = time.time() + seconds
    while time.time() < end and len(kept) < 200:
        if select.select([s], [], [], 0.2)[0]:
            p, at = s.recvfrom(65535)
            proto = at[1]
            if proto == 0x800 and p[9] == 17 and len(p) < 1500:
                kept.append(p)
    with open(path, "wb") as f:
        pickle.dump(kept, f)
    print("kept", len(kept))


def checksum(b):
    total = sum(struct.unpack("!%dH" % (len(b) // 2), b))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def readdressed(p, source):
    head = bytearray(p[:20])
    head[12:16] = socket.inet_aton(source)
    head[10:12] = b"\0\0"
    head[10:12] = struct.pack("!H", checksum(bytes(head)))
    udp = bytearray(p[20:])
    udp[6:8] = b"\0\0"  # no checksum: valid in IPv4
    return bytes(head) + bytes(udp)


def replay(iface, path, source=None):
    with open(path, "rb") as f:
        kept = pickle.load(f)
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, iface.encode())
    for _ in range(20):
        for p in kept:
            if source:
                p = readdressed(p, source)
            s.sendto(p, (socket.inet_ntoa(p[16:20]), 0))
    print("sent", 20 * len(kept))


def flows(to, port, count):
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + 100, count + 100))
    socks, answered = [], 0
    for i in range(count):
        s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        s.connect((to, port))
        s.settimeout(0.5)
        s.send(b"x" * 32)
        socks.append(s)
        if i % 50 == 49:
            for k in socks[-50:]:
                try:
                    answered += k.recv(100) == b"x" * 32
                except OSError:
                    pass
    print(answered)


def main(what, *args):
    if what == "noise":
        noise(args[0], *map(int, args[1:]))
    elif what == "record":
        record(args[0], args[1], float(args[2]))
    elif what == "replay":
        replay(*args)
    elif what == "flows":
        flows(args[0], int(args[1]), int(args[2]))
    else:
        sys.exit(__doc__)
    os._exit(0)


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    main(*sys.argv[1:])
