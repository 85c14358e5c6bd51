#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""fast_prog.py OBJECT: the programs of net/fast.bpf.c as a C header

Run by `make fast-prog`. Takes the sections "out" and "in" of an eBPF object:
instructions of 8 bytes, and the relocations that name maps and constants.
"""

import struct
import sys

SHT_REL, SHT_SYMTAB = 9, 2
HEAD = '''/* SPDX-License-Identifier: MIT
 *
 * fast_prog.h - written from fast.bpf.c by `make fast-prog`
 */
#ifndef NET_FAST_PROG_H
#define NET_FAST_PROG_H

#include <stdint.h>

/* What the programs leave open: maps, and numbers known when they are loaded */
enum fast_name {
%s	FAST_NAMES
};

/** struct fast_ref - instruction @at is to load what @name stands for */
struct fast_ref {
	uint16_t at, name;
};
'''


def sections(elf):
    """name -> (index, type, offset, size, link)"""
    at, = struct.unpack_from('<Q', elf, 40)
    size, count, names = struct.unpack_from('<HHH', elf, 58)
    rows = [struct.unpack_from('<IIQQQQII', elf, at + i * size)
            for i in range(count)]
    text = rows[names][4]
    return {string(elf, text + r[0]): (i, r[1], r[4], r[5], r[6])
            for i, r in enumerate(rows)}, rows


def string(elf, at):
    return elf[at:elf.index(b'\0', at)].decode()


def relocations(elf, table, rows, name):
    """(instruction, symbol) of one section"""
    _, kind, at, size, link = table['.rel' + name]
    assert kind == SHT_REL and rows[link][1] == SHT_SYMTAB
    symbols, strings = rows[link][4], rows[rows[link][6]][4]
    for i in range(at, at + size, 16):
        where, info = struct.unpack_from('<QQ', elf, i)
        text, = struct.unpack_from('<I', elf, symbols + (info >> 32) * 24)
        yield where // 8, string(elf, strings + text)


def main():
    elf = open(sys.argv[1], 'rb').read()
    table, rows = sections(elf)
    refs = {name: list(relocations(elf, table, rows, name))
            for name in ('out', 'in')}
    symbols = sorted({symbol.upper() for row in refs.values()
                      for _, symbol in row})
    print(HEAD % ''.join('\tFAST_%s,\n' % s for s in symbols))
    for name in 'out', 'in':
        _, _, at, size, _ = table[name]
        words = struct.unpack_from('<%dQ' % (size // 8), elf, at)
        print('static const uint64_t fast_%s_code[] = {' % name)
        for i in range(0, len(words), 3):
            print('\t' + ' '.join('0x%016x,' % w for w in words[i:i + 3]))
        print('};')
        print('static const struct fast_ref fast_%s_refs[] = {' % name)
        for where, symbol in refs[name]:
            print('\t{ %d, FAST_%s },' % (where, symbol.upper()))
        print('};')
    print('\n#endif')


main()
