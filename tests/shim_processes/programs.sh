#!/bin/bash
# programs.sh: programs, scripts and libraries that live in a pool. The same script runs on tmpfs first (run_programs.sh
# compares): what it prints must be the same to the byte. DIRECTORY is an empty directory.
set -u
cd "$1" || exit 1
mkdir -p bin lib/deep include plugins
cat >lib/one.c <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
int two(void);
int one(void) { return two() + 1; }
END
cat >lib/two.c <<'END'
int two(void) { return 40; }
END
cat >plugins/plugin.c <<'END'
int plugin(void) { return 7; }
END
cat >bin/main.c <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>
int one(void);
int main(int argc, char **argv) {
    char link[4096] = "";
    struct stat by_link, by_name, itself;
    ssize_t length = readlink("/proc/self/exe", link, sizeof link - 1);
    printf("argv0 %s execfn %s\n", argv[0], (char *)getauxval(AT_EXECFN));
    printf("exe %.*s short %s long %s\n", (int)length, link, program_invocation_short_name, program_invocation_name);
    int first = stat("/proc/self/exe", &by_link), second = stat(link, &by_name);
    printf("stat %d %d same %d\n", first, second,
           by_link.st_ino == by_name.st_ino && by_link.st_dev == by_name.st_dev);
    first = lstat("/proc/self/exe", &itself);
    printf("link itself %d %d\n", first, S_ISLNK(itself.st_mode));
    int file = open("/proc/self/exe", O_RDONLY);
    char magic[4] = "";
    length = read(file, magic, 4);
    printf("read %zd %d\n", length, memcmp(magic, "\177ELF", 4));
    printf("one %d\n", one());
    FILE *name = fopen("/proc/self/comm", "r");
    char comm[32] = "";
    printf("comm %s", fgets(comm, sizeof comm, name));
    void *plugin = dlopen("$ORIGIN/../plugins/plugin.so", RTLD_NOW);
    int (*call)(void) = plugin ? (int (*)(void))dlsym(plugin, "plugin") : NULL;
    printf("plugin %d\n", call ? call() : -1);
    printf("by name %d\n", dlopen("libthree.so", RTLD_NOW) != NULL);
    printf("LD_LIBRARY_PATH %s\n", getenv("LD_LIBRARY_PATH") ? getenv("LD_LIBRARY_PATH") : "none");
    if (argc > 1 && strcmp(argv[1], "again") == 0) {
        fflush(stdout);
        execl("/proc/self/exe", "again", NULL);
        printf("exec failed: %d\n", errno);
    }
    return argc;
}
END
set -e
cc -shared -fPIC -o lib/deep/libtwo.so.1 -Wl,-soname,libtwo.so.1 lib/two.c
ln -s libtwo.so.1 lib/deep/libtwo.so
cc -shared -fPIC -o lib/libone.so lib/one.c -Wl,-rpath,'$ORIGIN/deep' -Llib/deep -ltwo
cc -shared -fPIC -o lib/libthree.so lib/two.c
cc -shared -fPIC -o plugins/plugin.so plugins/plugin.c
cc -o bin/relative bin/main.c -Llib -lone -Wl,-rpath,'$ORIGIN/../lib' -Wl,-rpath-link,lib/deep
cc -o bin/absolute bin/main.c -Llib -lone -Wl,-rpath,"$PWD/lib" -Wl,-rpath-link,lib/deep
cc -o bin/old bin/main.c -Llib -lone -Wl,--disable-new-dtags -Wl,-rpath,"$PWD/lib" -Wl,-rpath-link,lib/deep
cc -o bin/plain bin/main.c -Llib -lone -Wl,-rpath-link,lib/deep
set +e
for program in relative absolute old; do
    echo "== $program"
    "$PWD/bin/$program"
    echo "code $?"
