// made_object: what GNU ld writes, as little of it as the planner reads.
#include "tests/intercept/made_object.h"

#include "intercept/plan/sweep.h"

#include <algorithm>
#include <cstring>
#include <elf.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

namespace {

uint8_t *map_pages(int flags) {
    void *memory =
        mmap(nullptr, MadeObject::span_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    EXPECT_NE(memory, MAP_FAILED);
    return static_cast<uint8_t *>(memory);
}

} // namespace

MadeObject::MadeObject() : memory_(map_pages(0)) {}

MadeObject::~MadeObject() {
    munmap(memory_, span_bytes);
}

template <typename T> void MadeObject::put(const T &value) {
    if (used_ + sizeof value > data_offset) {
        fits_ = false;
        return;
    }
    memcpy(memory_ + used_, &value, sizeof value);
    used_ += sizeof value;
}

void MadeObject::put_frames(const Recipe &recipe) {
    if (recipe.functions.empty())
        return;
    auto distance = [](uint64_t to, uint64_t from) { return static_cast<int32_t>(to - from); };
    // Landing pads: call sites that cover the whole function, one per pad.
    std::vector<uint64_t> landing_tables;
    for (const MadeFunction &function : recipe.functions) {
        landing_tables.push_back(function.landing_pads.empty() ? 0 : used_);
        if (function.landing_pads.empty())
            continue;
        put<uint8_t>(0xff); // the function's start
        put<uint8_t>(0xff); // no types
        put<uint8_t>(0x03); // udata4
        put<uint8_t>(static_cast<uint8_t>(function.landing_pads.size() * 13));
        for (uint32_t pad : function.landing_pads) {
            put<uint32_t>(0);
            put<uint32_t>(function.end - function.begin);
            put<uint32_t>(pad - function.begin);
            put<uint8_t>(0);
        }
    }
    used_ = (used_ + 7) & ~uint64_t{7};
    const uint64_t cie = used_;
    const char augmentation[] = "zLR";
    const uint8_t rest[] = {1, 0x78, 16, 2, 0x1b, 0x1b, 0}; // pcrel | sdata4, both
    put<uint32_t>(4 + 1 + sizeof augmentation + sizeof rest);
    put<uint32_t>(0);
    put<uint8_t>(1);
    put(augmentation);
    put(rest);
    std::vector<uint64_t> frames;
    for (size_t i = 0; i < recipe.functions.size(); i++) {
        const MadeFunction &function = recipe.functions[i];
        frames.push_back(used_);
        put<uint32_t>(4 + 4 + 4 + 1 + 4 + 3);
        put<int32_t>(distance(used_, cie));
        put<int32_t>(distance(function.begin, used_));
        put<uint32_t>(function.end - function.begin);
        put<uint8_t>(4);
        put<int32_t>(landing_tables[i] == 0 ? 0 : distance(landing_tables[i], used_));
        put<uint16_t>(0);
        put<uint8_t>(0);
    }
    used_ = (used_ + 7) & ~uint64_t{7};
    const uint64_t header = used_;
    put<uint32_t>(0x3b031b01); // version 1, pcrel | sdata4, udata4, datarel | sdata4
    put<int32_t>(distance(cie, used_));
    put<uint32_t>(static_cast<uint32_t>(frames.size()));
    for (size_t i = 0; i < frames.size(); i++) {
        put<int32_t>(distance(recipe.functions[i].begin, header));
        put<int32_t>(distance(frames[i], header));
    }
    object_.frame_header = address() + header;
}

void MadeObject::put_symbols(const Recipe &recipe) {
    used_ = (used_ + 15) & ~uint64_t{15};
    const uint64_t symbols = used_;
    put(Elf64_Sym{});
    for (const MadeSymbol &symbol : recipe.symbols) {
        Elf64_Sym entry{};
        entry.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
        entry.st_shndx = 1;
        entry.st_value = address() - object_.base + symbol.begin;
        entry.st_size = symbol.end - symbol.begin;
        put(entry);
    }
    const uint64_t strings = used_;
    put<uint64_t>(0);
    const uint64_t dynamic = used_;
    put(Elf64_Dyn{DT_SYMTAB, {address() + symbols}});
    put(Elf64_Dyn{DT_STRTAB, {address() + strings}});
    put(Elf64_Dyn{DT_NULL, {0}});
    object_.dynamic = reinterpret_cast<const ElfW(Dyn) *>(address() + dynamic);
    object_.dynamic_count = 3;
}

bool MadeObject::make(const Recipe &recipe) {
    if (!recipe.absolute.empty() && address() > UINT32_MAX) {
        munmap(memory_, span_bytes);
        memory_ = map_pages(MAP_32BIT);
    }
    EXPECT_EQ(mprotect(memory_, span_bytes, PROT_READ | PROT_WRITE), 0);
    memset(memory_, 0, span_bytes);
    constexpr size_t pointers_max = (jump_table_offset - data_offset) / 8;
    constexpr size_t table_max = (span_bytes - jump_table_offset) / 4 - 1;
    if (recipe.code.size() > page_bytes || recipe.pointers.size() > pointers_max || recipe.table.size() > table_max)
        return false;
    memcpy(memory_, recipe.code.data(), recipe.code.size());
    object_ = {};
    object_.path = "made";
    object_.base = recipe.absolute.empty() ? address() : 0;
    for (const MadeImmediate &one : recipe.absolute) {
        auto target = static_cast<uint32_t>(address() + one.target);
        memcpy(memory_ + one.at, &target, sizeof target);
    }
    object_.span = {address(), address() + span_bytes};
    object_.is_libc = recipe.libc;
    object_.segment_count = 3;
    const uint64_t starts[] = {0, tables_offset, data_offset};
    const uint32_t protections[] = {PROT_READ | PROT_EXEC, PROT_READ, PROT_READ | PROT_WRITE};
    for (unsigned i = 0; i < 3; i++) {
        uint64_t begin = address() + starts[i];
        object_.segments[i] = {{begin, begin + page_bytes}, begin + page_bytes, protections[i]};
    }
    object_.segments[0].file_end = address() + recipe.code.size();
    used_ = tables_offset;
    fits_ = true;
    put_frames(recipe);
    put_symbols(recipe);
    for (size_t i = 0; i < recipe.pointers.size(); i++) {
        uint64_t word = address() + recipe.pointers[i];
        memcpy(memory_ + data_offset + i * 8, &word, 8);
    }
    for (size_t i = 0; i <= recipe.table.size(); i++) {
        // The last entry leads nowhere and ends the table.
        int32_t entry = i < recipe.table.size() ? static_cast<int32_t>(recipe.table[i] - jump_table_offset) : INT32_MIN;
        memcpy(memory_ + jump_table_offset + i * 4, &entry, 4);
    }
    note_ways(recipe);
    return fits_;
}

void MadeObject::note_way(uint64_t offset) {
    if (offset < ways_.size())
        ways_[offset] = true;
}

// A table is read up to the first entry that leads to the middle of an instruction.
bool MadeObject::note_entry(uint64_t offset) {
    if (is_between(offset))
        return false;
    note_way(offset);
    return true;
}

// More than there are: each byte of the code is taken for the displacement of an instruction, with or without an
// immediate behind it, and what that leads to for a label and for a table of distances.
void MadeObject::note_ways(const Recipe &recipe) {
    ways_.assign(recipe.code.size(), false);
    between_.assign(recipe.code.size(), false);
    for (const MadeFunction &function : recipe.functions) {
        intercept::Function range{};
        range.range = {address() + function.begin, address() + function.end};
        intercept::Sweep sweep;
        sweep.decode(intercept::native_architecture, range);
        for (uint64_t offset = function.begin; offset < function.end && offset < between_.size(); offset++)
            between_[offset] = sweep.consistent && !sweep.starts(address() + offset);
        const auto is_between = [&](uint64_t offset) {
            return offset >= function.begin && offset < function.end && offset < between_.size() && between_[offset];
        };
        bool is_believed = true;
        for (const MadeSymbol &symbol : recipe.symbols)
            is_believed &= !is_between(symbol.begin);
        for (uint32_t pointer : recipe.pointers)
            is_believed &= !is_between(pointer);
        if (!is_believed)
            std::fill(between_.begin() + function.begin,
                      between_.begin() + std::min<long>(function.end, between_.size()), false);
    }
    for (const MadeFunction &function : recipe.functions) {
        note_way(function.begin);
        for (uint32_t pad : function.landing_pads)
            note_way(pad);
    }
    for (const MadeSymbol &symbol : recipe.symbols)
        note_way(symbol.begin);
    for (uint32_t pointer : recipe.pointers)
        note_way(pointer);
    for (uint32_t entry : recipe.table)
        if (!note_entry(entry))
            break;
    for (const MadeImmediate &one : recipe.absolute)
        note_way(one.target);
    for (uint64_t at = 0; at + 4 <= recipe.code.size(); at++) {
        int32_t displacement;
        memcpy(&displacement, recipe.code.data() + at, 4);
        for (uint64_t behind : {4, 5, 6, 8}) {
            const uint64_t start = at + behind + static_cast<uint64_t>(static_cast<int64_t>(displacement));
            note_way(start);
            for (uint64_t word = start; word < span_bytes && word + 4 <= span_bytes; word += 4) {
                int32_t distance;
                memcpy(&distance, memory_ + word, 4);
                const uint64_t target = start + static_cast<uint64_t>(static_cast<int64_t>(distance));
                if (target >= page_bytes || !note_entry(target))
                    break;
            }
        }
    }
}
