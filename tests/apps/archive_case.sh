#!/bin/bash
# archive_case: dash, find, xargs, tar, cpio, rsync, gzip, xz, zstd, bzip2, zip over one tree; every way out and
# back must give the same tree. APPS_FULL: the kernel's headers instead of a small tree.
# needs: tar cpio gzip gunzip xz zstd bzip2 zip unzip rsync dash find sed awk split csplit
set -u
export LC_ALL=C TZ=UTC
if [ -n "${APPS_FULL-}" ]; then
    cp -rL /usr/include/linux tree
else
    mkdir -p tree
    cp -L /usr/include/linux/[a-f]*.h tree
    mkdir -p tree/deep/er/est && cp -L /usr/include/linux/[t-z]*.h tree/deep/er/est
fi
touch -d @1000000000 tree/*.h
ln -s fcntl.h tree/link && ln tree/fcntl.h tree/hard && : > tree/empty && truncate -s 1M tree/sparse
same() { diff -r "$1" "$2" > /dev/null && echo "$3: same"; }

tar cf t.tar tree && mkdir o && tar xf t.tar -C o && same tree o/tree tar
tar cSf s.tar tree/sparse && [ "$(stat -c %s s.tar)" -lt 100000 ] && tar xSf s.tar -C o && same tree o/tree 'tar -S'
rm -r o
find tree | cpio -o -H newc --quiet > c.cpio && mkdir o && (cd o && cpio -idm --quiet < ../c.cpio) && same tree o/tree cpio
[ o/tree/fcntl.h -ef o/tree/hard ] && echo 'cpio keeps links'
find tree -type f -name '*.h' -print0 | sort -z | xargs -0 -P 2 -n 30 gzip -kf && find tree -name '*.gz' | wc -l
find tree -name '*.gz' -print0 | xargs -0 gunzip -f && same tree o/tree gzip
rm -r o
for tool in 'xz -T2 -1' 'zstd -T2 -q' bzip2 gzip; do
    $tool -kc t.tar > t.packed && ${tool%% *} -dc < t.packed | cmp - t.tar && echo "${tool%% *}: same"
done
xz -kT2 t.tar && xz -t t.tar.xz && xz -l t.tar.xz > /dev/null && echo 'xz -l'
zip -qry z.zip tree && unzip -tq z.zip && unzip -q z.zip -d o && same tree o/tree zip
rm -r o
rsync -aH tree/ copy/ && same tree copy rsync
[ copy/fcntl.h -ef copy/hard ] && echo 'rsync keeps links'
echo changed >> tree/errno.h; rm tree/fb.h; mkdir tree/new
rsync -aH --delete --itemize-changes tree/ copy/ && same tree copy 'rsync --delete'
echo again >> tree/errno.h
rsync -a --inplace --no-whole-file --checksum tree/errno.h copy/ && same tree copy 'rsync --inplace'
rsync -aS --link-dest="$PWD/copy" copy/ third/ && stat -c '%n %h' third/errno.h
grep -rlc define tree | sort | tail -1
sed -i 's/define/DEFINE/' tree/*.h && awk '/DEFINE/ { n++ } END { print n }' tree/*.h
find tree -name 'f*.h' -newermt @1000000001 -exec dash -c 'for f; do echo "${f##*/}"; done' _ {} + | sort | head -5
find tree -type f -size +20k -delete; find tree -type f | wc -l
dash -c 'for i in 1 2 3; do echo $i > f$i; done; cat f?; trap "echo trapped" USR1; kill -USR1 $$; exec 3< f1; read -r a <&3; echo $a
cat <<END | tee f4
here: $(wc -l < f1)
END'
cp --sparse=always tree/sparse sparse && cp --reflink=auto t.tar u.tar && cmp t.tar u.tar && du -k sparse | cut -f1
sort -S 1M -T . -k2 -o sorted tree/*.h && shuf --random-source=t.tar -n 3 sorted | wc -l && comm -12 f1 f1 && join f1 f1
csplit -sf part- sorted 100 200 300 && cat part-* | cmp - sorted && split -n l/4 sorted q- && cat q-* | cmp - sorted && echo split
sha256sum t.tar > sums && sha256sum -c sums; truncate -s 4097 u.tar; dd if=u.tar of=dd bs=512 iflag=direct oflag=append conv=notrunc status=none; cmp u.tar dd && echo dd
shred -u f1 && ls f1 2>&1 | sed 's/.*: //'
rm -rf sums *.tar *.cpio *.zip t.* third s*.tar
