#include "posix-shim/notify/companion.h"

#include "base/high_descriptor.h"
#include "base/raw_syscall.h"
#include "posix-shim/descriptors/token.h"
#include "posix-shim/paths/descriptor_path.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>

namespace shim {

namespace {

constexpr uint64_t key_changing = 1;

constinit Companion companions[max_companions] = {};
constinit std::atomic<uint32_t> companion_count = 0;

// One with that key, marked as being changed; null: none.
Companion *take(uint64_t key) {
    for (Companion &companion : companions) {
        uint64_t expected = key;
        if (companion.key.load(std::memory_order_relaxed) == key &&
            companion.key.compare_exchange_strong(expected, key_changing))
            return &companion;
    }
    return nullptr;
}

Companion *take_or_make(uint64_t key) {
    if (Companion *known = take(key); known != nullptr)
        return known;
    Companion *made = take(0);
    if (made != nullptr) {
        for (Companion::Part &part : made->parts)
            part = {};
        companion_count.fetch_add(1);
    }
    return made;
}

bool put_part(Companion &companion, int descriptor, bool is_found) {
    struct stat status = {};
    if (base::is_error(base::raw_syscall(SYS_fstat, descriptor, base::as_long(&status))))
        return false;
    for (Companion::Part &part : companion.parts)
        if (part.descriptor < 0) {
            part = {descriptor, is_found, status.st_dev, status.st_ino};
            descriptor_note_own(descriptor);
            return true;
        }
    return false;
}

// Opened by its own path again: who was open before the watch is told to have been closed.
void open_and_close(int found, int open_flags) {
    const DescriptorPath path(found);
    const long again =
        base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long(path.text()), open_flags | O_NONBLOCK | O_CLOEXEC);
    if (!base::is_error(again))
        base::raw_syscall(SYS_close, again);
}

} // namespace

bool companion_any() {
    return companion_count.load(std::memory_order_relaxed) != 0;
}

Companion *companion_find(unsigned mount, OpenFileId id) {
    if (!companion_any())
        return nullptr;
    const uint64_t key = descriptor_word(mount, id);
    for (Companion &companion : companions)
        if (companion.key.load(std::memory_order_acquire) == key)
            return &companion;
    return nullptr;
}

long companion_open(ThreadContext &context, unsigned mount, OpenFileId id, const char *path, int flags) {
    const long opened = base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long(path), flags | O_NOFOLLOW | O_CLOEXEC);
    if (base::is_error(opened))
        return opened;
    const bool is_found = (flags & O_PATH) != 0;
    const long moved = base::high_duplicate(opened, context.is_vfork_child ? F_DUPFD : F_DUPFD_CLOEXEC,
                                            std::max(descriptor_own_lowest() - long{max_companions}, 0L));
    base::raw_syscall(SYS_close, opened); // not the last one: IN_CLOSE comes with `moved`
    if (base::is_error(moved))
        return moved;
    if (!is_found)
        base::raw_syscall(SYS_lseek, moved, static_cast<long>(id), SEEK_SET);
    if (context.is_vfork_child)
        return 0;
    const uint64_t key = descriptor_word(mount, id);
    Companion *companion = take_or_make(key);
    if (companion == nullptr || !put_part(*companion, static_cast<int>(moved), is_found))
        base::raw_syscall(SYS_close, moved);
    if (companion == nullptr)
        return -EMFILE;
    companion->open_flags = flags & (O_ACCMODE | O_DIRECTORY);
    companion->key.store(key, std::memory_order_release);
    return 0;
}

bool companion_is_sound(const Companion::Part &part) {
    struct stat status = {};
    return part.descriptor >= 0 &&
           !base::is_error(base::raw_syscall(SYS_fstat, part.descriptor, base::as_long(&status))) &&
           status.st_dev == part.device && status.st_ino == part.inode;
}

void companion_close(unsigned mount, OpenFileId id) {
    if (!companion_any())
        return;
    Companion *companion = take(descriptor_word(mount, id));
    if (companion == nullptr)
        return;
    for (Companion::Part &part : companion->parts) {
        if (!companion_is_sound(part))
            continue;
        if (part.is_found)
            open_and_close(part.descriptor, companion->open_flags);
        descriptor_forget_own(part.descriptor);
        base::raw_syscall(SYS_close, part.descriptor);
        part.descriptor = -1;
    }
    companion->key.store(0, std::memory_order_release);
    companion_count.fetch_sub(1);
}

void companion_before_exec() {
    if (!companion_any())
        return;
    const int end = descriptor_high_water();
    for (int descriptor = 0; descriptor < end; descriptor++) {
        const long flags = base::raw_syscall(SYS_fcntl, descriptor, F_GETFD);
        if (base::is_error(flags) || (flags & FD_CLOEXEC) != 0)
            continue;
        const TokenIdentity token = token_decode(descriptor);
        if (token.mount < 0)
            continue;
        if (const Companion *companion = companion_find(static_cast<unsigned>(token.mount), token.id);
            companion != nullptr)
            for (const Companion::Part &part : companion->parts)
                if (!part.is_found && companion_is_sound(part))
                    base::raw_syscall(SYS_fcntl, part.descriptor, F_SETFD, 0);
    }
}

bool companion_adopt(ThreadContext &context, unsigned mount, int descriptor) {
    const long position = base::raw_syscall(SYS_lseek, descriptor, 0, SEEK_CUR);
    const long flags = base::raw_syscall(SYS_fcntl, descriptor, F_GETFL);
    const auto id = static_cast<OpenFileId>(position);
    const base::Result<pmemfile::Thread *> thread = context_thread(context, mount);
    if (base::is_error(position) || base::is_error(flags) || !thread.ok() || !descriptor_refers(mount, id) ||
        !pmemfile::open_file_get(**thread, id).ok())
        return false;
    base::raw_syscall(SYS_fcntl, descriptor, F_SETFD, FD_CLOEXEC);
    const uint64_t key = descriptor_word(mount, id);
    Companion *companion = take_or_make(key);
    if (companion == nullptr)
        return false;
    const bool kept = put_part(*companion, descriptor, false);
    companion->open_flags = static_cast<int>(flags) & (O_ACCMODE | O_DIRECTORY);
    companion->key.store(key, std::memory_order_release);
    return kept;
}

} // namespace shim
