// A fuzz target without libFuzzer: runs it on the files it is given, then on random inputs
// for some seconds. An input that ends the process is in /dev/shm/pmemfile-fuzz-last.PID.
//
//   replay SECONDS [FILE|DIRECTORY ...]       PMEMFILE_HOSTILE_SEED: another seed
#include "tests/hostile/input.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <unistd.h>
#include <vector>

namespace {

using Bytes = std::vector<uint8_t>;

void run(const Bytes &bytes) {
    alarm(20); // a hang ends the process too
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    alarm(0);
}

unsigned run_file(const std::filesystem::path &path) {
    if (std::filesystem::is_directory(path)) {
        unsigned count = 0;
        for (const auto &entry : std::filesystem::directory_iterator(path))
            count += run_file(entry.path());
        return count;
    }
    std::ifstream file(path, std::ios::binary);
    const Bytes bytes{std::istreambuf_iterator<char>(file), {}};
    run(bytes);
    return 1;
}

} // namespace

int main(int argc, char **argv) {
    const double seconds = argc > 1 ? std::atof(argv[1]) : 1;
    unsigned files = 0;
    for (int i = 2; i < argc; ++i)
        files += run_file(argv[i]);
    const char *text = std::getenv("PMEMFILE_HOSTILE_SEED");
    const unsigned seed = text != nullptr ? static_cast<unsigned>(std::atoi(text)) : 20261123;
    std::mt19937 random(seed);
    const std::string last = "/dev/shm/pmemfile-fuzz-last." + std::to_string(getpid());
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    unsigned inputs = 0;
    for (; std::chrono::steady_clock::now() < end; ++inputs) {
        Bytes bytes(random() % 300);
        for (uint8_t &byte : bytes)
            byte = static_cast<uint8_t>(random());
        std::ofstream(last, std::ios::binary)
            .write(reinterpret_cast<const char *>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
        run(bytes);
    }
    std::filesystem::remove(last);
    std::printf("%u files, %u random inputs, seed %u\n", files, inputs, seed);
    return inputs > 0 || files > 0 ? 0 : 1;
}
