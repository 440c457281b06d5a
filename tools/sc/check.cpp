#include "tools/sc/commands.h"
namespace sc {
void add_check(CLI::App &, Action &) {}
} // namespace sc
