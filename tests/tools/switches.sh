#!/bin/bash
# The switches for people, the list of mounts, check and doctor; and mounts that cannot be.
# Usage: switches.sh PATH_OF_PMEMFILE
set -u
pmemfile=$(realpath "$1")
dir=$(mktemp -d /dev/shm/pmemfile-switches.XXXXXX)
trap 'rm -rf "$dir"' EXIT
export XDG_CONFIG_HOME=$dir/config
unset PMEMFILE_POOLS PMEMFILE_LOG PMEMFILE_STRICT PMEMFILE_REPORT PMEMFILE_BYPASS PMEMFILE_DISABLE

. "$(dirname "$0")/expect.sh"
has() { # FILE PATTERN
    if grep -qE -- "$2" "$1"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: no '$2' in $1: $(head -c 2000 "$1")"
    fi
}

mkdir "$dir/a" "$dir/a/inner" "$dir/b"
"$pmemfile" mkfs -s 32M "$dir/pool" >/dev/null && "$pmemfile" mkfs -s 32M "$dir/pool2" >/dev/null || exit 1
run=("$pmemfile" run -m "$dir/a=$dir/pool" --)
"${run[@]}" sh -c "echo hello >$dir/a/greeting" || exit 1

# Mount options, and mounts that cannot be: one line each, exit code 125.
preload=$(dirname "$pmemfile")/../posix-shim/libpmemfile-preload.so
pools() { expect "$1" "$2" "$3" env LD_PRELOAD="$preload" PMEMFILE_POOLS="$4" "${@:5}"; }
pools 0 hello "" "$dir/a=$dir/pool,ro" cat "$dir/a/greeting"
pools 2 "" "Read-only file system" "$dir/a=$dir/pool,ro" dash -c "echo >$dir/a/new"
pools 0 "" "" "$dir/a=$dir/pool,rw" dash -c "echo >$dir/a/new"
pools 125 "" "nonsense: no such mount option" "$dir/a=$dir/pool,ro,nonsense" true
pools 125 "" "must be DIR=POOL" "$dir/a" true
pools 125 "" "must be DIR=POOL" "a=$dir/pool" true
pools 125 "" "its pool is mounted elsewhere already" "$dir/a=$dir/pool;$dir/b=$dir/pool" true
pools 125 "" "a mount cannot lie in another mount" "$dir/a=$dir/pool;$dir/a/inner=$dir/pool2" true
pools 125 "" "a mount cannot lie in another mount" "$dir/a/inner=$dir/pool2;$dir/a=$dir/pool" true
pools 125 "" "two pools cannot be mounted on one directory" "$dir/a=$dir/pool;$dir/a/=$dir/pool2" true
pools 125 "" "$dir/none: No such file" "$dir/none=$dir/pool" true
pools 125 "" "no such pool: No such file" "$dir/a=$dir/none" true

# PMEMFILE_DISABLE, PMEMFILE_BYPASS: also for programs below one that makes its environment anew.
expect 1 "" "No such file" env PMEMFILE_DISABLE=1 "${run[@]}" cat "$dir/a/greeting"
expect 0 hello "" env PMEMFILE_DISABLE=0 "${run[@]}" cat "$dir/a/greeting"
expect 1 "" "No such file" env PMEMFILE_BYPASS=cat:none "${run[@]}" cat "$dir/a/greeting"
expect 1 "" "No such file" env PMEMFILE_BYPASS="$(realpath "$(command -v cat)")" "${run[@]}" env -i cat "$dir/a/greeting"
expect 0 hello "" env PMEMFILE_BYPASS=dash "${run[@]}" dash -c "cat $dir/a/greeting; true"
expect 0 hello "" env PMEMFILE_BYPASS=cat "${run[@]}" head -n1 "$dir/a/greeting"

