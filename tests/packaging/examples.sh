# Sourced: builds everything against an installation in $destination, with nothing but pkg-config, and
# runs it.
set -u
failures=0 checks=0
equal() {
    checks=$((checks + 1))
    [ "$2" = "$3" ] && return 0
    failures=$((failures + 1))
    echo "FAILED: $1: wanted '$2', got '$3'"
}
finish() {
    echo "$checks checks, $failures failed"
    [ "$failures" -eq 0 ]
    exit
}

use_installation() {
    local pc
    pc=$(find "$destination" -name libpmemfile-intercept.pc -printf '%h\n' | head -n 1)
    library_directory=$(dirname "$pc")
    export PKG_CONFIG_LIBDIR=$pc:/usr/lib/x86_64-linux-gnu/pkgconfig:/usr/share/pkgconfig
    export PKG_CONFIG_SYSROOT_DIR=$destination
    export LD_LIBRARY_PATH=$library_directory PMEMFILE_CACHE_DIR=$PWD/plans
    export LC_ALL=C
    examples=$(find "$destination" -type d -path '*/doc/pmemfile/examples')
}
flags() { pkg-config --cflags --libs "$@" | sed "s|$destination$destination|$destination|g"; }

build_examples() {
    for file in minimal_hook tracer counter; do
        # shellcheck disable=SC2046
        cc -std=c99 -Wall -Wextra -Werror -O2 -shared -fPIC "$examples/$file.c" -o $file.so $(flags pmemfile-intercept)
        equal "C99: $file" 0 $?
    done
    # shellcheck disable=SC2046
    c++ -std=c++20 -Wall -Wextra -Werror -O2 -shared -fPIC "$examples/reverse_device.cpp" -o reverse_device.so \
        $(flags libpmemfile-intercept)
    equal "C++20: reverse_device" 0 $?
    # shellcheck disable=SC2046
    cc -std=c99 -Wall -Wextra -Werror -shared -fPIC "$programs/old_hook.c" -o old_hook.so $(flags libsyscall_intercept)
    equal "the older interface" 0 $?
    cc -O2 -Wall "$programs/counter_program.c" -o counter_program
    cc -O2 -Wall "$programs/forbidden_counter.c" -o forbidden_counter
    # The static library, whole in a hook library.
    cc -std=c99 -shared -fPIC "$examples/minimal_hook.c" -o static_hook.so -I"$destination/usr/local/include" \
        -Wl,--whole-archive "$(find "$destination" -name libpmemfile-intercept.a)" -Wl,--no-whole-archive
    equal "the static library" 0 $?
    # And as pkg-config has it, only what is needed.
    # shellcheck disable=SC2046
    cc -std=c99 -shared -fPIC "$examples/minimal_hook.c" -o archive_hook.so \
        $(flags --static libpmemfile-intercept | sed 's/-lpmemfile-intercept/-l:libpmemfile-intercept.a/')
    equal "the static library by pkg-config" 0 $?
    cc -static -O2 -Wall "$programs/static_program.c" -o static_program
}

run_examples() {
    equal "a hook" 42 "$(LD_PRELOAD=./minimal_hook.so sh -c 'echo $PPID' 2>&1)"
    equal "a hook with the static library" 42 "$(LD_PRELOAD=./static_hook.so sh -c 'echo $PPID' 2>&1)"
    equal "a hook with what is needed of the static library" 42 "$(LD_PRELOAD=./archive_hook.so sh -c 'echo $PPID' 2>&1)"
    for hook in minimal_hook static_hook archive_hook; do
        equal "intercept-run with $hook" 42 "$("$destination/usr/local/bin/intercept-run" -l ./$hook.so ./static_program 2>&1)"
    done
    equal "the older interface" 42 "$(LD_PRELOAD=./old_hook.so sh -c 'echo $PPID' 2>&1)"
    equal "the tracer shows a write" yes "$(LD_PRELOAD=./tracer.so sh -c 'echo hi' 2>&1 >/dev/null | grep -q '^1(1 .*)=3$' && echo yes)"
    # Some virtual machines let the kernel say that rdtsc is forbidden, and the processor go on: nothing can be caught there.
    local trapped
    trapped=$(./forbidden_counter)
    seen() { if [ "$trapped" = trapped ]; then cat; else sed -E 's/[0-9]{5,} [0-9]{5,}/1000 2000/'; fi; }
    equal "another instruction" "1000 2000 1" "$(LD_PRELOAD=./counter.so ./counter_program | seen)"
    equal "another instruction: programs that execute others" "1000 2000 1 1000 2000 1" \
        "$(LD_PRELOAD=./counter.so sh -c './counter_program; ./nosuch 2>/dev/null; ./counter_program' | seen | xargs)"
    # An exec that fails leaves the counter forbidden.
    equal "another instruction: after an exec that failed" "1000 2000 1" \
        "$(LD_PRELOAD=./counter.so ./counter_program ./nosuch | seen)"
    equal "a device" "cba" "$(LD_PRELOAD=./reverse_device.so bash -c 'exec 3<>/dev/reverse; printf abc >&3; cat <&3')"
    equal "a device: other files are as ever" "No such file or directory" \
        "$(LD_PRELOAD=./reverse_device.so cat /dev/reversed 2>&1 | sed 's/.*: //')"
    local sc=$destination/usr/local/bin/sc
    equal "sc finds its agent" yes "$("$sc" trace -e write sh -c 'echo hi' 2>&1 >/dev/null | grep -q '^write(1, "hi' && echo yes)"
    equal "sc-trace" yes "$("$sc-trace" -e write sh -c 'echo hi' 2>&1 >/dev/null | grep -q '^write(1, "hi' && echo yes)"
}
