#!/bin/bash
# sc trace: filters, followed processes, counts, formats, bad input.
. "$(dirname "$0")/cases.sh"
storm=$programs/storm_program

# Every call is seen once, also when they come faster than they can be written.
"$sc" trace --ring-size 64 -e getppid -o out "$storm" calls 200000
equal "exit code" 0 $?
equal "calls with a small ring" 200000 "$(lines 'getppid\(\)' out)"
"$sc" trace --ring-size 64 --drop -e getppid -o out "$storm" calls 200000 2>err
seen=$(lines 'getppid\(\)' out)
lost=$(sed -n 's/^sc: \([0-9]*\) calls were lost.*/\1/p' err)
# The start and the end of the process can be lost as well.
equal "calls with --drop, seen and lost" yes "$([ $((seen + ${lost:-0} - 200000)) -ge 0 ] && [ $((seen + ${lost:-0} - 200000)) -le 3 ] && echo yes)"
"$sc" trace -e getppid -o out "$storm" threads 300
equal "calls of more threads than rings" 3000 "$(lines 'getppid\(\)' out)"
equal "threads" 300 "$(awk '/getppid/ {print $1}' out | sort -u | wc -l)"
timeout 60 "$sc" trace -e getppid,kill -o out "$storm" signals 300
equal "signal handlers inside calls: exit code" 0 $?
timeout 60 "$sc" trace -e getppid,kill -o out "$storm" jump 300
equal "siglongjmp out of them: exit code" 0 $?
equal "the signals" 300 "$(lines 'kill\([0-9]+, SIGUSR1\) += 0' out)"
"$sc" trace -e getppid,execve -o out "$storm" vfork 20
equal "vfork: exit code" 0 $?
equal "vfork: calls of parent and children" 40 "$(lines 'getppid\(\)' out)"
equal "vfork: execs" 20 "$(lines 'execve\("/bin/true", \["true"\], 0x[0-9a-f]+ /\* [0-9]+ vars \*/\) = 0' out)"
equal "vfork: processes" 21 "$(awk '/getppid/ {print $1}' out | sort -u | wc -l)"
"$sc" trace -e getppid,getsid,execve -o out "$storm" shared 2000 2>err
equal "shared memory and storage: exit code" 0 $?
equal "shared memory and storage: what each called" 2 "$(awk '/getppid|getsid/ {print $1, $2}' out | sort -u | wc -l)"
equal "shared memory and storage: the parent's calls" 4000 "$(lines 'getppid\(\)' out)"
equal "shared memory and storage: the child's calls" 2000 "$(lines 'getsid\(0\)' out)"
contains "shared memory and storage: the exec" 'execve\("/bin/true", \["true"\], .*\) = 0' out
equal "shared memory and storage: nothing to complain of" "" "$(cat err)"

# gcc's AddressSanitizer wants its runtime to be the first library.
printf '#include <unistd.h>\nint main() { return getsid(0) < 0; }\n' >sanitized.c
gcc -fsanitize=address -o sanitized sanitized.c
"$sc" trace -e getsid -o out ./sanitized 2>err
equal "AddressSanitizer: exit code" 0 $?
equal "AddressSanitizer: its call" 1 "$(lines 'getsid\(0\)' out)"

printf 'one\ntwo\n' >file
# Other pid namespaces: numbers inside are others than ours.
# (Propagation stays: in a chroot `/` is no mount point, and only /proc has to be private, which unshare sees to.)
apart=(unshare -p -f)
"${apart[@]}" true 2>err || apart=(unshare -U -r -p -f)
if "${apart[@]}" true 2>err; then
    for more in "" "-m --propagation unchanged --mount-proc"; do
        # shellcheck disable=SC2086
        timeout 30 "$sc" trace -e getppid,exit_group -o out "${apart[@]}" $more "$storm" threads 3
        equal "pid namespace $more: exit code" 0 $?
        equal "pid namespace $more: calls" 30 "$(lines 'getppid\(\)' out)"
        equal "pid namespace $more: three threads, with our numbers" "3" \
            "$(awk '/getppid/ && $1 > 20 {print $1}' out | sort -u | wc -l)"
        # shellcheck disable=SC2086
        timeout 30 "$sc" trace -o out "${apart[@]}" $more /bin/sh -c '/bin/sh -c "exit 3"; exit 4'
        equal "pid namespace $more: exit code" 4 $?
        contains "pid namespace $more: a child inside" '\+\+\+ exited with 3 \+\+\+' out
    done
    timeout 30 "$sc" trace --ring-size 64 -e getppid -o out "${apart[@]}" "$storm" calls 100000
    equal "pid namespace: nothing is lost" 100000 "$(lines 'getppid\(\)' out)"
    # There numbers are known before: sc is 1, the shell 2, cat 3. And the segment of an sc out here stays.
    "$sc" trace -e none -o outside sh -c 'echo $$ >pid_outside; exec "$0" sleep' "$storm" &
    sc_pid=$!
    for _ in $(seq 200); do [ -s pid_outside ] && break; sleep 0.05; done
    for number in 2 3; do
        "${apart[@]}" -m --propagation unchanged --mount-proc "$real_sc" trace -e "pid=$number" -o out sh -c 'cat file; :' >/dev/null
        equal "pid=$number: only that one" "$number" "$(awk '{print $1}' out | sort -u)"
    done
    contains "pid=3 is cat" 'openat\(AT_FDCWD, "file"' out
    equal "sc in another pid namespace leaves our segment alone" 1 "$(find /dev/shm -name "pmemfile-sc-$sc_pid-*" ! -name '*.n' | wc -l)"
    kill -TERM $sc_pid
    wait $sc_pid 2>/dev/null
