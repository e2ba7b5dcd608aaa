// Compiled once per instruction set with -DTABLE=<function> -DTABLE_NAME="<name>".
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <numeric>
#include <type_traits>
#include <vector>
#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "lines.h"
#include "pool.h"
#include "table.h"

namespace {
#include "resample.h"
#include "loss.h"
#include "irb-backward.h"
#include "irb-infer.h"

// Nearest even; NaN stays NaN. Integers only, so that every instruction set gives the bits of the plain loop.
static inline uint32_t bf16Bits(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  return nan ? ((bits >> 16) | 0x40u) : rounded;
}
static inline float rounded(float x) { return widened(uint16_t(bf16Bits(x))); }
void roundToBf16(uint16_t* into, const float* from, size_t count) {
  alongLines(into, count, [&](size_t i) { askAhead(from, i); }, [&](size_t i) { return uint16_t(bf16Bits(from[i])); });
}
// The order is that of the additions in postfix: a number stands for that source, -1 for the sum of the two before it.
// Chunk by chunk, so that nothing but sources and sum is ever far away.
template <bool Rounded>
void addTreeOf(float* sum, const TreeSource* sources, const int32_t* order, size_t steps, size_t count) {
  constexpr size_t chunk = 256;
  float stack[kTreeDepth][chunk];
  const auto asTold = [](float x) { return Rounded ? rounded(x) : x; };
  // into[i] = f(i, the source's value i) for a chunk that begins at `at`
  const auto withSource = [&](float* into, const TreeSource& source, size_t at, size_t length, auto f) {
    if (source.halves != nullptr) {
      const uint16_t* from = source.halves + at;
      overChunk(into, length, [&](size_t i) { askAhead(from, i); }, [&](size_t i) { return f(i, widened(from[i])); });
    } else {
      const float* from = source.floats + at;
      overChunk(into, length, [&](size_t i) { askAhead(from, i); }, [&](size_t i) { return f(i, asTold(from[i])); });
    }
  };
  for (size_t at = 0; at < count; at += chunk) {
    const size_t length = std::min(chunk, count - at);
    size_t height = 0;
    for (size_t step = 0; step < steps; step++) {
      if (order[step] < 0) {
        height--;
        float* a = stack[height - 1];
        const float* b = stack[height];
        for (size_t i = 0; i < length; i++) a[i] = asTold(a[i] + b[i]);
      } else if (height > 0 && step + 1 < steps && order[step + 1] < 0) {
        float* a = stack[height - 1];
        withSource(a, sources[order[step++]], at, length, [&](size_t i, float b) { return asTold(a[i] + b); });
      } else {
        withSource(stack[height++], sources[order[step]], at, length, [](size_t, float x) { return x; });
      }
    }
    overChunk(sum + at, length, [&](size_t i) { askAheadToWrite(sum + at, i); }, [&](size_t i) { return stack[0][i]; });
  }
}
void addTree(float* sum, const TreeSource* sources, const int32_t* order, size_t steps, bool rounded, size_t count) {
  (rounded ? addTreeOf<true> : addTreeOf<false>)(sum, sources, order, steps, count);
}

// GFLOP/s of chains of fused multiply-adds, on all threads.
double fmaPeak(double seconds) {
  const int threads = threadCount();
  std::vector<double> rates(threads, 0.0);
  parallel(threads, [&](int task, int) {
    Part a[12];
    for (int i = 0; i < 12; i++) a[i] = all(1.0f + i);
    Part b = all(0.999999f), c = all(1e-6f);
    asm volatile("" : "+m"(b), "+m"(c));
    const auto start = std::chrono::steady_clock::now();
    double elapsed = 0, operations = 0;
    while (elapsed < seconds) {
      for (int r = 0; r < 20000; r++)
#pragma GCC unroll 12
        for (int i = 0; i < 12; i++) a[i] = fma(a[i], b, c);
      operations += 20000.0 * 12 * W * 2;
      elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }
    Part sum{};
    for (int i = 0; i < 12; i++) sum = sum + a[i];
    asm volatile("" : : "m"(sum));
    rates[task] = operations / elapsed / 1e9;
  });
  double total = 0;
  for (double rate : rates) total += rate;
  return total;
}

const KernelTable table{
    TABLE_NAME,       convForward,       convBackwardInput, convBackwardFilter, depthwiseForward,
    depthwiseBackwardInput, depthwiseBackwardFilter, normStatistics, normForward, normBackward,
    poolForward,      poolBackward,      upsampleForward,   upsampleBackward,   foreground,
    crossEntropy,     Saved::floats,     irbForward,        irbBackward,        irbInfer,
    roundToBf16,      addTree,           fmaPeak,
};
}  // namespace

const KernelTable* TABLE() { return &table; }
