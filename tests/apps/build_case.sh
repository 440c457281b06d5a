#!/bin/bash
# build_case: a C++ program of three files, built by make and gcc in place, run, changed, rebuilt.
# needs: gcc g++ make ar
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
