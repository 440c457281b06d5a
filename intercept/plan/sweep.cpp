// sweep: linear, since compilers put no data between the instructions of a function;
// where somebody did, the decoding fails or goes out of step, and is not believed.
#include "intercept/plan/sweep.h"

#include <cstring>

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
    marked_bytes_ = 0;
    // Room for functions of libc and the loader from the start, its pages at once: growing costs more than decoding.
    constexpr size_t usual_instructions_max = 512;
    constexpr size_t shortest_average_bytes = 3; // of an instruction
    const size_t expected = function.range.size() / shortest_average_bytes;
    if (!instructions.reserve(expected < usual_instructions_max ? usual_instructions_max : expected, true))
        return;
    size_t words = (function.range.size() + 63) / 64;
    if (!marks_.reserve(words))
        return;
    memset(marks_.data(), 0, words * sizeof(uint64_t));
    marked_bytes_ = function.range.size();
    bool branches_inside = false;
    for (uint64_t address = function.range.begin; address < function.range.end;) {
        uint64_t at = address - function.range.begin;
        marks_[at / 64] |= uint64_t{1} << (at % 64);
        // Decoded in its place: its small members, copied as a whole, would have to leave the store buffer first.
        if (!instructions.push({}))
            return;
        Instruction &next = instructions[instructions.size() - 1];
        if (!architecture.decode(reinterpret_cast<const uint8_t *>(address), function.range.end - address, address,
                                 next)) {
            instructions.resize_down(instructions.size() - 1);
            return;
        }
        branches_inside |= function.range.contains(next.target);
        address = next.end();
    }
    for (const Instruction &instruction : instructions)
        if (branches_inside && function.range.contains(instruction.target) && !starts(instruction.target))
            return;
    consistent = true;
}

long Sweep::starting_at(uint64_t address) const {
    return starts(address) ? find(instructions, address) : -1;
}

long Sweep::ending_at(uint64_t address) const {
    if (address == function.range.end)
        return static_cast<long>(instructions.size()) - 1;
    long next = starting_at(address);
    return next > 0 ? next - 1 : -1;
}

} // namespace intercept
