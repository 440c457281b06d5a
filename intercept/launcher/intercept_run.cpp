// intercept-run: starts a program whose system calls are hooked from its very first
// instruction, static ones too.
//
//   intercept-run -l HOOKS.so PROGRAM ...
//        │ LD_PRELOAD=HOOKS.so INTERCEPT_RUN=/path/of/program
//        ▼ exec of ourselves: the hooks' constructors run
//   intercept_run_program (in the hook library) ─► the program, in this process
#include "base/log.h"
#include "intercept/guest/launch.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <fstream>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace {

constexpr int own_error = 125;
constexpr int not_executable = 126;
constexpr int not_found = 127;
constexpr char run_variable[] = "INTERCEPT_RUN";

using RunProgram = int (*)(int descriptor, const char *path, char **argv);

// While it lives our calls are the kernel's: hooks may show the program another root, without /proc.
class Bypass {
public:
    Bypass() {
        call("intercept_bypass_enter");
    }
    ~Bypass() {
        call("intercept_bypass_leave");
    }
    Bypass(const Bypass &) = delete;
    Bypass &operator=(const Bypass &) = delete;

private:
    static void call(const char *name) {
        if (auto function = reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, name)))
            function();
    }
};

void complain(std::string_view what, std::string_view why) {
    base::LogLine("intercept-run").text(what).text(": ").text(why).write();
}

std::string_view reason(int result) {
    switch (-result) {
    case ENOSYS:
        return "this kernel has no Syscall User Dispatch (Linux 5.11)";
    case EEXIST:
        return "its address is taken by our own libraries";
    default: {
        const char *text = strerrordesc_np(-result);
        return text != nullptr ? text : "unknown error";
    }
    }
}

// We have been exec'ed with the hooks loaded.
int run(const char *path, char **argv) {
    auto run_program = reinterpret_cast<RunProgram>(dlsym(RTLD_DEFAULT, "intercept_run_program"));
    if (run_program == nullptr) {
        complain(path, "no hook library with the interceptor is loaded (LD_PRELOAD)");
        return own_error;
    }
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    int result = descriptor < 0 ? -errno : run_program(descriptor, path, argv);
    complain(path, reason(result));
    return result == -ENOENT ? not_found : not_executable;
}

std::string find_program(const std::string &name) {
    if (name.find('/') != std::string::npos)
        return name;
    const char *path = getenv("PATH");
    std::string rest = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
    for (size_t at = 0; at <= rest.size();) {
        size_t end = rest.find(':', at);
        end = end == std::string::npos ? rest.size() : end;
        std::string directory = rest.substr(at, end - at);
        std::string candidate = (directory.empty() ? "." : directory) + "/" + name;
        struct stat status {};
        if (stat(candidate.c_str(), &status) == 0 && S_ISREG(status.st_mode) && access(candidate.c_str(), X_OK) == 0)
            return candidate;
        at = end + 1;
    }
    return {};
}

// A script becomes its interpreter with the script as an argument, as by the kernel. False: a chain of them that has no
// end, or a line without a name.
bool resolve_script(std::string &path, std::vector<std::string> &words) {
    constexpr int scripts_max = 5;
    for (int count = 0;; count++) {
        std::string line;
        std::getline(std::ifstream(path), line);
        if (!line.starts_with("#!"))
            return true;
        auto skip_blanks = [&](size_t from) { return std::min(line.find_first_not_of(" \t", from), line.size()); };
        line.erase(line.find_last_not_of(" \t") + 1);
        const size_t begin = skip_blanks(2), end = std::min(line.find_first_of(" \t", begin), line.size());
        if (count == scripts_max || begin == end)
            return false;
        words[0] = path;
        if (const size_t argument = skip_blanks(end); argument < line.size())
            words.insert(words.begin(), line.substr(argument));
        path = line.substr(begin, end - begin);
        words.insert(words.begin(), path);
    }
}

void add_to_variable(const char *name, const std::string &value, const char *separator) {
    const char *former = getenv(name);
    setenv(name, (former == nullptr || *former == 0 ? value : value + separator + former).c_str(), 1);
}

