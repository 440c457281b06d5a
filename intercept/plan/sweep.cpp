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
    // All at once: growing by pieces costs more than decoding.
    constexpr size_t shortest_average_bytes = 3; // of an instruction
    if (!instructions.reserve(function.range.size() / shortest_average_bytes, true))
        return;
    size_t words = (function.range.size() + 63) / 64;
    if (!marks_.reserve(words))
        return;
    memset(marks_.data(), 0, words * sizeof(uint64_t));
    marked_bytes_ = function.range.size();
    const uint64_t begin = function.range.begin;
    const uint64_t size_bytes = function.range.size();
    unsigned branches_inside = 0;
    for (uint64_t at = 0; at < size_bytes;) {
        marks_[at / 64] |= uint64_t{1} << (at % 64);
        // Decoded in its place: its small members, copied as a whole, would have to leave the store buffer first.
        Instruction *next = instructions.append();
        if (next == nullptr)
            return;
        if (!architecture.decode(reinterpret_cast<const uint8_t *>(begin + at), size_bytes - at, begin + at, *next)) {
            instructions.resize_down(instructions.size() - 1);
            return;
        }
        branches_inside += next->target - begin < size_bytes ? 1 : 0;
        at += next->length_bytes;
    }
    for (const Instruction *one = instructions.begin(); branches_inside != 0; one++)
        if (one->target - begin < size_bytes) {
            if (!starts(one->target))
                return;
            branches_inside--;
        }
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
