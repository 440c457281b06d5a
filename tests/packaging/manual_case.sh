#!/bin/bash
# The manual pages are well-formed, and name every option that the tools have.
# Usage: manual_case.sh MAN_DIRECTORY TOOLS_DIRECTORY HEADERS_DIRECTORY
set -u
pages=$1 tools=$2 headers=$3
problems=0
complain() {
    echo "$*"
    problems=$((problems + 1))
}
[ "$(find "$pages" -type f | wc -l)" -ge 4 ] || complain "pages are missing"
mandoc -Tlint -W warning "$pages"/* || complain "mandoc has something to say"
# options PAGE HELP...: each long or short option of the help stands in the page.
options() {
    local page=$1 option
    shift
    for option in $("$@" --help | sed -n 's/^  \(-[^ ]*\).*/\1/p' | tr ',' '\n' | sort -u); do
        case $option in
        -h | --help | --version) ;;
        --*) ;; # the short one is enough, where there is one
        *) mandoc -Tascii "$page" | sed "s,.\x08,,g" | grep -qE -- "(^|[^a-zA-Z])-[a-zA-Z]*${option#-}" || complain "$page: $* has $option" ;;
        esac
    done
}
for command in trace inject lat check; do options "$pages/sc.1" "$tools/sc/sc" $command; done
for command in mkfs run check mount fsck info ls; do options "$pages/pmemfile.1" "$tools/pmemfile" $command; done
for command in $("$tools/pmemfile" --help | sed -n '/^Subcommands/,$s/^  \([a-z]*\) .*/\1/p'); do
    grep -q "^.Nm pmemfile $command" "$pages/pmemfile.1" || complain "pmemfile.1 lacks $command"
done
# Each function of the interceptor's header stands in its page, with its name as a link to it; and what it
# defines for callers. Of the older header: what it declares, and its variables of the environment.
functions=$(sed -n 's/^INTERCEPT_API [^(]*[ *]\(intercept_[a-z_]*\)(.*/\1/p' "$headers/pmemfile-intercept.h")
[ "$(wc -w <<<"$functions")" -ge 25 ] || complain "functions of the header are not found"
for name in $functions; do
    grep -qE "^\.F[no] $name( |$)" "$pages/pmemfile-intercept.3" || complain "pmemfile-intercept.3 lacks $name"
    grep -q "'$name'" "$pages/../meson.build" || complain "no link for $name(3)"
done
for name in $(sed -n 's/^#define \(INTERCEPT_\(LEVEL_[A-Z]*\|COUNTED\|WORD_PASS\|FILTER_FUNCTION\)\) .*/\1/p' \
    "$headers/pmemfile-intercept.h"); do
    grep -q "Dv $name" "$pages/pmemfile-intercept.3" || complain "pmemfile-intercept.3 lacks $name"
done
for name in $(grep -oE '(intercept_hook_point|syscall_)[a-z_]*|INTERCEPT_[A-Z_]{3,}' "$headers/libsyscall_intercept_hook_point.h" |
    grep -v 'syscall_intercept\|_H$' | sort -u); do
    grep -q "$name" "$pages/libsyscall_intercept.3" || complain "libsyscall_intercept.3 lacks $name"
done
for variable in INTERCEPT_LEVELS INTERCEPT_LAUNCHER PMEMFILE_CACHE_DIR; do
    grep -q "^.It Ev $variable" "$pages/pmemfile-intercept.3" || complain "pmemfile-intercept.3 lacks $variable"
done
echo "$problems problems"
[ "$problems" -eq 0 ]
