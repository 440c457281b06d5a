// exec: the new image must find us, its pools and its open files again.
//
//   path ─► Program ─┬ host ──────────────► execveat(as asked)
//                    ├ pool, "#!" ─► argv = interpreter argument path ... ─► again
//                    └ pool, ELF ──► copy (shadow.h) ─► execve(it)
//                                     └ cannot be ─► memory file ─► execveat(it, AT_EMPTY_PATH)
//   the program that a loader is told to run, in a pool ─► its copy (loader_command.h)
//   libraries in pools that the loader will want ─► copies (needed_libraries.h)
//   envp ─► LD_PRELOAD and PMEMFILE_POOLS put back, PMEMFILE_HANDOVER added
//   places ─► their descriptors lose close-on-exec until it has failed
//
// A vfork child hands over a place of its own, made for this; its parent keeps its own.
// The kernel ends the other threads; what they were doing is settled by the new image.
#include "base/log.h"
#include "base/raw_syscall.h"
#include "base/user_copy.h"
#include "intercept/include/pmemfile-intercept.h"
#include "libpmemfile/fs/attach.h"
#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/runtime/liveness.h"
#include "posix-shim/calls/path_call.h"
#include "posix-shim/calls/record_locks.h"
#include "posix-shim/calls/served_calls.h"
#include "posix-shim/descriptors/descriptor_room.h"
#include "posix-shim/descriptors/shared_token.h"
#include "posix-shim/notify/companion.h"
#include "posix-shim/paths/user_string.h"
#include "posix-shim/process/address_space.h"
#include "posix-shim/process/elf_file.h"
#include "posix-shim/process/handed_place.h"
#include "posix-shim/process/handover_lock.h"
#include "posix-shim/process/image.h"
#include "posix-shim/process/pool_file.h"
#include "posix-shim/process/process.h"
#include "posix-shim/process/shadow.h"
#include "posix-shim/process/switches.h"
#include "posix-shim/table/ledger.h"

#include <cerrno>
#include <cstring>
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