done
echo "== by a relative path, a symlink, PATH, a descriptor"
./bin/relative
ln -s ../bin/relative plugins/other-name
plugins/other-name x y
echo "code $?"
PATH=$PWD/bin:$PATH
relative
env -i "$PWD/bin/relative"
(cd bin && ./relative && ../bin/relative)
echo "== LD_LIBRARY_PATH"
plain 2>&1
echo "code $?"
LD_LIBRARY_PATH=$PWD/lib plain
LD_LIBRARY_PATH=/nowhere:$PWD/lib:/tmp plain
LD_LIBRARY_PATH=$PWD/lib:$PWD/lib/deep sh -c 'plain; echo "$LD_LIBRARY_PATH"'
echo "== LD_PRELOAD"
cat >lib/preloaded.c <<'END'
#include <stdio.h>
int two(void);
__attribute__((constructor)) static void begin(void) {
    char line[100] = "nothing\n"; // a library's constructor sees the pool too
    FILE *file = fopen(PLACE "/lib/two.c", "r");
    printf("loaded into %s: %d, %s", program_invocation_short_name, two(), file ? fgets(line, sizeof line, file) : line);
    fflush(stdout);
}
END
cc -D_GNU_SOURCE -DPLACE="\"$PWD\"" -shared -fPIC -include errno.h -o lib/preloaded.so lib/preloaded.c -Wl,-rpath,'$ORIGIN/deep' -Llib/deep -ltwo
LD_PRELOAD=$PWD/lib/preloaded.so relative | head -3
LD_PRELOAD=$PWD/lib/preloaded.so /bin/echo of the host
LD_PRELOAD=lib/preloaded.so /bin/echo relative
(cd lib && LD_PRELOAD=./deep/../preloaded.so /bin/echo relative too)
LD_PRELOAD=preloaded.so LD_LIBRARY_PATH=/nowhere:$PWD/lib /bin/echo by its name
ln -s preloaded.so lib/linked.so
LD_PRELOAD="$PWD/lib/linked.so /lib/x86_64-linux-gnu/libm.so.6" sh -c 'sh -c "/bin/echo in a child, \${LD_PRELOAD#$1:}"; env -u LD_PRELOAD /bin/echo without' _ none | sed 's/, .*libpmemfile-preload.so:/, /'
LD_PRELOAD=$PWD/lib/preloaded.so env -i /bin/echo none left
cc -o bin/wanting -x c - -x none -Wl,--no-as-needed "$PWD/lib/preloaded.so" -Wl,-rpath-link,lib/deep <<'END'
int main(void) { return 0; }
END
wanting
LD_PRELOAD=$PWD/lib/none.so /bin/echo not there 2>&1 | sed "s/'.*from/'...' from/"
echo "== DT_NEEDED with a slash"
printf 'int two(void);\nint four(void) { return two() * 2; }\n' >lib/four.c
cc -shared -fPIC -o lib/four.so lib/four.c "$PWD/lib/deep/libtwo.so.1" -Wl,-rpath,'$ORIGIN/deep' # this one has a soname
printf 'int five(void) { return 5; }\n' >lib/five.c
cc -shared -fPIC -o lib/five.so lib/five.c
cc -shared -fPIC -o lib/six.so -x c - -x none "$PWD/lib/five.so" <<'END'
int five(void);
int six(void) { return five() + 1; }
END
printf '#include <stdio.h>\nint four(void), six(void);\nint main(void) { printf("four %%d six %%d\\n", four(), six()); }\n' >bin/slashes.c
cc -o bin/slashes bin/slashes.c "$PWD/lib/four.so" lib/six.so -Wl,-rpath,"$PWD/lib/deep" -Wl,-rpath-link,lib/deep
objdump -p bin/slashes | grep -c 'NEEDED.*/'
bin/slashes
slashes
(cd bin && ./slashes 2>&1 | sed 's/.*error/error/')
LD_PRELOAD=$PWD/lib/six.so slashes
cmp bin/slashes /proc/self/fd/0 <bin/slashes && echo the same
printf 'int five(void) { return 50; }\n' >lib/five.c
cc -shared -fPIC -o lib/five.so lib/five.c
slashes
echo "== an interpreter in the pool"
interpreter=$(LC_ALL=C readelf -l /bin/true | sed -n 's/.*interpreter: \(.*\)]/\1/p')
mkdir loader && cp "$(readlink -f "$interpreter")" loader/ld-2.so && ln -s ld-2.so loader/ld.so
for loader in ld-2.so ld.so; do
    cc -o bin/interpreted bin/main.c -Llib -lone -Wl,-rpath,'$ORIGIN/../lib' -Wl,-rpath-link,lib/deep -Wl,--dynamic-linker="$PWD/loader/$loader"
    bin/interpreted a
    echo "code $?"
    interpreted again | tail -3
