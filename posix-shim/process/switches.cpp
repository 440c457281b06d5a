#include "posix-shim/process/switches.h"

#include "base/log.h"
#include "base/raw_syscall.h"
#include "posix-shim/descriptors/descriptor_table.h"
#include "posix-shim/process/settings.h"
#include "posix-shim/table/ledger.h"

#include <cstring>
#include <fcntl.h>

namespace shim {
namespace {

enum Switch : uint8_t { disable, bypass, log_lines, strict, report };
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

bool is_bypassed() {
    char program[pmemfile::path_max_bytes];
    const long length = base::raw_syscall(SYS_readlinkat, AT_FDCWD, base::as_long("/proc/self/exe"),
                                          base::as_long(program), sizeof program);
    if (base::is_error(length))
        return false;
    const std::string_view path(program, static_cast<size_t>(length));
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
    if (is_on(disable) || (is_on(bypass) && is_bypassed()))
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
