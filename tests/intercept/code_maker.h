// code_maker: random x86-64 functions that are dense in what planning is about: system
// calls, short instructions before them, and ways in of all kinds.
#pragma once

#include "tests/intercept/made_object.h"

#include <cstdint>
#include <random>

class CodeMaker {
public:
    explicit CodeMaker(uint64_t seed) : random_(seed) {}

    // A function (sometimes two) with what leads into it.
    Recipe make();
    // The same with some bytes changed at random.
    void mutate(Recipe &recipe);
    uint64_t next() {
        return random_();
    }
    unsigned below(unsigned limit) {
        return static_cast<unsigned>(random_() % limit);
    }

private:
    void put(std::initializer_list<unsigned> bytes);
    void put32(uint32_t value);
    void put_item();
    void put_call();
    void put_branch();
    void put_table_jump();
    unsigned low_register();
    uint32_t any_place();

    std::mt19937_64 random_;
    Recipe recipe_;
    std::vector<uint32_t> places_; // where instructions begin
    struct Hole {                  // of a branch whose target is chosen at the end
        uint32_t at;
        unsigned bytes;
    };
    std::vector<Hole> holes_;
};
