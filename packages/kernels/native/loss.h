// Softmax and cross entropy, voxels in the lanes.
#pragma once
#include "norm.h"

// exp(x) for x <= 0; nothing at all below -87, where the polynomial's powers of two end.
static inline Part expNegative(Part x) {
  const Part at[1] = {x};
  Part p[1], shifted[1];
  expNegative(at, p, shifted);
  return pick(x < all(-87.0f), Part{}, powerOfTwo(shifted[0]) * p[0]);
}

// ln(x) for 1 <= x < 2^120. x = 2^n m with m in [sqrt(1/2), sqrt(2)); ln(1 + f) = f - f^2/2 + f^3 p(f), where p meets
// its function at eight Chebyshev points: 7e-9 off at most, so that rounding is what remains. NaN passes.
constexpr float kLog[] = {-0.0790274366736412f,  0.12622319161891937f, -0.12998183071613312f, 0.14214496314525604f,
                          -0.166412815451622f,   0.20001044869422913f, -0.25000306963920593f, 0.3333333134651184f};
static inline Part logAbove(Part x) {
  PartWord bits;
  std::memcpy(&bits, &x, sizeof bits);
  const PartWord shifted = bits - 0x3F3504F3u;  // sqrt(1/2): its exponent field becomes 0 there
  const PartBits exponent = (PartBits)(shifted >> 23);
  const PartWord mantissa = (shifted & 0x007FFFFFu) + 0x3F3504F3u;
  Part m;
  std::memcpy(&m, &mantissa, sizeof m);
  const Part n = __builtin_convertvector(exponent, Part), f = m - all(1.0f);
  Part p = all(kLog[0]);
#pragma GCC unroll 8
  for (int i = 1; i < 8; i++) p = fma(p, f, all(kLog[i]));
  const Part square = f * f;
  const Part low = fma(square * f, p, all(-0.5f) * square);
  return pick(x == x, fma(n, all(0.693147180559945309f), f + low), x);
}

constexpr int kLossRows = 256;  // at a time, in the first-level cache

// Logits [rows][classes] as [classes][kLossRows]; what lies past the rows is zero.
static inline void acrossClasses(int rows, int classes, const float* logits, float* out) {
  for (int k = 0; k < classes; k++) {
    for (int r = 0; r < rows; r++) out[k * kLossRows + r] = logits[size_t(r) * classes + k];
    for (int r = rows; r < up(rows); r++) out[k * kLossRows + r] = 0.0f;
  }
}
static inline void alongClasses(int rows, int classes, const float* across, float* out) {
  for (int r = 0; r < rows; r++)
    for (int k = 0; k < classes; k++) out[size_t(r) * classes + k] = across[k * kLossRows + r];
}

// Powers of W voxels' logits, shifted by the largest, in their place; returns sum and largest.
struct Powers {
  Part sum, largest;
};
static inline Powers powersOf(int classes, float* across) {
  Part largest = loadPart(across), sum{};
  for (int k = 1; k < classes; k++) largest = larger(loadPart(across + k * kLossRows), largest);
  for (int k = 0; k < classes; k++) {
    const Part e = expNegative(loadPart(across + k * kLossRows) - largest);
    storePart(across + k * kLossRows, e);
    sum = sum + e;
  }
  return {sum, largest};
}

template <class F>
static void overLossRows(int rows, int classes, F f) {
  const Chunks chunks(rows, 16 * kLossRows);
  parallel(chunks.count, [&](int task, int thread) {
    float* across = threadScratch(thread, 0, size_t(classes) * kLossRows);
    const int end = chunks.begin(task) + chunks.length(task);
    for (int r = chunks.begin(task); r < end; r += kLossRows) f(task, r, std::min(kLossRows, end - r), across);
  });
}

static void foreground(int rows, int classes, const float* logits, float* p) {
  overLossRows(rows, classes, [&](int, int r, int count, float* across) {
    acrossClasses(count, classes, logits + size_t(r) * classes, across);
    for (int i = 0; i < count; i += W) {
      const Part share = all(1.0f) / powersOf(classes, across + i).sum;
      storePart(p + r + i, all(1.0f) - loadPart(across + i) * share, count - i);
    }
  });
}

// Loss and, in the logits' place, gradient times rows of W voxels, of which `count` exist; sums to loss[W].
static inline void entropyOf(int classes, int count, const int32_t* labels, float* across, float* loss) {
  PartBits label{};
  std::memcpy(&label, labels, size_t(std::min(count, W)) * sizeof(int32_t));
  Part own{};
  for (int k = 0; k < classes; k++) own = pick(label == k, loadPart(across + k * kLossRows), own);
  const Powers powers = powersOf(classes, across);
  const Part share = all(1.0f) / powers.sum, zero{};
  for (int k = 0; k < classes; k++) {
    float* at = across + k * kLossRows;
    storePart(at, loadPart(at) * share - pick(label == k, all(1.0f), zero));
  }
  const Part value = logAbove(powers.sum) + (powers.largest - own);
  alignas(64) float values[W];
  storePart(values, value);
  for (int l = 0; l < std::min(count, W); l++) loss[l] += values[l];
}

static double crossEntropy(int rows, int classes, const float* logits, const int32_t* labels, float* dlogits) {
  const double scale = 1.0 / rows;
  std::vector<double> sums(Chunks(rows, 16 * kLossRows).count, 0.0);
  overLossRows(rows, classes, [&](int task, int r, int count, float* across) {
    acrossClasses(count, classes, logits + size_t(r) * classes, across);
    alignas(64) float loss[L] = {0};
    for (int i = 0; i < count; i += W) entropyOf(classes, count - i, labels + r + i, across + i, loss + i % L);
    for (int l = 0; l < L; l++) sums[task] += loss[l];
    if (dlogits == nullptr) return;
    const Part by = all(float(scale));
    for (int k = 0; k < classes; k++)
      for (int i = 0; i < count; i += W) storePart(across + k * kLossRows + i, loadPart(across + k * kLossRows + i) * by);
    alongClasses(count, classes, across, dlogits + size_t(r) * classes);
  });
  double total = 0;
  for (double sum : sums) total += sum;
  return total * scale;
}
