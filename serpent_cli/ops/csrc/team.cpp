// A kernel's work items on the threads of an OpenMP runtime that is already there: torch's.
#include <stdint.h>

#include "chosen.h"

namespace {
typedef void (*Kernel)(const void* record, int64_t first, int64_t last);

// Functions of the runtime: GOMP_parallel, omp_get_thread_num, omp_get_num_threads.
typedef void (*Parallel)(void (*body)(void*), void* job, unsigned threads, unsigned flags);
typedef int (*Number)(void);

struct Job {
    Kernel kernel;
    const void* record;
    int64_t items;
    Number thread, threads;
};

void take_part(void* of) {
    const Job& job = *(const Job*)of;
    const int64_t thread = job.thread(), threads = job.threads();
    job.kernel(job.record, job.items * thread / threads, job.items * (thread + 1) / threads);
}
}  // namespace

EXPORT void team_run(Parallel parallel, Number thread, Number threads, Kernel kernel,
                     const void* record, int64_t items, uint32_t wanted) {
    Job job = {kernel, record, items, thread, threads};
    parallel(take_part, &job, wanted, 0);
}
