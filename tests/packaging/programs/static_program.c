/* Linked statically: only intercept-run can put hooks under it. */
#include <stdio.h>
#include <unistd.h>

int main(void) {
    printf("%d\n", (int)getppid());
    return 0;
}
