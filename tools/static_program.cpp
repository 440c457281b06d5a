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

constexpr uint64_t notes_bytes_max = 65536;
const std::string go_note("\4\0\0\0Go\0", 8); // its type and name

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
    bool is_static = true;
    for (unsigned i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment = {};
        file.seekg(static_cast<std::streamoff>(header.e_phoff + i * sizeof segment));
        file.read(reinterpret_cast<char *>(&segment), sizeof segment);
        if (!file)
            return false;
        is_static = is_static && segment.p_type != PT_INTERP;
        if (segment.p_type == PT_NOTE && segment.p_filesz <= notes_bytes_max) {
            std::string notes(segment.p_filesz, 0);
            file.seekg(static_cast<std::streamoff>(segment.p_offset));
            if (file.read(notes.data(), static_cast<std::streamsize>(notes.size())) &&
                notes.find(go_note) != std::string::npos)
                return true;
        }
    }
    return is_static;
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
