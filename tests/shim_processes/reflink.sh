#!/bin/sh
# reflink.sh: cp --reflink=always in the pool mounted on $POOL_DIRECTORY: the clone takes no space, and each side's writes are its own.
set -eu
cd "$POOL_DIRECTORY"
head -c 20000001 /dev/urandom >source
used() { stat -f -c '%f' .; }
before=$(used)
cp --reflink=always source clone
cmp source clone
after=$(used)
[ $((before - after)) -lt 64 ] || { echo "a clone of 4,883 blocks took $((before - after))" >&2; exit 1; }
sum=$(cksum <source)
printf changed | dd of=clone bs=1 seek=5000 conv=notrunc status=none
[ "$(cksum <source)" = "$sum" ] && ! cmp -s source clone
cp source expected
printf changed | dd of=expected bs=1 seek=5000 conv=notrunc status=none
cmp expected clone
truncate -s 9999 source
cmp expected clone
rm source
cmp expected clone
echo host >"$HOST_DIRECTORY/host"
! cp --reflink=always "$HOST_DIRECTORY/host" from_host 2>/dev/null
rm -f "$HOST_DIRECTORY/host"
