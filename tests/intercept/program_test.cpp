// program: whole programs under a preload library that hooks every call, on all
// three ways through the interceptor, against the same program without it; and
// the plan cache as a program start sees it.
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <sstream>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace {

namespace fs = std::filesystem;

// Output and status of a shell command.
std::string run(const std::string &command) {
    std::string output;
    FILE *pipe = popen(("( " + command + " ) 2>&1").c_str(), "r");
    EXPECT_NE(pipe, nullptr);
    char buffer[4096];
    size_t got;
    while ((got = fread(buffer, 1, sizeof buffer, pipe)) > 0)
        output.append(buffer, got);
    return output + "status " + std::to_string(pclose(pipe));
}

class Program : public testing::Test {
protected:
    void SetUp() override {
        char name[] = "/tmp/intercept-program-XXXXXX";
        ASSERT_NE(mkdtemp(name), nullptr);
        directory_ = name;
        cache_ = directory_ + "/cache";
        setenv("PMEMFILE_CACHE_DIR", cache_.c_str(), 1);
    }
    void TearDown() override {
        fs::remove_all(directory_);
    }
    // The command as a script file, so that no quoting comes between.
    std::string script(const std::string &text) {
        std::string path = directory_ + "/script";
        std::ofstream(path) << text;
        return path;
    }
    std::string in_fresh_directory(const std::string &environment, const std::string &path) {
        std::string work = directory_ + "/work";
        fs::remove_all(work);
        fs::create_directory(work);
        return run("cd " + work + " && env HOME=" + work + " " + environment + " timeout 60 bash " + path);
    }
    void same_on_all_ways(const char *needs, const std::string &text) {
        // A program that is not there is a failure: the test machine has them all.
        ASSERT_EQ(system((std::string("command -v ") + needs + " >/dev/null").c_str()), 0) << needs;
        std::string path = script(text);
        std::string expected = in_fresh_directory("", path);
        EXPECT_NE(expected.find("status 0"), std::string::npos) << expected;
        for (const char *way : {"filter", "hook", "post"})
            EXPECT_EQ(in_fresh_directory(std::string("LD_PRELOAD=" PASS_ALL " PASS_ALL_WAY=") + way, path), expected)
                << way;
    }
    // The figures of the report of a preloaded `true`.
    std::map<std::string, long> report(const std::string &before = "") {
        return figures_in(run(before + " LD_PRELOAD=" PASS_ALL " PASS_ALL_REPORT=1 /bin/true"));
    }
    static std::map<std::string, long> figures_in(const std::string &text) {
        std::map<std::string, long> figures;
        std::istringstream words(text.substr(text.find("start ") == std::string::npos ? 0 : text.find("start ")));
        std::string name;
        long value;
        while (words >> name >> value)
            figures[name] = value;
        return figures;
    }
    std::vector<fs::path> plans() {
        std::vector<fs::path> found;
        for (const auto &entry : fs::directory_iterator(cache_))
            found.push_back(entry.path());
        return found;
    }
    std::string directory_;
    std::string cache_;
};

TEST_F(Program, Bash) {
    same_on_all_ways("bash", R"(
for i in 1 2 3; do echo $i | cat | tr 1 2; done
(cd /; pwd); x=$(echo sub); echo $x
sleep 0.01 & wait
cat <<< here
trap 'echo usr' USR1; kill -USR1 $$
seq 1 2000 | xargs -P2 -n 100 echo | wc -l
ls /etc | sort -r | head -5
false || exit 0
)");
}

TEST_F(Program, Python) {
    same_on_all_ways("python3", R"(
python3 - <<'END'
import subprocess, threading, os, signal, time
print(subprocess.run(["echo", "hi"], capture_output=True).stdout)
print(subprocess.check_output("echo shell", shell=True))
r = []
ts = [threading.Thread(target=lambda i=i: r.append(sum(x * 1.5 for x in range(1000)) + i)) for i in range(16)]
[t.start() for t in ts]; [t.join() for t in ts]
print(len(r), sum(r))
pid = os.fork()
if pid == 0: os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
signal.signal(signal.SIGALRM, lambda *a: print("alarm"))
signal.setitimer(signal.ITIMER_REAL, 0.02); time.sleep(0.1)
print(os.posix_spawn("/bin/true", ["true"], {}) > 0, os.wait()[1])
END
)");
}

TEST_F(Program, Perl) {
    same_on_all_ways("perl", R"(
perl -e 'my @a = map { $_ * 1.5 } 1..10; print "@a\n"; open(my $f, "-|", "echo piped"); print <$f>;
         my $p = fork; if (!$p) { exit 3 } waitpid($p, 0); print $? >> 8, "\n"; system("true"); print "$?\n"'
)");
}

TEST_F(Program, Git) {
    same_on_all_ways("git", R"(
export GIT_AUTHOR_DATE=2020-01-01T00:00:00Z GIT_COMMITTER_DATE=2020-01-01T00:00:00Z
git init -q -b main g && cd g && git config user.email a@b && git config user.name n
for i in 1 2 3; do echo $i > f$i; git add .; git commit -qm c$i; done
git log --oneline; git branch b; git checkout -q b; git gc -q; git fsck
cd ..; git clone -q g g2; ls g2
)");
}

TEST_F(Program, Sqlite) {
    same_on_all_ways("sqlite3", R"(
sqlite3 t.db "create table t(a,b); insert into t values(1,2.5),(3,4); select * from t; pragma integrity_check;"
)");
}

TEST_F(Program, Compiler) {
    same_on_all_ways("gcc", R"(
printf '#include <stdio.h>\nint main(void){printf("%%f\\n",1.5);return 0;}' > m.c
gcc -O2 m.c -o m && ./m
)");
}

TEST_F(Program, AnsweredCall) {
    std::string answer = run("LD_PRELOAD=" PASS_ALL " PASS_ALL_GETPPID=4242 perl -e 'print getppid(), \"\\n\"'");
    EXPECT_EQ(answer, "4242\nstatus 0");
}

TEST_F(Program, PlansAreKeptAndUsed) {
    auto first = report();
    EXPECT_EQ(first["cached"], 0);
    EXPECT_GT(first["before"], 400);
    auto second = report();
    EXPECT_EQ(second["cached"], second["objects"]);
    EXPECT_EQ(second["before"], first["before"]);
    EXPECT_EQ(second["over"], first["over"]);
}

// A breakpoint stands in a window when the plan is made: that site is left alone then, and not for ever.
TEST_F(Program, PlanMadeUnderADebuggerIsThatOfTheFile) {
    auto good = report();
    for (const fs::path &plan : plans())
        fs::remove(plan);
    std::string commands = directory_ + "/commands";
    std::ofstream(commands) << "set breakpoint pending on\nset environment LD_PRELOAD " PASS_ALL
                               "\nset environment PASS_ALL_REPORT 1\nset startup-with-shell off\n"
                               "break -qualified getppid\nbreak -qualified getpid\nrun\n";
    std::string text = run("timeout 60 gdb -nx -q -batch -x " + commands + " /bin/true");
    long under = figures_in(text)["before"]; // gdb has some breakpoints of its own
    EXPECT_LE(under, good["before"] - 2) << text;
    EXPECT_GE(under, good["before"] - 10) << text;
    auto after = report();
    EXPECT_EQ(after["cached"], after["objects"]) << "it was kept";
    EXPECT_EQ(after["before"], good["before"]) << "with all sites";
}

TEST_F(Program, DamagedPlansAreIgnoredAndReplaced) {
    auto good = report();
    size_t damaged = 0;
    for (const fs::path &plan : plans()) {
        auto size = fs::file_size(plan);
        for (size_t at : {size_t{0}, size_t{9}, size_t{30}, size_t{42}, size_t(size / 2), size_t(size - 1)}) {
            if (at >= size)
                continue;
            {
                std::fstream file(plan, std::ios::in | std::ios::out | std::ios::binary);
                file.seekg(static_cast<long>(at));
                char byte = static_cast<char>(file.get());
                file.seekp(static_cast<long>(at));
                file.put(static_cast<char>(byte ^ 0x41));
            }
            auto after = report();
            EXPECT_EQ(after["cached"], after["objects"] - 1) << plan << " byte " << at;
            EXPECT_EQ(after["before"], good["before"]);
            damaged++;
        }
        fs::resize_file(plan, size / 2);
        EXPECT_EQ(report()["before"], good["before"]);
        EXPECT_EQ(fs::file_size(plan), size) << "it is written again";
    }
    EXPECT_GE(damaged, 6u);
    EXPECT_EQ(report()["cached"], good["objects"]);
}

// A well-formed plan of another object (as after a wrong build-id): the bytes at
// the sites do not fit, or the size does not.
TEST_F(Program, PlanOfAnotherObjectIsIgnored) {
    auto good = report();
    auto all = plans();
    ASSERT_GE(all.size(), 2u);
    fs::path small = all[0];
    fs::path large = all[0];
    for (const fs::path &plan : all) {
        if (fs::file_size(plan) < fs::file_size(small))
            small = plan;
        if (fs::file_size(plan) > fs::file_size(large))
            large = plan;
    }
    fs::copy_file(large, small, fs::copy_options::overwrite_existing);
    auto after = report();
    EXPECT_EQ(after["cached"], after["objects"] - 1);
    EXPECT_EQ(after["before"], good["before"]);
}

TEST_F(Program, DirectoryThatOthersMayWriteIsNotTrusted) {
    auto good = report();
    fs::permissions(cache_, fs::perms::all);
    auto after = report();
    EXPECT_EQ(after["cached"], 0);
    EXPECT_EQ(after["before"], good["before"]);
    fs::permissions(cache_, fs::perms::owner_all);
    for (const fs::path &plan : plans())
        ASSERT_EQ(chmod(plan.c_str(), 0666), 0);
    EXPECT_EQ(report()["cached"], 0);
}

TEST_F(Program, PlaceThatCannotBeWrittenOnlyCostsTime) {
    setenv("PMEMFILE_CACHE_DIR", "/proc/nothing/here", 1);
    auto figures = report();
    EXPECT_EQ(figures["start"], 0);
    EXPECT_EQ(figures["cached"], 0);
    EXPECT_GT(figures["before"], 400);
}

// A plan that is longer than RLIMIT_FSIZE lets a file be would end the program by SIGXFSZ.
TEST_F(Program, LimitOfFileSizesOnlyCostsTime) {
    auto figures = report("ulimit -f 1;");
    EXPECT_EQ(figures["start"], 0);
    EXPECT_GT(figures["before"], 400);
    for (const fs::path &plan : plans())
        EXPECT_EQ(plan.extension(), ".plan") << plan << " was left behind";
}

} // namespace
