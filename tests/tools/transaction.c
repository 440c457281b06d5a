// transaction POOL: writes a file of it in a transaction, for large_pool.sh: the pool is mapped twice.
#include "libpmemfile/include/libpmemfile-posix.h"

#include <stdio.h>

int main(int argc, char **argv) {
    PMEMfilepool *pool = argc == 2 ? pmemfile_pool_open(argv[1]) : NULL;
    if (pool == NULL) {
        fprintf(stderr, "%s\n", pmemfile_errormsg());
        return 1;
    }
    static const char text[] = "written in a transaction\n";
    int failed = pmemfile_tx_begin(pool) != 0;
    PMEMfile *file = failed ? NULL : pmemfile_open(pool, "/transaction", PMEMFILE_O_CREAT | PMEMFILE_O_WRONLY, 0644);
    failed = file == NULL || pmemfile_write(pool, file, text, sizeof(text) - 1) != sizeof(text) - 1 ||
             pmemfile_tx_commit(pool) != 0;
    if (failed)
        perror("transaction");
    pmemfile_pool_close(pool);
    return failed;
}
