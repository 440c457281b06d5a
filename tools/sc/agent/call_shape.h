// call_shape: the kinds of a call's arguments, without their names (those stay with sc).
#pragma once

#include "intercept/calls/call_description.h"

namespace sc {

struct CallShape {
    uint8_t count = 0;
    intercept::ArgumentKind kinds[6] = {};
};

struct ShapeTable {
    CallShape calls[intercept::call_number_limit];
};

constexpr ShapeTable make_shapes() {
    ShapeTable table{};
#define CALL(number, name, classes, arguments)                                                                         \
    {                                                                                                                  \
        constexpr intercept::CallDescription call = intercept::make_description(number, #name, classes, arguments);    \
        table.calls[number].count = call.argument_count;                                                               \
        for (int i = 0; i < call.argument_count; i++)                                                                  \
            table.calls[number].kinds[i] = call.kinds[i];                                                              \
    }
#include "intercept/calls/calls.def"
#undef CALL
    return table;
}

inline constexpr ShapeTable shapes = make_shapes();

} // namespace sc
