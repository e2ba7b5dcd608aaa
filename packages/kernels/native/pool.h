// One pool of threads for the process. Work is cut into tasks by shape alone, never by thread count.
#pragma once
#include <cstddef>
#include <functional>
#include <new>

// What could not be had.
struct OutOfMemory : std::bad_alloc {
  size_t bytes;
  explicit OutOfMemory(size_t bytes) : bytes(bytes) {}
};

void setThreads(int count);
int threadCount();
// Calls f(task, thread) for every task; returns when all are done. Not reentrant.
void parallel(int tasks, const std::function<void(int, int)>& f);
// Memory of `floats` that begins at a page, a huge one where it is large and the system has them: rows that lie
// megabytes apart cost a tenth less. Freed by std::free. Throws OutOfMemory.
float* allocateFloats(size_t floats);
// A buffer of the thread that only ever grows, 64-byte aligned.
float* threadScratch(int thread, int slot, size_t floats);
// A buffer of the process, for one kernel call at a time.
float* sharedScratch(int slot, size_t floats);
