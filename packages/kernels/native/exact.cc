// Compiled with -ffp-contract=off: bits must equal those of the plain TypeScript loops.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "lines.h"
#include "pool.h"
#include "table.h"

void exactSum(float* sum, const float* a, const float* b, size_t count) {
  const auto ask = [&](size_t i) {
    askAhead(a, i);
    askAhead(b, i);
  };
  alongLines(sum, count, ask, [&](size_t i) { return a[i] + b[i]; });
}

void exactWiden(float* into, const uint16_t* from, size_t count) {
  alongLines(into, count, [&](size_t i) { askAhead(from, i); }, [&](size_t i) { return widened(from[i]); });
}

void exactScale(float* into, float factor, size_t count) {
  for (size_t i = 0; i < count; i++) into[i] *= factor;
}

bool exactAllFinite(const float* x, size_t count) {
  uint32_t bad = 0;
  for (size_t i = 0; i < count; i++) {
    uint32_t bits;
    std::memcpy(&bits, x + i, sizeof bits);
    bad |= (bits & 0x7f800000u) == 0x7f800000u;
  }
  return bad == 0;
}

// of(x, count) of parts of a fixed length, on all threads, folded in order: the same bits for any number of them.
template <class T, class Of, class Fold>
static T foldedParts(const float* x, size_t count, Of of, Fold fold) {
  constexpr size_t part = 1 << 16;
  const size_t parts = (count + part - 1) / part;
  std::vector<T> values(parts);
  parallel(int(parts), [&](int task, int) {
    const size_t from = task * part;
    values[task] = of(x + from, std::min(part, count - from));
  });
  T total = 0;
  for (T value : values) total = fold(total, value);
  return total;
}

// Word i belongs to lane i % 8; a step of a lane, and the folding of lanes and parts, is one to one modulo 2^53, so a
// change within one word always shows, and the factor's order is long enough for changes of high bits to differ from
// word to word.
static inline uint64_t mixed(uint64_t sum, uint64_t word) { return ((sum ^ word) * 0x9e3779b97f4a7c15u) & 0x1fffffffffffffu; }
static uint64_t checksumOf(const float* x, size_t count) {
  uint64_t lanes[8] = {0};
  const auto add = [&](size_t i, int lane) {
    uint32_t word;
    std::memcpy(&word, x + i, sizeof word);
    lanes[lane] = mixed(lanes[lane], word);
  };
  size_t i = 0;
  for (; i + 8 <= count; i += 8)
    for (int l = 0; l < 8; l++) add(i + l, l);
  for (int l = 0; i < count; i++, l++) add(i, l);
  uint64_t total = 0;
  for (uint64_t lane : lanes) total = mixed(total, lane);
  return total;
}
double exactChecksum(const float* x, size_t count) { return double(foldedParts<uint64_t>(x, count, checksumOf, mixed)); }

// Element i of a part belongs to sum i % 8; the eight are added in order, and so are the parts.
static double sumOfSquaresOf(const float* x, size_t count) {
  double sums[8] = {0};
  size_t i = 0;
  for (; i + 8 <= count; i += 8)
    for (int l = 0; l < 8; l++) sums[l] += double(x[i + l]) * x[i + l];
  for (int l = 0; i < count; i++, l++) sums[l] += double(x[i]) * x[i];
  double total = 0;
  for (double sum : sums) total += sum;
  return total;
}
double exactSumOfSquares(const float* x, size_t count) {
  return foldedParts<double>(x, count, sumOfSquaresOf, [](double a, double b) { return a + b; });
}

void exactAdam(float* weights, const float* gradient, float* m, float* v, size_t from, size_t to, const Adam& a) {
  for (size_t i = from; i < to; i++) {
    const float g = gradient[i] / a.samples + a.weightDecay * weights[i];
    const float mi = a.beta1 * m[i] + a.rest1 * g;
    const float vi = a.beta2 * v[i] + (a.rest2 * g) * g;
    const float root = std::sqrt(vi) / a.rootCorrection2 + a.epsilon;
    m[i] = mi;
    v[i] = vi;
    weights[i] = weights[i] - a.stepSize * (mi / root);
  }
}
