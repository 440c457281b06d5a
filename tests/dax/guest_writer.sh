# guest_writer.sh: runs in the pool. Round i: the file i mod 40 anew, a line of the log; then "round i" on the console.
cd /m || exit 1
i=0
[ -e log ] && while read -r line; do i=$line; done <log
padding=$(printf '%03000d' 0)
while :; do
    i=$((i + 1))
    printf '%s %s' $i "$padding" >"file-$((i % 40))" && echo $i >>log || exit 1
    echo "round $i"
done
