// decimal: a number as text, on the stack, from any context.
#pragma once

#include <cstdint>
#include <string_view>

namespace base {

// Use: Decimal(17).text(); the text lives as long as the Decimal.
class Decimal {
public:
    explicit Decimal(uint64_t value) {
        do
            digits_[--begin_] = static_cast<char>('0' + value % 10);
        while ((value /= 10) != 0);
    }
    std::string_view text() const {
        return {digits_ + begin_, sizeof digits_ - begin_};
    }

private:
    char digits_[20];
    unsigned begin_ = sizeof digits_;
};

} // namespace base
