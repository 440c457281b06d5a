#!/usr/bin/env python3
"""scattered.py DIRECTORY: files of more pieces than vm.max_map_count are mapped, as any other."""
import mmap
import os
import sys

BLOCK = 4096
os.chdir(sys.argv[1])
pieces = int(open("/proc/sys/vm/max_map_count").read()) + 1000


def check(name, size, **how):
    file = os.open(name, os.O_RDWR)
    with mmap.mmap(file, size, **how) as view:
        for index in (0, 1, 2, pieces // 2, pieces - 1):
            at = index * BLOCK
            assert view[at : at + 8] == os.pread(file, 8, at), (name, how, index)
        if how.get("access") is None and not how:
            view[5 * BLOCK + 9] = 7
            assert os.pread(file, 1, 5 * BLOCK + 9) == b"\7"
            os.pwrite(file, b"\x09", 6 * BLOCK)
            assert view[6 * BLOCK] == 9
        pieces_now = len(os.listdir("/proc/self/map_files")) # maps joins them
        assert pieces_now < 5000, pieces_now
        assert os.spawnlp(os.P_WAIT, "true", "true") == 0 # there is room for other mappings
    os.close(file)


def both(write):
    """A fresh file of each kind of mapping: what one has gathered stays so."""
    for how in ({}, {"prot": mmap.PROT_READ}, {"flags": mmap.MAP_PRIVATE}):
        size = write()
        check("one", size, **how)
        os.unlink("one")


def by_turns():
    one = os.open("one", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    two = os.open("two", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    for index in range(pieces):
        os.pwrite(one, b"%08d" % index + bytes(BLOCK - 8), index * BLOCK)
        os.pwrite(two, bytes(BLOCK), index * BLOCK)
    os.close(one)
    os.close(two)
    os.unlink("two")
    return pieces * BLOCK


def with_holes():
    one = os.open("one", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    for index in range(0, pieces, 2):
        os.pwrite(one, b"%08d" % index, index * BLOCK)
    os.ftruncate(one, pieces * BLOCK)
    os.close(one)
    return pieces * BLOCK


both(by_turns)
both(with_holes)
print("all right")
