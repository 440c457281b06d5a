// argument: one argument of an event, with what it has to know of its call.
#pragma once

#include "intercept/calls/call_description.h"
#include "tools/sc/decode/event.h"

#include <string>

namespace sc {

struct Argument {
    std::string &to;
    const intercept::CallDescription &call;
    const Event &event;
    unsigned index;

    intercept::ArgumentKind kind() const {
        return call.kinds[index];
    }
    uint64_t value() const {
        return static_cast<uint64_t>(event.args[index]);
    }
    int number() const {
        return static_cast<int>(event.args[index]);
    }
};

} // namespace sc
