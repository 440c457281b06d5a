#!/bin/bash
# The drop-in interface from outside: a hook library compiled with nothing but
# the header and -lsyscall_intercept, as C and as C++, and each variable of the
# environment. Usage: dropin_test.sh HEADER LIBRARY_DIRECTORY EXAMPLE_HOOK.c LISTED_OTHERWISE.c
set -u
header=$1 libraries=$2 example=$3 listed_otherwise=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PMEMFILE_CACHE_DIR=$work/cache
mkdir "$work/include" && cp "$header" "$work/include/"
failed=0
check() { # NAME EXPECTED ACTUAL
    [ "$2" = "$3" ] && return
    echo "FAILED $1: expected '$2', got '$3'"
    failed=$((failed + 1))
}
link=(-I "$work/include" -fPIC -shared -Wall -Wextra -Werror "$example" -L "$libraries"
    -lsyscall_intercept -Wl,-rpath,"$libraries")
cc -std=c99 -D_GNU_SOURCE -pedantic -o "$work/hook.so" "${link[@]}" || exit 1
c++ -x c++ -std=c++17 "$example" -x none "${link[@]:0:6}" -L "$libraries" -lsyscall_intercept \
    -Wl,-rpath,"$libraries" -o "$work/hook++.so" || exit 1
hook=$work/hook.so
cat >"$work/program.py" <<'END'
import os, socket, threading
print(os.getppid() == 4242)
try: socket.sethostname("x")
except OSError as e: print(e.errno)
t = [threading.Thread(target=lambda: None) for _ in range(3)]
[x.start() for x in t]; [x.join() for x in t]
END

plain="False"
for library in "$hook" "$work/hook++.so"; do
    check hooked "True
25
children 3 parents 3" "$(timeout 60 env LD_PRELOAD="$library" python3 "$work/program.py" 2>&1)"
done
check "another program" "$plain" \
    "$(INTERCEPT_HOOK_CMDLINE_FILTER=bash timeout 60 env LD_PRELOAD="$hook" python3 -c 'import os; print(os.getppid() == 4242)')"
check "this program" True \
    "$(INTERCEPT_HOOK_CMDLINE_FILTER=python3 timeout 60 env LD_PRELOAD="$hook" python3 -c 'import os; print(os.getppid() == 4242)')"
check "by its last component, path given" True \
    "$(INTERCEPT_HOOK_CMDLINE_FILTER=python3 timeout 60 env LD_PRELOAD="$hook" "$(command -v python3)" -c 'import os; print(os.getppid() == 4242)')"

# The log: one line for each call, with the result the program saw.
log=$work/log
echo former >"$log"
INTERCEPT_LOG=$log INTERCEPT_LOG_TRUNC=0 timeout 60 env LD_PRELOAD="$hook" perl -e 'getppid; -e "/nonexistent"'
check "appended" former "$(head -n 1 "$log")"
check "handled" 1 "$(grep -c 'syscall 110(.*) = 4242 handled$' "$log")"
check "errno" 1 "$(grep -c 'syscall 4(.*) = -2$\|syscall 262(.*) = -2$' "$log" | sed 's/^[1-9][0-9]*$/1/')"
check "no answer" 1 "$(grep -c 'syscall 231(.*) = ?$' "$log")"
INTERCEPT_LOG=$log timeout 60 env LD_PRELOAD="$hook" perl -e 'getppid'
check "truncated" 0 "$(grep -c former "$log")"
check "whole lines" 0 "$(grep -vcE '^[0-9]+ 0x[0-9a-f]+ syscall [0-9]+\(.*\) = (\?|-?[0-9]+|0x[0-9a-f]+)( handled)?$' "$log")"
pid=$(INTERCEPT_LOG=$work/each- timeout 60 env LD_PRELOAD="$hook" perl -e 'print $$')
check "with the pid" 1 "$(ls "$work" | grep -cx "each-$pid")"
# The program closes our descriptor and takes all numbers: nothing lands in its file.
INTERCEPT_LOG=$log timeout 60 env LD_PRELOAD="$hook" python3 -c '
import os
os.closerange(3, 4096)
f = os.open("'"$work"'/own", os.O_RDWR | os.O_CREAT)
for n in range(590, 620): os.dup2(f, n)
os.getppid()'
check "the program's file" "" "$(cat "$work/own")"
check "goes on" 1 "$(grep -c 'syscall 110(.*) = 4242 handled$' "$log")"
message=$(INTERCEPT_LOG=$work/no/log timeout 60 env LD_PRELOAD="$hook" perl -e 'print getppid' 2>&1 >"$work/out")
check "log that cannot be opened: said" 1 "$(grep -c "no log in $work/no/log" <<<"$message")"
check "log that cannot be opened: goes on" 4242 "$(cat "$work/out")"
# A hook that throws: the process ends with a message, whatever the program could catch.
cat >"$work/throwing.cpp" <<'END'
#include <libsyscall_intercept_hook_point.h>
#include <sys/syscall.h>
static int hook(long nr, long, long, long, long, long, long, long *) {
    if (nr == SYS_getppid)
        throw 1;
    return 1;
}
static __attribute__((constructor)) void start() { intercept_hook_point = hook; }
END
c++ -std=c++17 -I "$work/include" -fPIC -shared "$work/throwing.cpp" -L "$libraries" -lsyscall_intercept \
    -Wl,-rpath,"$libraries" -o "$work/throwing.so" || exit 1