# Programs of a pool by the path that people know, and static ones by their own.
cat >"$dir/static.c" <<'END'
#include <fcntl.h>
#include <unistd.h>
int main(int argc, char **argv) {
    char text[64];
    ssize_t length = argc > 1 ? read(open(argv[1], O_RDONLY), text, sizeof text) : 0;
    return length < 0 || write(1, text, length) != length ? 1 : 7;
}
END
cc -static -o "$dir/static" "$dir/static.c" || exit 1
"${run[@]}" cp /bin/cat "$dir/static" "$dir/a" || exit 1
expect 1 "" "No such file" env PMEMFILE_BYPASS="$dir/a/cat" "${run[@]}" dash -c "cd $dir/a; ./cat greeting"
expect 1 "" "No such file" env PMEMFILE_BYPASS="cat" "${run[@]}" "$dir/a/cat" "$dir/a/greeting"
expect 0 hello "" env PMEMFILE_BYPASS="$dir/b/cat:$(realpath "$(command -v cat)")" "${run[@]}" "$dir/a/cat" "$dir/a/greeting"
expect 7 hello "" "${run[@]}" "$dir/static" "$dir/a/greeting"
for program in static "$dir/static"; do
    expect 1 "" "" env PMEMFILE_BYPASS="$program" "${run[@]}" "$dir/static" "$dir/a/greeting"
    expect 7 hello "" env PMEMFILE_BYPASS="none:$dir/none" "${run[@]}" "$dir/static" "$dir/a/greeting"
done
"${run[@]}" rm "$dir/a/cat" "$dir/a/static"

# PMEMFILE_STRICT, PMEMFILE_LOG: a watch in the pool is refused (name_to_handle_at).
handle='import ctypes,os,sys; c=ctypes.CDLL(None,use_errno=True); b=ctypes.create_string_buffer(256); b[0]=b"\x80"; m=ctypes.c_int()
r=c.name_to_handle_at(-100,sys.argv[1].encode(),b,ctypes.byref(m),0); print("errno",ctypes.get_errno())'
expect 0 "errno 95" "" "${run[@]}" python3 -c "$handle" "$dir/a/greeting"
expect 134 "" "strict: name_to_handle_at" env PMEMFILE_STRICT=1 "${run[@]}" python3 -c "$handle" "$dir/a/greeting"
expect 0 "errno" "" env PMEMFILE_STRICT=1 "${run[@]}" python3 -c "$handle" "$dir/b"
expect 134 "" "strict: a call that is not in the table \(470\)" env PMEMFILE_STRICT=1 "${run[@]}" \
    python3 -c 'import ctypes; ctypes.CDLL(None).syscall(470)'
expect 0 "errno 95" "refused: [0-9]+ name_to_handle_at \(303\): EOPNOTSUPP" env PMEMFILE_LOG=1 "${run[@]}" python3 -c "$handle" "$dir/a/greeting"
expect 0 "errno 95" "" env PMEMFILE_LOG="$dir/log" "${run[@]}" env -i python3 -c "$handle" "$dir/a/greeting"
has "$dir/log" "refused: [0-9]+ name_to_handle_at"
has "$dir/log" "mount: [0-9]+ $dir/a: $dir/pool"
expect 0 "" "PMEMFILE_LOG=relative: must be 1 or an absolute path" env PMEMFILE_LOG=relative "${run[@]}" true

# Where the log cannot be opened its lines go to what standard error was at the start, not to what the number is by then.
refuse='import ctypes,os,sys; os.close(2); os.open(sys.argv[2],os.O_WRONLY|os.O_CREAT|os.O_APPEND); os.write(2,b"data\n")
c=ctypes.CDLL(None); b=ctypes.create_string_buffer(256); b[0]=b"\x80"; c.name_to_handle_at(-100,sys.argv[1].encode(),b,ctypes.byref(ctypes.c_int()),0)'
expect 0 "" "refused: [0-9]+ name_to_handle_at" env PMEMFILE_LOG="$dir/none/log" "${run[@]}" python3 -c "$refuse" "$dir/a/greeting" "$dir/data"
expect 0 "" "report: [0-9]+ exit: " env PMEMFILE_REPORT="$dir/none/log" "${run[@]}" python3 -c "$refuse" "$dir/a/greeting" "$dir/data"
expect 134 "" "strict: name_to_handle_at" env PMEMFILE_STRICT=1 "${run[@]}" python3 -c "$refuse" "$dir/a/greeting" "$dir/data"
expect 0 "^3$" "" grep -c "" "$dir/data"
has "$dir/data" "^data$"

