#include "tools/sc/site_census.h"

#include "intercept/arch/architecture.h"
#include "intercept/calls/call_description.h"
#include "intercept/include/pmemfile-intercept.h"
#include "intercept/objects/frame_table.h"
#include "intercept/plan/planner.h"
#include "intercept/plan/site_flags.h"
#include "intercept/plan/sweep.h"

#include <algorithm>
#include <capstone/capstone.h>
#include <cstring>
#include <fmt/format.h>
#include <iterator>
#include <nlohmann/json.hpp>

namespace sc {

using intercept::Object;

namespace {

// The exported function that an address lies in.
std::string function_name(const Object &object, uint64_t address) {
    const intercept::SymbolTable table = intercept::symbol_table(object);
    const uint64_t strings = intercept::dynamic_address(object, DT_STRTAB);
    const uint64_t strings_bytes = intercept::dynamic_value(object, DT_STRSZ);
    const uint64_t offset = address - object.base;
    for (uint64_t i = 0; i < table.count && strings != 0 && object.readable(strings, strings_bytes); i++) {
        const ElfW(Sym) &symbol = table.symbols[i];
        if (!intercept::is_defined_function(symbol) || offset < symbol.st_value ||
            offset >= symbol.st_value + symbol.st_size || symbol.st_name >= strings_bytes)
            continue;
        auto *name = reinterpret_cast<const char *>(strings + symbol.st_name);
        return fmt::format("{}+{:#x}", std::string_view(name, strnlen(name, strings_bytes - symbol.st_name)),
                           offset - symbol.st_value);
    }
    return {};
}

std::string reason_of(const Object &object, const intercept::SitePlan &plan, uint64_t address) {
    switch (plan.state) {
    case INTERCEPT_SITE_BEFORE:
    case INTERCEPT_SITE_OVER:
        return {};
    case INTERCEPT_SITE_EXCLUDED:
        return "rt_sigreturn: the kernel and unwinders know these bytes";
    case INTERCEPT_SITE_WINDOW_UNSAFE:
        return "no window of instructions that may be moved: too short, branched into, or calls in it";
    default:
        break;
    }
    intercept::Function function{};
    if (!intercept::find_function(object, address, function))
        return "no function is described here";
    intercept::Sweep sweep;
    sweep.decode(intercept::native_architecture, function);
    if (!sweep.consistent)
        return "its function cannot be decoded without a gap";
    if (sweep.starting_at(address) < 0)
        return "inside of another instruction";
    return "control is not shown to come here";
}

void append_code(std::string &text, const Object &object, const Site &site) {
    csh handle = 0;
    if (cs_open(CS_ARCH_X86, CS_MODE_64, &handle) != CS_ERR_OK)
        return;
    const uint64_t begin = site.window_bytes != 0 ? site.window : site.address;
    cs_insn *instructions = nullptr;
    const size_t count = object.readable(begin, 48) ? cs_disasm(handle, reinterpret_cast<const uint8_t *>(begin), 48,
                                                                begin - object.base, 0, &instructions)
                                                    : 0;
    for (size_t i = 0; i < count; i++) {
        const uint64_t at = instructions[i].address + object.base;
        const bool is_moved = site.window_bytes != 0 && at < site.window + site.window_bytes;
        fmt::format_to(std::back_inserter(text), "      {}{:8x}: {} {}\n",
                       at == site.address ? '>'
                       : is_moved         ? '|'
                                          : ' ',
                       instructions[i].address, instructions[i].mnemonic, instructions[i].op_str);
        if (at > site.address)
            break;
    }
    if (count != 0)
        cs_free(instructions, count);
    cs_close(&handle);
}

constexpr int states[] = {INTERCEPT_SITE_BEFORE,        INTERCEPT_SITE_OVER,     INTERCEPT_SITE_UNPROVEN,
                          INTERCEPT_SITE_WINDOW_UNSAFE, INTERCEPT_SITE_EXCLUDED, INTERCEPT_SITE_FAILED};

size_t count_of(const std::vector<Site> &sites, int state) {
    return static_cast<size_t>(
        std::count_if(sites.begin(), sites.end(), [&](const Site &site) { return site.state == state; }));
}

std::string call_of(const Site &site) {
    const intercept::CallDescription *call = intercept::call_description(site.number);
    return call == nullptr ? std::string() : std::string(call->name);
}

} // namespace

std::string_view state_name(int state) {
    switch (state) {
    case INTERCEPT_SITE_BEFORE:
        return "before";
    case INTERCEPT_SITE_OVER:
        return "over";
    case INTERCEPT_SITE_UNPROVEN:
        return "unproven";
    case INTERCEPT_SITE_WINDOW_UNSAFE:
        return "window-unsafe";
    case INTERCEPT_SITE_EXCLUDED:
        return "excluded";
    default:
        return "failed";
    }
}

bool take_census(const Object &object, std::vector<Site> &out) {
    intercept::Plan plan;
    if (!intercept::plan_object(object, intercept::native_architecture, plan))
        return false;
    for (const intercept::SitePlan &one : plan) {
        const uint64_t address = object.base + one.site_offset;
        const bool is_patched = one.state == INTERCEPT_SITE_BEFORE || one.state == INTERCEPT_SITE_OVER;
        out.push_back({address, one.state, one.number, address - (is_patched ? one.site_in_window : 0),
                       is_patched ? one.window_bytes : 0u, (one.flags & SITE_VECTOR_DEAD) != 0,
                       (one.flags & SITE_FLAGS_DEAD) != 0, function_name(object, address),
                       reason_of(object, one, address)});
    }
    return true;
}

std::string census_as_text(const Object &object, const std::vector<Site> &sites, const std::string &file,
                           bool with_sites, bool with_code) {
    static constexpr std::string_view words[] = {
        "patched before the instruction", "patched over it",
        "not shown to be an instruction", "an instruction without a window that may be moved",
        "rt_sigreturn, left alone",       "failed"};
    std::string text = fmt::format("{}: {} place{} with the bytes of a system call\n", file, sites.size(),
                                   sites.size() == 1 ? "" : "s");
    for (int state : states)
        if (const size_t count = count_of(sites, state); count != 0)
            fmt::format_to(std::back_inserter(text), "{:7} {}\n", count, words[state]);
    const auto dead =
        std::count_if(sites.begin(), sites.end(), [](const Site &s) { return s.window_bytes != 0 && s.vector_dead; });
    if (dead != 0)
        fmt::format_to(std::back_inserter(text), "{:7} of the patched ones without vector state to save\n", dead);
    if (with_sites)
        for (const Site &site : sites) {
            fmt::format_to(std::back_inserter(text), "  {:8x} {:13} {:20} {}{}\n", site.address - object.base,
                           state_name(site.state), call_of(site).empty() ? "-" : call_of(site),
                           site.function.empty() ? "-" : site.function,
                           site.reason.empty() ? std::string() : "  (" + site.reason + ")");
            if (with_code)
                append_code(text, object, site);
        }
    return text;
}

nlohmann::ordered_json census_as_json(const Object &object, const std::vector<Site> &sites, const std::string &file) {
    nlohmann::ordered_json json;
    json["file"] = file;
    json["places"] = sites.size();
    for (int state : states)
        json[std::string(state_name(state))] = count_of(sites, state);
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const Site &site : sites) {
        nlohmann::ordered_json one;
        one["address"] = site.address - object.base;
        one["state"] = state_name(site.state);
        if (!site.reason.empty())
            one["reason"] = site.reason;
        if (site.number >= 0)
            one["number"] = site.number;
        if (!call_of(site).empty())
            one["call"] = call_of(site);
        if (!site.function.empty())
            one["function"] = site.function;
        if (site.window_bytes != 0) {
            one["window"] = site.window - object.base;
            one["window_bytes"] = site.window_bytes;
            one["vector_dead"] = site.vector_dead;
            one["flags_dead"] = site.flags_dead;
        }
        list.push_back(std::move(one));
    }
    json["sites"] = std::move(list);
    return json;
}

} // namespace sc
