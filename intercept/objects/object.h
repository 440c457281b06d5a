// object: a loaded ELF object, seen through its program headers in memory.
//
// Follows the System V gABI (program headers, dynamic section, notes). Nothing
// is read from the file: what runs is what is mapped.
#pragma once

#include "base/page_array.h"
#include "intercept/objects/address_range.h"

#include <cstddef>
#include <cstdint>
#include <link.h>

namespace intercept {

struct Segment {
    AddressRange range;
    uint64_t file_end;   // behind it: zeroes at first, not from the file
    uint32_t protection; // PROT_*
};

constexpr unsigned segments_max = 16;
constexpr unsigned build_id_bytes_max = 32;

struct Object {
    const char *path; // as the loader names it; "" = the program. The loader's memory
    uint64_t base;    // load address: what is added to the file's addresses
    AddressRange span;
    Segment segments[segments_max];
    unsigned segment_count;
    bool has_more_segments; // than are kept
    uint64_t frame_header;  // address of .eh_frame_hdr, 0 = none
    AddressRange relro;
    const ElfW(Dyn) * dynamic;
    size_t dynamic_count;
    uint8_t build_id[build_id_bytes_max];
    unsigned build_id_bytes; // 0 = none
    bool is_loader;          // the dynamic loader
    bool is_libc;            // soname libc.so.6: its wrappers follow glibc's own rules

    bool executable(uint64_t address) const;
    const Segment *segment_of(uint64_t address) const; // nullptr: none
    // Mapped readable and not executable.
    bool readable_data(uint64_t address, uint64_t size_bytes) const;
    bool readable(uint64_t address, uint64_t size_bytes) const;
};

// The part of a segment that holds what the file holds.
inline AddressRange file_part(const Segment &segment) {
    return {segment.range.begin, segment.file_end};
}

// The exported symbols and those that are asked of others.
struct SymbolTable {
    const ElfW(Sym) * symbols;
    uint64_t count; // 0: none, or its size is not known
};
SymbolTable symbol_table(const Object &object);
bool is_defined_function(const ElfW(Sym) & symbol);

// The loader changes the text before it runs.
bool has_text_relocations(const Object &object);

// What the program headers of an object that is in memory say; `info` is read during the call, but for
// its name.
void describe_object(Object &object, const dl_phdr_info &info);

// All objects of all of the loader's namespaces that are loaded now, but the vdso. Takes
// the loader's lock; for constructors. False: no memory.
bool list_objects(base::PageArray<Object> &out);

// The object whose ELF header is at `range.begin` and whose segments fill `range`, mapped
// by the loader a moment ago and not relocated yet. False: not one for this processor,
// damaged, or its parts lie elsewhere.
bool describe_mapped(const AddressRange &range, Object &out);

// Everything that is mapped is there and known: no segment is one too many, and the file was not cut short, which
// would turn a look at its text into SIGBUS.
bool is_whole(const Object &object);

// The address of entry `tag` of the dynamic section, absolute; 0 = absent.
uint64_t dynamic_address(const Object &object, int64_t tag);
uint64_t dynamic_value(const Object &object, int64_t tag);

} // namespace intercept
