// descriptor_path: "/proc/self/fd/N", for the kernel.
#pragma once

#include "base/decimal.h"

#include <cstring>

namespace shim {

// Use: DescriptorPath(7).text(); the text lives as long as the DescriptorPath.
class DescriptorPath {
public:
    explicit DescriptorPath(long descriptor) {
        const base::Decimal number(static_cast<unsigned>(descriptor));
        std::memcpy(text_ + std::strlen(text_), number.text().data(), number.text().size()); // zeros behind it
    }
    const char *text() const {
        return text_;
    }

private:
    char text_[40] = "/proc/self/fd/";
};

} // namespace shim
