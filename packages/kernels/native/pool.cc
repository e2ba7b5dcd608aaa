#include "pool.h"

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <new>
#include <thread>
#include <vector>
#ifdef __linux__
#include <sys/mman.h>
#endif

namespace {

struct Buffer {
  float* data = nullptr;
  size_t floats = 0;
  float* grow(size_t wanted) {
    if (wanted > floats) {
      std::free(data);
      data = nullptr;
      floats = 0;
      data = allocateFloats(wanted);
      floats = wanted;
    }
    return data;
  }
};

constexpr int kSlots = 16, kMaxThreads = 256;
Buffer perThread[kMaxThreads][kSlots];
Buffer shared[kSlots];

std::mutex mutex;
std::condition_variable wake, finished;
std::vector<std::thread> workers;
const std::function<void(int, int)>* job = nullptr;
int jobTasks = 0, running = 0;
unsigned long generation = 0;
std::atomic<int> nextTask{0};
std::atomic<bool> failed{false};
std::atomic<size_t> missingBytes{0};
bool closing = false;
int wanted = 1;

void drain(const std::function<void(int, int)>& f, int tasks, int thread) {
  for (int task = nextTask++; task < tasks; task = nextTask++) {
    try {
      f(task, thread);
    } catch (const OutOfMemory& missing) {
      missingBytes = missing.bytes;
      failed = true;
    } catch (...) {
      failed = true;
    }
  }
}

void serve(int thread) {
  unsigned long seen = 0;
  std::unique_lock<std::mutex> lock(mutex);
  for (;;) {
    wake.wait(lock, [&] { return closing || generation != seen; });
    if (closing) return;
    seen = generation;
    const auto* f = job;
    const int tasks = jobTasks;
    lock.unlock();
    drain(*f, tasks, thread);
    lock.lock();
    if (--running == 0) finished.notify_one();
  }
}

void stopWorkers() {
  {
    std::lock_guard<std::mutex> lock(mutex);
    closing = true;
  }
  wake.notify_all();
  for (auto& worker : workers) worker.join();
  workers.clear();
  closing = false;
}

// Threads do not survive fork, and must be gone before static storage is.
struct AtExit {
  ~AtExit() { stopWorkers(); }
} atExit;

}  // namespace

float* allocateFloats(size_t floats) {
  constexpr size_t huge = size_t(2) << 20;
  const size_t page = floats * sizeof(float) < huge ? 4096 : huge;
  const size_t bytes = (floats * sizeof(float) + page - 1) / page * page;
  void* data = std::aligned_alloc(page, bytes);
  if (data == nullptr) throw OutOfMemory(bytes);
#ifdef __linux__
  if (page == huge) madvise(data, bytes, MADV_HUGEPAGE);
#endif
  return static_cast<float*>(data);
}

void setThreads(int count) {
  count = count < 1 ? 1 : count > kMaxThreads ? kMaxThreads : count;
  if (count == wanted && int(workers.size()) == count - 1) return;
  stopWorkers();
  wanted = count;
  generation = 0;
  for (int i = 1; i < count; i++) workers.emplace_back(serve, i);
}

int threadCount() { return wanted; }

void parallel(int tasks, const std::function<void(int, int)>& f) {
  failed = false;
  missingBytes = 0;
  nextTask = 0;
  if (workers.empty() || tasks <= 1) {
    drain(f, tasks, 0);
  } else {
    {
      std::lock_guard<std::mutex> lock(mutex);
      job = &f;
      jobTasks = tasks;
      running = int(workers.size());
      generation++;
    }
    wake.notify_all();
    drain(f, tasks, 0);
    std::unique_lock<std::mutex> lock(mutex);
    finished.wait(lock, [] { return running == 0; });
  }
  if (failed) throw OutOfMemory(missingBytes);
}

float* threadScratch(int thread, int slot, size_t floats) { return perThread[thread][slot].grow(floats); }
float* sharedScratch(int slot, size_t floats) { return shared[slot].grow(floats); }
