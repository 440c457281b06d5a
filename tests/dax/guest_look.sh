# guest_look.sh ROUNDS ROWS: runs in the pool after a cut. What guest_writer.sh and sqlite3 had told is there, whole.
cd /m || exit 1
complain() {
    echo "guest: $*"
    exit 1
}
last=0
while read -r line; do
    [ "$line" = $((last + 1)) ] || complain "the log has '$line' behind $last"
    last=$line
done <log
[ $last -ge "$1" ] || complain "the log ends with $last, $1 had returned"
padding=$(printf '%03000d' 0)
for ((i = last > 38 ? last - 38 : 1; i <= last; i++)); do # the oldest may be on its way to its next round
    [ "$(<"file-$((i % 40))")" = "$i $padding" ] || complain "file-$((i % 40)) is not that of round $i"
done
rows=$(sqlite3 rows.db 'pragma integrity_check; select count(*), max(n) from t where length(x) = 600;')
count=${rows##*$'\n'}
[ "${rows%%$'\n'*}" = ok ] && [ "${count%|*}" = "${count#*|}" ] && [ "${count#*|}" -ge "$2" ] || complain "sqlite3: $rows; row $2 had returned"
echo "whole: $last rounds ($1 had returned), ${count%|*} rows ($2)"
