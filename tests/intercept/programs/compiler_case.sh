# compiler_case: gcc and g++ with their children and plugins, make in parallel, a run of what came out.
cat > m.cpp <<'END'
#include <iostream>
#include <map>
#include <string>
#include <thread>
int main() { std::map<std::string, double> m; std::thread([&] { m["a"] = 1.5; }).join(); for (auto &[k, v] : m) std::cout << k << v << '\n';
  try { throw 3; } catch (int i) { std::cout << i << '\n'; } }
END
for i in 1 2 3 4; do echo "int f$i(int x){return x*$i;}" >f$i.c; done
printf 'all: libf.a m\nlibf.a: f1.o f2.o f3.o f4.o\n\tar rcs $@ $^\nm: m.cpp\n\tg++ -O1 -pthread -o $@ $<\n' >Makefile
make -s -j3 CFLAGS='-O2 -g' 2>&1 && ./m && nm -g libf.a | grep -c ' T '
sha256sum f1.o
[ "$SCALE" = 1 ] || g++ -O2 -flto -pthread -o l m.cpp && [ ! -e l ] || ./l
gcc -S -O2 -o - f2.c | grep -c ret
