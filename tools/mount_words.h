// mount_words: DIR=POOL as a user writes it, and as PMEMFILE_POOLS wants it.
#pragma once

#include <optional>
#include <string>

namespace tools {

struct MountWords {
    std::string directory; // both absolute, without symlinks
    std::string pool;
    bool read_only = false;

    // As PMEMFILE_POOLS has it.
    std::string text() const {
        return directory + "=" + pool + (read_only ? ",ro" : "");
    }
};

// nullopt after a complaint: not of that form, one of the two is not there or cannot be used, a name that
// PMEMFILE_POOLS cannot hold.
std::optional<MountWords> absolute_mount(const std::string &mount, bool read_only);

} // namespace tools
