// OpenMP without threads, loaded before libgomp: the shares of a parallel region run one after another, with a mark before each.
#include <stdbool.h>
enum { JOIN = -7003, SHARE = -7010 };
static int threads = 1, thread, most = 1;
static bool inside;

static void mark(long number) {
    register long x0 asm("x0") = number;
    register long x8 asm("x8") = 57;  // close
    asm volatile("svc 0" : "+r"(x0) : "r"(x8) : "memory");
}

void GOMP_parallel(void (*share)(void *), void *data, unsigned count, unsigned flags) {
    if (inside) {  // a nested region runs in its own thread
        int outer = threads, number = thread;
        threads = 1, thread = 0;
        share(data);
        threads = outer, thread = number;
        return;
    }
    inside = true;
    threads = count ? (int)count : most;
    for (thread = 0; thread < threads; thread++) {
        mark(SHARE - thread);
        share(data);
    }
    mark(JOIN);
    thread = 0, threads = 1;
    inside = false;
}

int omp_get_num_threads(void) { return threads; }
int omp_get_thread_num(void) { return thread; }
int omp_get_max_threads(void) { return most; }
void omp_set_num_threads(int count) { most = count; }
int omp_in_parallel(void) { return inside && threads > 1; }
