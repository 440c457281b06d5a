// host_directory: a directory of the host that is ours.
#pragma once

namespace shim {

// Removes what is in the directory of `descriptor`, which stays open. Directories in it are emptied, too, down to
// `depth` below it, and removed if that made them empty. What can not be removed stays.
void host_directory_empty(long descriptor, unsigned depth);

} // namespace shim
