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

// Looks for both; what is wrong in one line, empty when nothing is: one of the two is not there or cannot be used, a
// name that PMEMFILE_POOLS cannot hold.
std::string find_mount(const std::string &directory, const std::string &pool, bool read_only, MountWords &out);
// The same of DIR=POOL; nullopt after a complaint.
std::optional<MountWords> absolute_mount(const std::string &mount, bool read_only);

} // namespace tools