else
    echo "no pid namespaces here: $(cat err)"
fi

# A program with bad pointers ends as without us.
"$storm" pointers
without=$?
timeout 60 "$sc" trace -o out "$storm" pointers
equal "bad pointers: exit code" "$without" $?
contains "bad pointers: shown as such" 'openat\(1, 0x1, ' out
contains "half a vector" 'writev\(-1, \[\{iov_base="good", iov_len=4\}, \{iov_base=0x1, iov_len=100\}\], 2\) = -1 EBADF' out
"$sc" trace -o out "$storm" seccomp
equal "a program that forbids process_vm_readv: exit code" 0 $?
contains "its failed call" 'write\(-1, 0x[0-9a-f]+, 3\) += -1 EBADF' out
"$sc" trace -o out "$storm" unknown
contains "an unknown number" 'syscall_0x1f3\(0x1, 0x2, 0x3, 0x4, 0x5, 0x6\) = -1 ENOSYS \(Function not implemented\)' out
contains "a number far out" 'syscall_0xea60\(0x7, ' out

# How processes end.
"$sc" trace -o out sh -c 'exit 42'
equal "exit code passed on" 42 $?
contains "exit line" '\+\+\+ exited with 42 \+\+\+' out
(ulimit -c 0; "$sc" trace -o out sh -c 'kill -SEGV $$') 2>/dev/null
equal "ended by its signal" 139 $?
contains "killed" '\+\+\+ killed by SIGSEGV' out
"$sc" trace -e read,fork -o out "$storm" sleep >said &
sc_pid=$!
for _ in $(seq 400); do grep -q asleep said && break; sleep 0.05; done
kill -TERM $sc_pid # goes to the command
wait $sc_pid 2>/dev/null
equal "a signal is passed on" 143 $?
contains "the call it was in" 'read\(3,.*<unfinished \.\.\.>\) = \?' out
"$sc" trace -e none -o out sh -c 'trap "" TERM; echo $$ >pid; exec sleep 60' 2>err &
sc_pid=$!
for _ in $(seq 200); do [ -s pid ] && break; sleep 0.05; done
begin=$(date +%s)
kill -TERM $sc_pid
wait $sc_pid 2>/dev/null
equal "a command that does not end: sc does" 143 $?
equal "a command that does not end: within reason" yes "$([ $(($(date +%s) - begin)) -lt 30 ] && echo yes)"
contains "a command that does not end: said" '^sc: told to end by Terminated: 1 processes go on untraced$' err
kill -KILL "$(cat pid)"
"$sc" trace -o out "$storm" daemon
contains "what outlives the command is traced to its end" '\+\+\+ exited with 6 \+\+\+' out
"$sc" trace -o out sh -c 'sh -c "kill -9 \$\$"; true'
contains "a grandchild's death" '\+\+\+ killed by SIGKILL' out

# Following.
"$sc" trace -e openat -o out env -i /bin/cat /etc/hostname >/dev/null
contains "an environment built anew" 'openat\(AT_FDCWD, "/etc/hostname", O_RDONLY\) = 3' out
"$sc" trace -e openat -o out python3 -c 'import subprocess; subprocess.run(["cat", "/etc/hostname"], env={})' >/dev/null
contains "a python that spawns" 'openat\(AT_FDCWD, "/etc/hostname", O_RDONLY\) = 3' out
"$sc" trace --no-follow -e openat -o out sh -c 'cat /etc/hostname; :' >/dev/null
lacks "--no-follow" 'hostname' out

