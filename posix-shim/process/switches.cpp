#include "posix-shim/process/switches.h"

#include "base/log.h"
#include "base/raw_syscall.h"
#include "libpmemfile/fs/pool_file.h"
#include "posix-shim/descriptors/descriptor_table.h"
#include "posix-shim/paths/descriptor_path.h"
#include "posix-shim/paths/shadow_path.h"
#include "posix-shim/process/settings.h"
#include "posix-shim/table/ledger.h"

#include <cstring>
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/stat.h>

namespace shim {
namespace {

enum Switch : uint8_t { disable, bypass, log_lines, strict, report, levels, launcher };
constexpr std::string_view names[switch_count] = {
    "PMEMFILE_DISABLE=", "PMEMFILE_BYPASS=",  "PMEMFILE_LOG=",      "PMEMFILE_STRICT=",
    "PMEMFILE_REPORT=",  "INTERCEPT_LEVELS=", "INTERCEPT_LAUNCHER="};
constexpr size_t text_bytes = 1024;
constinit char texts[switch_count][text_bytes]; // empty: not set

std::string_view value_of(unsigned index) {
    const std::string_view text = texts[index];
    return text.empty() ? text : text.substr(names[index].size());
}

bool is_on(unsigned index) {
    const std::string_view value = value_of(index);
    return !value.empty() && value != "0";
}

// Where the lines go; false, with a line, when the value is neither 1 nor a whole path.
bool take_path(unsigned index, char (&path)[ledger_path_bytes]) {
    const std::string_view value = value_of(index);
    if (value == "1")
        return true;
    if (!value.starts_with('/') || value.size() >= sizeof path) {
        base::LogLine("preload").text(names[index]).text(value).text(": must be 1 or an absolute path").write();
        return false;
    }
    std::memcpy(path, value.data(), value.size());
    return true;
}

using PathText = char[pmemfile::path_max_bytes + mount_path_bytes];

std::string_view read_link(const char *link, PathText &to) {
    const long length =
        base::raw_syscall(SYS_readlinkat, AT_FDCWD, base::as_long(link), base::as_long(to), pmemfile::path_max_bytes);
    return {to, base::is_error(length) ? 0 : static_cast<size_t>(length)};
}

// The program that the launcher runs in its place: by a number behind its own (intercept/guest/launch.cpp).
std::string_view launched_program(std::string_view launcher, PathText &to) {
    constexpr std::string_view front = "/dev/fd/";
    const auto *executed = reinterpret_cast<const char *>(getauxval(AT_EXECFN));
    if (executed == nullptr || !std::string_view(executed).starts_with(front))
        return launcher;
    int number = 0;
    for (const char *digit = executed + front.size(); *digit >= '0' && *digit <= '9'; digit++)
        number = number * 10 + (*digit - '0');
    return read_link(DescriptorPath(number + 1).text(), to);
}

// What the copy at `path` is a copy of, if it is one of a pool that is to be mounted.
std::string_view copied_program(std::string_view path, const char *pools, PathText &to) {
    if (pools == nullptr || !is_shadow_path(path))
        return path;
    static constinit char pool_path[pmemfile::path_max_bytes];
    MountSetting setting;
    for (std::string_view rest = pools; !rest.empty() && next_mount(rest, setting);) {
        struct stat status = {};
        if (setting.pool.size() >= sizeof pool_path || setting.directory.size() >= mount_path_bytes)
            continue;
        std::memcpy(pool_path, setting.pool.data(), setting.pool.size());
        pool_path[setting.pool.size()] = 0;
        if (base::is_error(base::raw_syscall(SYS_stat, base::as_long(pool_path), base::as_long(&status))))
            continue;
        pmemfile::Pool pool;
        pmemfile::name_runtime_files(pool, status);
        std::string_view inside = path;
        if (!shadow_take_pool(inside, pool))
            continue;
        std::memmove(to + setting.directory.size(), inside.data(), inside.size());
        std::memcpy(to, setting.directory.data(), setting.directory.size());
        return {to, setting.directory.size() + inside.size()};
    }
    return path;
}

// As people know it: not the launcher, nor a copy of it (process/exec.cpp).
std::string_view own_program(const char *pools, PathText &to) {
    constexpr std::string_view memory_front = "/memfd:";
    constexpr std::string_view memory_end = " (deleted)";
    std::string_view path = read_link("/proc/self/exe", to);
    if (!path.empty() && path == value_of(launcher))
        path = launched_program(path, to);
    if (path.starts_with(memory_front) && path.ends_with(memory_end))
        return path.substr(memory_front.size(), path.size() - memory_front.size() - memory_end.size());
    return copied_program(path, pools, to);
}

bool is_bypassed(const char *pools) {
    PathText text;
    const std::string_view path = own_program(pools, text);
    const std::string_view name = path.substr(path.rfind('/') + 1);
    std::string_view list = value_of(bypass);
    while (!list.empty()) {
        const std::string_view entry = list.substr(0, list.find(':'));
        list.remove_prefix(entry.size() < list.size() ? entry.size() + 1 : entry.size());
        if (!entry.empty() && entry == (entry.starts_with('/') ? path : name))
            return true;
    }
    return false;
}

} // namespace

bool switches_read(char **environment) {
    for (unsigned i = 0; i < switch_count; i++) {
        const char *value = environment_value(environment, names[i]);
        if (value == nullptr)
            continue;
        if (names[i].size() + std::strlen(value) >= text_bytes) {
            base::LogLine("preload").text(names[i]).text(" is too long and ignored").write();
            continue;
        }
        std::memcpy(texts[i], names[i].data(), names[i].size());
        std::strcpy(texts[i] + names[i].size(), value);
    }
    if (is_on(disable) || (is_on(bypass) && is_bypassed(environment_value(environment, pools_variable))))
        return false;
    ledger.is_strict = is_on(strict);
    ledger.is_logged = is_on(log_lines) && take_path(log_lines, ledger.log_path);
    ledger.counts = is_on(report) && take_path(report, ledger.report_path);
    if (!ledger.counts && !ledger.is_logged && !ledger.is_strict)
        return true;
    // Also where lines go to a file, which may not open: number 2 may be a file of the program's own by then.
    const long copy = base::raw_syscall(SYS_dup, 2);
    const long own = base::is_error(copy) ? copy : descriptor_adopt_own(static_cast<int>(copy));
    ledger.standard_error = base::is_error(own) ? -1 : static_cast<int>(own);
    return true;
}

const char *switch_text(unsigned index) {
    return texts[index][0] != 0 ? texts[index] : nullptr;
}

int switch_of(std::string_view text) {
    for (unsigned i = 0; i < switch_count; i++)
        if (text.starts_with(names[i]))
            return static_cast<int>(i);
    return -1;
}

} // namespace shim
