// object: walks the loader's list and turns program headers into ranges.
#include "intercept/objects/object.h"

#include <cstring>
#include <elf.h>
#include <sys/auxv.h>
#include <sys/mman.h>

namespace intercept {
namespace {

void read_build_id(Object &object, uint64_t address, uint64_t size_bytes) {
    uint64_t end = address + size_bytes;
    while (address + sizeof(ElfW(Nhdr)) <= end) {
        auto *note = reinterpret_cast<const ElfW(Nhdr) *>(address);
        uint64_t name = address + sizeof(*note);
        uint64_t descriptor = name + ((note->n_namesz + 3u) & ~3u);
        if (descriptor + note->n_descsz > end)
            return;
        if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 &&
            memcmp(reinterpret_cast<const void *>(name), "GNU", 4) == 0 && note->n_descsz <= build_id_bytes_max) {
            memcpy(object.build_id, reinterpret_cast<const void *>(descriptor), note->n_descsz);
            object.build_id_bytes = note->n_descsz;
            return;
        }
        address = descriptor + ((note->n_descsz + 3u) & ~3u);
    }
}

} // namespace

void describe_object(Object &object, const dl_phdr_info &info) {
    object.path = info.dlpi_name != nullptr ? info.dlpi_name : "";
    object.base = info.dlpi_addr;
    object.span = {UINT64_MAX, 0};
    for (int i = 0; i < info.dlpi_phnum; i++) {
        const ElfW(Phdr) &header = info.dlpi_phdr[i];
        uint64_t begin = object.base + header.p_vaddr;
        switch (header.p_type) {
        case PT_LOAD: {
            if (object.segment_count == segments_max)
                break;
            uint32_t protection = (header.p_flags & PF_R ? PROT_READ : 0) | (header.p_flags & PF_W ? PROT_WRITE : 0) |
                                  (header.p_flags & PF_X ? PROT_EXEC : 0);
            object.segments[object.segment_count++] = {
                {begin, begin + header.p_memsz}, begin + header.p_filesz, protection};
            if (begin < object.span.begin)
                object.span.begin = begin;
            if (begin + header.p_memsz > object.span.end)
                object.span.end = begin + header.p_memsz;
            break;
        }
        case PT_GNU_EH_FRAME:
            object.frame_header = begin;
            break;
        case PT_GNU_RELRO:
            object.relro = {begin, begin + header.p_memsz};
            break;
        case PT_DYNAMIC:
            object.dynamic = reinterpret_cast<const ElfW(Dyn) *>(begin);
            break;
        case PT_NOTE:
            if (object.build_id_bytes == 0)
                read_build_id(object, begin, header.p_memsz);
            break;
        default:
            break;
        }
    }
    uint64_t strings = dynamic_address(object, DT_STRTAB);
    uint64_t soname = dynamic_value(object, DT_SONAME);
    object.is_libc =
        strings != 0 && soname != 0 && strcmp(reinterpret_cast<const char *>(strings + soname), "libc.so.6") == 0;
}

namespace {

struct Listing {
    base::PageArray<Object> *out;
    uint64_t vdso;
    bool failed;
};

int visit(dl_phdr_info *info, size_t, void *argument) {
    auto *listing = static_cast<Listing *>(argument);
    Object object{};
    describe_object(object, *info);
    if (object.segment_count == 0 || object.span.contains(listing->vdso))
        return 0;
    if (!listing->out->push(object))
        listing->failed = true;
    return listing->failed ? 1 : 0;
}

} // namespace

bool Object::executable(uint64_t address) const {
    for (unsigned i = 0; i < segment_count; i++)
        if ((segments[i].protection & PROT_EXEC) != 0 && segments[i].range.contains(address))
            return true;
    return false;
}

const Segment *Object::segment_of(uint64_t address) const {
    for (unsigned i = 0; i < segment_count; i++)
        if (segments[i].range.contains(address))
            return &segments[i];
    return nullptr;
}

bool Object::readable(uint64_t address, uint64_t size_bytes) const {
    for (unsigned i = 0; i < segment_count; i++)
        if ((segments[i].protection & PROT_READ) != 0 && segments[i].range.contains(address) &&
            size_bytes <= segments[i].range.end - address)
            return true;
    return false;
}

bool Object::readable_data(uint64_t address, uint64_t size_bytes) const {
    return readable(address, size_bytes) && !executable(address);
}

// The loader turns some of the entries into absolute addresses and leaves others
// (the vdso's, and on some systems all) relative: both are understood.
uint64_t dynamic_address(const Object &object, int64_t tag) {
    uint64_t value = dynamic_value(object, tag);
    if (value == 0)
        return 0;
    return object.span.contains(value) ? value : object.base + value;
}

uint64_t dynamic_value(const Object &object, int64_t tag) {
    if (object.dynamic == nullptr)
        return 0;
    for (const ElfW(Dyn) *entry = object.dynamic; entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == tag)
            return entry->d_un.d_val;
    return 0;
}

// Every linker puts the strings right behind the symbols; the hash tables would give
// the exact count, but a too large one is harmless here.
SymbolTable symbol_table(const Object &object) {
    uint64_t symbols = dynamic_address(object, DT_SYMTAB);
    uint64_t strings = dynamic_address(object, DT_STRTAB);
    if (symbols == 0 || strings <= symbols || !object.readable(symbols, strings - symbols))
        return {nullptr, 0};
    return {reinterpret_cast<const ElfW(Sym) *>(symbols), (strings - symbols) / sizeof(ElfW(Sym))};
}

bool is_defined_function(const ElfW(Sym) & symbol) {
    unsigned type = ELF64_ST_TYPE(symbol.st_info);
    return (type == STT_FUNC || type == STT_GNU_IFUNC) && symbol.st_shndx != SHN_UNDEF;
}

bool has_text_relocations(const Object &object) {
    if ((dynamic_value(object, DT_FLAGS) & DF_TEXTREL) != 0)
        return true;
    for (const ElfW(Dyn) *entry = object.dynamic; entry != nullptr && entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == DT_TEXTREL)
            return true;
    return false;
}

bool list_objects(base::PageArray<Object> &out) {
    Listing listing{&out, getauxval(AT_SYSINFO_EHDR), false};
    dl_iterate_phdr(visit, &listing);
    return !listing.failed;
}

} // namespace intercept
