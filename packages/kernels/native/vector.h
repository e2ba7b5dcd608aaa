// 16 float lanes whatever the instruction set: one AVX-512 register, two of AVX2, four of SSE or NEON.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

typedef float V __attribute__((vector_size(64)));
typedef int32_t VI __attribute__((vector_size(64)));
constexpr int L = 16;

static inline V load(const float* p) {
  V v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
static inline void store(float* p, V v) { std::memcpy(p, &v, sizeof v); }
static inline V splat(float a) { return V{a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a}; }
// The first n lanes (1 <= n <= 16); the others are zero and stay unread.
#if defined(__AVX512F__)
static inline V loadn(const float* p, int n) { return (V)_mm512_maskz_loadu_ps(__mmask16((1u << n) - 1), p); }
static inline void storen(float* p, V v, int n) { _mm512_mask_storeu_ps(p, __mmask16((1u << n) - 1), (__m512)v); }
#elif defined(__AVX2__)
alignas(64) static const int32_t kLaneMask[3 * L] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
static inline V loadn(const float* p, int n) {
  if (n == L) return load(p);
  const auto mask = [&](int at) { return _mm256_loadu_si256((const __m256i*)(kLaneMask + L - n + at)); };
  const __m256 halves[2] = {_mm256_maskload_ps(p, mask(0)), _mm256_maskload_ps(p + 8, mask(8))};
  V v;
  std::memcpy(&v, halves, sizeof v);
  return v;
}
static inline void storen(float* p, V v, int n) {
  if (n == L) return store(p, v);
  const auto mask = [&](int at) { return _mm256_loadu_si256((const __m256i*)(kLaneMask + L - n + at)); };
  __m256 halves[2];
  std::memcpy(halves, &v, sizeof v);
  _mm256_maskstore_ps(p, mask(0), halves[0]);
  _mm256_maskstore_ps(p + 8, mask(8), halves[1]);
}
#else
static inline V loadn(const float* p, int n) {
  if (n == L) return load(p);
  alignas(64) float t[L] = {0};
  if (n == L / 2) std::memcpy(t, p, sizeof t / 2);
  else for (int i = 0; i < n; i++) t[i] = p[i];
  return load(t);
}
static inline void storen(float* p, V v, int n) {
  if (n == L) return store(p, v);
  alignas(64) float t[L];
  store(t, v);
  if (n == L / 2) std::memcpy(p, t, sizeof t / 2);
  else for (int i = 0; i < n; i++) p[i] = t[i];
}
#endif
static inline V pick(VI mask, V yes, V no) { return mask ? yes : no; }
static inline int up(int n) { return (n + L - 1) / L * L; }

// exp(x) - 1 for x <= 0 (x > 0 gives nonsense that callers mask away). Cody-Waite reduction, Taylor
// polynomial of degree 7 on [-ln2/2, ln2/2]: about 2e-7 relative. NaN passes.
static inline V expm1Negative(V x) {
  const V low = splat(-87.0f);
  x = pick(x < low, low, x);
  const V magic = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  const V shifted = x * splat(1.44269504088896341f) + magic;
  const V n = shifted - magic;
  V r = x - n * splat(0.693359375f);
  r = r - n * splat(-2.12194440e-4f);
  V q = splat(1.0f / 5040.0f);
  q = q * r + splat(1.0f / 720.0f);
  q = q * r + splat(1.0f / 120.0f);
  q = q * r + splat(1.0f / 24.0f);
  q = q * r + splat(1.0f / 6.0f);
  q = q * r + splat(0.5f);
  const V p = q * r * r + r;
  VI bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits - 0x4B400000 + 127) << 23;
  V scale;
  std::memcpy(&scale, &bits, sizeof scale);
  return (scale - splat(1.0f)) + scale * p;
}

enum Activation { NONE = 0, ELU = 1, RELU = 2 };

static inline V activate(V x, int kind) {
  const V zero = splat(0.0f);
  if (kind == NONE) return x;
  if (kind == RELU) return pick(x < zero, zero, x);
  return pick(x > zero, x, expm1Negative(x));
}
// Derivative by the value before activation.
static inline V slope(V x, int kind) {
  const V one = splat(1.0f);
  if (kind == NONE) return one;
  if (kind == RELU) return pick(x > splat(0.0f), one, splat(0.0f));
  return pick(x > splat(0.0f), one, expm1Negative(x) + one);
}
