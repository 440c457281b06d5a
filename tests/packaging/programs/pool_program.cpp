#include <pmemfile.hpp>

#include <cstdio>
#include <string_view>

int main(int argc, char **argv) {
    auto pool = pmemfile::cpp::Pool::create(argc > 1 ? argv[1] : "", 32 << 20, 0600);
    if (!pool.ok())
        return pool.error().number();
    auto file = pool->open("/a", O_CREAT | O_RDWR, 0644);
    constexpr std::string_view text = "hello from a pool";
    if (!file.ok() || !file->write(std::as_bytes(std::span(text))).ok())
        return 1;
    char back[17];
    auto got = file->read_at(std::as_writable_bytes(std::span(back)), 0);
    if (!got.ok() || *got != sizeof back)
        return 1;
    std::printf("%.17s\n", back);
    return 0;
}