# PMEMFILE_REPORT: served, passed and refused, by name.
expect 0 hello "report: [0-9]+ exit: [1-9][0-9]* served, [1-9][0-9]* passed, 0 refused" env PMEMFILE_REPORT=1 "${run[@]}" cat "$dir/a/greeting"
has "$dir/err" "report: [0-9]+ (open|openat): [1-9][0-9]* served, "
has "$dir/err" "report: [0-9]+ write: 0 served, 1 passed"
expect 0 "errno 95" "" env PMEMFILE_REPORT="$dir/report" "${run[@]}" python3 -c "$handle" "$dir/a/greeting"
has "$dir/report" "name_to_handle_at: 0 served, 0 passed, 1 refused"

# The list of mounts.
expect 0 "" "" "$pmemfile" mount
expect 125 "" "no pool" "$pmemfile" run -- true
expect 0 "" "" "$pmemfile" mount "$dir/a" "$dir/pool"
mkdir "$dir/with space"
expect 0 "" "" "$pmemfile" mount -r "$dir/with space" "$dir/pool2"
expect 0 "^$dir/pool2 on $dir/with space type pmemfile \(ro\)$" "" "$pmemfile" mount
expect 0 hello "" "$pmemfile" run -- cat "$dir/a/greeting"
expect 2 "" "Read-only file system" "$pmemfile" run -- dash -c "echo >'$dir/with space/new'"
expect 1 "" "mounted already" "$pmemfile" mount "$dir/a" "$dir/pool2"
expect 1 "" "mounted already" "$pmemfile" mount "$dir/b" "$dir/pool"
"$pmemfile" mkfs -s 32M "$dir/pool3" >/dev/null
expect 1 "" "cannot lie in another mount" "$pmemfile" mount "$dir/a/inner" "$dir/pool3"
expect 1 "" "cannot mount on $dir/none" "$pmemfile" mount "$dir/none" "$dir/pool3"
expect 1 "" "cannot use pool" "$pmemfile" mount "$dir/b" "$dir/none"
expect 1 "" "is not mounted" "$pmemfile" umount "$dir/b"
expect 0 "ok +mount +$dir/pool on $dir/a|note +mount +$dir/a is not empty" "" "$pmemfile" doctor
expect 0 "" "" "$pmemfile" umount "$dir/with space"
expect 0 "" "" "$pmemfile" umount "$dir/pool"
expect 125 "" "no pool" "$pmemfile" run -- true
echo "nonsense" >"$dir/config/pmemfile/mounts"
expect 125 "" "mounts:1: not of the form" "$pmemfile" run -- true
expect 1 "bad +mounts" "mounts:1: not of the form" "$pmemfile" doctor
rm "$dir/config/pmemfile/mounts"
# What a person has written there stays, also where the list is kept elsewhere.
printf '# mine\n\n%s %s pmemfile rw,noatime 0 0 # first\n' "$dir/pool" "$dir/a" >"$dir/list"
ln -s "$dir/list" "$dir/config/pmemfile/mounts"
cp "$dir/list" "$dir/former"
mkdir "$dir/gone"
(cd "$dir" && expect 0 "" "" "$pmemfile" mount gone pool2; rmdir gone; expect 0 "" "" "$pmemfile" umount gone; [ "$failed" -eq 0 ]) ||
    failed=$((failed + 1))
