#include "tools/mount_words.h"

#include "tools/commands.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <unistd.h>

namespace tools {

std::optional<MountWords> absolute_mount(const std::string &mount, bool read_only) {
    const size_t equals = mount.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == mount.size()) {
        complain("'{}' is not of the form DIR=POOL", mount);
        return std::nullopt;
    }
    std::error_code error;
    const auto directory = std::filesystem::canonical(mount.substr(0, equals), error);
    if (!error && !std::filesystem::is_directory(directory, error))
        error = std::make_error_code(std::errc::not_a_directory);
    if (error) {
        complain("cannot mount on {}: {}", mount.substr(0, equals), std::strerror(error.value()));
        return std::nullopt;
    }
    const auto pool = std::filesystem::canonical(mount.substr(equals + 1), error);
    if (!error && std::filesystem::is_directory(pool, error))
        error = std::make_error_code(std::errc::is_a_directory);
    if (error) {
        complain("cannot use pool {}: {}", mount.substr(equals + 1), std::strerror(error.value()));
        return std::nullopt;
    }
    if (access(pool.c_str(), R_OK) != 0) {
        complain("cannot use pool {}: {}", pool.string(), std::strerror(errno));
        return std::nullopt;
    }
    // For reading alone too: its journal is replayed, and locks are shared.
    if (access(pool.c_str(), W_OK) != 0 && errno == EACCES) {
        complain("cannot use pool {}: no right to write it: {}", pool.string(), std::strerror(errno));
        return std::nullopt;
    }
    if (directory.string().find_first_of(";=") != std::string::npos ||
        pool.string().find_first_of(";,") != std::string::npos) {
        complain("'{}': a mount's directory may not hold ';' or '=', its pool not ';' or ','", mount);
        return std::nullopt;
    }
    return MountWords{directory.string(), pool.string(), read_only};
}

} // namespace tools
