#!/bin/bash
# Pools that go away, /dev/shm that is full, read-only or not there, runtime files that are damaged: a clear line each, and
# nothing is lost. Usage: bad_surroundings.sh PATH_OF_PMEMFILE (root, for mount namespaces and other users)
set -u
pmemfile=$(realpath "$1")
dir=$(mktemp -d /tmp/pmemfile-surroundings.XXXXXX)
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"
. "$(dirname "$0")/expect.sh"
mkdir "$dir/mount"
pool=$dir/pool
"$pmemfile" mkfs -s 32M "$pool" >/dev/null || exit 1
run=("$pmemfile" run -m "$dir/mount=$pool" --)
"${run[@]}" sh -c "echo kept >$dir/mount/file" || exit 1
runtime=/dev/shm/$(printf 'pmemfile-%x-%x' "$(stat -c %d "$pool")" "$(stat -c %i "$pool")")

# A runtime file that was left behind, of another boot or damaged: made anew.
head -c 20000000 /dev/urandom >"$runtime" # where a version of before had it
expect 0 kept "" "${run[@]}" cat "$dir/mount/file"
mkdir "$runtime" && head -c 20000000 /dev/urandom >"$runtime/segment"
expect 0 kept "" "${run[@]}" cat "$dir/mount/file"
mkdir -p "$runtime" && : >"$runtime/segment"
expect 0 kept "" "${run[@]}" cat "$dir/mount/file"
[ ! -e "$runtime" ] || { echo "FAILED: $runtime is left"; failed=$((failed + 1)); }
# Damaged while somebody uses it: nobody else comes in.
"${run[@]}" sleep 60 &
sleeper=$!
for _ in $(seq 200); do [ -s "$runtime/segment" ] && break; sleep 0.05; done
sleep 0.3
dd if=/dev/urandom of="$runtime/segment" bs=64 count=1 conv=notrunc 2>/dev/null
expect 125 "" "the pool is in use, and the processes that use it are out of reach: Device or resource busy" "${run[@]}" cat "$dir/mount/file"
kill -9 $sleeper
wait $sleeper 2>/dev/null
expect 0 kept "" "${run[@]}" cat "$dir/mount/file"

# Its files are removed under a session (as logind does at a user's logout): who is in it goes on, nobody else comes in.
(for ((i = 0; i < 300; i++)); do [ -e "$dir/ask" ] && break; sleep 0.1; done
    "${run[@]}" true 2>"$dir/said"; echo $? >"$dir/answer") &
expect 0 "^kept more mine 125$" "" "${run[@]}" bash -c "rm -rf $runtime $runtime.tokens; exec 5>>$dir/mount/file
    (cat $dir/mount/file; echo more >>$dir/mount/file; tail -n 1 $dir/mount/file; echo mine >&5; tail -n 1 $dir/mount/file; : >$dir/ask
    for ((i = 0; i < 300; i++)); do [ -s $dir/answer ] && break; sleep 0.1; done; cat $dir/answer) | tr '\n' ' ' | sed 's/ \$//'; echo kept >$dir/mount/file"
wait $!
grep -q "the pool is in use, and the processes that use it are out of reach" "$dir/said" || { echo "FAILED: $(cat "$dir/said")"; failed=$((failed + 1)); }
expect 0 "^kept$" "" "${run[@]}" cat "$dir/mount/file"

# The pool's name goes away under a session: who is in it goes on, also over execs; nobody new comes in.
cp --sparse=always "$pool" "$dir/second"
second=("$pmemfile" run -m "$dir/mount=$dir/second" --)
expect 0 "kept
more" "" "${second[@]}" sh -c "rm $dir/second; cat $dir/mount/file; echo more >>$dir/mount/file; sh -c 'tail -1 $dir/mount/file'"
expect 125 "" "cannot use pool .*/second: No such file" "${second[@]}" true
# It gets another name, or another pool gets its own: who is in it stays in it, over execs too, and where he was.
cp --sparse=always "$pool" "$dir/second"
expect 0 "kept
kept
$dir/mount/inner
more" "" "${second[@]}" sh -c "mkdir $dir/mount/inner; cd $dir/mount/inner; mv $dir/second $dir/moved; cat ../file; (cat $dir/mount/file; pwd)
    sh -c 'echo more >../file; cat $dir/mount/file'"
