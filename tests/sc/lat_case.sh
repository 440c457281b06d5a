#!/bin/bash
# sc lat: counts are exact, times are in the right bucket, the picture is well-formed.
. "$(dirname "$0")/cases.sh"
storm=$programs/storm_program

"$sc" lat -e getppid -o out "$storm" calls 5000
equal "exit code" 0 $?
contains "headline" '^getppid: 5000 calls, 0 errors, mean ' out
equal "the bars add up" 5000 "$(sed -n 's/.* \([0-9]*\) |#* *|$/\1/p' out | awk '{n += $1} END {print n}')"
"$sc" lat -j -e clock_nanosleep,getppid -o out "$storm" threads 20
equal "calls of threads" 200 "$(python3 -c 'import json; print([r for r in json.load(open("out")) if r["call"] == "getppid"][0]["calls"])')"
"$sc" lat -j -e clock_nanosleep -o out python3 -c 'import time; [time.sleep(0.02) for _ in range(5)]'
equal "a sleep of 20 ms is between 16 and 67 ms, five times" 5 "$(python3 -c '
import json
row = json.load(open("out"))[0]
assert sum(b["count"] for b in row["histogram"]) == row["calls"] and row["longest_ns"] >= 20000000
print(sum(b["count"] for b in row["histogram"] if 2**24 <= b["from_ns"] <= 2**25))')"
"$sc" lat --svg picture.svg -o out cat /etc/hostname >/dev/null
equal "a picture with a bar" yes "$(python3 -c '
import xml.etree.ElementTree as tree
root = tree.parse("picture.svg").getroot()
assert root.tag.endswith("svg") and len([e for e in root.iter() if e.tag.endswith("rect")]) > 3
print("yes")')"
"$sc" lat -e nosuch true 2>err
equal "a wrong name" 125 $?
for bad in 0 -1 x; do
    "$sc" lat -n $bad true 2>err
    equal "-n $bad" 125 $?
done
"$sc" lat --svg /nowhere/x "$storm" calls 1 2>err
equal "a picture that cannot be written" 125 $?
contains "says so" 'cannot write /nowhere/x: No such file' err
"$sc" lat -o out sh -c 'exit 9'
equal "exit code passed on" 9 $?
finish
