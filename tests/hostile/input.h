// input: a fuzzer's bytes read as numbers. When they are used up all numbers are 0.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace hostile {

class Input {
public:
    Input(const uint8_t *bytes, size_t size_bytes) : bytes_(bytes), left_(size_bytes) {}

    bool empty() const {
        return left_ == 0;
    }
    template <typename T> T take() {
        T value{};
        const size_t size = std::min(left_, sizeof(T));
        if (size != 0) // an empty input has no address
            std::memcpy(&value, bytes_, size);
        bytes_ += size;
        left_ -= size;
        return value;
    }
    // 0 ... limit - 1
    uint64_t below(uint64_t limit) {
        return limit <= 256 ? take<uint8_t>() % limit : take<uint32_t>() % limit;
    }
    std::string text(size_t limit) {
        const size_t size = std::min({left_, limit, size_t{take<uint8_t>()}});
        std::string taken(reinterpret_cast<const char *>(bytes_), std::min(size, left_));
        bytes_ += taken.size();
        left_ -= taken.size();
        return taken;
    }

private:
    const uint8_t *bytes_;
    size_t left_;
};

} // namespace hostile

// libFuzzer's entry, and that of replay.cpp. Returns 0; a finding is a crash, a hang or abort().
extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);
