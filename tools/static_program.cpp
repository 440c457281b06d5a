#include "tools/static_program.h"

#include <cstdlib>
#include <cstring>
#include <elf.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <unistd.h>

namespace tools {

namespace {

std::string find_command(const std::string &command) {
    if (command.find('/') != std::string::npos)
        return command;
    const char *path = getenv("PATH");
    std::istringstream directories(path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin");
    for (std::string directory; std::getline(directories, directory, ':');) {
        std::string candidate = (directory.empty() ? "." : directory) + "/" + command;
        if (access(candidate.c_str(), X_OK) == 0)
            return candidate;
    }
    return command;
}

} // namespace

bool may_be_static_program(const std::string &command) {
    std::ifstream file(find_command(command), std::ios::binary);
    Elf64_Ehdr header = {};
    file.read(reinterpret_cast<char *>(&header), sizeof header);
    if (header.e_ident[0] == '#' && header.e_ident[1] == '!')
        return true;
    if (!file || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_phentsize != sizeof(Elf64_Phdr))
        return false;
    file.seekg(static_cast<std::streamoff>(header.e_phoff));
    for (unsigned i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment = {};
        file.read(reinterpret_cast<char *>(&segment), sizeof segment);
        if (!file || segment.p_type == PT_INTERP)
            return false;
    }
    return true;
}

std::string find_launcher() {
    std::error_code error;
    auto directory = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
    for (const auto &candidate : {directory / "../intercept/intercept-run", directory / "intercept-run"}) {
        auto whole = std::filesystem::canonical(candidate, error);
        if (!error)
            return whole.string();
    }
    return {};
}

} // namespace tools
