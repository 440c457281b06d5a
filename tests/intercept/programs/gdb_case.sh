# gdb_case: a debugger, itself under us, on a target under us: breakpoints in the program
# and on patched functions of libc, from before the start and after it; steps,
# backtraces, a watchpoint, a catch of system calls, threads, a core; then one that is attached to while it runs.
cat > t.c <<'END'
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
int total;
int inner(int x) {
    total += x;
    long written = write(1, "out\n", 4);
    return (int)written + x;
}
int outer(int x) {
    int y = inner(x);
    return y + 1;
}
static void *body(void *p) {
    outer(7);
    return p;
}
int main(void) {
    pthread_t t;
    getppid();
    for (int i = 0; i < 4; i++)
        outer(i);
    getppid();
    pthread_create(&t, 0, body, 0);
    pthread_join(t, 0);
    printf("%d\n", total);
    return 0;
}
END
gcc -g -O0 -pthread -o t t.c
cat > commands <<'END'
set pagination off
set confirm off
set print address off
set print frame-arguments none
set print thread-events off
set breakpoint pending on
break -qualified getppid
run
bt -1
finish
delete
break inner
continue
bt
next
next
step
finish
delete
break -qualified write
continue
bt -3
finish
delete
watch total
continue
delete
catch syscall getppid
continue
bt -2
continue
bt -2
stepi
delete
break body
continue
bt 1
next
delete
generate-core-file core
thread apply all bt -1
continue
END
filter() { sed -E 's/^#[0-9]+ +//' | grep -vE 'libthread_db|ebuginfod|Error disabling address|^0x|No such file|^Saved corefile|at \.\./|^[0-9]+.*\.\./' | sed -E 's/0x[0-9a-f]+/ADDRESS/g; s/LWP [0-9]+/LWP/g; s/process [0-9]+/process N/; s/at \.\.\/.*//; s/(main .*):2[456]$/\1/; s/ in .*syscall.* \(\)//'; }
gdb -q -nx -batch -x commands ./t 2>&1 | filter
gdb -q -nx -batch -ex 'set print address off' -ex 'thread apply all bt -1' ./t core 2>&1 | filter | grep -c 'main ()'

# Attached to in the middle of a call that waits.
cat > a.c <<'END'
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>
int total;
int add_up(int x) {
    total += x;
    return total;
}
int main(void) {
    char byte;
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    if (write(1, "ready\n", 6) != 6 || read(0, &byte, 1) != 1)
        return 1;
    for (int i = 0; i < 3; i++)
        add_up(i);
    printf("%d\n", total);
    return 0;
}
END
gcc -g -O0 -o a a.c
mkfifo pipe
exec 3<>pipe
./a <pipe >said &
target=$!
for _ in $(seq 200); do [ -s said ] && break; sleep 0.05; done
cat > commands <<'END'
set pagination off
set confirm off
set print address off
echo attached\n
bt -1
print total
set variable total = 10
break add_up
shell echo >pipe
continue
bt
continue
delete
stepi
print total
detach
END
gdb -q -nx -batch -x commands -p $target ./a 2>&1 | sed -n '/^attached/,$p' | filter
wait $target
echo "ended with $?"
cat said
