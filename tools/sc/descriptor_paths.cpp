#include "tools/sc/descriptor_paths.h"

#include "intercept/calls/call_description.h"

#include <fcntl.h>
#include <filesystem>

namespace sc {

using intercept::ArgumentKind;

namespace {

std::string link_text(const std::string &link) {
    std::error_code error;
    const auto target = std::filesystem::read_symlink(link, error);
    return error ? std::string() : target.string();
}

std::string joined(const std::string &directory, std::string_view path) {
    std::string text = (std::filesystem::path(directory) / path).lexically_normal();
    if (text.size() > 1 && text.back() == '/')
        text.pop_back();
    return text;
}

} // namespace

DescriptorPaths::Process &DescriptorPaths::process(int32_t number) {
    auto [found, is_new] = processes_.try_emplace(number);
    if (is_new) {
        // The first one: it has what we have.
        found->second.directory = link_text("/proc/self/cwd");
        for (int descriptor = 0; descriptor < 3; descriptor++)
            if (std::string path = link_text("/proc/self/fd/" + std::to_string(descriptor)); path.starts_with('/'))
                found->second.paths[descriptor] = path;
    }
    return found->second;
}

std::string DescriptorPaths::path_of(int32_t number, int descriptor) {
    Process &one = process(number);
    if (descriptor == AT_FDCWD)
        return one.directory;
    auto found = one.paths.find(descriptor);
    return found == one.paths.end() ? std::string() : found->second;
}

std::string DescriptorPaths::path_argument(const Event &event, unsigned i) {
    const intercept::CallDescription *call = intercept::call_description(event.number);
    const auto part = event.part(i);
    if (call == nullptr || call->kinds[i] != ArgumentKind::path_ || !part || part->bytes.empty())
        return {};
    if (part->bytes[0] == '/')
        return joined("/", part->bytes);
    const bool has_dirfd = i > 0 && call->kinds[i - 1] == ArgumentKind::dirfd_;
    const std::string directory =
        path_of(event.process, has_dirfd ? static_cast<int>(event.args[i - 1]) : int{AT_FDCWD});
    return directory.empty() ? std::string() : joined(directory, part->bytes);
}

void DescriptorPaths::opened(const Event &event, unsigned argument) {
    process(event.process).paths[static_cast<int>(event.result)] = path_argument(event, argument);
}

void DescriptorPaths::note(const Event &event) {
    if (event.type == RecordType::start) {
        if (event.number != 0)
            processes_[event.process] = process(event.number); // by fork
        else if (const auto directory = event.part(1); directory && !directory->bytes.empty())
            process(event.process).directory = directory->bytes;
        return;
    }
    if (event.type != RecordType::call || event.has_failed())
        return;
    const auto descriptor = static_cast<int>(event.args[0]);
    const auto result = static_cast<int>(event.result);
    switch (event.number) {
    case intercept::call_open:
    case intercept::call_creat:
        opened(event, 0);
        break;
    case intercept::call_openat:
    case intercept::call_openat2:
        opened(event, 1);
        break;
    case intercept::call_dup:
    case intercept::call_dup2:
    case intercept::call_dup3:
        process(event.process).paths[result] = path_of(event.process, descriptor);
        break;
    case intercept::call_fcntl:
        if (event.args[1] == F_DUPFD || event.args[1] == F_DUPFD_CLOEXEC)
            process(event.process).paths[result] = path_of(event.process, descriptor);
        break;
    case intercept::call_close:
        process(event.process).paths.erase(descriptor);
        break;
    case intercept::call_chdir:
        process(event.process).directory = path_argument(event, 0);
        break;
    case intercept::call_fchdir:
        process(event.process).directory = path_of(event.process, descriptor);
        break;
    default:
        break;
    }
}

} // namespace sc
