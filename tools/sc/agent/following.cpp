#include "tools/sc/agent/following.h"

#include "tools/sc/agent/user_memory.h"

#include <cstring>
#include <string_view>
#include <sys/mman.h>

namespace sc {
namespace {

constexpr std::string_view preload_front = "LD_PRELOAD=";
constexpr std::string_view segment_front = "PMEMFILE_SC=";
constexpr size_t pointers_max = 1 << 20; // more is E2BIG at the kernel too
constexpr size_t preload_max = 4 * path_bytes_max;

char kept_path[path_bytes_max];

// What the environment holds that concerns us.
struct Found {
    size_t count = 0;
    size_t preload = SIZE_MAX, segment = SIZE_MAX; // indices
    bool is_readable = true;
};

bool read_pointer(uint64_t array, size_t index, uint64_t &pointer) {
    return read_memory(&pointer, array + index * sizeof pointer, sizeof pointer) == sizeof pointer;
}

Found look_through(uint64_t envp) {
    Found found;
    if (envp == 0)
        return found;
    for (; found.count < pointers_max; found.count++) {
        uint64_t variable = 0;
        char front[preload_front.size() + 2];
        if (!read_pointer(envp, found.count, variable)) {
            found.is_readable = false;
            return found;
        }
        if (variable == 0)
            return found;
        long length = read_string(front, variable, segment_front.size());
        std::string_view text(front, length > 0 ? static_cast<size_t>(length) : 0);
        if (text.starts_with(preload_front))
            found.preload = found.count;
        if (text == segment_front)
            found.segment = found.count;
    }
    found.is_readable = false;
    return found;
}

bool lists(std::string_view list, std::string_view library) {
    while (!list.empty()) {
        size_t end = list.find_first_of(": ");
        if (list.substr(0, end) == library)
            return true;
        list.remove_prefix(end == std::string_view::npos ? list.size() : end + 1);
    }
    return false;
}

char *append(char *to, std::string_view text) {
    memcpy(to, text.data(), text.size());
    return to + text.size();
}

} // namespace

void remember_segment_path(const char *path) {
    strncpy(kept_path, path, sizeof kept_path - 1);
}

const char *segment_path() {
    return kept_path;
}

void release_exec(ThreadState &state) {
    if (state.exec_scratch != nullptr)
        base::raw_syscall(SYS_munmap, base::as_long(state.exec_scratch), static_cast<long>(state.scratch_bytes));
    state.exec_scratch = nullptr;
}

unsigned follow_exec(ThreadState &state, intercept_call &call) {
    release_exec(state);
    long &argument = call.args[call.nr == SYS_execve ? 2 : 3];
    const auto envp = static_cast<uint64_t>(argument);
    const Found found = look_through(envp);
    if (!found.is_readable)
        return 0;
    const std::string_view agent_path = segment->settings.agent_path;
    const size_t pointer_bytes = (found.count + 3) * sizeof(uint64_t);
    state.scratch_bytes = pointer_bytes + 3 * preload_max;
    long memory = base::raw_syscall(SYS_mmap, 0, static_cast<long>(state.scratch_bytes), PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base::is_error(memory))
        return static_cast<unsigned>(found.count);
    state.exec_scratch = reinterpret_cast<char *>(memory);
    auto *pointers = reinterpret_cast<uint64_t *>(state.exec_scratch);
    char *preload = state.exec_scratch + pointer_bytes;
    char *own = preload + 2 * preload_max;
    read_memory(pointers, envp, found.count * sizeof *pointers);
    size_t count = found.count;

    // LD_PRELOAD: ours first, then what the program wants.
    char *end = append(append(preload, preload_front), agent_path);
    if (found.preload != SIZE_MAX) {
        char *value = preload + preload_max;
        const long length = read_string(value, pointers[found.preload] + preload_front.size(),
                                        preload_max - path_bytes_max - preload_front.size());
        const std::string_view others(value, length > 0 ? static_cast<size_t>(length) : 0);
        if (lists(others, agent_path)) {
            end = nullptr;
        } else {
            if (!others.empty())
                end = append(append(end, ":"), others);
            pointers[found.preload] = reinterpret_cast<uint64_t>(preload);
        }
    } else {
        pointers[count++] = reinterpret_cast<uint64_t>(preload);
    }
    if (end != nullptr)
        *end = 0;

    *append(append(own, segment_front), kept_path) = 0;
    pointers[found.segment != SIZE_MAX ? found.segment : count++] = reinterpret_cast<uint64_t>(own);
    pointers[count] = 0;
    argument = base::as_long(pointers);
    return static_cast<unsigned>(found.count);
}

} // namespace sc