expect 125 "" "cannot use pool .*/second: No such file" "${second[@]}" true
cp --sparse=always "$pool" "$dir/second" && cp --sparse=always "$pool" "$dir/other"
"$pmemfile" run -m "$dir/mount=$dir/other" -- sh -c "mkdir $dir/mount/elsewhere; echo other >$dir/mount/file; echo other >$dir/mount/elsewhere/name" || exit 1
expect 0 "^kept kept name$" "" "${second[@]}" sh -c "mkdir $dir/mount/inner; cd $dir/mount/inner; mv $dir/other $dir/second
    sh -c 'cat $dir/mount/file ../file; echo mine >name; ls' | tr '\n' ' ' | sed 's/ \$//'"
expect 0 "^other other$" "" "${second[@]}" sh -c "cat $dir/mount/file $dir/mount/elsewhere/name | tr '\n' ' ' | sed 's/ \$//'"
expect 0 "clean" "" "$pmemfile" fsck -n "$dir/second"
rm "$dir/moved"
# The directory below a mount goes away (a cleaner of /tmp takes empty ones): who has the mount goes on, nobody new comes in.
mkdir "$dir/below" && mkfifo "$dir/go"
(read -r _ <"$dir/go" && rmdir "$dir/below" && echo gone >"$dir/go") &
expect 0 "^kept kept name$" "" "$pmemfile" run -m "$dir/below=$pool" -- sh -c "echo go >$dir/go; read -r answer <$dir/go
    (cat $dir/below/file; cd $dir/below && cat file && mkdir made && echo >made/name && ls made; rm -r made) | tr '\n' ' ' | sed 's/ \$//'"
wait $!
[ ! -e "$dir/below" ] || { echo "FAILED: the directory was not removed"; failed=$((failed + 1)); }
expect 125 "" "cannot mount on $dir/below: No such file" "$pmemfile" run -m "$dir/below=$pool" -- true
# The line has its reason also where the path is long.
long=$dir/$(printf 'x%.0s' {1..250})/$(printf 'y%.0s' {1..250})/$(printf 'z%.0s' {1..250})/$(printf 'w%.0s' {1..250})/$(printf 'v%.0s' {1..99})
mkdir -p "$long"
expect 125 "" "preload: \.\.\..*v: the path of the mount point is too long$" "$pmemfile" run -m "$long=$pool" -- true
# A start that fails, with some pools attached already, leaves nothing behind.
preload=$(dirname "$pmemfile")/../posix-shim/libpmemfile-preload.so
mkdir "$dir/mount2" && head -c 4M /dev/zero >"$dir/zeros"
expect 125 "" "zeros: not a pmemfile pool" env LD_PRELOAD="$preload" PMEMFILE_POOLS="$dir/mount=$pool;$dir/mount2=$dir/zeros" true
expect 125 "" "its pool is mounted elsewhere already" env LD_PRELOAD="$preload" PMEMFILE_POOLS="$dir/mount=$pool;$dir/mount2=$pool" true
mkdir "$dir/mount/only-on-the-host"
expect 125 "" "the working directory is not in the pool" sh -c "cd $dir/mount/only-on-the-host && exec \"\$@\"" sh "${run[@]}" true
rmdir "$dir/mount/only-on-the-host"
[ ! -e "$runtime" ] && [ ! -e "$runtime.tokens" ] || { echo "FAILED: a start that fails leaves $runtime"; failed=$((failed + 1)); }

# It is cut: calls that meet it end with EIO, from then on all of them, and a line says why. The program goes on.
cp --sparse=always "$pool" "$dir/second"
expect 0 "5 5 5 5 5 5 5 True True" "pool: $dir/second: the file was cut" "${second[@]}" python3 -c "
import os, threading
os.chdir('$dir/mount')
file = os.open('file', os.O_RDWR)
os.truncate('$dir/second', 4096)
def number(call, *arguments):
    try: return call(*arguments)
    except OSError as error: return error.errno
print(number(os.listdir, '$dir/mount'), number(os.stat, 'file'), number(os.open, 'new', os.O_CREAT), number(os.pread, file, 4, 0),
      number(os.write, file, b'x'), number(os.fork), number(os.execv, '/bin/true', ['true']),
      number(os.close, file) is None, number(os.chdir, '/') is None and os.listdir('/dev') != [])
