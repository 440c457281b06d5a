// object: walks the loader's list and turns program headers into ranges.
#include "intercept/objects/object.h"

#include "base/raw_syscall.h"
#include "intercept/objects/loader_list.h"

#include <cerrno>
#include <cstring>
#include <elf.h>
#include <sys/auxv.h>
#include <sys/mman.h>

namespace intercept {
namespace {

constexpr uint64_t page_bytes = 4096;
constexpr long populate_read = 22; // MADV_POPULATE_READ, newer than the headers of some systems
#if defined(__x86_64__)
constexpr unsigned native_machine = EM_X86_64;
#elif defined(__aarch64__)
constexpr unsigned native_machine = EM_AARCH64;
#endif

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

void describe_segments(Object &object, uint64_t base, const ElfW(Phdr) * headers, unsigned header_count) {
    object.path = "";
    object.base = base;
    object.span = {UINT64_MAX, 0};
    for (unsigned i = 0; i < header_count; i++) {
        const ElfW(Phdr) &header = headers[i];
        uint64_t begin = object.base + header.p_vaddr;
        switch (header.p_type) {
        case PT_LOAD: {
            if (begin < object.span.begin)
                object.span.begin = begin;
            if (begin + header.p_memsz > object.span.end)
                object.span.end = begin + header.p_memsz;
            object.has_more_segments = object.segment_count == segments_max;
            if (object.has_more_segments)
                break;
            uint32_t protection = (header.p_flags & PF_R ? PROT_READ : 0) | (header.p_flags & PF_W ? PROT_WRITE : 0) |
                                  (header.p_flags & PF_X ? PROT_EXEC : 0);
            object.segments[object.segment_count++] = {
                {begin, begin + header.p_memsz}, begin + header.p_filesz, protection};
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
            object.dynamic_count = header.p_memsz / sizeof(ElfW(Dyn));
            break;
        default:
            break;
        }
    }
}

void describe(Object &object, uint64_t base, const ElfW(Phdr) * headers, unsigned header_count) {
    describe_segments(object, base, headers, header_count);
    for (unsigned i = 0; i < header_count; i++)
        if (headers[i].p_type == PT_NOTE && object.build_id_bytes == 0 &&
            object.readable(base + headers[i].p_vaddr, headers[i].p_memsz))
            read_build_id(object, base + headers[i].p_vaddr, headers[i].p_memsz);
    if (!object.readable(reinterpret_cast<uint64_t>(object.dynamic), object.dynamic_count * sizeof(ElfW(Dyn))))
        object.dynamic_count = 0;
    uint64_t strings = dynamic_address(object, DT_STRTAB);
    uint64_t soname = dynamic_value(object, DT_SONAME);
    constexpr char libc_name[] = "libc.so.6";
    if (strings == 0 || soname == 0 || !object.readable(strings + soname, sizeof libc_name))
        return;
    auto *name = reinterpret_cast<const char *>(strings + soname);
    object.is_libc = strcmp(name, libc_name) == 0;
    object.is_loader = strncmp(name, "ld-linux", 8) == 0 || strncmp(name, "ld64", 4) == 0;
}

// The bytes at `address` are there.
bool is_populated(uint64_t begin, uint64_t end) {
    uint64_t first = begin & ~uint64_t{page_bytes - 1};
    uint64_t last = (end + page_bytes - 1) & ~uint64_t{page_bytes - 1};
    long result =
        base::raw_syscall(SYS_madvise, static_cast<long>(first), static_cast<long>(last - first), populate_read);
    // Kernels before 5.14 can not tell: then the object is believed.
    return result == 0 || result == -EINVAL;
}

const ElfW(Phdr) * headers_in_place(uint64_t begin, unsigned &count) {
    if (!is_populated(begin, begin + page_bytes))
        return nullptr;
    auto *header = reinterpret_cast<const ElfW(Ehdr) *>(begin);
    bool good = memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 && header->e_ident[EI_CLASS] == ELFCLASS64 &&
                header->e_machine == native_machine && (header->e_type == ET_DYN || header->e_type == ET_EXEC) &&
                header->e_phentsize == sizeof(ElfW(Phdr)) && header->e_phnum != 0 &&
                header->e_phoff >= sizeof *header && header->e_phoff <= page_bytes &&
                header->e_phnum <= (page_bytes - header->e_phoff) / sizeof(ElfW(Phdr));
    count = good ? header->e_phnum : 0;
    return good ? reinterpret_cast<const ElfW(Phdr) *>(begin + header->e_phoff) : nullptr;
}

// The lowest address that the program headers ask for, page-aligned; UINT64_MAX: none.
uint64_t lowest_page(const ElfW(Phdr) * headers, unsigned count) {
    uint64_t lowest = UINT64_MAX;
    for (unsigned i = 0; i < count; i++)
        if (headers[i].p_type == PT_LOAD && headers[i].p_vaddr < lowest)
            lowest = headers[i].p_vaddr & ~uint64_t{page_bytes - 1};
    return lowest;
}

struct Listing {
    base::PageArray<Object> *out;
    uint64_t vdso;
    bool failed;
};

bool add(const Listing &listing, const Object &object) {
    if (object.segment_count == 0 || object.span.contains(listing.vdso))
        return true;
    for (const Object &known : *listing.out)
        if (known.span.begin == object.span.begin)
            return true;
    return listing.out->push(object);
}

} // namespace

void describe_object(Object &object, const dl_phdr_info &info) {
    describe(object, info.dlpi_addr, info.dlpi_phdr, info.dlpi_phnum);
    object.path = info.dlpi_name != nullptr ? info.dlpi_name : "";
}

namespace {

int visit(dl_phdr_info *info, size_t, void *argument) {
    auto *listing = static_cast<Listing *>(argument);
    Object object{};
    describe_object(object, *info);
    listing->failed = !add(*listing, object);
    return listing->failed ? 1 : 0;
}

// dl_iterate_phdr shows the namespace of its caller. The others (dlmopen, audit
// libraries) hang on the structure that is there for debuggers.
#ifdef __GLIBC__
bool list_other_namespaces(const Listing &listing) {
    uint64_t address = 0;
    for (const Object &object : *listing.out)
        if (object.path[0] == 0) // the program
            address = dynamic_value(object, DT_DEBUG);
    auto *first = reinterpret_cast<const r_debug_extended *>(address);
    if (first == nullptr || first->base.r_version < 2)
        return true;
    for (auto *space = first->r_next; space != nullptr; space = space->r_next)
        for (const link_map *map = space->base.r_map; map != nullptr; map = map->l_next) {
            unsigned count = 0;
            const ElfW(Phdr) *headers = headers_in_place(map->l_addr, count);
            if (headers == nullptr)
                continue;
            Object object{};
            describe(object, map->l_addr, headers, count);
            object.path = map->l_name;
            if (!add(listing, object))
                return false;
        }
    return true;
}
#endif

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
    for (size_t i = 0; i < object.dynamic_count && object.dynamic[i].d_tag != DT_NULL; i++)
        if (object.dynamic[i].d_tag == tag)
            return object.dynamic[i].d_un.d_val;
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
    for (size_t i = 0; i < object.dynamic_count && object.dynamic[i].d_tag != DT_NULL; i++)
        if (object.dynamic[i].d_tag == DT_TEXTREL)
            return true;
    return false;
}

bool list_objects(base::PageArray<Object> &out) {
    Listing listing{&out, getauxval(AT_SYSINFO_EHDR), false};
    visit_loader_list(visit, &listing);
#ifdef __GLIBC__
    if (!listing.failed)
        listing.failed = !list_other_namespaces(listing);
#endif
    return !listing.failed;
}

bool describe_mapped(const AddressRange &range, Object &out) {
    unsigned count = 0;
    const ElfW(Phdr) *headers = headers_in_place(range.begin, count);
    if (headers == nullptr)
        return false;
    uint64_t lowest = lowest_page(headers, count);
    for (unsigned i = 0; i < count; i++) {
        const ElfW(Phdr) &header = headers[i];
        uint64_t offset = header.p_vaddr - lowest;
        bool inside = offset < range.size() && header.p_memsz <= range.size() - offset;
        if (header.p_type == PT_LOAD && (!inside || header.p_filesz > header.p_memsz))
            return false;
    }
    out = {};
    // The dynamic section and the notes are looked at first where they are whole.
    Object layout{};
    describe_segments(layout, range.begin - lowest, headers, count);
    if (!is_whole(layout))
        return false;
    describe(out, range.begin - lowest, headers, count);
    return true;
}

bool is_whole(const Object &object) {
    if (object.has_more_segments)
        return false;
    for (unsigned i = 0; i < object.segment_count; i++) {
        const Segment &segment = object.segments[i];
        if ((segment.protection & PROT_READ) == 0 || segment.file_end == segment.range.begin)
            continue;
        // What is missing is missing at the end. (The rest is not asked for: the kernel maps sixteen pages at the first
        // touch of one, for less than it takes to ask for each.)
        if (!is_populated(segment.file_end - 1, segment.file_end))
            return false;
    }
    return true;
}

} // namespace intercept