done
cc -o bin/interpreted bin/main.c -Llib -lone -Wl,-rpath,'$ORIGIN/../lib' -Wl,-rpath-link,lib/deep -Wl,--dynamic-linker=loader/ld.so
interpreted | head -2
(cd bin && ./interpreted 2>&1 | sed 's/^.*line [0-9]*: //')
mv loader/ld-2.so loader/other
bin/interpreted 2>&1 | sed 's/^.*line [0-9]*: //'
mv loader/other loader/ld-2.so
interpreted | head -2
echo "== again"
relative again
echo "== a changed library is seen"
printf 'int two(void) { return 50; }\n' >lib/two.c
cc -shared -fPIC -o lib/deep/libtwo.so.1 -Wl,-soname,libtwo.so.1 lib/two.c
relative | grep one
echo "== a changed program is seen"
cp bin/relative bin/changing
bin/changing >/dev/null
cp /bin/echo bin/changing
bin/changing hello
mv bin/changing bin/moved
bin/moved moved
rm bin/moved
bin/moved 2>&1
echo "code $?"
echo "== the loader as a command"
loader=$(readlink -f /lib64/ld-linux-x86-64.so.2)
"$loader" bin/relative x
"$loader" --argv0 named "$PWD/bin/absolute"
"$loader" --library-path "/nowhere:$PWD/lib:$PWD/lib/deep" bin/plain | grep -v '^exe\|^stat\|^link\|^read\|^comm'
"$loader" --library-path "lib:lib/deep" --preload libm.so.6 /bin/echo of the host
LD_LIBRARY_PATH=$PWD/lib "$loader" bin/plain | grep one
"$loader" --verify bin/relative
echo "code $?"
"$loader" bin/none 2>&1
"$loader" --list bin/relative | sed 's/ => .*//; s/ (0x.*//' | grep -v preload | sort
ldd bin/relative | grep -c 'libone.*lib/libone\|libtwo.*deep/libtwo'
cp "$loader" lib/ld-own.so.2
lib/ld-own.so.2 "$PWD/bin/relative" y z | grep -v '^exe\|^stat\|^read'
echo "== scripts"
printf '#!%s/bin/script-interpreter arg\nbody\n' "$PWD" >bin/script
cat >bin/script-interpreter.c <<'END'
#include <stdio.h>
#include <sys/auxv.h>
int main(int argc, char **argv) {
    for (int i = 0; i < argc; i++)
        printf("[%s] ", argv[i]);
    printf("execfn %s\n", (char *)getauxval(AT_EXECFN));
    return 0;
}
END
cc -o bin/script-interpreter bin/script-interpreter.c
printf '#!/bin/sh\necho "$0" "$@"\n' >bin/shell-script
printf 'echo no first line\n' >bin/bare
printf '#!/nowhere\n' >bin/lost
printf '#!\n' >bin/empty
printf '\177ELFnonsense' >bin/nonsense
cp /bin/true bin/not-executable
chmod +x bin/script bin/shell-script bin/bare bin/lost bin/empty bin/nonsense
chmod -x bin/not-executable
for program in script shell-script bare lost empty nonsense not-executable none; do
    "bin/$program" a 'b c' 2>&1 | sed 's/^.*line [0-9]*: //'
    echo "$program ${PIPESTATUS[0]}"
done
echo "== python, a tool that looks for its own place"
python3 - "$PWD/bin/relative" <<'END'
import os, subprocess, sys
program = sys.argv[1]
file = os.open(program, os.O_RDONLY)
print(subprocess.run([program, 'a'], stdout=subprocess.PIPE).returncode)
print(subprocess.run(['/proc/self/fd/%d' % file], pass_fds=[file], stdout=subprocess.PIPE).returncode)
print(os.spawnv(os.P_WAIT, program, ['named']))
sys.stdout.flush()
if os.fork() == 0:
    os.dup2(os.open('/dev/null', os.O_WRONLY), 1)
    os.execve(file, ['by descriptor', 'x'], {})
print(os.waitstatus_to_exitcode(os.wait()[1]))
END