// We have been executed by descriptor in place of a static program, whose number is the next one
// (guest/launch.cpp). Not by AT_EXECFN: hook libraries may have changed that. -1: not so.
int program_descriptor() {
    const long first = intercept::launch_first_descriptor();
    struct stat own {};
    // All that are open: a program with many has us somewhere behind them.
    const Bypass bypass;
    DIR *numbers = stat("/proc/self/exe", &own) == 0 ? opendir("/proc/self/fd") : nullptr;
    int found = -1;
    while (const dirent *entry = numbers != nullptr && found < 0 ? readdir(numbers) : nullptr) {
        const int number = atoi(entry->d_name);
        struct stat open_file {};
        if (number >= first && fstat(number, &open_file) == 0 && open_file.st_dev == own.st_dev &&
            open_file.st_ino == own.st_ino)
            found = number;
    }
    if (numbers != nullptr)
        closedir(numbers);
    if (found < 0)
        return -1;
    close(found);
    fcntl(found + 1, F_SETFD, FD_CLOEXEC);
    return found + 1;
}

int run_in_place(int descriptor, char **argv) {
    std::string link = "/proc/self/fd/" + std::to_string(descriptor);
    static char path[PATH_MAX];
    if (const Bypass bypass; readlink(link.c_str(), path, sizeof path - 1) <= 0)
        strcpy(path, argv[0]);
    auto run_program = reinterpret_cast<RunProgram>(dlsym(RTLD_DEFAULT, "intercept_run_program"));
    int result = run_program != nullptr ? run_program(descriptor, path, argv) : -ENOENT;
    // The hooks are not loaded, as with a cleared environment, or cannot be: it runs as it would have.
    // By the kernel, not by us once more.
    if (run_program == nullptr || result == -ENOSYS) {
        const Bypass bypass;
        fexecve(descriptor, argv, environ);
    }
    complain(path, reason(result));
    return not_executable;
}

constexpr char usage[] = "usage: intercept-run [-l HOOKS.so]... PROGRAM [ARGUMENT]...\n"
                         "Runs a program, static or not, with hook libraries that use libpmemfile-intercept;\n"
                         "they see every system call from its first instruction on.\n";

} // namespace

int main(int argc, char **argv) {
    if (const char *path = getenv(run_variable))
        return run(path, argv);
    if (int descriptor = program_descriptor(); descriptor >= 0)
        return run_in_place(descriptor, argv);
    // What the program executes, too.
    if (getenv("INTERCEPT_LEVELS") == nullptr)
        setenv("INTERCEPT_LEVELS", "0,1,3", 1);
    if (char *self = realpath("/proc/self/exe", nullptr))
        setenv("INTERCEPT_LAUNCHER", self, 1);
    int option = 0;
    while ((option = getopt(argc, argv, "+l:h")) != -1) {
        if (option == 'l') {
            char *whole = realpath(optarg, nullptr);
            if (whole == nullptr || strpbrk(whole, ": ") != nullptr) {
                complain(optarg, whole == nullptr ? strerrordesc_np(errno) : "its path may not hold ':' or ' '");
                return own_error;
            }
            add_to_variable("LD_PRELOAD", whole, ":");
            free(whole);
        } else {
            bool wanted = option == 'h';
            if (write(wanted ? 1 : 2, usage, sizeof usage - 1) < 0)
                return own_error;
            return wanted ? 0 : own_error;
        }
    }
    if (optind == argc) {
        complain("no program", "give one, or -h for help");
        return own_error;
    }
    std::string path = find_program(argv[optind]);
    if (path.empty() || access(path.c_str(), X_OK) != 0) {
        complain(argv[optind], path.empty() ? "not found" : strerrordesc_np(errno));
        return path.empty() || errno == ENOENT ? not_found : not_executable;
    }
    std::vector<std::string> words(argv + optind, argv + argc);
    if (!resolve_script(path, words) || access(path.c_str(), X_OK) != 0) {
        complain(argv[optind], path + ": bad interpreter");
        return not_executable;
    }
    std::vector<char *> arguments;
    for (std::string &word : words)
        arguments.push_back(word.data());
    arguments.push_back(nullptr);
    setenv(run_variable, path.c_str(), 1);
    execv("/proc/self/exe", arguments.data());
    complain("/proc/self/exe", strerrordesc_np(errno));
    return own_error;
}
