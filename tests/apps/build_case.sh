#!/bin/bash
# build_case: a C++ program of three files, built by make and gcc in place, run, changed, rebuilt.
# needs: gcc g++ make ar ld ld.gold as nm objcopy objdump readelf strip
set -eu
export LC_ALL=C TMPDIR=$PWD
for n in one two; do
    echo "#include <string>" > $n.cpp
    echo "std::string $n() { return \"$n\"; }" >> $n.cpp
done
cat > main.cpp <<'END'
#include <iostream>
#include <map>
#include <string>
std::string one();
std::string two();
int main() {
    std::map<std::string, int> m{{one(), 1}, {two(), 2}};
    for (auto &[k, v] : m)
        std::cout << k << '=' << v << '\n';
}
END
printf 'prog: main.o one.o two.o\n\tg++ -o $@ $^\n%%.o: %%.cpp\n\tg++ -O1 -c -o $@ $<\n' > Makefile
make -j2 2>&1 | sort
./prog
make 2>&1
sleep 1.1
sed -i 's/"two"/"TWO"/' two.cpp
make 2>&1
./prog
ar rcsD lib.a one.o two.o && ar t lib.a
# binutils: each reads or makes a file in a way of its own (a temporary one beside it, in place, by a map).
nm -C two.o | grep -c ' T ' && ld -r -o both.o one.o two.o && size both.o | wc -l && objdump -d both.o | grep -c '>:$'
g++ -g -o whole main.cpp lib.a && objcopy --only-keep-debug whole whole.debug && strip -g whole && objcopy --add-gnu-debuglink=whole.debug whole && ./whole
readelf -S whole | grep -c gnu_debuglink && ranlib -D lib.a && ar dD lib.a one.o && ar t lib.a && strings -n 3 two.o | grep -c GCC:
printf 'int f(void) { return 1; }\n' | gcc -x c - -shared -fPIC -fuse-ld=gold -o gold.so && nm -D gold.so | grep -c ' f$'
printf '.globl f\nf: ret\n' | as -o f.o && addr2line -e whole.debug 0 && c++filt _Z3onev && elfedit --output-type exec whole.debug 2>/dev/null; rm -f whole.debug