thread = threading.Thread(target=number, args=[os.listdir, '$dir/mount'])
thread.start(), thread.join()"
expect 125 "" "second: " "${second[@]}" true
# It becomes longer: what is behind its end does not count.
cp --sparse=always "$pool" "$dir/second"
expect 0 "kept
more" "" "${second[@]}" sh -c "truncate -s +3M $dir/second; cat $dir/mount/file; echo more >>$dir/mount/file; sh -c 'tail -1 $dir/mount/file'"
expect 0 "kept" "" "${second[@]}" cat "$dir/mount/file"
expect 0 "clean" "" "$pmemfile" fsck -n "$dir/second"
# In a process that has mapped a file of it, by SIGBUS: what it has mapped is gone.
cp --sparse=always "$pool" "$dir/second"
expect 135 "" "pool: $dir/second: the file was cut" "${second[@]}" python3 -c "
import mmap, os, resource
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
file = os.open('$dir/mount/mapped', os.O_CREAT | os.O_RDWR)
os.truncate(file, 8192)
memory = mmap.mmap(file, 8192)
os.truncate('$dir/second', 4096)
os.listdir('$dir/mount')"

if unshare -m true 2>/dev/null; then
    # A /dev/shm of its own, made by $prepare.
    in_own=(unshare -m sh -c 'eval "$prepare" && exec "$@"' sh)
    export prepare
    prepare='mount -t tmpfs -o size=1M tmpfs /dev/shm'
    expect 125 "" "No space left on device" "${in_own[@]}" "${run[@]}" true
    prepare='mount -t tmpfs -o ro tmpfs /dev/shm'
    expect 125 "" "cannot make the runtime file in /dev/shm: Read-only file system" "${in_own[@]}" "${run[@]}" true
    prepare='mount -t tmpfs tmpfs /dev && mknod -m 666 /dev/null c 1 3'
    expect 125 "" "cannot make the runtime file in /dev/shm: No such file or directory" "${in_own[@]}" "${run[@]}" true
    expect 1 "bad +/dev/shm" "" "${in_own[@]}" "$pmemfile" doctor
    prepare='mount -t tmpfs -o size=1M tmpfs /dev/shm'
    expect 1 "bad +/dev/shm" "" "${in_own[@]}" "$pmemfile" doctor
    expect 0 kept "" "${run[@]}" cat "$dir/mount/file"
fi
if [ "$(id -u)" -eq 0 ]; then
    chmod 600 "$pool"
    cp "$preload" "$(dirname "$preload")/../libpmemfile/libpmemfile-container.so" "$dir" && chmod 755 "$dir"/*.so
    expect 125 "" "pool: no right to read and write it: Permission denied" setpriv --reuid=12345 --clear-groups \
        env HOME=/ LD_PRELOAD="$dir/libpmemfile-preload.so" PMEMFILE_POOLS="$dir/mount=$pool" true
    # The tool says it before: of a pool that may not be read, and of one that may only be read.
    cp "$pmemfile" "$dir/pmemfile" && find "$(dirname "$pmemfile")/../libpmemfile" -maxdepth 1 -name "*.so*" ! -type d -exec cp -P {} "$dir" \;
    other=(setpriv --reuid=12345 --clear-groups env HOME=/ LD_LIBRARY_PATH="$dir" "$dir/pmemfile")
    expect 125 "" "^pmemfile: cannot use pool $pool: Permission denied$" "${other[@]}" run -m "$dir/mount=$pool" -- true
    expect 1 "" "^pmemfile: $pool cannot be opened: Permission denied$" "${other[@]}" ls "$pool"
    chmod 644 "$pool"
    for option in -m -r; do
        expect 125 "" "^pmemfile: cannot use pool $pool: no right to write it: Permission denied$" \
            "${other[@]}" run $option "$dir/mount=$pool" -- true
    done
    expect 0 file "" "${other[@]}" ls "$pool"
fi
"$pmemfile" fsck -n "$pool" >/dev/null || { echo "FAILED: fsck"; failed=$((failed + 1)); }
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
