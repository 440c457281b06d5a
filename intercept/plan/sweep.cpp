// sweep: linear, since compilers put no data between the instructions of a function;
// where somebody did, the decoding fails or goes out of step, and is not believed.
#include "intercept/plan/sweep.h"

namespace intercept {
namespace {

long find(const base::PageArray<Instruction> &row, uint64_t address) {
    size_t low = 0;
    size_t high = row.size();
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (row[middle].address < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < row.size() && row[low].address == address ? static_cast<long>(low) : -1;
}

} // namespace

void Sweep::decode(const Architecture &architecture, const Function &new_function) {
    function = new_function;
    instructions.resize_down(0);
    consistent = false;
    bool branches_inside = false;
    for (uint64_t address = function.range.begin; address < function.range.end;) {
        Instruction next;
        if (!architecture.decode(reinterpret_cast<const uint8_t *>(address), function.range.end - address, address,
                                 next) ||
            !instructions.push(next))
            return;
        branches_inside |= function.range.contains(next.target);
        address = next.end();
    }
    for (const Instruction &instruction : instructions)
        if (branches_inside && function.range.contains(instruction.target) && starting_at(instruction.target) < 0)
            return;
    consistent = true;
}

long Sweep::starting_at(uint64_t address) const {
    return find(instructions, address);
}

long Sweep::ending_at(uint64_t address) const {
    if (address == function.range.end)
        return static_cast<long>(instructions.size()) - 1;
    long next = find(instructions, address);
    return next > 0 ? next - 1 : -1;
}

} // namespace intercept
