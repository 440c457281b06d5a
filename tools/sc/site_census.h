// site_census: the sites of one object, and how each can be patched or why not.
#pragma once

#include "intercept/objects/object.h"

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace sc {

struct Site {
    uint64_t address;      // in memory
    int state;             // enum intercept_site_state
    long number;           // of the call where the window fixes it, else -1
    uint64_t window;       // where it begins
    unsigned window_bytes; // before: up to the instruction; over: all of it; else 0
    bool vector_dead, flags_dead;
    std::string function; // "name+0x12", "" if nobody says
    std::string reason;   // why it is not patched; "" if it is
};

// False: no memory.
bool take_census(const intercept::Object &object, std::vector<Site> &out);

std::string_view state_name(int state);
std::string census_as_text(const intercept::Object &object, const std::vector<Site> &sites, const std::string &file,
                           bool with_sites, bool with_code);
nlohmann::ordered_json census_as_json(const intercept::Object &object, const std::vector<Site> &sites,
                                      const std::string &file);

} // namespace sc
