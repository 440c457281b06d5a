// one_fence: what an atomic write of 4 KiB would gain if its record held a checksum of the data, so that both could go
// under one fence (docs/design.md, "One fence for 4 KiB?"). Bare copies, no filesystem. Prints nanoseconds of
// processor time; no test fails on it.
//
//   two fences   data ─ fence ─ record ─ fence             as it is done
//   one          data ─ record ─ fence                     unsafe: the bound of what can be gained
//   one, XXH3    hash ─ data ─ record ─ fence              as the library computes it for records
//   one, fused   data and hash in one pass ─ record ─ fence, XXH3's loop in the copy's 32-byte registers
//
// The ways take turns in short rounds; each figure is the median of its rounds.
#include "base/user_copy.h"
#include "bench/target.h"

#include <algorithm>
#include <fmt/format.h>
#include <immintrin.h>
#include <sys/mman.h>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace {

using namespace bench;

constexpr size_t area_bytes = 256ul << 20;
constexpr size_t ring_bytes = 32ul << 10;
constexpr size_t homes_at = ring_bytes; // 16 lines, 4 KiB apart, of which a write changes 2
constexpr size_t data_at = homes_at + 16 * 4096;
constexpr size_t data_bytes = 4096, record_bytes = 128;
constexpr int rounds = 41, writes = 4000;

alignas(64) char source[1 << 20];

// Streams the 4 KiB and returns their hash.
__attribute__((target("avx2"))) uint64_t copy_and_hash(char *to, const char *from) {
    __m256i key = _mm256_set1_epi64x(static_cast<long long>(0x9E3779B185EBCA87ull));
    __m256i sums[4] = {key, key, key, key};
    for (size_t i = 0; i < data_bytes; i += 128) {
        for (size_t k = 0; k < 4; ++k) {
            const __m256i piece = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(from + i + k * 32));
            _mm256_stream_si256(reinterpret_cast<__m256i *>(to + i + k * 32), piece);
            const __m256i keyed = _mm256_xor_si256(piece, key);
            const __m256i product = _mm256_mul_epu32(keyed, _mm256_shuffle_epi32(keyed, _MM_SHUFFLE(0, 3, 0, 1)));
            const __m256i swapped = _mm256_shuffle_epi32(piece, _MM_SHUFFLE(1, 0, 3, 2));
            sums[k] = _mm256_add_epi64(sums[k], _mm256_add_epi64(product, swapped));
        }
        key = _mm256_add_epi64(key, _mm256_set1_epi64x(static_cast<long long>(0xC2B2AE3D27D4EB4Full)));
    }
    alignas(32) uint64_t words[16];
    for (size_t k = 0; k < 4; ++k)
        _mm256_store_si256(reinterpret_cast<__m256i *>(words + k * 4), sums[k]);
    uint64_t hash = data_bytes;
    for (const uint64_t word : words)
        hash = (hash ^ word) * 0x165667919E3779F9ull;
    return hash;
}

class Writer {
public:
    explicit Writer(char *area) : area_(area) {}
    enum Way { two_fences, one, one_hashed, one_fused, way_count };

    void write(Way way) {
        const char *from = source + data_ % sizeof source;
        char *to = area_ + data_at + data_;
        data_ = data_at + data_ + 2 * data_bytes > area_bytes ? 0 : data_ + data_bytes;
        record_[0] = way == one_hashed ? XXH3_64bits(from, data_bytes) : 0;
        if (way == one_fused)
            record_[0] = copy_and_hash(to, from);
        else
            must(base_user_copy_nt(to, from, data_bytes) == 0, "copy");
        if (way == two_fences)
            _mm_sfence();
        change();
    }

private:
    // A record of two lines, the write-back of what the one before has stored home, a fence, two home lines.
    void change() {
        must(base_user_copy_nt(area_ + ring_, record_, record_bytes) == 0, "copy");
        ring_ = (ring_ + record_bytes) % ring_bytes;
        for (unsigned i = 0; i < 2; ++i)
            asm volatile("clwb %0" : : "m"(*home(home_ + i)) : "memory");
        _mm_sfence();
        home_ += 2;
        for (unsigned i = 0; i < 2; ++i)
            *home(home_ + i) = static_cast<char>(home_);
    }
    char *home(size_t i) const {
        return area_ + homes_at + i % 16 * 4096;
    }

    char *area_;
    size_t ring_ = 0, home_ = 0, data_ = 0;
    alignas(64) uint64_t record_[record_bytes / 8] = {};
};

} // namespace

int main() {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") == 0 || !base_user_copy_wide)
        return std::fputs("one_fence: needs a processor with AVX2 and clwb\n", stderr), 1;
    const std::string path = fmt::format("/dev/shm/pmemfile-one-fence.{}", getpid());
    const int file = open(path.c_str(), O_CREAT | O_EXCL | O_RDWR, 0600);
    must(file >= 0 && ftruncate(file, area_bytes) == 0 && unlink(path.c_str()) == 0, path.c_str());
    auto *area = static_cast<char *>(mmap(nullptr, area_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
    must(area != MAP_FAILED, "mmap");
    std::memset(area, 1, area_bytes); // no page fault is measured
    std::memset(source, 2, sizeof source);
    Writer writer(area);
    std::vector<double> times[Writer::way_count];
    for (int round = 0; round < rounds; ++round)
        for (int way = 0; way < Writer::way_count; ++way) {
            const double begin = processor_ns();
            for (int i = 0; i < writes; ++i)
                writer.write(static_cast<Writer::Way>(way));
            times[way].push_back((processor_ns() - begin) / writes);
        }
    const char *names[] = {"two fences", "one fence, no checksum", "one fence, XXH3 before the copy",
                           "one fence, checksum in the copy"};
    for (int way = 0; way < Writer::way_count; ++way) {
        std::sort(times[way].begin(), times[way].end());
        fmt::print("{:<34} {:>6.0f} ns\n", names[way], times[way][rounds / 2]);
    }
    return 0;
}
