# programs_case: compilers, archivers, editors and interpreters.
# needs: gcc ar strip cpio xz zstd bzip2 openssl python3 ed perl git rsync cmake ninja make node zip unzip tclsh ssh-keygen
set -u; export LC_ALL=C
cp -rL /usr/include/linux src; cd src; find . -type f | cpio -o --quiet 2>/dev/null | cpio -t --quiet 2>/dev/null | sort | head -3
cat > m.c <<'C'
#include <stdio.h>
int main(int c,char**v){printf("hello %s\n",v[0]);return c;}
C
gcc -g -O2 -c m.c && ar rcs libm_.a m.o && gcc -o prog m.o && ./prog; echo $?; strip prog && ./prog x; echo $?
gcc -shared -fPIC -o libx.so m.c && ls libx.so
xz -k m.c && xz -dc m.c.xz | cmp - m.c && echo xz
zstd -q m.c && zstd -dcq m.c.zst | cmp - m.c && echo zstd
bzip2 -k m.c && bzcat m.c.bz2 | cmp - m.c && echo bz
openssl rand -hex 4 | wc -c; openssl genrsa -out k.pem 1024 2>/dev/null; openssl rsa -in k.pem -check -noout 2>&1 | tail -1
python3 -m venv --without-pip v && v/bin/python -c 'import sys; print(sys.prefix[-2:])'
python3 -c 'import compileall; print(compileall.compile_dir(".",quiet=1) is not None)'
python3 -c 'import dbm.dumb,shelve,sqlite3,zipfile,json
d=shelve.open("sh"); d["a"]=1; d.close(); print(dict(shelve.open("sh")))
z=zipfile.ZipFile("z.zip","w"); z.write("m.c"); z.close(); print(zipfile.ZipFile("z.zip").namelist())
c=sqlite3.connect("s.db"); c.execute("create table t(a)"); c.executemany("insert into t values(?)",[(i,) for i in range(1000)]); c.commit(); print(c.execute("select sum(a) from t").fetchone())'
printf 'a\nx\n.\nw edfile\nq\n' | ed -s 2>/dev/null; 
perl -MFile::Copy -MFile::Path -e 'mkpath("p/q/r"); copy("m.c","p/q/m"); move("p/q/m","p/m"); print -s "p/m","\n"; rmtree("p"); print -e "p" ? "there":"gone","\n"'
openssl dgst -sha256 m.c | wc -l
rm -rf v __pycache__ k.pem *.zst *.so prog *.o *.a sh* s.db z.zip
cd ..; git --version >/dev/null; diff -r src /usr/include/linux | grep -v '^Only' ; echo
export HOME=$PWD/home; mkdir home
mkdir -p r/a/b; seq 1 2000 > r/a/f; ln -s f r/a/l
{ rsync -a r/ r2/; diff -r r r2 && echo rsync; echo more >> r/a/f; rsync -ac --delete r/ r2/ && diff -r r r2 && echo rsync2; }
cat > CMakeLists.txt <<'C'
cmake_minimum_required(VERSION 3.10)
project(x C)
add_executable(x x.c)
C
echo 'int main(){return 3;}' > x.c
{ cmake -S . -B cb -G Ninja >cm.log 2>&1; echo cmake $?; ninja -C cb >>cm.log 2>&1; echo ninja $?; cb/x; echo $?
cmake -S . -B cb2 >>cm.log 2>&1; make -C cb2 -j3 >>cm.log 2>&1; cb2/x; echo $?; }
node -e 'const fs=require("fs"),cp=require("child_process");fs.writeFileSync("n.txt","node");console.log(fs.readFileSync("n.txt","utf8"),fs.readdirSync("r"));fs.mkdirSync("nd/x",{recursive:true});fs.rmSync("nd",{recursive:true});console.log(fs.existsSync("nd"));fs.promises.readFile("n.txt","utf8").then(t=>console.log("async",t));console.log(cp.execSync("cat n.txt; basename $PWD").toString());fs.createReadStream("n.txt").pipe(fs.createWriteStream("n2.txt")).on("finish",()=>console.log("piped",fs.readFileSync("n2.txt","utf8")))' 2>&1 | sort
zip -qr z.zip r && unzip -l z.zip | tail -1 && unzip -q z.zip -d uz && diff -r r uz/r && echo zip
tclsh <<'T'
set f [open t w]; puts $f tcl; close $f; puts [exec cat t]; file rename t t2; puts [glob t2]
T
ssh-keygen -q -t ed25519 -N '' -f key && ls key*
rm -rf home cb cb2 cm.log key* rs *.o z.zip; echo
