# sanitizer_case: programs built with the sanitizers, which want to be first in a process
# and take over memory, signals and calls; right programs and wrong ones.
cat > m.c <<'END'
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static void *work(void *p) { char *m = malloc(1000); memset(m, 1, 1000); free(m); return p; }
int main(int argc, char **argv) {
    pthread_t t[4]; for (int i = 0; i < 4; i++) pthread_create(&t[i], 0, work, 0); for (int i = 0; i < 4; i++) pthread_join(t[i], 0);
    if (fork() == 0) _exit(0);
    char *m = malloc(10); strcpy(m, "right"); puts(m); fflush(stdout);
    if (argc > 1) m[atoi(argv[1])] = 1;
    free(m); return argc > 2 ? 2147483647 + argc : 0;
}
END
gcc -g -O1 -fsanitize=address,undefined -pthread m.c -o m 2>/dev/null || exit 1
# The runtime refuses to be second in the list of libraries; asked not to mind, it works.
export ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0
./m; echo $?
./m 12 2>&1 | grep -oE 'heap-buffer-overflow|right' | sort -u
gcc -g -O1 -fsanitize=thread -pthread m.c -o t 2>/dev/null && ./t; echo $?
