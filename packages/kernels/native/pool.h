// One pool of threads for the process. Work is cut into tasks by shape alone, never by thread count.
#pragma once
#include <cstddef>
#include <functional>

void setThreads(int count);
int threadCount();
// Calls f(task, thread) for every task; returns when all are done. Not reentrant.
void parallel(int tasks, const std::function<void(int, int)>& f);
// A buffer of the thread that only ever grows, 64-byte aligned.
float* threadScratch(int thread, int slot, size_t floats);
// A buffer of the process, for one kernel call at a time.
float* sharedScratch(int slot, size_t floats);