# Filters.
"$sc" trace -e trace=file -o out cat file >/dev/null
contains "%file has openat" 'openat\(AT_FDCWD, "file"' out
lacks "%file has no read" 'read\(' out
"$sc" trace -e '!%file,%desc' -o out cat file >/dev/null
lacks "negated classes" '(openat|read|close)\(' out
contains "and what is left" 'exit_group' out
"$sc" trace -e fd=1 -o out cat file >/dev/null
equal "only descriptor 1" 0 "$(grep -vcE '\((1,|1\))|\+\+\+' out)"
"$sc" trace -P file -o out sh -c 'exec 5<./file; cat <&5; cat /etc/hostname' >/dev/null
contains "a path: by its descriptor" 'read\([0-9]+, "one\\ntwo\\n", ' out
lacks "a path: nothing else" 'hostname|vm' out
"$sc" trace -Z -o out cat nothing 2>/dev/null
equal "only failed ones" 0 "$(grep -vcE '= -1 |\+\+\+' out)"
contains "failed one" '"nothing", O_RDONLY\) += -1 ENOENT \(No such file or directory\)' out
"$sc" trace -e /^getp -o out "$storm" calls 3
equal "a regular expression" 3 "$(lines 'getppid' out)"
"$sc" trace -z -o out cat file nothing >/dev/null 2>&1
contains "only successful ones" 'openat\(AT_FDCWD, "file"' out
lacks "only successful ones: no failed one" '= -1 ' out

# Formats.
"$sc" trace -y -e read -o out cat file >/dev/null
contains "paths of descriptors" "read\\(3<$directory/file>, \"one" out
"$sc" trace -s 2 -e read -o out cat file >/dev/null
contains "short strings" 'read\(3, "on"\.\.\., [0-9]+\) += 8' out
"$sc" trace -ttt -T -e read -o out cat file >/dev/null
contains "times" '^[0-9]+ +[0-9]{10}\.[0-9]{6} read\(3, .* = 8 <0\.[0-9]{6}>$' out
"$sc" trace -r -e read -o out cat file >/dev/null
contains "relative times" '^[0-9]+ +[0-9]+\.[0-9]{6} read' out
before=$(date +%H:%M)
"$sc" trace -t -e read -o out cat file >/dev/null
contains "time of day" "^[0-9]+ +($before|$(date +%H:%M)):[0-9]{2} read\\(3, " out
"$sc" trace -tt -e read -o out cat file >/dev/null
contains "time of day with microseconds" '^[0-9]+ +[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6} read\(3, ' out
"$sc" trace -j -e openat,read -o out cat file nothing >/dev/null 2>&1
python3 - out <<'PYTHON' >said || echo "FAILED: JSON"
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
calls = [r for r in rows if "call" in r]
read = [r for r in calls if r["call"] == "read" and r["result"] == 8][0]
assert read["arguments"]["buf"] == '"one\\ntwo\\n"' and read["arguments"]["fd"] == "3", read
assert read["duration_ns"] > 0 and read["time_ns"] > 1600000000 * 10**9 and read["process"] > 0, read
missing = [r for r in calls if r["call"] == "openat" and '"nothing"' in r["arguments"]["pathname"]][0]
assert missing["result"] == -1 and missing["error"] == "ENOENT", missing
assert rows[-1]["event"] == "exited" and rows[-1]["status"] == 1, rows[-1]
print("good")
PYTHON
equal "JSON lines" good "$(cat said)"
"$sc" trace -c -o out "$storm" calls 1000
contains "summary" '^ *[0-9.]+ +[0-9.]+ +[0-9.]+ +1000 +getppid$' out
counts() { awk '$NF ~ /^(mkdir|unlink|fcntl|poll|fork|clone|execve|wait4|openat2|sendto|chmod)$/ {print $NF, $4, NF == 6 ? $5 : 0}' "$1" | sort; }
mkdir one two
(cd one && strace -f -c -o ../counted "$programs/calls_program")
(cd two && "$sc" trace -c -o ../out "$programs/calls_program")
equal "a summary with nine rows" 9 "$(counts counted | wc -l)"
# The exec of the program itself is before us.
equal "summary is as strace's" "$(counts counted | sed 's/^execve 3 1/execve 2 1/')" "$(counts out)"
rows() { awk '$1 ~ /^[0-9]+\.[0-9]+$/ && $NF != "total" {print $1, $4, NF == 6 ? $5 : 0, $NF}' out; }
for order in time:1 calls:2 errors:3; do
    "$sc" trace -c -S ${order%:*} -o out cat file nothing >/dev/null 2>&1
    equal "-S ${order%:*}" "$(rows | cut -d' ' -f${order#*:} | sort -rn)" "$(rows | cut -d' ' -f${order#*:})"
    equal "-S ${order%:*}: rows" yes "$([ "$(rows | wc -l)" -gt 4 ] && echo yes)"
