#include "tools/mount_words.h"

#include "tools/commands.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <unistd.h>

namespace tools {

std::string find_mount(const std::string &given_directory, const std::string &given_pool, bool read_only,
                       MountWords &out) {
    std::error_code error;
    const auto directory = std::filesystem::canonical(given_directory, error);
    if (!error && !std::filesystem::is_directory(directory, error))
        error = std::make_error_code(std::errc::not_a_directory);
    if (error)
        return fmt::format("cannot mount on {}: {}", given_directory, std::strerror(error.value()));
    const auto pool = std::filesystem::canonical(given_pool, error);
    if (!error && std::filesystem::is_directory(pool, error))
        error = std::make_error_code(std::errc::is_a_directory);
    if (error)
        return fmt::format("cannot use pool {}: {}", given_pool, std::strerror(error.value()));
    if (access(pool.c_str(), R_OK) != 0)
        return fmt::format("cannot use pool {}: {}", pool.string(), std::strerror(errno));
    // For reading alone too: its journal is replayed, and locks are shared.
    if (access(pool.c_str(), W_OK) != 0 && errno == EACCES)
        return fmt::format("cannot use pool {}: no right to write it: {}", pool.string(), std::strerror(errno));
    if (directory.string().find_first_of(";=") != std::string::npos ||
        pool.string().find_first_of(";,") != std::string::npos)
        return fmt::format("'{}={}': a mount's directory may not hold ';' or '=', its pool not ';' or ','",
                           given_directory, given_pool);
    out = {directory.string(), pool.string(), read_only};
    return {};
}

std::optional<MountWords> absolute_mount(const std::string &mount, bool read_only) {
    const size_t equals = mount.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == mount.size()) {
        complain("'{}' is not of the form DIR=POOL", mount);
        return std::nullopt;
    }
    MountWords words;
    const std::string wrong = find_mount(mount.substr(0, equals), mount.substr(equals + 1), read_only, words);
    if (!wrong.empty()) {
        complain("{}", wrong);
        return std::nullopt;
    }
    return words;
}

} // namespace tools