expect 0 "" "" diff "$dir/former" "$dir/list"
mkdir "$dir/gone" && "$pmemfile" mount "$dir/gone" "$dir/pool2" && rmdir "$dir/gone"
expect 1 "bad +mount +cannot mount on $dir/gone: No such file" "" "$pmemfile" doctor
expect 0 "" "" "$pmemfile" umount "$dir/gone/"
expect 0 "" "" "$pmemfile" umount "$dir/a"
expect 0 "^# mine$" "" cat "$dir/list"
[ -L "$dir/config/pmemfile/mounts" ] || { echo "FAILED: the list's symlink was replaced"; failed=$((failed + 1)); }
# Where there is no room for it the list stays, and nothing beside it.
if unshare -m true 2>/dev/null; then
    mkdir "$dir/small"
    expect 1 "^mounts mounts.lock $" "cannot write $dir/small/pmemfile/mounts: No space left" unshare -m bash -c "mount -t tmpfs -o size=8k tmpfs $dir/small
        mkdir $dir/small/pmemfile; echo '# mine' >$dir/small/pmemfile/mounts; head -c 100000 /dev/zero >$dir/small/fill 2>/dev/null
        XDG_CONFIG_HOME=$dir/small $pmemfile mount $dir/b $dir/pool2; code=\$?; ls $dir/small/pmemfile | tr '\n' ' '
        grep -qx '# mine' $dir/small/pmemfile/mounts && exit \$code"
fi
# Doctor says of each mount what run would.
doctor() { # EXPECTED LINE...
    printf '%s\n' "${@:2}" >"$dir/list"
    expect 1 "$1" "" "$pmemfile" doctor
    expect 125 "" "^pmemfile: " "$pmemfile" run -- true
}
doctor "bad +mount +$dir/static is not a pmemfile pool" "$dir/static $dir/a pmemfile rw"
doctor "bad +mount +cannot use pool $dir: Is a directory" "$dir $dir/a pmemfile rw"
doctor "bad +mount +pool $dir/pool is mounted already" "$dir/pool $dir/a pmemfile rw" "$dir/pool $dir/b pmemfile rw"
doctor "bad +mount +a mount cannot lie in another mount" "$dir/pool $dir/a pmemfile rw" "$dir/pool2 $dir/a/inner pmemfile rw"
echo "$dir/pool $dir/a pmemfile rw" >"$dir/list"
expect 0 hello "" env PMEMFILE_POOLS= "$pmemfile" run -- cat "$dir/a/greeting"
rm "$dir/config/pmemfile/mounts"
expect 125 "" "no pool" env PMEMFILE_POOLS= "$pmemfile" run -- true
if unshare -m true 2>/dev/null; then
    expect 0 "ok +/dev/shm +without a limit" "" unshare -m sh -c "mount -t tmpfs -o size=0 tmpfs /dev/shm && exec $pmemfile doctor"
fi
# As fstab(5) has them: several options, of which the last of ro and rw counts.
for options in ro,noatime defaults,ro rw,ro; do
    echo "$dir/pool $dir/a pmemfile $options 0 0" >"$dir/config/pmemfile/mounts"
    expect 2 "" "Read-only file system" "$pmemfile" run -- dash -c "echo >'$dir/a/new'"
done
for options in rw,noatime defaults ro,rw; do
    echo "$dir/pool $dir/a pmemfile $options" >"$dir/config/pmemfile/mounts"
    expect 0 "" "" "$pmemfile" run -- dash -c "echo >'$dir/a/new'"
