#!/bin/bash
# sc trace against strace -f, on one program: the same calls with the same arguments and
# results. What is left out: before the program's first getpid (strace sees the loader,
# which runs before us), signal deliveries, calls from a shell's own start.
# Usage: compare_with_strace.sh SC PROGRAM
set -u
sc=$(realpath "$1") program=$(realpath "$2")
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
cd "$directory" || exit 1
mkdir one two
(cd one && strace -f -q -o ../strace.txt "$program")
[ $? -eq 5 ] || { echo "strace: wrong exit code"; exit 1; }
(cd two && "$sc" trace -q -o ../sc.txt "$program")
[ $? -eq 5 ] || { echo "sc trace does not pass the exit code on"; exit 1; }

# Processes by order of appearance, addresses by a word; the calls of each process for themselves.
normalize() {
    gawk '
    / resumed>/ {
        pid = $1; rest = $0; sub(/^[0-9]+ +<\.\.\. [a-z0-9_]+ resumed> ?/, "", rest)
        $0 = pid " " open_line[pid] rest
    }
    / <unfinished \.\.\.>$/ {
        pid = $1; line = $0; sub(/^[0-9]+ +/, "", line); sub(/ ?<unfinished \.\.\.>$/, "", line)
        open_line[pid] = line; next
    }
    {
        pid = $1; line = $0; sub(/^[0-9]+ +/, "", line)
        if (!(pid in name)) name[pid] = "P" ++count
        if (line ~ /^(---|\+\+\+)/) next
        if (line ~ /^getpid\(\)/ && !begun) { begun = 1; next }
        if (!begun || (pid in is_shell)) next
        gsub(/ += /, " = ", line)
        for (p in name) gsub("\\<" p "\\>", name[p], line)
        if (line ~ /^(clone|fork|getppid)\(/) sub(/= [P0-9]+$/, "= PROCESS", line)
        gsub(/[0-9]+ vars/, "N vars", line) # two of ours
        gsub(/ \/\* [0-9]+-[0-9]+-[0-9T:.+]+ \*\//, "", line) # the time as a date
        gsub(/0x[0-9a-f]+/, "ADDRESS", line)
        print name[pid] " " line
        # Behind an exec the two see different things: the loader is not traced by us.
        if (line ~ /^execve\(.*= 0$/) is_shell[pid] = 1
    }' "$1" | sort -s -k1,1
}
normalize strace.txt >strace.norm
normalize sc.txt >sc.norm
[ "$(wc -l <strace.norm)" -gt 90 ] || { echo "only $(wc -l <strace.norm) calls to compare"; exit 1; }
diff strace.norm sc.norm || { echo "(< strace, > sc trace)"; exit 1; }
echo "$(wc -l <sc.norm) calls are the same"
