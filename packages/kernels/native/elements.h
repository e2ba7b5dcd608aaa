// Element by element: rectifiers, sums of columns, channels in and out of a concatenation.
#pragma once
#include "norm.h"

// Lanes from n on become zero.
static inline V keepLanes(V v, int n) {
  if (n == L) return v;
  alignas(64) float lanes[L];
  store(lanes, v);
  return loadn(lanes, n);
}
#if defined(__AVX512F__)
static inline V wherePositive(V x, V yes, V no) { return pick(x > Part{}, yes, no); }
#elif defined(__AVX2__)
static inline V wherePositive(V x, V yes, V no) {
  return {pick(x.a > Part{}, yes.a, no.a), pick(x.b > Part{}, yes.b, no.b)};
}
#else
static inline V wherePositive(V x, V yes, V no) {
  return {pick(x.a > Part{}, yes.a, no.a), pick(x.b > Part{}, yes.b, no.b), pick(x.c > Part{}, yes.c, no.c),
          pick(x.d > Part{}, yes.d, no.d)};
}
#endif
// max(0, x); NaN stays.
static inline V rectify(V x) {
  return eachPart(x, [](Part p) { return pick(p < Part{}, Part{}, p); });
}

// f(slot, first element, lanes) over all elements, in parallel.
template <class F>
static void sweepAll(size_t count, int c, F f) {
  const size_t part = partOf(c);
  parallel(int((count + part - 1) / part), [&](int task, int) {
    const size_t from = size_t(task) * part;
    sweep(from, std::min(count, from + part), period(c), f);
  });
}

static void sumRows(size_t rows, int c, const float* x, float* out) {
  std::vector<double> sums(c);
  channelSums<1>(rows * c, c, sums.data(), [&](int, size_t i, int n, V* v) { v[0] = loadn(x + i, n); });
  for (int j = 0; j < c; j++) out[j] = float(sums[j]);
}

static void reluForward(size_t count, const float* x, float* y) {
  sweepAll(count, L, [&](int, size_t i, int n) { storen(y + i, rectify(loadn(x + i, n)), n); });
}
static void reluBackward(size_t count, const float* y, const float* dy, float* dx) {
  sweepAll(count, L, [&](int, size_t i, int n) {
    storen(dx + i, wherePositive(loadn(y + i, n), loadn(dy + i, n), splat(0.0f)), n);
  });
}

static void preluForward(size_t count, const float* x, float slope, float* y) {
  const V factor = splat(slope);
  sweepAll(count, L, [&](int, size_t i, int n) {
    const V v = loadn(x + i, n);
    storen(y + i, wherePositive(v, v, v * factor), n);
  });
}
static double preluBackward(size_t count, const float* x, float slope, const float* dy, float* dx) {
  const V factor = splat(slope);
  double lanes[L];
  channelSums<1>(count, L, lanes, [&](int, size_t i, int n, V* v) {
    const V value = loadn(x + i, n), g = loadn(dy + i, n);
    storen(dx + i, wherePositive(value, g, g * factor), n);
    v[0] = wherePositive(value, splat(0.0f), g * value);
  });
  double total = 0;
  for (double lane : lanes) total += lane;
  return total;
}

static void copyChannels(size_t rows, int count, Channels from, Channels to) {
  const Chunks chunks = chunksOf(int(rows), count);
  parallel(chunks.count, [&](int task, int) {
    for (size_t r = chunks.begin(task); r < size_t(chunks.begin(task)) + chunks.length(task); r++)
      std::memcpy(to.values + r * to.c + to.first, from.values + r * from.c + from.first, count * sizeof(float));
  });
}
