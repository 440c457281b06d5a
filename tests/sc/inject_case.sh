#!/bin/bash
# sc inject: each action and each condition, exactly.
. "$(dirname "$0")/cases.sh"
storm=$programs/storm_program
printf 'one two three four\n' >file
printf 'another\n' >other
mkdir -p tree/sub
cp file tree/sub/leaf

"$sc" inject -e 'read:error=EIO:fd=3:path=file' cat file 2>err
equal "cat fails" 1 $?
contains "with the right words" '^cat: file: Input/output error$' err
contains "report" '^sc: read:error=EIO:fd=3:path=file: acted on 1 of 1 calls$' err
"$sc" inject -q -e 'openat:error=EMFILE:path=file' cat file other >out 2>err
equal "by path: the other file is read" another "$(cat out)"
contains "by path: this one is not" '^cat: file: Too many open files$' err
"$sc" inject -q -e "openat:error=EACCES:path=$directory/file" sh -c 'cd tree; cat ../tree/../file' 2>err
contains "by path: relative, with dots" 'Permission denied' err
"$sc" inject -q -e 'read:error=EIO:path=tree/' sh -c 'cat file | cat; cat tree/sub/leaf | cat' >out 2>err
equal "by directory: outside" "$(cat file)" "$(cat out)"
contains "by directory: below" 'cat: tree/sub/leaf: Input/output error' err
ln -s file link
"$sc" inject -q -e 'read:error=EIO:path=file' cat link 2>err
contains "by path: the descriptor of a link" 'cat: link: Input/output error' err
"$sc" inject -q -e 'read:error=EIO:path=file' sh -c 'exec cat <file' 2>err
contains "by path: a descriptor from before exec" 'cat: -: Input/output error' err

# Which of the calls.
nth() { "$sc" trace -e getppid -e "inject=getppid:retval=77:when=$1" -o out "$storm" calls 12 2>/dev/null
    awk '/getppid/ {n++; if (/ 77 \(INJECTED\)/) printf "%s%d", s, n; s=" "}' out | sed 's/^ //' | tr -s ' '; }
equal "when=3" "3" "$(nth 3)"
equal "when=10+" "10 11 12" "$(nth 10+)"
equal "when=2+4" "2 6 10" "$(nth 2+4)"
equal "when=4..6" "4 5 6" "$(nth 4..6)"
equal "when=1..9+4" "1 5 9" "$(nth 1..9+4)"
chance() { "$sc" trace -e getppid -e "inject=getppid:retval=77:prob=$1:seed=$2" -o out "$storm" calls 2000 2>/dev/null
    awk '/getppid/ {n++; if (/ 77 /) print n}' out; }
chance 0.1 7 >first
chance 0.1 7 >second
chance 0.1 8 >third
equal "a seed is repeatable" "$(cat first)" "$(cat second)"
[ "$(cat first)" != "$(cat third)" ]
equal "another seed is another row" 0 $?
count=$(wc -l <first)
equal "a tenth" yes "$([ "$count" -gt 140 ] && [ "$count" -lt 260 ] && echo yes)"
equal "never" 0 "$(chance 0 1 | wc -l)"
equal "always" 2000 "$(chance 1 1 | wc -l)"

