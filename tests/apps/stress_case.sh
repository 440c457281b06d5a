#!/bin/bash
# stress_case: fio with each engine that reads and writes files (and verifies what it wrote), stress-ng's filesystem stressors,
# dbench, fs_mark, bonnie++. Only the verdicts are compared, the speeds are not.
# needs: fio stress-ng dbench fs_mark bonnie++
set -u
export LC_ALL=C
for engine in sync psync vsync pvsync pvsync2 libaio posixaio splice mmap; do
    fio --name=$engine --ioengine=$engine --directory="$PWD" --size=8m --rw=randrw --bs=4k --iodepth=4 --verify=crc32c --verify_fatal=1 \
        --minimal > out 2>&1
    echo "fio $engine: $?"
done
for engine in ftruncate falloc; do
    fio --name=$engine --ioengine=$engine --directory="$PWD" --size=8m --rw=write --bs=4k --minimal > out 2>&1
    echo "fio $engine: $?"
done
for engine in filecreate filestat filedelete; do
    fio --name=$engine --ioengine=$engine --directory="$PWD" --nrfiles=200 --filesize=4k --openfiles=1 --minimal > out 2>&1
    echo "fio $engine: $?"
done
rm -f -- file*
# Of memory with MAP_SYNC (EOPNOTSUPP as on tmpfs). io_uring is refused in a pool, and fio says so: ENOSYS.
fio --name=libpmem --ioengine=libpmem --directory="$PWD" --size=8m --rw=randrw --bs=4k --thread --direct=1 > out 2>&1
echo "fio libpmem: $? $(grep -c 'err=95' out)"
fio --name=io_uring --ioengine=io_uring --directory="$PWD" --size=8m --rw=randrw --bs=4k --iodepth=4 --verify=crc32c > out 2>&1
status=$?
{ [ $status -eq 0 ] || { [ $status -eq 1 ] && grep -qE 'err=38|Function not implemented|does not support io_uring' out; }; } &&
    echo "fio io_uring: done, or refused"
for way in '--direct=1 --fsync=1 --thread --numjobs=3' '--sync=1 --bsrange=512-128k --numjobs=2' '--rw=randwrite --fallocate=keep --fdatasync=2' \
    '--ioengine=libaio --direct=1 --numjobs=2 --iodepth=8 --verify=crc32c' '--ioengine=libaio --rw=randwrite --iodepth=8 --iodepth_batch=4 --fsync=8' \
    '--ioengine=splice --rw=read' '--rw=read --numjobs=4 --pre_read=1' '--rw=randtrimwrite' '--file_append=1 --rw=write'; do
    fio --name=way --ioengine=psync --directory="$PWD" --size=8m --rw=randrw --bs=4k $way --minimal > out 2>&1
    echo "fio $way: $?"
done
rm -f -- *.0.0 way.* *-verify.state # what fio notes of its own differs from run to run
# Each alone, so that a verdict has a name. Left out: those that look at the machine rather than at files, dnotify (F_NOTIFY).
for stressor in access acl aio aiol chattr chdir chmod chown copy-file dentry dir dirdeep dirmany dup fallocate fault fcntl \
    fiemap file-ioctl filename flock fpunch fstat getdent handle hdd inode-flags io iomix lease link locka lockf lockofd mknod \
    mmap mmapaddr mmapfixed mmapmany mremap msync msyncmany munmap open readahead rename revio rmap seek sendfile symlink \
    sync-file touch utime verity xattr; do
    stress-ng --help | grep -q -- "--$stressor " || continue
    timeout -k 5 60 stress-ng --$stressor 2 --timeout "${APPS_SECONDS:-1}s" --temp-path "$PWD" --verify --iomix-bytes 32m \
        --hdd-bytes 16m --fallocate-bytes 16m --seek-size 16m --readahead-bytes 16m --copy-file-bytes 16m --mmap-bytes 16m \
        --aiol-requests 8 > out 2>&1 < /dev/null
    status=$?
    echo "stress-ng $stressor: $status"
    [ $status -eq 0 ] || grep fail: out | sed 's/\[[0-9]*\]//' | sort -u | head -3
done
mkdir d && timeout 60 dbench -D "$PWD/d" -t 4 -c /usr/share/dbench/client.txt 3 > out 2>&1; echo "dbench: $?"
fs_mark -d "$PWD/m" -n 1000 -s 4096 -t 2 -S 1 > out 2>&1; echo "fs_mark: $?"
fs_mark -d "$PWD/m" -D 20 -n 500 -s 100 -S 3 -k > out 2>&1; echo "fs_mark -D: $?"
mkdir b && bonnie++ -d "$PWD/b" -s 64M:4k -r 16 -n 2:1000:10:4 -u "$(id -un)" -q > out 2> err; echo "bonnie++: $?"
rm -rf d m b out err fs_log.txt -- *.0.0 way.*; ls -A
