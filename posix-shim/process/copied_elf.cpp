#include "posix-shim/process/copied_elf.h"

#include "base/raw_syscall.h"
#include "posix-shim/process/pool_file.h"
#include "posix-shim/process/shadow.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace shim {

using base::error;
using base::Result;
using base::Status;
using namespace pmemfile;

namespace {

constexpr uint64_t page_bytes = 4096;

// Mapped for one copy.
struct Work {
    ElfFile file;
    char name[path_max_bytes];
    char inside[path_max_bytes];
    char copy[path_max_bytes]; // the path of one
};

// Bytes of the file that are in no segment, but on a page that is mapped with one.
struct Gap {
    uint64_t offset_bytes = 0;
    uint64_t address = 0;
    uint64_t size_bytes = 0;
};

Status write_at(long descriptor, const void *bytes, size_t size_bytes, uint64_t offset_bytes) {
    const long written = base::raw_syscall(SYS_pwrite64, descriptor, base::as_long(bytes),
                                           static_cast<long>(size_bytes), static_cast<long>(offset_bytes));
    if (base::is_error(written))
        return error(static_cast<int>(-written));
    return written == static_cast<long>(size_bytes) ? Status() : Status(error(ENOSPC));
}

// The length of the path (in `work.copy`) of the copy of the file that `work.name` leads to.
Result<size_t> find_copy(ThreadContext &context, Work &work) {
    std::string_view directory;
    std::string_view name;
    split_path(work.name, &directory, &name);
    BASE_TRY_ASSIGN(const PoolFile found, pool_file_find_in(context, directory, name, work.inside));
    return shadow_path(found.mount, {work.inside, found.inside_bytes}, work.copy);
}

Status adapt_interpreter(ThreadContext &context, Work &work, long descriptor) {
    if (!elf_interpreter(work.file, work.name))
        return {};
    const Elf64_Phdr *segment = elf_segment(work.file, PT_INTERP);
    const Result<size_t> length = find_copy(context, work);
    if (!length.ok())
        return {};
    const long end = base::raw_syscall(SYS_lseek, descriptor, 0, SEEK_END);
    if (base::is_error(end))
        return error(static_cast<int>(-end));
    BASE_TRY(write_at(descriptor, work.copy, *length + 1, static_cast<uint64_t>(end)));
    Elf64_Phdr changed = *segment;
    changed.p_offset = static_cast<uint64_t>(end);
    changed.p_filesz = *length + 1;
    const auto index = static_cast<uint64_t>(segment - work.file.segments);
    return write_at(descriptor, &changed, sizeof changed, work.file.header.e_phoff + index * sizeof changed);
}

bool has_only_zeros(const ElfSource &source, const Gap &gap) {
    char bytes[256];
    for (uint64_t done = 0; done < gap.size_bytes; done += sizeof bytes) {
        const size_t piece = std::min<uint64_t>(sizeof bytes, gap.size_bytes - done);
        if (!elf_bytes(source, gap.offset_bytes + done, bytes, piece))
            return false;
        for (size_t i = 0; i < piece; i++)
            if (bytes[i] != 0)
                return false;
    }
    return true;
}

Gap largest_gap(const ElfFile &file) {
    Gap best;
    const Elf64_Ehdr &header = file.header;
    for (unsigned i = 0; i < header.e_phnum; i++) {
        const Elf64_Phdr &segment = file.segments[i];
        if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0 || segment.p_memsz != segment.p_filesz)
            continue;
        const uint64_t begin = segment.p_offset + segment.p_filesz;
        const Gap gap = {begin, segment.p_vaddr + segment.p_filesz, -begin % page_bytes};
        const auto overlaps = [&](uint64_t from, uint64_t size_bytes) {
            return from < begin + gap.size_bytes && from + size_bytes > begin;
        };
        bool is_free = gap.size_bytes > best.size_bytes &&
                       !overlaps(header.e_shoff, uint64_t{header.e_shnum} * header.e_shentsize);
        for (unsigned other = 0; other < header.e_phnum; other++)
            is_free = is_free && !(file.segments[other].p_type == PT_LOAD &&
                                   overlaps(file.segments[other].p_offset, file.segments[other].p_filesz));
        if (is_free && has_only_zeros(file.source, gap))
            best = gap;
    }
    return best;
}

Status adapt_needed(ThreadContext &context, Work &work, long descriptor) {
    Gap gap;
    bool is_known = false;
    for (size_t i = 0; i < work.file.entry_count; i++) {
        const Elf64_Dyn &entry = work.file.entries[i];
        if (entry.d_tag != DT_NEEDED || !elf_string(work.file, entry, work.name, sizeof work.name))
            continue;
        const std::string_view name = work.name;
        // $ORIGIN leads from this copy to the next one.
        if (name.find('/') == std::string_view::npos || name.find('$') != std::string_view::npos)
            continue;
        const Result<size_t> length = find_copy(context, work);
        if (!length.ok())
            continue;
        if (!is_known)
            gap = largest_gap(work.file);
        is_known = true;
        if (*length + 2 > gap.size_bytes) // a NUL before it: it ends what the segment ends with
            continue;
        const uint64_t value = gap.address + 1 - work.file.strings_address;
        BASE_TRY(write_at(descriptor, work.copy, *length + 1, gap.offset_bytes + 1));
        BASE_TRY(write_at(descriptor, &value, sizeof value,
                          work.file.entries_offset_bytes + i * sizeof entry + offsetof(Elf64_Dyn, d_un)));
        gap.offset_bytes += *length + 2;
        gap.address += *length + 2;
        gap.size_bytes -= *length + 2;
    }
    return {};
}

// The loader looks along an RPATH before LD_LIBRARY_PATH, at the host's root: it becomes a RUNPATH, which comes after.
Status adapt_search_path(const Work &work, long descriptor) {
    for (size_t i = 0; i < work.file.entry_count; i++) {
        if (work.file.entries[i].d_tag != DT_RPATH)
            continue;
        const Elf64_Sxword tag = DT_RUNPATH;
        BASE_TRY(write_at(descriptor, &tag, sizeof tag, work.file.entries_offset_bytes + i * sizeof(Elf64_Dyn)));
    }
    return {};
}

} // namespace

Status copied_elf_adapt(ThreadContext &context, const ElfSource &source, long descriptor) {
    const long memory = base::raw_syscall(SYS_mmap, 0, sizeof(Work), PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base::is_error(memory))
        return error(ENOMEM);
    auto &work = *reinterpret_cast<Work *>(memory);
    Status done;
    if (elf_read(work.file, source))
        done = adapt_interpreter(context, work, descriptor);
    if (done.ok())
        done = adapt_needed(context, work, descriptor);
    if (done.ok() && root_directory().mount >= 0)
        done = adapt_search_path(work, descriptor);
    base::raw_syscall(SYS_munmap, memory, sizeof(Work));
    return done;
}

} // namespace shim
