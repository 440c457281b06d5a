# Sourced by the cases of tests/sc: sc, a directory of its own, and what to say when something
# is not as expected. Usage of a case: CASE SC PROGRAMS_DIRECTORY
set -u
export LC_ALL=C # no locale files are opened
real_sc=$(realpath "$1") programs=$(realpath "$2")
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
cd "$directory" || exit 1
failures=0 checks=0

# sc, which notes its number, and first what those before it have left behind (it would take that away).
cat >sc <<SCRIPT
#!/bin/bash
for file in /dev/shm/pmemfile-sc-*; do
    number=\${file#*-sc-} number=\${number%%-*}
    [ -e "\$file" ] && ! kill -0 "\$number" 2>/dev/null && grep -qx "\$number" "$directory/numbers" &&
        echo "\$file" >>"$directory/left"
done
[ "\$1" = --none ] && exit
echo \$\$ >>"$directory/numbers"
exec "$real_sc" "\$@"
SCRIPT
chmod +x sc
touch numbers left
sc=$directory/sc

# equal WHAT WANTED GOT
equal() {
    checks=$((checks + 1))
    [ "$2" = "$3" ] && return 0
    failures=$((failures + 1))
    echo "FAILED: $1: wanted '$2', got '$3'"
}
# contains WHAT REGULAR_EXPRESSION FILE
contains() {
    checks=$((checks + 1))
    grep -qE -- "$2" "$3" && return 0
    failures=$((failures + 1))
    echo "FAILED: $1: no line like '$2' in:"
    head -n 30 "$3"
}
lacks() {
    checks=$((checks + 1))
    grep -qE -- "$2" "$3" || return 0
    failures=$((failures + 1))
    echo "FAILED: $1: a line like '$2':"
    grep -E -- "$2" "$3" | head -n 5
}
lines() { grep -cE -- "$1" "$2"; }
finish() {
    "$sc" --none
    equal "shared memory left behind" "" "$(sort -u left)"
    echo "$checks checks, $failures failed"
    [ "$failures" -eq 0 ]
    exit
}
