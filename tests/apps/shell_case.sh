#!/bin/bash
# shell_case: what shell scripts do all day (issue 2, point 2). Runs in the
# current directory; its output and the tree it leaves must not depend on
# which filesystem that is. So: no inode numbers, times or sizes of
# directories are printed.
# needs: awk sed sort split
set -u
export LC_ALL=C TZ=UTC
umask 022
say() { echo "== $*"; }

say redirections
echo one > a
echo two >> a
cat < a
{ echo out; echo err >&2; } > both 2>&1
cat both
: > empty
[ -s empty ] || echo "empty is empty"
set -C
echo no > a 2>/dev/null || echo "noclobber held"
set +C

say here-documents
cat > doc <<END
expanded: $((6 * 7))
END
cat >> doc <<'END'
verbatim: $HOME
END
cat doc
read -r first < doc
echo "first=$first"

say pipelines
seq 1 1000 > numbers
sort -rn numbers | head -3 | tac
grep -c 7 numbers
awk '{ s += $1 } END { print s }' numbers
tr 0-9 a-j < numbers | sort | uniq | tail -n 2
cut -c1 numbers | sort | uniq -c | sort -k2 | sed 's/^ *//'
paste -d+ <(head -2 numbers) <(tail -2 numbers)
split -l 300 numbers part-
wc -l part-* | sed 's/^ *//'
cat part-* | cmp - numbers && echo same

say subshells and cd
mkdir -p tree/x/y tree/z
(cd tree/x/y && pwd | sed 's,.*/tree,tree,' && echo deep > ../../deep)
cat tree/deep
pushd tree > /dev/null && ls && popd > /dev/null
cd tree/x/../z && cd "$OLDPWD" && ls -d tree

say background jobs
for i in 1 2 3 4; do (for j in 1 2 3 4 5; do echo "$i-$j" >> log; done) & done
wait
sort -o log log && cat log
sleep 0.05 & job=$!
wait $job; echo "job ended with $?"

say globbing
touch 'with space' .hidden g1 g2 g10 $'new\nline'
echo g* ; echo .h*; echo g[12]; echo g?
shopt -s nullglob globstar; echo none*; echo tree/**; shopt -u nullglob globstar
rm $'new\nline'

say find
find tree | sort
find . -name 'g*' -type f -print0 | sort -z | xargs -0 ls
find . -empty -type f | sort
find tree -type d -exec echo dir {} \; | sort

say sed -i and sort -o
sed -i 's/two/TWO/; 1i top' a
cat a
sort -r -o numbers numbers && head -1 numbers
sed -i.bak '1,990d' numbers && wc -l numbers numbers.bak | sed 's/^ *//'

say copies, moves, links
cp -a tree copy && diff -r tree copy && echo "copy is the same"
ln -s ../a copy/link && readlink copy/link && cat copy/link 2>/dev/null || echo "no such target"
ln a hard && stat -c '%h %s %F' hard
ln -sf a soft && cat soft | head -1
mv copy moved && mv moved/deep moved/deeper && ls moved
mv -n a doc; cat a | head -1
cp --preserve=all a kept && cmp a kept && echo kept
ln -s loop loop; cat loop 2>&1 | sed 's/.*: //'

say tar
tar cf t.tar --sort=name --mtime=@0 tree moved hard
tar tf t.tar
mkdir out && tar xf t.tar -C out && diff -r tree out/tree && echo unpacked
tar czf t.tgz --sort=name --mtime=@0 tree && tar xzf t.tgz -O tree/deep

say du, df, stat, dd
du --apparent-size -b numbers | cut -f1
df . > df.out && wc -l < df.out && rm df.out
stat -c '%n %s %A %h %F' a empty soft
dd if=/dev/zero of=zeros bs=1k count=70 2>/dev/null; stat -c %s zeros
dd if=numbers of=zeros bs=1 seek=100 count=8 conv=notrunc 2>/dev/null; od -An -c -j96 -N16 zeros
dd if=/dev/null of=sparse bs=1 seek=1M 2>/dev/null; stat -c %s sparse
truncate -s 10 zeros && wc -c < zeros

say tee and mktemp
echo t1 | tee -a tee.out > /dev/null; echo t2 | tee -a tee.out
cat tee.out
tmp=$(mktemp ./tmp.XXXXXX) && stat -c '%A %s' "$tmp" && rm "$tmp"
dir=$(mktemp -d -p .) && stat -c %A "$dir" && rmdir "$dir"

say permissions and errors
chmod 640 a && stat -c %a a && chmod u+x,g-r a && stat -c %a a
mkdir tree 2>&1 | sed 's/.*: //'
rmdir tree 2>&1 | sed 's/.*: //'
cat nothing 2>&1 | sed 's/.*: //'
ls tree/deep/ 2>&1 | sed 's/.*: //'
printf '#!/bin/sh\necho "script says $1"\n' > script && chmod +x script && sh script hello
exec 5<> fd5; echo five >&5; exec 5>&-; cat fd5
exec 6< numbers; read -r l1 <&6; read -r l2 <&6; exec 6<&-; echo "$l1 $l2"
rm -rf out moved && find . | sort | wc -l