namespace shim {

using base::error;
using base::Result;
using base::Status;
using namespace pmemfile;

namespace {

Result<Scratch *> make_scratch(const Arguments &arguments) {
    BASE_TRY_ASSIGN(const size_t words, count(arguments.argv));
    BASE_TRY_ASSIGN(const size_t variables, count(arguments.envp));
    constexpr size_t added = front_limit + switch_count + 12; // pointers of ours, at most
    const size_t size_bytes = sizeof(Scratch) + (words + variables + added) * sizeof(char *);
    const long memory = base::raw_syscall(SYS_mmap, 0, static_cast<long>(size_bytes), PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base::is_error(memory))
        return error(ENOMEM);
    auto *scratch = reinterpret_cast<Scratch *>(memory);
    scratch->size_bytes = size_bytes;
    return scratch;
}

// The name under which an interpreter can open what was executed: as given, or by descriptor.
Result<const char *> script_name(Scratch &scratch, long dirfd, const char *user_path) {
    char path[8] = {};
    BASE_TRY(copy_in(path, user_path, 1));
    if (path[0] == '/' || static_cast<int>(dirfd) == AT_FDCWD)
        return user_path;
    char *to = scratch.script_name;
    constexpr std::string_view directory = "/dev/fd/";
    std::memcpy(to, directory.data(), directory.size());
    size_t length = directory.size();
    char digits[12];
    unsigned at = sizeof digits;
    auto number = static_cast<unsigned>(dirfd);
    do
        digits[--at] = static_cast<char>('0' + number % 10);
    while ((number /= 10) != 0);
    std::memcpy(to + length, digits + at, sizeof digits - at);
    length += sizeof digits - at;
    if (path[0] != 0)
        to[length++] = '/';
    BASE_TRY(copy_user_string(to + length, path_max_bytes, user_path));
    return to;
}

const char *last_name(const char *path) {
    const char *slash = std::strrchr(path, '/');
    return slash == nullptr ? path : slash + 1;
}

void take_name(char (&to)[16], const char *from) {
    for (unsigned i = 0; i + 1 < sizeof to && from[i] != 0; i++)
        to[i] = from[i];
}

// Does what is about to run concern a pool: does it start in one, or does an argument name one?
bool concerns_pools(const char *const *argv) {
    if (working_directory().mount >= 0)
        return true;
    for (size_t i = 1; argv != nullptr; i++) {
        const Result<const char *> word = pointer_at(argv, i);
        if (!word.ok() || *word == nullptr)
            return false;
        char begin[mount_path_bytes];
        const Result<size_t> length = copy_user_string(begin, sizeof begin, *word);
        std::string_view rest;
        if (length.ok() && mount_of({begin, *length}, &rest) >= 0)
            return true;
    }
    return false;
}

// A program of the host that cannot see the pools: named in the log, and, where that matters, to the user.
void tell_of_outsider(Request &request, const Program &program, const char (&head)[program_head_bytes],
                      const char *name, const char *const *argv) {
    const char *why = program_goes_round(program, head, credentials_of(request.context));
    if (why == nullptr)
        return;
    ledger_log("round", name, why);
    if (!ledger.is_logged && concerns_pools(argv))
        base::LogLine("exec").text(name).text(": ").text(why).write();
}

// A pool's programs run as on a filesystem that is mounted nosuid. Who would have got other ids is told.
void tell_of_set_id(Request &request, const Program &program, const char *name) {
    const Result<Attributes> attributes = fs_attributes(*program.thread, program.inode);
    const Credentials &who = credentials_of(request.context);
    if (!attributes.ok())
        return;
    const bool changes_user = (attributes->mode & S_ISUID) != 0 && attributes->uid != who.euid;
    const bool changes_group =
        (attributes->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && attributes->gid != who.egid;
    if (!changes_user && !changes_group)
        return;
    constexpr std::string_view why = "its set-id bits have no effect in a pool";
    ledger_log("exec", name, why);
    if (!ledger.is_logged)
        base::LogLine("exec").text(name).text(": ").text(why).write();
}

// The kernel says ENOENT of a program that is there: its interpreter is not. One in a pool is served for programs in
// pools.
void tell_of_lost_interpreter(Request &request, Scratch &scratch, const Program &program) {
    const long descriptor =
        base::raw_syscall(SYS_openat, program.dirfd, base::as_long(program.path), O_RDONLY | O_CLOEXEC);
    if (base::is_error(descriptor))
        return;
    char *path = scratch.copy_path;
    if (elf_interpreter_of({nullptr, 0, descriptor}, path) && pool_file_find(request.context, path).ok())
        base::LogLine("exec")
            .text(scratch.command_name)
            .text(": its interpreter ")
            .text(path)
            .text(" lies in a pool: only programs in a pool can have one there")
            .write();
    base::raw_syscall(SYS_close, descriptor);
}

// A process whose root is in a pool cannot execute what the kernel would give the host's root.
Status outside_of_root(const Scratch &scratch) {
    constexpr std::string_view why = "it cannot be executed where the root is in a pool";
    ledger_log("exec", scratch.command_name, why);
    return error(EACCES);
}

// What the kernel gets of a program in a pool.
Status choose_copy(ThreadContext &context, Scratch &scratch, Target *target) {
    const Program &program = target->program;
    // Below a root in a pool the kernel would take the interpreter from its own root: its name must be changed in the
    // copy, which a memory file has not got.
    target->needs_copied_name = false;
    if (root_directory().mount >= 0) {
        if (elf_interpreter_of({program.thread, program.inode, -1}, scratch.copy_path)) {
            const Result<PoolFile> interpreter = pool_file_find(context, scratch.copy_path);
            if (!interpreter.ok())
                return interpreter.error();
            if (scratch.inside[0] == 0)
                return outside_of_root(scratch);
            target->needs_copied_name = true;
        } else if (intercept_launches() == 0) {
            return outside_of_root(scratch); // it would not see the pool
        }
    }
    if (scratch.inside[0] != 0) {
        const Result<size_t> length = shadow_copy(context, *program.thread, program.mount, program.inode,
                                                  {scratch.inside, std::strlen(scratch.inside)}, scratch.copy_path);
        if (length.ok()) {
            target->dirfd = AT_FDCWD;
            target->path = scratch.copy_path;
            target->flags = 0;
            target->is_shadow = true;
            return {};
        }
        if (target->needs_copied_name)
            return length.error();
    }
    target->is_shadow = false;
    BASE_TRY_ASSIGN(target->copy, program_copy(context, program, scratch.command_name));
    target->dirfd = target->copy;
    target->path = "";
    target->flags = AT_EMPTY_PATH;
    return {};
}

// A script of the host and its interpreter, also there. `head` is for this function's use.
bool is_ours_to_start(const Program &script, const Program &interpreter, char (&head)[program_head_bytes]) {
    constexpr long faccessat2 = 439;
    constexpr long flags = AT_EACCESS | AT_EMPTY_PATH;
    return intercept_launches() != 0 && program_head(interpreter, head).ok() &&
           ((head[0] == '#' && head[1] == '!') ||
            intercept_launches_program(static_cast<int>(interpreter.dirfd), interpreter.path, 0) != 0) &&
           base::raw_syscall(faccessat2, script.dirfd, base::as_long(script.path), X_OK, flags) == 0;
}

Status choose_target(Request &request, Scratch &scratch, long dirfd, const char *user_path, long flags,
                     const char *const *argv, Target *target) {
    ThreadContext &context = request.context;
    BASE_TRY_ASSIGN(Program program, program_find(request, dirfd, user_path, flags, scratch.inside));
    target->flags = flags;
    const char *name = user_path; // of `program`, as the next interpreter gets it
    if (argv != nullptr) {
        BASE_TRY_ASSIGN(scratch.front[0], pointer_at(argv, 0));
        scratch.front_count = scratch.front[0] != nullptr ? 1 : 0;
    }
    for (unsigned depth = 0;; depth++) {
        char(&head)[program_head_bytes + 1] = scratch.head[depth];
        char bytes[program_head_bytes];
        Status status = program_head(program, bytes);
        std::memcpy(head, bytes, sizeof bytes);
        std::string_view interpreter;
        std::string_view argument;
        Result<bool> is_script = false;
        if (status.ok()) {
            is_script = parse_script(bytes, &interpreter, &argument);
            if (!is_script.ok() && program.thread != nullptr)
                status = is_script.error();
        }
        if (!status.ok()) {
            program_release(program);
            return status;
        }
        const bool in_pool = program.thread != nullptr;
        if (!is_script.ok() || !*is_script) {
            target->dirfd = program.dirfd;
            target->path = program.path;
            target->program = program;
            if (!in_pool) {
                if (root_directory().mount >= 0)
                    return outside_of_root(scratch);
                tell_of_outsider(request, program, bytes, scratch.command_name, argv);
                return {};
            }
            if (std::memcmp(bytes, ELFMAG, SELFMAG) != 0)
                return error(ENOEXEC);
            tell_of_set_id(request, program, scratch.command_name);
            return choose_copy(context, scratch, target);
        }
        // Into `head`, where the words stay; each ended by NUL in place of its separator.
        char *interpreter_text = head + (interpreter.data() - bytes);
        interpreter_text[interpreter.size()] = 0;
        char *argument_text = argument.empty() ? nullptr : head + (argument.data() - bytes);
        if (argument_text != nullptr)
            argument_text[argument.size()] = 0;
        if (!in_pool) {
            // The kernel can do it, unless the interpreter is in a pool, or is (by way of one more script, perhaps) one
            // that the launcher has to start.
            const Result<Program> next =
                program_find_interpreter(request, {interpreter_text, interpreter.size()}, scratch.inside);
            if (!next.ok() && root_directory().mount >= 0)
                return next.error();
            if (!next.ok() || (next->thread == nullptr && !is_ours_to_start(program, *next, bytes))) {
                target->dirfd = program.dirfd;
                target->path = program.path;
                return {};
            }
            program_release(*next);
        }
        program_release(program);
        if (depth == script_depth_limit)
            return error(ELOOP);
        if (depth == 0) {
            BASE_TRY_ASSIGN(name, script_name(scratch, dirfd, user_path));
        }
        const size_t added = argument_text != nullptr ? 2 : 1;
        const size_t kept = depth == 0 ? 0 : scratch.front_count - 1; // behind the name
        std::memmove(scratch.front + added + 1, scratch.front + 1, kept * sizeof(char *));
        scratch.front[added] = name;
        if (argument_text != nullptr)
            scratch.front[1] = argument_text;
        scratch.front[0] = interpreter_text;
        scratch.front_count = added + 1 + kept;
        name = interpreter_text;
        target->flags = 0;
        BASE_TRY_ASSIGN(program,
                        program_find_interpreter(request, {interpreter_text, interpreter.size()}, scratch.inside));
    }
}

// argv behind the environment's pointers; returns where it begins.
Result<const char **> make_arguments(Scratch &scratch, const char *const *argv) {
    const char **begin = scratch.pointers() + scratch.pointer_count;
    const char **to = begin;
    for (size_t i = 0; i < scratch.front_count; i++)
        *to++ = scratch.front[i];
    BASE_TRY_ASSIGN(const size_t words, count(argv));
    const LoaderCommand &loader = scratch.loader;
    for (size_t i = 1; i < words; i++) {
        BASE_TRY_ASSIGN(const char *word, pointer_at(argv, i));
        if (loader.is_copied && i == loader.program_at) {
            if (!loader.has_name) {
                *to++ = "--argv0";
                *to++ = word;
            }
            word = loader.copy;
        } else if (loader.is_there && i == loader.library_path_at && scratch.changes.has_library_path) {
            word = scratch.changes.library_path;
        }
        *to++ = word;
    }
    *to = nullptr;
    return begin;
}

// Why what is executed cannot begin with us; null: it can.
const char *goes_round() {
    if (host_root_is_changed()) // it finds neither us nor the pools there
        return "its root is another one: it does not see the pools";
    if (mount_count > 0 && root_directory().mount < 0 && start_is_forbidden(mounts[0].pool))
        return "a seccomp filter forbids what its start needs: it does not see the pools";
    return nullptr;
}

// Places for the new image; the number of mounts that have one, all or none.
Status make_places(ThreadContext &context, PoolPlace (&places)[max_mounts]) {
    for (unsigned mount = 0; mount < mount_count; mount++) {
        if (!context.is_vfork_child) {
            places[mount] = pool_place(mounts[mount].pool);
            continue;
        }
        const Result<Thread *> thread = context_thread(context, mount);
        Result<PoolPlace> place = error(EAGAIN);
        if (thread.ok())
            place = pool_place_clone(**thread);
        if (thread.ok() && !place.ok() && place.error().number() == EMFILE) {
            const DescriptorRoom room;
            place = pool_place_clone(**thread);
        }
        if (!place.ok()) {
            while (mount-- > 0)
                pool_place_cancel(*context.threads[mount], places[mount]);
            return place.error();
        }
        places[mount] = *place;
    }
    return {};
}

void undo_places(ThreadContext &context, const PoolPlace (&places)[max_mounts]) {
    for (unsigned mount = 0; mount < mount_count; mount++) {
        pool_place_over_exec(places[mount], false);
        if (context.is_vfork_child)
            pool_place_cancel(*context.threads[mount], places[mount]);
    }
}

long execute(Request &request, Scratch &scratch, const Arguments &arguments, const Target &target, bool names_command) {
    ThreadContext &context = request.context;
    Result<const char **> argv = make_arguments(scratch, arguments.argv);
    if (!argv.ok())
        return kernel_result(Status(argv.error()));
    Handover handover;
    if (scratch.is_handed_over) {
        const Status made = make_places(context, handover.places);
        if (!made.ok())
            return kernel_result(made);
        handover.process = base::raw_syscall(SYS_getpid);
        handover.place_count = mount_count;
        for (unsigned mount = 0; mount < mount_count; mount++)
            handover.nonces[mount] = mounts[mount].pool.segment->nonce;
        handover.pools_mark = pools_mark(pools_value);
        handover.directory = working_directory();
        handover.address_space_bytes = address_space_taken_bytes();
        handover.root = root_directory();
        if (names_command)
            take_name(handover.command_name, last_name(scratch.command_name));
        if (!context.is_vfork_child)
            handover.lost_count = record_locks_lost_by_exec(context, handover.lost);
        handover_write(scratch.handover, handover);
        if (!context.is_vfork_child)
            handover_lock(context);
        for (unsigned mount = 0; mount < mount_count; mount++)
            pool_place_over_exec(handover.places[mount], true);
    }
    if (!context.is_vfork_child)
        ledger_report(scratch.command_name);
    if (!context.is_vfork_child)
        signals_before_exec();
    const AddressSpaceReturn returned(scratch.is_handed_over);
    const long failed = start_image(request, target, *argv, scratch.pointers());
    if (!context.is_vfork_child)
        signals_after_exec();
    if (scratch.is_handed_over) {
        undo_places(context, handover.places);
        if (!context.is_vfork_child)
            handover_unlock(context);
    }
    return failed;
}

long exec(Request &request, long dirfd, const char *path, const Arguments &arguments, long flags) {
    if (signal_is_pending())
        return restart_call;
    Result<Scratch *> scratch = make_scratch(arguments);
    // Bad words are told only of a program that could be executed.
    const Status words = scratch.ok() ? Status() : Status(scratch.error());
    if (!words.ok())
        scratch = make_scratch({});
    if (!scratch.ok())
        return kernel_result(words);
    ThreadContext &context = request.context;
    Target target;
    const Result<size_t> name = copy_user_string((*scratch)->command_name, path_max_bytes, path);
    Status status = name.ok() ? Status() : Status(name.error());
    if (status.ok())
        status = choose_target(request, **scratch, dirfd, path, flags, words.ok() ? arguments.argv : nullptr, &target);
    if (status.ok())
        status = words;
    const Loader loader = loader_of((*scratch)->inside[0] != 0 ? (*scratch)->inside : (*scratch)->command_name);
    if (status.ok() && words.ok() && (*scratch)->front_count == 1 && loader != Loader::none)
        loader_command_read(context, arguments.argv, loader, (*scratch)->loader);
    (*scratch)->goes_round = goes_round();
    if (status.ok())
        status = make_environment(context, **scratch, target, arguments.envp);
    if (status.ok() && !context.is_vfork_child && (*scratch)->goes_round == nullptr)
        if (const long own = shared_token_replace_all(true); base::is_error(own))
            status = error(static_cast<int>(-own));
    if (status.ok())
        companion_before_exec();
    const bool names_command = target.copy >= 0 || target.is_shadow || (*scratch)->front_count > 1;
    long result = status.ok() ? execute(request, **scratch, arguments, target, names_command) : kernel_result(status);
    if (target.is_shadow && !target.needs_copied_name && (result == -EACCES || result == -ENOENT)) {
        // Mounted noexec, or another process has taken it away: without a name then.
        (*scratch)->inside[0] = 0;
        status = choose_copy(context, **scratch, &target);
        result = status.ok() ? execute(request, **scratch, arguments, target, true) : kernel_result(status);
    }
    if (result == -ENOENT && target.program.thread == nullptr && target.path != nullptr && target.path[0] != 0)
        tell_of_lost_interpreter(request, **scratch, target.program);
    program_release(target.program);
    if (target.copy >= 0)
        base::raw_syscall(SYS_close, target.copy);
    base::raw_syscall(SYS_munmap, base::as_long(*scratch), static_cast<long>((*scratch)->size_bytes));
    return result;
}

constexpr int execve_check = 0x10000; // AT_EXECVE_CHECK of Linux 6.14: may it be executed? No more

long check_program(Request &request) {
    const Result<Program> program =
        program_find(request, request.args[0], reinterpret_cast<const char *>(request.args[1]),
                     request.args[4] & ~long{execve_check}, request.context.symlink);
    if (!program.ok())
        return kernel_result(Status(program.error()));
    if (program->thread == nullptr)
        return pass_to_kernel;
    char head[program_head_bytes];
    const Status status = program_head(*program, head);
    program_release(*program);
    return status.ok() ? 0 : kernel_result(status);
}

Arguments arguments_at(const long *args) {
    return {reinterpret_cast<const char *const *>(args[0]), reinterpret_cast<const char *const *>(args[1])};
}

} // namespace

long serve_execve(Request &request) {
    const auto *path = reinterpret_cast<const char *>(request.args[0]);
    return exec(request, AT_FDCWD, path, arguments_at(request.args + 1), 0);
}

long serve_execveat(Request &request) {
    if ((request.args[4] & ~long{AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | execve_check}) != 0)
        return pass_to_kernel; // EINVAL, whatever it is
    if ((request.args[4] & execve_check) != 0)
        return check_program(request);
    const auto *path = reinterpret_cast<const char *>(request.args[1]);
    return exec(request, request.args[0], path, arguments_at(request.args + 2), request.args[4]);
}

} // namespace shim
