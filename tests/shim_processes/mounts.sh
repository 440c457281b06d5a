#!/bin/bash
# mounts.sh: what programs see of a mount (run_in_pool.sh): mountinfo, mounts, statfs, statx, st_dev.
set -u
cd "$POOL_DIRECTORY" || exit 1
failed=0
same() { # WHAT GOT WANTED
    [ "$2" = "$3" ] || { echo "FAILED: $1: '$2', not '$3'"; failed=1; }
}
mkdir -p directory
echo text >directory/file
same findmnt "$(findmnt -rno TARGET,SOURCE,FSTYPE,OPTIONS -T directory/file)" "$POOL_DIRECTORY $POOL pmemfile rw,nosuid,nodev,noatime"
same "findmnt of the host" "$(findmnt -rno TARGET -T /proc/self)" /proc
same df "$(df --output=target,source,fstype directory/file | tail -1 | tr -s ' ')" "$POOL_DIRECTORY $POOL pmemfile"
same mountpoint "$(mountpoint "$POOL_DIRECTORY")" "$POOL_DIRECTORY is a mountpoint"
same "no mountpoint" "$(mountpoint directory)" "directory is not a mountpoint"
same mtab "$(grep -c " $POOL_DIRECTORY pmemfile " /etc/mtab /proc/mounts /proc/self/mounts /proc/$$/mountinfo 2>/dev/null | tr '\n' ' ')" \
    "/etc/mtab:1 /proc/mounts:1 /proc/self/mounts:1 /proc/$$/mountinfo:0 "
same "mountinfo of itself" "$(python3 -c 'import os,sys; print(open("/proc/%d/mountinfo" % os.getpid()).read().count(sys.argv[1]))' " $POOL_DIRECTORY rw,")" 1
same "mounted on" "$(stat -c %m directory/file)" "$POOL_DIRECTORY"
same python "$(python3 -c 'import os,sys; print(*(os.path.ismount(p) for p in sys.argv[1:]))' . directory "$POOL_DIRECTORY" "$POOL_DIRECTORY/..")" "True False True False"
same devices "$(stat -c %d . directory/file | sort -u | wc -l) $([ "$(stat -c %d .)" = "$(stat -c %d "$POOL_DIRECTORY/..")" ] && echo same)" "1 "
same "device in mountinfo" "$(awk -v p="$POOL_DIRECTORY" '$5 == p { print $3 }' /proc/self/mountinfo)" \
    "$(python3 -c 'import os; d=os.stat(".").st_dev; print("%d:%d" % (os.major(d), os.minor(d)))')"
python3 - "$POOL_DIRECTORY" <<'END' || failed=1
import os, sys
v = os.statvfs('.')
assert v.f_flag & os.ST_NOSUID and v.f_flag & os.ST_NODEV and v.f_flag & os.ST_NOATIME and not v.f_flag & os.ST_RDONLY, v
assert v.f_blocks > v.f_bavail > 0 and v.f_files > v.f_ffree > 0 and v.f_namemax == 255
before = v.f_bavail
with open('filler', 'wb') as file:
    file.write(b'x' * (4 << 20))
after = os.statvfs('.').f_bavail
assert 1024 <= before - after <= 1100, (before, after)
os.unlink('filler')
lines = [line.split() for line in open('/proc/self/mountinfo')]
ids = [line[0] for line in lines]
assert len(ids) == len(set(ids)), ids
own = [line for line in lines if line[4] == sys.argv[1]]
assert len(own) == 1 and own[0][1] in ids, own
end = open('/proc/self/mountinfo').read()
assert end.endswith('\n') and end == open('/proc/thread-self/mountinfo').read()
proc = os.open('/proc', os.O_PATH) # relative to a directory, as container tools do
for at, name in (proc, 'self/mountinfo'), (os.open('/proc/self', os.O_RDONLY), 'mountinfo'), (os.open('/', os.O_PATH), 'proc/self/./mountinfo'):
    assert end == open(name, opener=lambda path, flags: os.open(path, flags, dir_fd=at)).read(), name
former = os.getcwd()
os.chdir('/proc/%d' % os.getpid())
assert end == open('mountinfo').read() and open('../mounts').read() == open('/proc/mounts').read()
os.chdir(former)
END
# A program of the pool finds itself in its maps, and nothing of its copy.
cp /bin/cat cat
same maps "$(./cat /proc/self/maps | grep -c "$POOL_DIRECTORY/cat\$" | awk '{ print ($1 >= 4) }') $(./cat /proc/self/maps | grep -c 'run-')" "1 0"
if command -v java >/dev/null; then
    cat >Store.java <<'END'
import java.nio.file.*;
public class Store {
    public static void main(String[] a) throws Exception {
        FileStore s = Files.getFileStore(Path.of(a[0]));
        System.out.println(s.type() + " " + s.name() + " " + (s.getTotalSpace() > 0) + " " + s.isReadOnly());
    }
}
END
    same java "$(java Store.java directory/file 2>&1)" "pmemfile $POOL true false"
fi
cd "$HOST_DIRECTORY" || exit 1
name=${POOL_DIRECTORY##*/}
mkdir empty && : >file
same "the mount point is busy" "$(python3 - "$name" <<'END'
import errno, os, sys
name = sys.argv[1]
for call in (lambda: os.rmdir(name), lambda: os.rmdir(name + '/'), lambda: os.rename(name, 'x'), lambda: os.rename('empty', name),
             lambda: os.rename(name, name), lambda: os.rmdir(name + '/.'), lambda: os.unlink(name), lambda: os.link('file', name),
             lambda: os.mkdir(name)):
    try:
        call()
        print('done', end=' ')
    except OSError as error:
        print(errno.errorcode[error.errno], end=' ')
END
)" "EBUSY EBUSY EBUSY EBUSY EBUSY EINVAL EISDIR EEXIST EEXIST "
rmdir empty; rm file
exit $failed
