#!/bin/bash
# address_space.sh, run by run_in_pool.sh: RLIMIT_AS counts what the program takes, not the pools (128 MiB here).
set -u
. "$(dirname "$0")/expect_text.sh"
tool=$(realpath "$PMEMFILE")
cd "$POOL_DIRECTORY" || exit 1
echo content >file
expect content prlimit --as=100000000 cat file
expect content prlimit --as=100000000 bash -c 'exec cat file'
expect content prlimit --as=100000000 bash -c 'cat file; true' # by a fork
expect "$(printf '100000\n100000\n90000')" bash -c 'ulimit -v 100000; ulimit -Sv; ulimit -Hv; ulimit -v 90000; ulimit -v'
expect 100000 bash -c 'ulimit -v 100000; exec bash -c "ulimit -v"'
expect unlimited bash -c 'ulimit -v'
# It is a limit all the same.
expect refused prlimit --as=200000000 python3 -c '
import mmap
try:
    mmap.mmap(-1, 400 << 20)
    print("taken")
except OSError:
    print("refused")'
expect 'Invalid argument' python3 -c '
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall(160, 9, (ctypes.c_ulong * 2)(2, 1)) # setrlimit
print(os.strerror(ctypes.get_errno()))'
expect 'Bad address' python3 -c '
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall(302, 0, 9, 0, 1) # prlimit64
print(os.strerror(ctypes.get_errno()))'
# A limit from before the first process saw the pools.
directory=$(mktemp -d)
pool=$(mktemp -u /dev/shm/address_space.XXXXXX)
trap 'rm -f "$pool"; rmdir "$directory"' EXIT
"$tool" mkfs -s 1G "$pool" >/dev/null || failures=$((failures + 1))
expect 200000 env -u PMEMFILE_POOLS -u LD_PRELOAD bash -c "ulimit -Sv 200000; exec '$tool' run -m '$directory=$pool' -- bash -c 'ulimit -v'"
end_of_test
