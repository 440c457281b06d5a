// loader_list: libc is known by a function that nobody stands in front of; dl_iterate_phdr is looked up there where
// the loader has bound us to another one.
#include "intercept/objects/loader_list.h"

#include "intercept/objects/object.h"

#include <cstring>
#include <dlfcn.h>
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

namespace intercept {
namespace {

using Iterate = int (*)(LoaderListVisit visit, void *argument);

#ifdef DLFO_EH_SEGMENT_TYPE // _dl_find_object, since glibc 2.35

// Null: it exports none of that name.
Iterate iterate_of(const dl_find_object &found) {
    constexpr char wanted[] = "dl_iterate_phdr";
    Object libc;
    if (!describe_mapped(
            {reinterpret_cast<uint64_t>(found.dlfo_map_start), reinterpret_cast<uint64_t>(found.dlfo_map_end)}, libc))
        return nullptr;
    const SymbolTable table = symbol_table(libc);
    const uint64_t strings = dynamic_address(libc, DT_STRTAB);
    for (uint64_t i = 0; i < table.count; i++) {
        const ElfW(Sym) &symbol = table.symbols[i];
        if (ELF64_ST_TYPE(symbol.st_info) == STT_FUNC && symbol.st_shndx != SHN_UNDEF &&
            libc.readable(strings + symbol.st_name, sizeof wanted) &&
            memcmp(reinterpret_cast<const char *>(strings + symbol.st_name), wanted, sizeof wanted) == 0)
            return reinterpret_cast<Iterate>(libc.base + symbol.st_value);
    }
    return nullptr;
}

Iterate find_iterate() {
    dl_find_object libc, bound;
    if (_dl_find_object(reinterpret_cast<void *>(&gnu_get_libc_version), &libc) != 0 ||
        (_dl_find_object(reinterpret_cast<void *>(&dl_iterate_phdr), &bound) == 0 &&
         bound.dlfo_link_map == libc.dlfo_link_map))
        return dl_iterate_phdr;
    const Iterate own = iterate_of(libc);
    return own != nullptr ? own : dl_iterate_phdr;
}

#else

Iterate find_iterate() {
    return dl_iterate_phdr;
}

#endif

} // namespace

int visit_loader_list(LoaderListVisit visit, void *argument) {
    return find_iterate()(visit, argument);
}

} // namespace intercept