cat >"$work/catching.cpp" <<'END'
#include <unistd.h>
int main() {
    try { getppid(); } catch (int) { return 7; }
    return 8;
}
END
c++ -o "$work/catching" "$work/catching.cpp" || exit 1
message=$(timeout 60 env LD_PRELOAD="$work/throwing.so" "$work/catching" 2>&1)
check "a hook that throws: status" 134 $?
check "a hook that throws: said" 1 "$(grep -c 'an exception leaves a hook' <<<"$message")"

mkfifo "$work/fifo"
message=$(INTERCEPT_LOG=$work/fifo timeout 60 env LD_PRELOAD="$hook" perl -e 'print getppid' 2>&1 >"$work/out")
check "log that is a fifo without a reader: said" 1 "$(grep -c "no log in $work/fifo" <<<"$message")"
check "log that is a fifo without a reader: goes on" 4242 "$(cat "$work/out")"
exec 9<>"$work/fifo"
message=$(INTERCEPT_LOG=$work/fifo timeout 60 env LD_PRELOAD="$hook" perl -e 'print getppid' 2>&1 >"$work/out" 9<&-)
exec 9<&-
check "log that is a fifo with a reader: said" 1 "$(grep -c "no log in $work/fifo, error 22" <<<"$message")"

# Objects: an inline system call in an object that is not libc.
cat >"$work/inline.c" <<'END'
#include <stdio.h>
#include <unistd.h>
__attribute__((noinline)) long direct(void) {
    long result;
    __asm__ volatile("mov $110, %%eax\n syscall" : "=a"(result) : : "rcx", "r11", "memory");
    return result;
}
int main(void) { printf("%d %d\n", direct() == 4242, getppid() == 4242); return 0; }
END
cc -O1 -o "$work/inline" "$work/inline.c" || exit 1
check "libc alone" "0 1" "$(timeout 60 env LD_PRELOAD="$hook" "$work/inline")"
check "all objects" "1 1" "$(INTERCEPT_ALL_OBJS=1 timeout 60 env LD_PRELOAD="$hook" "$work/inline")"
check "all objects, 0" "0 1" "$(INTERCEPT_ALL_OBJS=0 timeout 60 env LD_PRELOAD="$hook" "$work/inline")"
# A library stands in front of libc's list of objects, and cannot answer yet.
cc -D_GNU_SOURCE -fPIC -shared -o "$work/front.so" "$listed_otherwise" || exit 1
check "all objects, listed otherwise" "1 1" \
    "$(INTERCEPT_ALL_OBJS=1 timeout 60 env LD_PRELOAD="$work/front.so $hook" "$work/inline")"

[ "$failed" -eq 0 ] && echo "all as documented"
exit "$failed"
