// mount_registry: a user's own list of mounts, which `pmemfile run` takes when it is given none.
//
//   $XDG_CONFIG_HOME/pmemfile/mounts, else ~/.config/pmemfile/mounts; as fstab(5):
//
//   # POOL            DIRECTORY        TYPE      OPTIONS
//   /dev/shm/pool     /home/me/files   pmemfile  rw
//
// Nothing is attached by it and no root is needed: it is what the next `run` begins with. White space, a control
// character, a backslash or `#` in a name is written as \040 and the like.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace tools {

struct RegisteredMount {
    std::string pool;
    std::string directory;
    std::string options = "rw"; // with commas between; of `ro` and `rw` the last counts, others say nothing

    bool is_read_only() const;
    bool operator==(const RegisteredMount &) const = default;
};

// Path of the list; empty when neither variable is set.
std::string registry_path();
// The list; empty when there is none. nullopt, after a complaint that names the line, when it cannot be read.
std::optional<std::vector<RegisteredMount>> registry_read();
// Changes the list under a lock: `change` returns false to leave it as it was. Lines of mounts that stay, and those
// that hold none, stay as they are. False after a complaint.
bool registry_change(bool (*change)(std::vector<RegisteredMount> &, const RegisteredMount &),
                     const RegisteredMount &mount);

// Why the two cannot be mounted at the same time; empty when they can.
std::string registry_conflict(const RegisteredMount &first, const RegisteredMount &other);

} // namespace tools
