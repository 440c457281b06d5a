// guest_start: what execve(2) does, without leaving the process.
//
//   the kernel's block of this process      argc argv.. 0 envp.. 0 auxv.. │ strings
//   is the program's, but for one variable and for what auxv says of the program.
//
// So /proc/self/cmdline and environ are the program's too.
#include "base/raw_syscall.h"
#include "intercept/guest/elf_image.h"
#include "intercept/guest/guest.h"
#include "intercept/guest/program_break.h"
#include "intercept/guest/program_path.h"
#include "intercept/start.h"
#include "intercept/trap/trap.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>

namespace intercept {
namespace {

constexpr char run_variable[] = "INTERCEPT_RUN=";

// The words that the kernel put on the stack of a new process.
struct StartBlock {
    uint64_t *argc;
    uint64_t *environment;
    uint64_t *environment_end; // behind its null
    uint64_t *auxiliary;
    uint64_t *end;
};

// A constructor may have taken variables out, so the auxiliary vector does not follow at once.
uint64_t *find_auxiliary(uint64_t *at) {
    constexpr unsigned words_max = 4096;
    for (unsigned i = 0; i < words_max; i++, at++)
        if ((at[0] == AT_SYSINFO_EHDR || at[0] == AT_HWCAP) && at[1] != 0 && at[1] == getauxval(at[0]))
            return at;
    return nullptr;
}

bool find_block(char **argv, StartBlock &block) {
    block.argc = reinterpret_cast<uint64_t *>(argv) - 1;
    block.environment = block.argc + 1 + *block.argc + 1;
    uint64_t *at = block.environment;
    while (*at != 0)
        at++;
    block.environment_end = at + 1;
    block.auxiliary = find_auxiliary(at);
    if (block.auxiliary == nullptr)
        return false;
    for (at = block.auxiliary; *at != AT_NULL;)
        at += 2;
    block.end = at + 2;
    return true;
}

void describe_program(const StartBlock &block, const ElfImage &program, const ElfImage *interpreter, const char *path) {
    for (uint64_t *at = block.auxiliary; *at != AT_NULL; at += 2) {
        uint64_t &value = at[1];
        switch (at[0]) {
        case AT_PHDR:
            value = program.headers;
            break;
        case AT_PHENT:
            value = sizeof(Elf64_Phdr);
            break;
        case AT_PHNUM:
            value = program.header_count;
            break;
        case AT_BASE:
            value = interpreter != nullptr ? interpreter->base : 0;
            break;
        case AT_ENTRY:
            value = program.entry;
            break;
        case AT_EXECFN:
            value = reinterpret_cast<uint64_t>(path);
            break;
        default:
            break;
        }
    }
}

// Takes our variable out and closes the gaps upwards, to where the auxiliary vector ends. Returns where the
// block begins then, a multiple of 16.
uint64_t close_gaps(StartBlock &block) {
    uint64_t *at = block.environment;
    while (*at != 0 && strncmp(reinterpret_cast<const char *>(*at), run_variable, sizeof run_variable - 1) != 0)
        at++;
    if (*at != 0) {
        memmove(at, at + 1, static_cast<size_t>(block.environment_end - at - 1) * sizeof *at);
        block.environment_end--;
    }
    auto front_words = static_cast<size_t>(block.environment_end - block.argc);
    auto back_words = static_cast<size_t>(block.end - block.auxiliary);
    uint64_t begin = reinterpret_cast<uint64_t>(block.end - back_words - front_words) & ~uint64_t{15};
    auto *to = reinterpret_cast<uint64_t *>(begin);
    // The vector moves down by a word at most, into what was taken out; then the front moves up to it.
    memmove(to + front_words, block.auxiliary, back_words * sizeof *to);
    memmove(to, block.argc, front_words * sizeof *to);
    return begin;
}

// Somewhere in the third where the kernel puts such programs, and out of the exempt range.
uint64_t random_place() {
    uint64_t random = 0;
    base::raw_syscall(SYS_getrandom, base::as_long(&random), sizeof random, 0);
    constexpr uint64_t lowest = 0x550000000000;
    return lowest + (random % (uint64_t{1} << 27)) * 4096;
}

int open_program(const char *path) {
    return static_cast<int>(base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long(path), O_RDONLY | O_CLOEXEC));
}

// The thread is taken off the stack that it uses now: what it still needs must not lie there.
constinit GuestStart start_registers{};

} // namespace
} // namespace intercept

using namespace intercept;

extern "C" int intercept_run_program(int descriptor, const char *path, char **argv) {
    if (descriptor < 0 || path == nullptr || argv == nullptr)
        return -EINVAL;
    StartBlock block{};
    if (!find_block(argv, block))
        return -EINVAL;
    // First the exempt range, so that nothing of the program comes to lie in it.
    if (int traps = start_traps(); traps != 0)
        return traps;
    ElfImage program;
    ElfImage interpreter;
    if (int result = elf_map(descriptor, random_place(), program); result != 0)
        return result;
    const ElfImage *loader = nullptr;
    if (program.interpreter[0] != 0) {
        int opened = open_program(program.interpreter);
        int result = opened < 0 ? opened : elf_map(opened, 0, interpreter);
        base::raw_syscall(SYS_close, opened);
        if (result != 0)
            return result;
        loader = &interpreter;
    }
    program_path_set(path);
    program_break_start(program.span.end);
    if (int threads = guest_threads_start(); threads != 0)
        return threads;
    const char *name = strrchr(path, '/');
    base::raw_syscall(SYS_prctl, PR_SET_NAME, base::as_long(name != nullptr ? name + 1 : path));
    base::raw_syscall(SYS_close, descriptor);
    describe_program(block, program, loader, path);
    start_registers.rsp = close_gaps(block);
    start_registers.rip = loader != nullptr ? loader->entry : program.entry;
    start_registers.mxcsr = 0x1f80;
    start_registers.x87 = 0x37f;
    if (program.executable_stack)
        base::raw_syscall(SYS_mprotect, static_cast<long>(start_registers.rsp & ~uint64_t{4095}), 4096,
                          PROT_READ | PROT_WRITE | PROT_EXEC | PROT_GROWSDOWN);
    const uint64_t all = ~uint64_t{0};
    base::raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, base::as_long(&all), base::as_long(&start_registers.mask),
                      sizeof all);
    guest_enter(start_registers);
}
