// call_description: calls.def as an array, and the ways from a number and a name to its row.
#include "intercept/calls/call_description.h"

namespace intercept {

constexpr CallDescription call_descriptions[call_count] = {
#define CALL(number, name, classes, arguments) make_description(number, #name, classes, arguments),
#include "intercept/calls/calls.def"
#undef CALL
};

namespace {

struct NumberIndex {
    uint16_t row_plus_one[call_number_limit] = {};
};

constexpr NumberIndex make_index() {
    NumberIndex index;
    for (unsigned i = 0; i < call_count; i++)
        index.row_plus_one[call_descriptions[i].number] = static_cast<uint16_t>(i + 1);
    return index;
}
constexpr NumberIndex number_index = make_index();

} // namespace

const CallDescription *call_description(long number) {
    if (number < 0 || number >= static_cast<long>(call_number_limit) || number_index.row_plus_one[number] == 0)
        return nullptr;
    return &call_descriptions[number_index.row_plus_one[number] - 1];
}

const CallDescription *call_description(std::string_view name) {
    for (const CallDescription &call : call_descriptions)
        if (call.name == name)
            return &call;
    return nullptr;
}

} // namespace intercept
