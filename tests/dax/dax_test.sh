#!/bin/bash
# dax_test.sh BUILD KERNEL_ROOT files|device [CUTS]: pools on real DAX media, in a machine under emulation (guest.sh):
# files on ext4 with -o dax, or a device-dax. Unmodified programs, the checker and the suites; then, again and
# again, the power goes while two programs write, and the next boot finds all that had returned.
# PMEMFILE_TEST_SEED draws the moments; it is printed.
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd)
kernel_root=$2
medium=$3
cuts=${4:-3}
seed=${PMEMFILE_TEST_SEED:-$((RANDOM * 32768 + RANDOM))}
RANDOM=$((seed % 32768))
echo "dax_test: PMEMFILE_TEST_SEED=$seed"
. "$here/guest.sh"
base=$(mktemp -d "${TMPDIR:-/tmp}/pmemfile-dax.XXXXXX") || exit 1
guest_pid=
clean_up() {
    [ -z "$guest_pid" ] || cut_power
    rm -rf "$base"
}
trap clean_up EXIT
trap 'exit 1' TERM INT

fail() {
    kill -0 "$guest_pid" 2>/dev/null || guest_pid=
    echo "dax_test: $*" >&2
    sed 's/^/  console: /' "$guest_console" | grep -vE 'console: (round|row) ' | tail -n 60 >&2
    cat "$guest_directory/qemu.log" >&2
    exit 1
}
# run_stage SECONDS WORDS...: boots and waits for the stage's end.
run_stage() {
    local patience=$1
    shift
    boot "$@" "medium=$medium" && wait_for '^PASSED' 1 "$patience" || fail "$*"
    wait "$guest_pid"
    guest_pid=
    grep -aE '^(whole|cpu|[0-9]+ kills|\[  PASSED|mapped)' "$guest_console" | tr -d '\r'
}
# cut_while_writing WORDS...: and what had returned: `rounds`, `rows`.
cut_while_writing() {
    boot stage=write "$@" "medium=$medium" && wait_for '^row ' $((RANDOM % 50 + 10)) 300 && wait_for '^round ' 10 60 || fail "stage=write $*"
    sleep "$((RANDOM % 4)).$((RANDOM % 10))"
    grep -q '^FAILED' "$guest_console" && fail "stage=write $*"
    cut_power
    returned round rounds
    returned row rows
}
# The last whole line of its kind: the cut may have torn the console's last.
returned() {
    printf -v "$2" %s "$(tr -d '\r' <"$guest_console" | head -n -1 | sed -n "s/^$1 \([0-9]*\)$/\1/p" | sort -n | tail -n 1)"
}

tests=()
[ "$medium" = device ] || tests=(libpmemfile/libpmemfile.so.0 tests/posix/posix_library_suite tests/kill/kill_test)
make_guest "$kernel_root" "$base" &&
    put_in_guest /usr/bin/ndctl /usr/sbin/mke2fs /bin/bash /usr/bin/{sqlite3,cmp,cp,mv,ln,rm,cat,mkdir,head,tail,sed,grep} &&
    put_build_in_guest "$build" tools/pmemfile posix-shim/libpmemfile-preload.so libpmemfile/libpmemfile-container.so \
        "${tests[@]}" && close_guest || exit 1

run_stage 400 stage=programs ext4=new
for ((cut = 1; cut <= cuts; cut++)); do
    cut_while_writing "$([ $cut = 1 ] || echo keep=yes)"
    run_stage 200 stage=look "rounds=$rounds" "rows=$rows"
done
if [ "$medium" = files ]; then
    # The same pool on the same filesystem, mounted without DAX: what holds it is msync now.
    cut_while_writing keep=yes dax=never
    run_stage 200 stage=look dax=never "rounds=$rounds" "rows=$rows"
fi
echo "$medium: $cuts cuts, nothing lost"
