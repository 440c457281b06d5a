#include "posix-shim/paths/empty_path.h"

#include "intercept/include/pmemfile-intercept.h"

#include <dlfcn.h>
#include <elf.h>
#include <gnu/libc-version.h>
#include <link.h>

namespace shim {

constinit std::atomic<long> libc_empty_path = -1;

namespace {

constinit int words_hook = -1;

bool is_read_only(const dl_find_object &object, uintptr_t address) {
    const auto base = object.dlfo_link_map->l_addr;
    const auto *header = reinterpret_cast<const ElfW(Ehdr) *>(object.dlfo_map_start);
    const auto *segments = reinterpret_cast<const ElfW(Phdr) *>(reinterpret_cast<uintptr_t>(header) + header->e_phoff);
    for (unsigned i = 0; i < header->e_phnum; i++)
        if (segments[i].p_type == PT_LOAD && address - (base + segments[i].p_vaddr) < segments[i].p_filesz)
            return (segments[i].p_flags & PF_W) == 0;
    return false;
}

} // namespace

void empty_path_begin(int hook_id) {
    words_hook = hook_id;
}

// Of objects that may be unloaded another one could come to the same address. (Libraries stand in front of many of
// libc's functions, fakeroot's and sanitizers' of fstat; this one is its own.)
void empty_path_meet(long path) {
    dl_find_object libc, object;
    if (libc_empty_path.load(std::memory_order_relaxed) == -1 &&
        _dl_find_object(reinterpret_cast<void *>(&gnu_get_libc_version), &libc) == 0 &&
        _dl_find_object(reinterpret_cast<void *>(path), &object) == 0 && libc.dlfo_link_map == object.dlfo_link_map &&
        is_read_only(object, static_cast<uintptr_t>(path))) {
        libc_empty_path.store(path, std::memory_order_relaxed);
        intercept_set_word_path(words_hook, reinterpret_cast<const char *>(path));
    }
}

} // namespace shim