done
"$sc" trace -c -S name -o out cat file >/dev/null
equal "-S name" "$(rows | cut -d' ' -f4 | sort)" "$(rows | cut -d' ' -f4)"
"$sc" trace -c -S colour true 2>err
equal "-S with another word" 125 $?
"$sc" trace -c -j -o out "$storm" calls 1000
equal "a summary as JSON" "1000 0" "$(python3 -c '
import json
row = [r for r in json.load(open("out")) if r["call"] == "getppid"][0]
print(row["calls"], row["errors"])')"
"$sc" trace -C -e getppid -o out "$storm" calls 5
equal "-C shows the calls" 5 "$(lines 'getppid\(\)' out)"
contains "-C counts them" '^100.00 +[0-9.]+ +[0-9.]+ +5 +getppid$' out

# No call of our own for an event: what strace counts in the program grows by the program's calls alone.
total() { "$sc" trace -o out strace -c -o counted "$@" 2>/dev/null >&2; awk '$NF == "total" {print $4}' counted; }
total "$storm" calls 10 >/dev/null # the plan is made
equal "1000 calls cost 1000 calls" 1000 "$(($(total "$storm" calls 1010) - $(total "$storm" calls 10)))"
total dd if=/dev/zero of=/dev/null bs=64 count=10 >/dev/null
few=$(total dd if=/dev/zero of=/dev/null bs=64 count=10)
many=$(total dd if=/dev/zero of=/dev/null bs=64 count=1010)
equal "with buffers: 2000 calls cost 2000 calls" 2000 $((many - few))
equal "and all are seen" 1010 "$(lines 'write\(1, ' out)"

# Bad input.
for bad in 'trace=nosuch' 'trace=%nosuch' 'fd=x' 'fd=-1' 'pid=' 'color=red' 'trace=' 'trace=read,,write' 'trace=/(' 'inject=read' \
    'inject=read:error=ENOTHING' 'trace=9999'; do
    "$sc" trace -e "$bad" true >said 2>err
    equal "-e $bad: exit code" 125 $?
    equal "-e $bad: one line" 1 "$(lines '^sc: ' err)"
done
"$sc" trace -e opnat true 2>err
contains "a hint" "there is no call 'opnat' \(did you mean 'openat'\?\)" err
"$sc" trace -o /nowhere/out true 2>err
equal "output that cannot be written" 125 $?
contains "says so" 'cannot write /nowhere/out' err
"$sc" trace ./nosuch 2>err
equal "no such command" 127 $?
touch plain
"$sc" trace ./plain 2>err
equal "not executable" 126 $?
"$sc" trace 2>err
equal "no command" 125 $?
"$sc" nosuch 2>err
equal "no such subcommand" 125 $?
"$sc" trace -o /dev/full "$storm" calls 100000 2>err
equal "a full disk: exit code" 125 $?
contains "a full disk is told" 'the output cannot be written: No space left on device' err
"$sc" trace -o /dev/full true 2>err
equal "a full disk, told at the end: exit code" 125 $?
"$sc" trace -c -o /dev/full true 2>err
equal "a full disk, a summary: exit code" 125 $?
"$sc" trace -o >(head -n 1 >/dev/null) "$storm" calls 100000 2>err
equal "a pipe that nobody reads: exit code" 125 $?
"$sc" trace -s -1 true 2>err
equal "a length below zero" 125 $?
if [ "$(id -u)" -eq 0 ]; then
    "$sc" trace -o out setpriv --reuid 65534 --clear-groups /bin/true 2>err
    contains "a program of another user" '^sc: not traced: /bin/true \(run by another user, who cannot open' err
fi

# The agent with senseless variables: the program runs as without it.
agent=$(find "$(dirname "$real_sc")" "$(dirname "$real_sc")/../lib" -name libpmemfile-sc-agent.so 2>/dev/null | head -n 1)
head -c 10000000 /dev/urandom >noise
for bad in "" nothing /etc/passwd "$directory" "$directory/noise" /dev/null "$(printf 'x%.0s' $(seq 5000))"; do
    equal "PMEMFILE_SC=${bad:0:20}" yes "$(PMEMFILE_SC=$bad LD_PRELOAD=$agent "$storm" calls 1 2>err && echo yes)"
done
equal "without the variable" yes "$(LD_PRELOAD=$agent "$storm" calls 1 && echo yes)"
finish
