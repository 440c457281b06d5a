#!/bin/bash
# sc check: the census of a file is what the interceptor does with it when it is loaded; bad files.
. "$(dirname "$0")/cases.sh"
live=$programs/live_census

libc=$(ldd "$live" | awk '$1 == "libc.so.6" {print $3}')
loader=$(ldd "$live" | awk '/ld-linux/ {print $1}')
for file in "$libc" "$loader"; do
    PMEMFILE_CACHE_DIR=$directory/cache "$live" "$(basename "$file")" | sort >wanted
    "$sc" check -j "$file" >json
    equal "$file: exit code" 0 $?
    python3 - json >got <<'PYTHON'
import json, sys
for site in json.load(open(sys.argv[1]))["sites"]:
    print("%x %s %d" % (site["address"], site["state"], site.get("number", -1)))
PYTHON
    sort got -o got
    equal "$file: the same plan as when it is loaded" "$(md5sum <wanted)" "$(md5sum <got)"
    equal "$file: more than 20 sites" yes "$([ "$(wc -l <got)" -gt 20 ] && echo yes)"
done
"$sc" check -d "$libc" >out
contains "a summary" '^ +[0-9]+ patched before the instruction$' out
contains "a site" '^ +[0-9a-f]+ before +getppid +getppid\+0x0$|before +getppid' out
contains "its code" '^ +> *[0-9a-f]+: syscall' out
contains "what is moved" '^ +\| *[0-9a-f]+: mov eax, 0x' out
contains "why not" 'excluded .*\(rt_sigreturn: ' out

head -c 100000 "$libc" >cut
head -c 30 "$libc" >tiny
head -c 200 "$libc" >headers
printf 'hello\n' >text
: >empty
printf 'int x;' | gcc -c -x c -o object.o -
cp "$libc" other && printf '\xb7' | dd of=other bs=1 seek=18 conv=notrunc 2>/dev/null
for case in "cut:cut short" "tiny:cut short" "headers:cut short" "text:no ELF file" "empty:no ELF file" \
    "object.o:not linked yet" "other:not for x86-64" ".:directory" "nothing:No such file" "/dev/null:not an ordinary file" "/proc/self/mem:Input/output error"; do
    "$sc" check "${case%%:*}" >out 2>err
    equal "${case%%:*}: exit code" 3 $?
    contains "${case%%:*}: message" "^sc: ${case%%:*}: .*${case#*:}" err
done
"$sc" check text "$loader" >out 2>err
equal "one bad, one good: exit code" 3 $?
contains "the good one is shown" "places? with the bytes" out
# Bytes turned over anywhere: never a crash, a hang or an answer without an end.
cp "$loader" damaged
for seed in $(seq 25); do
    python3 - "$loader" damaged "$seed" <<'PYTHON'
import random, sys
data = bytearray(open(sys.argv[1], "rb").read())
r = random.Random(int(sys.argv[3]))
for _ in range(40):
    data[r.randrange(len(data) if r.random() < 0.5 else 4096)] = r.randrange(256)
open(sys.argv[2], "wb").write(data)
PYTHON
    timeout 20 "$sc" check damaged >out 2>err
    code=$?
    equal "damaged $seed: 0 or 3" yes "$([ $code -eq 0 ] || [ $code -eq 3 ] && echo yes || echo $code)"
    equal "damaged $seed: one answer" yes "$([ $code -eq 0 ] && grep -q 'with the bytes' out || grep -q '^sc: damaged: ' err && echo yes)"
done
cp "$loader" $'no \xff utf-8'
"$sc" check -j $'no \xff utf-8' >json 2>err
equal "a name that is no UTF-8: exit code" 0 $?
equal "a name that is no UTF-8" yes "$(python3 -c 'import json; print("yes" if "no " in json.load(open("json"))["file"] else "no")')"
python3 -c 'import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])' "$sc" check text 2>err
equal "where SIGCHLD is ignored: exit code" 3 $?
"$sc" check 2>err
equal "no file" 2 $?
finish
