// runtime_file: where the runtime segment stands, and who comes to it.
//
//   /dev/shm/pmemfile-<pool>/          those may enter who may open the pool
//                           /segment   for everybody: a process that has given up the user id it began with opens it
//                                      anew through the descriptor that it has (a fork does, for the child's liveness
//                                      lock), and nobody else comes to it
#pragma once

#include "base/raw_syscall.h"
#include "base/result.h"
#include "libpmemfile/runtime/pool.h"

#include <sys/stat.h>

namespace pmemfile {

// Whoever may open the pool may do to it what he likes, so a directory of his beside it is as good as the owner's. Of
// those in the file's group the group tells it: nobody gives a directory to a group that he is not in.
inline bool is_trusted_directory(const struct stat &directory, const struct stat &pool_file) {
    return S_ISDIR(directory.st_mode) &&
           (directory.st_uid == pool_file.st_uid || directory.st_uid == 0 || (pool_file.st_mode & 0006) == 0006 ||
            ((pool_file.st_mode & 0060) == 0060 && directory.st_gid == pool_file.st_gid) ||
            directory.st_uid == static_cast<uid_t>(base::raw_syscall(SYS_geteuid)));
}

// Makes the directory, with an empty runtime file in it, if it is not there; not seen by anybody before it has its
// permissions. Fine, too, when it has gone again meanwhile. EACCES: there stands something of somebody who may not open
// the pool; errors of mkdir.
base::Status runtime_directory_make(const Pool &pool, const struct stat &pool_status);
// Removes both, and the shim's token file.
void runtime_files_remove(const Pool &pool);

} // namespace pmemfile
