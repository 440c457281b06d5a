// code_maker: items one after the other, branches between them filled in at the end.
#include "tests/intercept/code_maker.h"

#include <cstring>

void CodeMaker::put(std::initializer_list<unsigned> bytes) {
    for (unsigned byte : bytes)
        recipe_.code.push_back(static_cast<uint8_t>(byte));
}

void CodeMaker::put32(uint32_t value) {
    for (unsigned i = 0; i < 4; i++)
        recipe_.code.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

// rax rcx rdx rbx rsi rdi: not rsp and rbp, so that the stack stays one.
unsigned CodeMaker::low_register() {
    static constexpr unsigned registers[] = {0, 1, 2, 3, 6, 7};
    return registers[below(6)];
}

uint32_t CodeMaker::any_place() {
    return places_[below(static_cast<unsigned>(places_.size()))];
}

void CodeMaker::put_call() {
    static constexpr unsigned numbers[] = {0, 1, 39, 56, 57, 58, 102, 110, 231, 435, 1000};
    unsigned shape = below(10);
    if (shape < 4) {
        put({0xb8}); // mov eax, number
        put32(numbers[below(11)]);
    } else if (shape == 4) {
        put({0x31, 0xc0}); // xor eax, eax
    } else if (shape == 5) {
        put({0x48, 0xc7, 0xc0}); // mov rax, number
        put32(numbers[below(11)]);
    }
    if (shape < 8 || below(2) != 0)
        places_.push_back(static_cast<uint32_t>(recipe_.code.size()));
    put({0x0f, 0x05});
}

void CodeMaker::put_branch() {
    unsigned bytes = 1;
    switch (below(7)) {
    case 0:
        put({0xeb});
        break;
    case 1:
        put({0xe9});
        bytes = 4;
        break;
    case 2:
        put({0xe8});
        bytes = 4;
        break;
    case 3:
        put({0x0f, 0x80 | below(16)});
        bytes = 4;
        break;
    case 4:
        put({below(3) == 0 ? 0xe3 : 0xe0 | below(3)}); // jrcxz, loop
        break;
    default:
        put({0x70 | below(16)});
        break;
    }
    holes_.push_back({static_cast<uint32_t>(recipe_.code.size()), bytes});
    for (unsigned i = 0; i < bytes; i++)
        put({0});
}

// As compilers write it: lea table, rdx; and edi, 3; movslq (rdx, rdi, 4), rax; add; jmp.
void CodeMaker::put_table_jump() {
    put({0x48, 0x8d, 0x15});
    put32(static_cast<uint32_t>(MadeObject::jump_table_offset - recipe_.code.size() - 4));
    put({0x83, 0xe7, 0x03, 0x48, 0x63, 0x04, 0xba, 0x48, 0x01, 0xd0, 0xff, 0xe0});
    recipe_.table.resize(4);
}

void CodeMaker::put_item() {
    places_.push_back(static_cast<uint32_t>(recipe_.code.size()));
    unsigned to = low_register();
    unsigned from = low_register();
    unsigned both = 0xc0 | from << 3 | to;
    auto data = [&](unsigned behind) { // a distance to a word of the data
        put32(static_cast<uint32_t>(MadeObject::data_offset + 0x80 + 8 * below(8) - recipe_.code.size() - 4 - behind));
    };
    switch (below(34)) {
    case 0:
    case 1:
    case 2:
        return put({0x89, both}); // mov
    case 3:
    case 4:
        return put({0x48, 0x89, both});
    case 5:
        put({0xb8 | to});
        return put32(below(1000));
    case 6:
        return put({0x31, both}); // xor
    case 7:
        return put({0x01, both}); // add
    case 8:
        return put({0x48, 0x39, both}); // cmp
    case 9:
        return put({0x85, both}); // test
    case 10:
        return put({0x48, 0x83, 0xe8 | to, below(100)}); // sub
    case 11:
        return put({0x50 | to});
    case 12:
        return put({0x58 | to});
    case 13:
        return put({0x90});
    case 14:
        return put({0x0f, 0x1f, 0x44, 0x00, 0x00});
    case 15:
        return put({0x0f, 0x90 | below(16), 0xc0 | to}); // setcc
    case 16:
        return put({0x0f, 0x40 | below(16), both}); // cmovcc
    case 17:
        return put({0x48, 0x89, 0x44 | from << 3, 0x24, (below(16) * 8 - 128) & 0xff}); // to the red zone
    case 18:
        return put({0x48, 0x8b, 0x44 | to << 3, 0x24, (below(24) * 8 - 128) & 0xff});
    case 19:
        return put({0x48, 0x89, 0x47 | from << 3, below(64)}); // to what rdi leads to
    case 20:
        put({0x48, 0x8b, 0x05 | to << 3}); // mov data(%rip), to
        return data(0);
    case 21:
        put({0x83, 0x05}); // addl $1, data(%rip)
        data(1);
        return put({1});
    case 22:
        put({0xff, 0x25}); // jmp *data(%rip), to one of the pointers
        return put32(static_cast<uint32_t>(MadeObject::data_offset + 8 * below(4) - recipe_.code.size() - 4));
    case 23:
        return put({below(2) == 0 ? 0xfcu : 0xfdu}); // cld, std
    case 24:
        return put({0x9c, 0x58 | to}); // pushfq; pop
    case 25:
        return put({0xf3, 0x0f, 0x1e, 0xfa}); // endbr64
    case 26:
        return put({0xc3});
    case 27:
        if (below(3) == 0)
            return put_table_jump();
        return put({0x66, 0x0f, 0xef, 0xc0}); // pxor xmm0, xmm0
    case 28:
        return put({0x48, 0x8d, 0x64, 0x24, (below(3) * 8 - 8) & 0xff}); // lea d(%rsp), %rsp
    case 29:
        put({0x48, 0x8d, 0x05 | to << 3}); // the address of something near
        return put32(below(64) - 32);
    default:
        return put_branch();
    }
}

Recipe CodeMaker::make() {
    recipe_ = {};
    places_.clear();
    holes_.clear();
    unsigned items = 3 + below(14);
    for (unsigned i = 0; i < items; i++) {
        if (below(4) == 0)
            put_call();
        else
            put_item();
    }
    put_call();
    for (unsigned i = 0, more = below(4); i < more; i++)
        put_item();
    uint32_t first_end = static_cast<uint32_t>(recipe_.code.size());
    if (below(4) == 0)
        for (unsigned i = 0, more = 2 + below(4); i < more; i++)
            put_item();
    places_.push_back(static_cast<uint32_t>(recipe_.code.size()));
    put({0xc3});
    for (const Hole &hole : holes_) {
        uint32_t target = below(8) == 0 ? below(static_cast<unsigned>(recipe_.code.size())) : any_place();
        auto distance = static_cast<int32_t>(target) - static_cast<int32_t>(hole.at + hole.bytes);
        if (hole.bytes == 1 && (distance < -128 || distance > 127))
            distance = 0;
        memcpy(recipe_.code.data() + hole.at, &distance, hole.bytes);
    }
    for (uint32_t &entry : recipe_.table)
        entry = any_place();
    for (unsigned i = 0; i < 4; i++)
        recipe_.pointers.push_back(below(3) == 0 ? any_place() : 0);
    auto size = static_cast<uint32_t>(recipe_.code.size());
    bool split = first_end < size && below(2) == 0;
    recipe_.functions.push_back({0, split ? first_end : size, {}});
    if (split && below(3) != 0)
        recipe_.functions.push_back({first_end, size, {}});
    if (below(6) == 0)
        recipe_.functions[0].landing_pads.push_back(places_[0]);
    if (below(6) == 0)
        recipe_.symbols.push_back({any_place(), 0});
    for (MadeSymbol &symbol : recipe_.symbols)
        symbol.end = symbol.begin;
    recipe_.libc = below(4) == 0;
    return recipe_;
}

void CodeMaker::mutate(Recipe &recipe) {
    for (unsigned i = 0, more = 1 + below(3); i < more; i++) {
        size_t at = random_() % recipe.code.size();
        if (below(2) == 0)
            recipe.code[at] ^= static_cast<uint8_t>(1u << below(8));
        else
            recipe.code[at] = static_cast<uint8_t>(random_());
    }
}
