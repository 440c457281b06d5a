// descriptor_paths: which file a descriptor of a process is, as the calls tell it.
#pragma once

#include "tools/sc/decode/event.h"

#include <map>
#include <string>

namespace sc {

// Follows open, dup, close, chdir, fork and exec of all processes. Links are not followed: a path
// is what the program called it, made absolute.
class DescriptorPaths {
public:
    // Before an event is looked at, in order.
    void note(const Event &event);
    // Absolute path of a descriptor, "" if it is not known.
    std::string path_of(int32_t process, int descriptor);
    // The path that argument `i` of the event names, absolute; "" if it names none.
    std::string path_argument(const Event &event, unsigned i);

private:
    struct Process {
        std::map<int, std::string> paths;
        std::string directory;
    };
    Process &process(int32_t number);
    void opened(const Event &event, unsigned path_argument);

    std::map<int32_t, Process> processes_;
};

} // namespace sc
