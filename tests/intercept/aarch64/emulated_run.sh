#!/bin/bash
# emulated_run: emulated_run.sh PROJECT_ROOT SOURCE...
# Compiles the interceptor (the sources, as meson has them) for AArch64 with Debian's
# cross compiler, and runs under qemu-user: the tests of calls, registers, processes,
# signals, stacks and the registry, the planner over that libc, and programs under
# pass_all and trace_all. The last line of each part is its verdict.
set -u
root=$1
shift
work=$(mktemp -d /tmp/intercept-aarch64-XXXXXX)
trap 'rm -rf "$work"' EXIT
cd "$root" || exit 1
fail() {
    echo "FAIL: $*"
    exit 1
}
cross=aarch64-linux-gnu
libraries=/usr/$cross
for tool in $cross-g++ qemu-aarch64; do
    command -v "$tool" >/dev/null || fail "$tool is not there"
done
common="-O2 -g -std=c++20 -Wall -Wextra -Werror -Wno-missing-field-initializers -D_GNU_SOURCE -I. -Iintercept/include -fPIC"
core="-fno-exceptions -fno-rtti -fvisibility=hidden -fno-threadsafe-statics -ftls-model=initial-exec -fno-stack-protector"
tests=tests/intercept
googletest=/usr/src/googletest/googletest

{
    for source in "$@" base/log.cpp $tests/pass_all.cpp $tests/trace_all.cpp; do
        echo "$cross-g++ $common $core -c $source -o $work/core-$(tr / - <<<"${source%.*}").o"
    done
    echo "$cross-g++ $common $core -mgeneral-regs-only -c intercept/hooks/dispatch_filter.cpp -o $work/core-filter.o"
    for name in call_fixture call_test process_test signal_test stack_test registry_test aarch64/register_test; do
        echo "$cross-g++ $common -I$googletest/include -c $tests/$name.cpp -o $work/test-${name##*/}.o"
    done
    echo "$cross-g++ -O1 -std=c++20 -I$googletest -I$googletest/include -c $googletest/src/gtest-all.cc -o $work/test-gtest.o"
    echo "$cross-gcc -shared -nostdlib -o $work/libintercept-sites.so $tests/aarch64/sites.S"
    echo "$cross-gcc -O1 -pthread -o $work/program $tests/aarch64/program.c"
} >"$work/commands"
xargs -P "$(nproc)" -d '\n' -n 1 bash -c '$0 || exit 255' <"$work/commands" || fail "it does not compile"
mkdir "$work/libraries"
mv "$work"/core-*pass_all.o "$work"/core-*trace_all.o "$work/libraries"
for name in pass_all trace_all; do
    $cross-gcc -shared -Wl,-z,now -Wl,-z,defs -o "$work/lib$name.so" "$work/libraries"/core-*$name.o "$work"/core-*.o -ldl ||
        fail "$name does not link"
done
$cross-g++ -o "$work/call_tests" "$work"/test-*.o "$work"/core-*.o -L"$work" -lintercept-sites -Wl,-rpath,"$work" -pthread -ldl ||
    fail "the tests do not link"

run() { PMEMFILE_CACHE_DIR="$work/cache" timeout 300 qemu-aarch64 -L "$libraries" -E LD_LIBRARY_PATH="$work" "$@"; }
# What qemu-user itself can not do, without us either: clone that shares memory with another
# process, clone3, the error of an exec in a vfork, and to leave out of an action what the kernel does not know. 48 s for the storm in an emulator say nothing new.
beyond=Process.RawCloneOnItsOwnStack:Process.RawClone3OnItsOwnStackAndOnTheParents
beyond=$beyond:Call.AnActionIsWhatTheKernelKeepsOfIt:Process.PosixSpawnWithActionsAndAttributes:Registry.StormOfInstallAndRemove
run "$work/call_tests" --gtest_filter="-$beyond" 2>&1 | tail -n 60 >"$work/log"
grep -E 'PASSED|FAILED|Failure|tests ran' "$work/log"
grep -qE '\[  PASSED  \] [1-9][0-9]* tests' "$work/log" && ! grep -q FAILED "$work/log" || {
    cat "$work/log"
    fail "call tests"
}
run -E LD_PRELOAD="$work/libpass_all.so" -E PASS_ALL_REPORT=1 -E PASS_ALL_STRICT=1 "$work/program" >/dev/null 2>"$work/report"
cat "$work/report"
before=$(sed -n 's/.* before \([0-9]*\) .*/\1/p' "$work/report" | tail -n 1)
[ "${before:-0}" -gt 300 ] || fail "hardly a site of that libc was patched"
grep -q 'failed 0$' "$work/report" || fail "sites were out of reach"
run "$work/program" >"$work/without" 2>&1 || fail "the program fails without us"
truncate -s 2M "$work/record"
for way in filter hook post; do
    run -E LD_PRELOAD="$work/libpass_all.so" -E PASS_ALL_WAY=$way "$work/program" >"$work/with" 2>&1
    diff "$work/without" "$work/with" || fail "the output differs, $way"
done
run -E LD_PRELOAD="$work/libtrace_all.so" -E TRACE_ALL_RECORD="$work/record" "$work/program" >"$work/with" 2>&1
diff "$work/without" "$work/with" || fail "the output differs, traced"
read -r processes not_started hooks posts mismatches unaligned < <(od -An -v -t u8 -w48 -N 48 "$work/record")
echo "$processes processes, $hooks calls, $posts came back, $mismatches mismatches"
[ "$processes" -gt 0 ] && [ "$hooks" -gt 100 ] && [ "$not_started" -eq 0 ] && [ "$mismatches" -eq 0 ] &&
    [ "$unaligned" -eq 0 ] || fail "the trace makes no sense"
[ "$(run -E LD_PRELOAD="$work/libpass_all.so" -E PASS_ALL_GETPPID=4242 "$work/program" parent)" = 4242 ] ||
    fail "getppid was not answered"
echo "ok"
