// levels: the choice of the program and of the environment.
#include "intercept/levels.h"

#include "base/log.h"
#include "intercept/include/pmemfile-intercept.h"

#include <cerrno>
#include <cstdlib>

namespace intercept {
namespace {

constexpr unsigned all_levels =
    INTERCEPT_LEVEL_START | INTERCEPT_LEVEL_LOADED | INTERCEPT_LEVEL_TRAP | INTERCEPT_LEVEL_LAUNCHER;
unsigned wanted_levels = INTERCEPT_LEVEL_START | INTERCEPT_LEVEL_LOADED;

// "0", "0,1", "01": the digits of the levels. False: something else.
bool parse(const char *text, unsigned &levels) {
    levels = 0;
    for (const char *at = text; *at != 0; at++) {
        if (*at == ',' || *at == '+' || *at == ' ')
            continue;
        unsigned bit = *at >= '0' && *at <= '9' ? 1u << (*at - '0') : 0;
        if ((bit & all_levels) == 0)
            return false;
        levels |= bit;
    }
    return levels != 0;
}

} // namespace

unsigned chosen_levels() {
    const char *text = secure_getenv("INTERCEPT_LEVELS");
    unsigned levels = 0;
    if (text == nullptr || text[0] == 0)
        return wanted_levels;
    if (parse(text, levels))
        return levels;
    static bool said = false;
    if (!said)
        base::LogLine("intercept")
            .text("INTERCEPT_LEVELS=")
            .text(text)
            .text(" is not a list of levels: ignored")
            .write();
    said = true;
    return wanted_levels;
}

} // namespace intercept

extern "C" int intercept_set_levels(unsigned levels) {
    if (levels == 0 || (levels & ~intercept::all_levels) != 0)
        return -EINVAL;
    intercept::wanted_levels = levels;
    return 0;
}
