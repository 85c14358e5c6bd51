#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""net.py: the small servers and clients of the laboratory

dns ADDRESS                      answer AAAA and A for every name
echo ADDRESS PORT                send back what comes, TCP and UDP
udp ADDRESS PORT COUNT SIZE      datagrams to echo; every one must come back
                                 unaltered, lost ones are sent again
latency COUNT FROM TO PORT [FROM TO PORT]
                                 microseconds to connect and get a first byte,
                                 interleaved; median of each
hold ADDRESS PORT COUNT          open so many TCP connections, one byte each
                                 way, then wait to be ended
late ADDRESS PORT SECONDS        one TCP connection, idle for so long between
                                 one line and another
probe ADDRESS PORT SIZE          datagrams of that size to echo, never fragmented
                                 here, whatever path MTU is known
stream ADDRESS PORT SECONDS      one TCP connection, a line to and fro ten
                                 times a second; every line must come back
"""

import hashlib
import resource
import select
import socket
import statistics
import struct
import sys
import time

WINDOW = 32


def family(address):
    return socket.AF_INET6 if ':' in address else socket.AF_INET


def bound(kind, address, port):
    s = socket.socket(family(address), kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, int(port)))
    return s


def many_files():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def dns_answer(query):
    end = 12
    while query[end]:
        end += query[end] + 1
    question = query[12:end + 5]
    qtype = struct.unpack('>H', query[end + 1:end + 3])[0]
    data = {28: socket.inet_pton(socket.AF_INET6, '2001:db8:5::5'),
            1: socket.inet_aton('203.0.113.133')}.get(qtype)
    head = query[:2] + struct.pack('>HHHHH', 0x8580, 1, 1 if data else 0, 0, 0)
    if not data:
        return head + question
    return head + question + struct.pack('>HHHIH', 0xc00c, qtype, 1, 60,
                                         len(data)) + data


def dns(address):
    s = bound(socket.SOCK_DGRAM, address, 53)
    while True:
        query, peer = s.recvfrom(4096)
        try:
            s.sendto(dns_answer(query), peer)
        except IndexError:
            pass


class Echo:
    """One thread, all connections."""

    def __init__(self, address, port):
        many_files()
        self.udp = bound(socket.SOCK_DGRAM, address, port)
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.tcp = bound(socket.SOCK_STREAM, address, port)
        self.tcp.listen(4096)
        self.tcp.setblocking(False)
        self.udp.setblocking(False)
        self.poll = select.epoll()
        self.conns = {}
        for s in (self.udp, self.tcp):
            self.poll.register(s.fileno(), select.EPOLLIN)

    def accept(self):
        try:
            while True:
                s = self.tcp.accept()[0]
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.conns[s.fileno()] = s
                self.poll.register(s.fileno(), select.EPOLLIN)
        except BlockingIOError:
            pass

    def datagrams(self):
        try:
            while True:
                self.udp.sendto(*self.udp.recvfrom(65536))
        except (BlockingIOError, OSError):
            pass

    def answer(self, fd):
        try:
            data = self.conns[fd].recv(65536)
            if data:
                self.conns[fd].sendall(data)
                return
        except OSError:
            pass
        self.poll.unregister(fd)
        self.conns.pop(fd).close()

    def run(self):
        while True:
            for fd, _ in self.poll.poll():
                if fd == self.udp.fileno():
                    self.datagrams()
                elif fd == self.tcp.fileno():
                    self.accept()
                else:
                    self.answer(fd)


def echo(address, port):
    Echo(address, port).run()


def datagram(seed, n, size):
    block = hashlib.sha256(struct.pack('>QI', seed, n)).digest()
    return (struct.pack('>I', n) + block * (size // 32 + 1))[:size]


def udp(address, port, count, size):
    count, size = int(count), max(int(size), 4)
    s = socket.socket(family(address), socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    s.connect((address, int(port)))
    s.settimeout(0.3)
    seed = time.monotonic_ns()
    todo, sent, lost, quiet = list(range(count)), {}, 0, 0
    while todo or sent:
        while todo and len(sent) < WINDOW:
            n = todo.pop(0)
            sent[n] = datagram(seed, n, size)
            try:
                s.send(sent[n])
            except (ConnectionRefusedError, OSError):
                pass
        try:
            data = s.recv(65536)
        except socket.timeout:
            lost += len(sent)
            quiet += 1
            todo = list(sent) + todo
            sent.clear()
            if quiet > 20:
                sys.exit(f'nothing comes back, {len(todo)} left')
            continue
        except OSError:
            continue
        quiet = 0
        n = struct.unpack('>I', data[:4])[0]
        if n in sent:
            if data != sent.pop(n):
                sys.exit(f'datagram {n} came back altered')
        elif data != datagram(seed, n, size):
            sys.exit(f'datagram {n} came back altered, late')
        elif n in todo:
            todo.remove(n)
    print(f'{count} datagrams of {size}, {lost} sent again')
    if lost > count // 2 + 8:
        sys.exit('more than half were lost')


def connect(source, address, port):
    s = socket.socket(family(address), socket.SOCK_STREAM)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.settimeout(10)
    if source != '-':
        s.bind((source, 0))
    s.connect((address, int(port)))
    return s


def once(source, address, port):
    start = time.perf_counter_ns()
    s = connect(source, address, port)
    s.sendall(b'x')
    if s.recv(1) != b'x':
        sys.exit('wrong byte')
    spent = (time.perf_counter_ns() - start) / 1000
    s.close()
    return spent


def latency(count, *paths):
    paths = [paths[i:i + 3] for i in range(0, len(paths), 3)]
    taken = [[] for _ in paths]
    for i in range(int(count) + 2):
        for path, times in zip(paths, taken):
            spent = once(*path)
            if i > 1:
                times.append(spent)
            time.sleep(0.01)
    print(' '.join(f'{statistics.median(times):.0f}' for times in taken))


def hold(address, port, count):
    many_files()
    conns = []
    for i in range(int(count)):
        s = connect('-', address, port)
        s.sendall(b'x')
        s.recv(1)
        conns.append(s)
        if i % 1000 == 999:
            print(f'held {i + 1}', flush=True)
    print('all held', flush=True)
    time.sleep(3600)


def stream(address, port, seconds):
    s = connect('-', address, port)
    end, n = time.monotonic() + float(seconds), 0
    s.settimeout(30)
    longest = 0
    while time.monotonic() < end:
        line = b'line %d\n' % n
        start = time.monotonic()
        s.sendall(line)
        got = b''
        while len(got) < len(line):
            part = s.recv(65536)
            if not part:
                sys.exit(f'closed after {n} lines')
            got += part
        if got != line:
            sys.exit(f'line {n} came back altered')
        longest = max(longest, time.monotonic() - start)
        n += 1
        time.sleep(0.1)
    print(f'{n} lines, longest wait {longest:.3f} s')


def late(address, port, seconds):
    s = connect('-', address, port)
    s.settimeout(20)
    for line in (b'early\n', b'late\n'):
        s.sendall(line)
        if s.recv(100) != line:
            sys.exit('wrong answer')
        if line == b'early\n':
            time.sleep(float(seconds))
    print('answered after idling')


def probe(address, port, size):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6, 23, 3)    # IPV6_MTU_DISCOVER, PROBE
    s.settimeout(1)
    for n in range(4):
        s.sendto(datagram(1, n, int(size)), (address, int(port)))
        try:
            if s.recv(65536) == datagram(1, n, int(size)):
                return
        except socket.timeout:
            pass
    sys.exit('no answer')


def main():
    todo = {f.__name__: f for f in (dns, echo, udp, latency, hold, late, probe, stream)}
    if len(sys.argv) < 2 or sys.argv[1] not in todo:
        sys.exit(__doc__)
    try:
        todo[sys.argv[1]](*sys.argv[2:])
    except (OSError, socket.timeout) as err:
        sys.exit(f'{" ".join(sys.argv[1:])}: {err}')
    except KeyboardInterrupt:
        sys.exit(130)


main()
