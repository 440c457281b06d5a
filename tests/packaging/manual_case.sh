#!/bin/bash
# The manual pages are well-formed, and name every option that the tools have.
# Usage: manual_case.sh MAN_DIRECTORY TOOLS_DIRECTORY
set -u
pages=$1 tools=$2
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
echo "$problems problems"
[ "$problems" -eq 0 ]
