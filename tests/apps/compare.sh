#!/bin/bash
# compare: compare.sh CASE_SCRIPT [PMEMFILE]
# Runs a case on tmpfs and, through `PMEMFILE run`, in a fresh pool; output and
# tree (names, types, modes, link counts, sizes, content) must be the same to the byte.
# APPS_POOL_MODE: permissions of the pool, for cases that work as another user. APPS_POOL_SIZE: its size.
# A line "# needs: PROGRAM..." of the case names what must be installed.
# Without PMEMFILE: tmpfs twice, which proves that the case itself is deterministic.
set -u
case_script=$(realpath "$1")
pmemfile=${2:-}
needed=$(sed -n 's/^# needs: //p' "$case_script")
[ -n "$needed" ] || { echo "FAIL: the case does not say what it needs"; exit 1; }
for program in $needed; do
    command -v "$program" > /dev/null || { echo "FAIL: $program is not installed"; exit 1; }
done
work=$(mktemp -d /dev/shm/apps-XXXXXX)
trap 'rm -rf "$work"' EXIT
mkdir "$work/mount"
[ -z "${APPS_POOL_MODE:-}" ] || chmod 755 "$work"
cat > "$work/tree.sh" <<'END'
cd "$1" || exit 1
export LC_ALL=C
find . -mindepth 1 ! -type d -printf '%P %y %m %n %s %l\n' | sort
find . -mindepth 1 -type d -printf '%P %y %m %n\n' | sort
find . -type f -print0 | sort -z | xargs -0 -r sha256sum
END
# The same path on both sides, so that paths in the output agree: one after the other.
run_in() { # NAME COMMAND-PREFIX...
    local name=$1
    shift
    "$@" bash -c 'mkdir -p "$0/dir" && cd "$0/dir" && bash "$1"' "$work/mount" "$case_script" > "$work/$name.out" 2>&1
    echo "status $?" >> "$work/$name.out"
    "$@" bash "$work/tree.sh" "$work/mount/dir" > "$work/$name.tree" 2>&1
}
run_in oracle env
rm -rf "$work/mount/dir"
if [ -n "$pmemfile" ]; then
    "$pmemfile" mkfs -s "${APPS_POOL_SIZE:-512M}" "$work/pool" || exit 1
    chmod "${APPS_POOL_MODE:-600}" "$work/pool"
    run_in pool "$pmemfile" run -m "$work/mount=$work/pool" --
    [ -z "$(ls -A "$work/mount")" ] || { echo "FAIL: names slipped into the host directory"; exit 1; }
    "$pmemfile" fsck -n "$work/pool" || { echo "FAIL: fsck"; exit 1; }
else
    run_in pool env
fi
diff "$work/oracle.out" "$work/pool.out" || { echo "FAIL: output differs"; exit 1; }
diff "$work/oracle.tree" "$work/pool.tree" || { echo "FAIL: tree differs"; exit 1; }
[ "$(wc -l < "$work/oracle.out")" -gt 3 ] || { echo "FAIL: the case did nothing"; cat "$work/oracle.out"; exit 1; }
grep -q '^status 0$' "$work/oracle.out" || { echo "FAIL: the case fails on tmpfs"; tail -5 "$work/oracle.out"; exit 1; }
echo "ok: $(wc -l < "$work/oracle.out") lines of output, $(wc -l < "$work/oracle.tree") lines of tree"
