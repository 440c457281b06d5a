#!/bin/bash
# sc with a program that is linked statically: static_case.sh SC PROGRAMS_DIRECTORY LAUNCHER STATIC_PROGRAM
launcher=$(realpath "$3") static=$(realpath "$4")
. "$(dirname "$0")/cases.sh"

"$sc" trace -o out "$launcher" "$static" parent >said
equal "trace: status" 0 $?
contains "trace: what the program asks" '^([0-9]+ +)?getppid\(\) += [0-9]+$' out
contains "trace: what it prints" '^([0-9]+ +)?write\(1, "parent [0-9]+\\n", [0-9]+\) += [0-9]+$' out
equal "trace: the same answer" "$(sed -n 's/.*getppid() *= //p' out | tail -1)" "$(sed -n 's/^parent //p' said)"
"$sc" trace -o out "$launcher" "$static" child
equal "trace: the program's status" 3 $?
contains "trace: the end" '^([0-9]+ +)?exit_group\(3\)' out
# Executed by another program, which the launcher has started.
"$sc" trace -o out "$launcher" /bin/sh -c "'$static' parent; true" >said
contains "trace: a child" '^[0-9]+ +write\(1, "parent [0-9]+\\n"' out
"$sc" inject -e getppid:retval=77 "$launcher" "$static" parent >said 2>err
equal "inject: seen by the program" "parent 77" "$(cat said)"
contains "inject: report" 'acted on 1 of 1 calls' err
"$sc" lat -o out "$launcher" "$static" parent >said
contains "lat: the call" '^write: 1 calls, 0 errors' out

finish