done
rm "$dir/config/pmemfile/mounts"
# Each name that can be mounted can be read again.
name=$dir/$'return\rfeed\fvertical\vescape\e#hash'
mkdir "$name"
expect 0 "" "" "$pmemfile" mount "$name" "$dir/pool"
expect 0 "type pmemfile \(rw\)$" "" "$pmemfile" mount
expect 0 hello "" "$pmemfile" run -- cat "$name/greeting"
expect 0 "" "" "$pmemfile" umount "$name"
expect 0 "" "" "$pmemfile" mount
# A list that cannot be read is not an empty one.
rm "$dir/config/pmemfile/mounts"
mkdir "$dir/config/pmemfile/mounts"
expect 1 "" "cannot read $dir/config/pmemfile/mounts: Is a directory" "$pmemfile" mount
expect 1 "" "cannot read $dir/config/pmemfile/mounts: Is a directory" "$pmemfile" mount "$dir/a" "$dir/pool"
expect 125 "" "cannot read $dir/config/pmemfile/mounts: Is a directory" "$pmemfile" run -- true
rmdir "$dir/config/pmemfile/mounts"
expect 0 "ok +libc" "" "$pmemfile" doctor
expect 0 "PMEMFILE_DISABLE +is set" "" env PMEMFILE_DISABLE=1 "$pmemfile" doctor

# check: refusals, programs that go round us, and neither.
expect 0 hello "nothing was refused, nothing went round us" "$pmemfile" check -m "$dir/a=$dir/pool" -- cat "$dir/a/greeting"
has "$dir/err" "exit code 0"
expect 0 "" "^dash: exit code 3$" python3 -c "import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])" "$pmemfile" check -m "$dir/a=$dir/pool" -- dash -c 'exit 3'
expect 1 "errno 95" "refused 1 times: name_to_handle_at \(303\): EOPNOTSUPP" "$pmemfile" check -m "$dir/a=$dir/pool" -- python3 -c "$handle" "$dir/a/greeting"
# Static programs are started through the launcher (intercept/), and see the pool.
expect 7 hello "" "${run[@]}" dash -c "$dir/static $dir/a/greeting; exit \$?"
printf '#!%s %s\n' "$dir/static" "$dir/a/greeting" >"$dir/script"
chmod +x "$dir/script"
expect 7 hello "" "${run[@]}" "$dir/script"
expect 0 "" "nothing was refused, nothing went round us" "$pmemfile" check -m "$dir/a=$dir/pool" -- dash -c "$dir/static; true"
# Where the launcher cannot (Linux has no Syscall User Dispatch, says this filter) it runs without: not the launcher once more.
without_dispatch='import ctypes, os, struct, sys
code = [(0x20, 0, 0, 0), (0x15, 0, 3, 157), (0x20, 0, 0, 16), (0x15, 0, 1, 59), (6, 0, 0, 0x00050016), (6, 0, 0, 0x7fff0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.create_string_buffer(struct.pack("H6xQ", 6, ctypes.addressof(code)))) == 0
os.execv(sys.argv[1], [sys.argv[1]])'
expect 7 "" "level 2 is not possible here" "${run[@]}" python3 -c "$without_dispatch" "$dir/static"
expect 1 "" "^none: exit code 127" "$pmemfile" check -m "$dir/a=$dir/pool" -- none
# Set-id programs do not: told by check, and without it when it could matter.
if [ "$(id -u)" -eq 0 ]; then
    cp /bin/true "$dir/set-id" && chown 1:1 "$dir/set-id" && chmod 6755 "$dir/set-id"
    expect 1 "" "goes round us \(1 times\): $dir/set-id: set-id: it does not see the pools" "$pmemfile" check -m "$dir/a=$dir/pool" -- dash -c "$dir/set-id; true"
    expect 0 "" "" "${run[@]}" dash -c "$dir/set-id; exit \$?"
    expect 0 "" "exec: $dir/set-id: set-id: it does not see the pools" "${run[@]}" dash -c "$dir/set-id $dir/a/greeting; exit \$?"
    expect 0 "" "exec: $dir/set-id: set-id: it does not see the pools" "${run[@]}" dash -c "cd $dir/a; $dir/set-id; exit \$?"
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
