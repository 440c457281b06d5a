// text_scan: every aligned word of the text is looked at; others can not be executed.
#include "intercept/arch/aarch64/text_scan.h"

#include "intercept/arch/aarch64/decoder.h"

#include <cstring>

namespace intercept::aarch64 {
namespace {

constexpr uint64_t first_word(uint64_t address) {
    return (address + instruction_bytes - 1) & ~uint64_t{instruction_bytes - 1};
}

uint32_t word_at(uint64_t address) {
    uint32_t word;
    memcpy(&word, reinterpret_cast<const void *>(address), sizeof word);
    return word;
}

} // namespace

bool find_sites(const AddressRange &text, base::PageArray<uint64_t> &out) {
    for (uint64_t at = first_word(text.begin); at + instruction_bytes <= text.end; at += instruction_bytes)
        if (is_system_call(word_at(at)) && !out.push(at))
            return false;
    return true;
}

bool find_branches(const AddressRange &text, const Neighbourhood &near, base::PageArray<BranchCandidate> &out) {
    for (uint64_t at = first_word(text.begin); at + instruction_bytes <= text.end; at += instruction_bytes) {
        uint32_t word = word_at(at);
        bool far = (word & 0x7c000000) == 0x14000000;
        bool conditional = (word & 0xff000000) == 0x54000000 || (word & 0x7c000000) == 0x34000000;
        if (!far && !conditional)
            continue;
        Instruction instruction;
        if (decode(reinterpret_cast<const uint8_t *>(at), instruction_bytes, at, instruction) &&
            near.contains(instruction.target) && !out.push({instruction.target, instruction.end()}))
            return false;
    }
    return true;
}

} // namespace intercept::aarch64
