// The idea: a killed process's files without a name, its mappings, descriptions and locks come back when somebody
// attaches. Where nobody does, and something runs out, whoever meets that looks for the dead himself, before his
// program hears of it.
#include "libpmemfile/fs/shortage.h"

#include "libpmemfile/fs/orphan.h"

namespace pmemfile {

bool shortage_relieve(Thread &thread) {
    return thread.pool->transaction == nullptr && orphan_settle_dead(thread);
}

} // namespace pmemfile
