// elf_image: an ELF file in memory as the loader would lay it out, without running any of it.
#pragma once

#include "intercept/objects/object.h"

#include <string>

namespace sc {

class ElfImage {
public:
    ElfImage() = default;
    ElfImage(const ElfImage &) = delete;
    ElfImage &operator=(const ElfImage &) = delete;
    ~ElfImage();

    // Reads `path`: segments at their distances, relative relocations done (they tell the
    // planner which addresses are known), nothing executable. "" or what is wrong with the file.
    std::string open(const std::string &path);

    // As list_objects would have given it.
    const intercept::Object &object() const {
        return object_;
    }
    // Of an address in memory: what `objdump` and `nm` call it.
    uint64_t file_address(uint64_t address) const {
        return address - object_.base;
    }

private:
    std::string lay_out(const std::string &bytes);
    void relocate();

    std::string path_;
    void *memory_ = nullptr;
    size_t memory_bytes_ = 0;
    intercept::Object object_{};
};

} // namespace sc
