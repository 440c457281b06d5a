#include "tools/preload_path.h"

#include <filesystem>

namespace tools {

std::string find_preload() {
    std::error_code error;
    auto self = std::filesystem::read_symlink("/proc/self/exe", error);
    auto directory = self.parent_path();
    for (const auto &candidate :
         {directory / "../posix-shim" / preload_name, directory / preload_name, directory / "../lib" / preload_name,
          directory / "../lib64" / preload_name, directory / "../lib/x86_64-linux-gnu" / preload_name,
          std::filesystem::path(PMEMFILE_LIBDIR) / preload_name}) {
        auto whole = std::filesystem::canonical(candidate, error);
        if (!error)
            return whole.string();
    }
    return {};
}

} // namespace tools
