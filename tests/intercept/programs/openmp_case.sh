# openmp_case: a team of threads whose barriers spin and sleep on futexes that libgomp calls
# with instructions of its own, with sums in vector registers on both sides.
cat > m.c <<'END'
#include <omp.h>
#include <math.h>
#include <stdio.h>
int main(void) {
    double s = 0; static double a[20000];
    for (int round = 0; round < ROUNDS; round++) {
#pragma omp parallel for schedule(dynamic, 500) num_threads(4)
        for (int i = 0; i < 20000; i++) a[i] += sqrt(i + round);
#pragma omp parallel for simd reduction(+:s) num_threads(4)
        for (int i = 0; i < 20000; i++) s += rint(a[i]);
    }
    int n = 0;
#pragma omp parallel num_threads(6)
#pragma omp single
    for (int i = 0; i < 1000; i++)
#pragma omp task
        {
#pragma omp atomic
            n += i;
        }
    printf("%.1f %d\n", s, n); return 0;
}
END
gcc -DROUNDS=$((60 * SCALE)) -O3 -march=native -fopenmp m.c -lm -o m && for wait in active passive; do OMP_WAIT_POLICY=$wait ./m; done && ldd m | grep -c libgomp
