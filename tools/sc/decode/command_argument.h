// command_argument: arguments that mean what another argument says: the third of fcntl,
// ioctl and futex, and the flags of open.
#pragma once

#include "tools/sc/decode/argument.h"

namespace sc {

// With O_RDONLY, which has no bit, by name.
void append_flags_of_open(const Argument &argument);
void append_futex_operation(const Argument &argument);
// Which arguments a futex operation has, as bits of the index.
unsigned futex_arguments(int operation);
void append_futex_timeout(const Argument &argument);
// False: this command has none.
bool append_fcntl_argument(const Argument &argument);
void append_ioctl_argument(const Argument &argument);

} // namespace sc