# What happens.
"$sc" trace -e read -e 'inject=read:short=5:fd=3' -o out cat file 2>/dev/null | cat >said
equal "short reads lose nothing" "$(cat file)" "$(cat said)"
equal "and are short" 4 "$(lines 'read\(3, .*, 5\) += [1-5] \(SHORTENED\)' out)"
"$sc" inject -q -e 'write:short=1:fd=1' sh -c 'cat file other | cat' >said
equal "short writes lose nothing" "$(cat file other)" "$(cat said)"
begin=$(date +%s%N)
"$sc" inject -q -e 'read:delay_enter=200ms:fd=3:when=1' -e 'read:delay_exit=200ms:fd=3:when=1' cat file >/dev/null
took=$((($(date +%s%N) - begin) / 1000000))
equal "delays: at least 400 ms" yes "$([ $took -ge 400 ] && echo yes || echo "$took ms")"
begin=$(date +%s%N)
"$sc" trace -e fork,vfork,clone,clone3 -e 'inject=fork,vfork,clone,clone3:delay_exit=200ms:when=1' -o out sh -c '(exit 0)'
took=$((($(date +%s%N) - begin) / 1000000))
equal "a delay behind a fork: at least 200 ms" yes "$([ $took -ge 200 ] && echo yes || echo "$took ms")"
contains "is told" '\(DELAYED\)' out
"$sc" inject -q -e 'getppid:signal=TERM:when=5' "$storm" calls 10
equal "a signal" 143 $?
"$sc" inject -q -e 'getppid:retval=-1:when=1' -e 'getppid:signal=USR1:when=1' "$storm" calls 1
equal "the first rule whose turn it is acts; then the next rule is asked" 0 $?
"$sc" inject -q -e 'openat:error=EIO:path=file' sh -c 'cat file' 2>err
contains "children" 'Input/output error' err
"$sc" inject -q --no-follow -e 'openat:error=EIO:path=file' sh -c 'cat file; :' >said
equal "--no-follow" "$(cat file)" "$(cat said)"
"$sc" inject -j -e 'getppid:error=EPERM:when=2' -o report "$storm" calls 3
equal "JSON" '[{"acted":1,"matched":3,"rule":"getppid:error=EPERM:when=2"}]' \
    "$(python3 -c 'import json; print(json.dumps(json.load(open("report")), sort_keys=True, separators=(",", ":")))')"

for bad in '' 'nosuch:error=EIO' 'read' 'read:' 'read:error=' 'read:error=EFOO' 'read:error=0' 'read:error=5000' 'read:error=EIO:retval=1' \
    'read:when=1' 'read:error=EIO:when=0' 'read:error=EIO:when=5..2' 'read:error=EIO:when=x' 'read:error=EIO:prob=2' \
    'read:error=EIO:prob=x' 'read:delay_enter=5m' 'read:delay_enter=9999999s' 'read:signal=NOTHING' 'read:error=EIO:fd=x' \
    'read:error=EIO:path=' 'read:error=EIO:colour=red' 'read:error' 'read:short=-1' 'read:when=1:when=2:error=EIO' \
    'read:path=one:path=two:error=EIO' 'read:delay=1:delay_enter=2'; do
    "$sc" inject -e "$bad" true >said 2>err
    equal "rule '$bad': exit code" 125 $?
    equal "rule '$bad': one line" 1 "$(lines '^sc: ' err)"
done
seventeen=()
for i in $(seq 17); do seventeen+=(-e "read:error=EIO:when=$i"); done
"$sc" inject "${seventeen[@]}" true 2>err
contains "too many rules" 'more than 16 rules' err

# Where the report goes nowhere, and what sc was started with.
rule=getppid:error=EPERM
"$sc" inject -e $rule true 2>/dev/full
equal "a report that cannot be written: exit code" 125 $?
"$sc" inject -o /dev/full -e $rule true 2>err
equal "nor into a file: exit code" 125 $?
contains "says so" 'cannot write /dev/full: No space left on device' err
"$sc" inject -e $rule sh -c 'sleep 0.1; exit 3' 2>&1 >/dev/null | :
equal "a pipe that nobody reads: exit code" 125 "${PIPESTATUS[0]}"
"$real_sc" trace -o out sh -c '[ -e /proc/$$/fd/2 ] && exit 3; exit 4' 2>&-
equal "a closed standard error is the command's, too" 4 $?
"$real_sc" trace ls . >/dev/null 2>&-
equal "a closed standard error that is written to" 125 $?
python3 -c 'import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv(sys.argv[1], [sys.argv[1], "inject", "-q", "-e", "getppid:error=EPERM", "sh", "-c", "exit 3"])' "$real_sc"
equal "SIGCHLD is ignored: exit code" 3 $?
"$sc" inject -j -o report -e $'openat:error=EIO:path=/\xff' true
equal "a path that is no text: exit code" 0 $?
contains "its report" '"matched":0' report
mkdir gone
(cd gone && rmdir ../gone && exec "$sc" inject -e 'openat:error=EIO:path=file' true 2>../err)
equal "no working directory: exit code" 125 $?
contains "says so" "'file' is below the working directory, which is gone" err
"$sc" inject -q -e 'read:error=EIO:path=file' python3 -c 'import ctypes, os
file = os.open("file", os.O_RDONLY)
ctypes.CDLL(None).syscall(436, file, file, 4)
try:
    os.read(file, 1)
except OSError as error:
    print(error.errno)' >said
equal "close_range that closes on exec leaves the file what it is" 5 "$(cat said)"
finish
