// Compiled with -ffp-contract=off: bits must equal those of the plain TypeScript loops.
#include <cmath>
#include <cstring>

#include "pool.h"
#include "table.h"

void exactSum(float* sum, const float* a, const float* b, size_t count) {
  for (size_t i = 0; i < count; i++) sum[i] = a[i] + b[i];
}

void exactWiden(float* into, const uint16_t* from, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const uint32_t bits = uint32_t(from[i]) << 16;
    std::memcpy(into + i, &bits, sizeof bits);
  }
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

// The plain sum of the words in the low 21 bits, the sum weighted by odd numbers above them.
double exactChecksum(const float* x, size_t count) {
  uint32_t plain = 0, weighted = 0;
  for (size_t i = 0; i < count; i++) {
    uint32_t word;
    std::memcpy(&word, x + i, sizeof word);
    plain += word;
    weighted += word * (2 * uint32_t(i) + 1);
  }
  return double(weighted) * 0x1p21 + double(plain & 0x1fffffu);
}

// Element i belongs to sum i % 8; the eight are added in order.
double exactSumOfSquares(const float* x, size_t count) {
  double sums[8] = {0};
  size_t i = 0;
  for (; i + 8 <= count; i += 8)
    for (int l = 0; l < 8; l++) sums[l] += double(x[i + l]) * x[i + l];
  for (int l = 0; i < count; i++, l++) sums[l] += double(x[i]) * x[i];
  double total = 0;
  for (double sum : sums) total += sum;
  return total;
}

void exactAdam(float* weights, const float* gradient, float* m, float* v, size_t from, size_t to, const Adam& a) {
  for (size_t i = from; i < to; i++) {
    const float g = gradient[i] + a.weightDecay * weights[i];
    const float mi = a.beta1 * m[i] + a.rest1 * g;
    const float vi = a.beta2 * v[i] + (a.rest2 * g) * g;
    const float root = std::sqrt(vi) / a.rootCorrection2 + a.epsilon;
    m[i] = mi;
    v[i] = vi;
    weights[i] = weights[i] - a.stepSize * (mi / root);
  }
}
