// 16 float lanes whatever the instruction set: one AVX-512 register, two of AVX2, four of SSE or NEON.
// GCC keeps vectors wider than the machine's in memory, hence the struct of parts.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

constexpr int L = 16;
#if defined(__AVX512F__)
constexpr int W = 16;
#elif defined(__AVX2__)
constexpr int W = 8;
#else
constexpr int W = 4;
#endif

typedef float Part __attribute__((vector_size(W * 4)));
typedef int32_t PartBits __attribute__((vector_size(W * 4)));
static inline Part all(float a) { return Part{} + a; }
static inline Part loadPart(const float* p) {
  Part v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
static inline void storePart(float* p, Part v) { std::memcpy(p, &v, sizeof v); }

// a * b + c, rounded once where the machine can. The compiler contracts nothing by itself, so that AVX-512 and
// AVX2 give the same bits.
static inline Part fma(Part a, Part b, Part c) {
#if defined(__AVX512F__)
  return (Part)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
  return (Part)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
  return (Part)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
  return a * b + c;
#endif
}

#if defined(__AVX512F__)
typedef Part V;
template <class F>
static inline V eachPart(V a, F f) {
  return f(a);
}
static inline V splat(float a) { return all(a); }
static inline V load(const float* p) { return loadPart(p); }
static inline void store(float* p, V v) { storePart(p, v); }
#elif defined(__AVX2__)
struct V {
  Part a, b;
};
static inline V operator+(V x, V y) { return {x.a + y.a, x.b + y.b}; }
static inline V operator-(V x, V y) { return {x.a - y.a, x.b - y.b}; }
static inline V operator*(V x, V y) { return {x.a * y.a, x.b * y.b}; }
template <class F>
static inline V eachPart(V x, F f) {
  return {f(x.a), f(x.b)};
}
static inline V fma(V x, V y, V z) { return {fma(x.a, y.a, z.a), fma(x.b, y.b, z.b)}; }
static inline V splat(float a) {
  const Part p = all(a);
  return {p, p};
}
static inline V load(const float* p) { return {loadPart(p), loadPart(p + W)}; }
static inline void store(float* p, V v) {
  storePart(p, v.a);
  storePart(p + W, v.b);
}
#else
struct V {
  Part a, b, c, d;
};
static inline V operator+(V x, V y) { return {x.a + y.a, x.b + y.b, x.c + y.c, x.d + y.d}; }
static inline V operator-(V x, V y) { return {x.a - y.a, x.b - y.b, x.c - y.c, x.d - y.d}; }
static inline V operator*(V x, V y) { return {x.a * y.a, x.b * y.b, x.c * y.c, x.d * y.d}; }
template <class F>
static inline V eachPart(V x, F f) {
  return {f(x.a), f(x.b), f(x.c), f(x.d)};
}
static inline V fma(V x, V y, V z) {
  return {fma(x.a, y.a, z.a), fma(x.b, y.b, z.b), fma(x.c, y.c, z.c), fma(x.d, y.d, z.d)};
}
static inline V splat(float a) {
  const Part p = all(a);
  return {p, p, p, p};
}
static inline V load(const float* p) {
  return {loadPart(p), loadPart(p + W), loadPart(p + 2 * W), loadPart(p + 3 * W)};
}
static inline void store(float* p, V v) {
  storePart(p, v.a);
  storePart(p + W, v.b);
  storePart(p + 2 * W, v.c);
  storePart(p + 3 * W, v.d);
}
#endif

// The first n lanes (1 <= n <= 16); the others are zero and stay unread.
#if defined(__AVX512F__)
static inline V loadn(const float* p, int n) { return (V)_mm512_maskz_loadu_ps(__mmask16((1u << n) - 1), p); }
static inline void storen(float* p, V v, int n) { _mm512_mask_storeu_ps(p, __mmask16((1u << n) - 1), (__m512)v); }
#elif defined(__AVX2__)
alignas(64) static const int32_t kLaneMask[2 * L] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
static inline __m256i laneMask(int n, int from) {
  return _mm256_loadu_si256((const __m256i*)(kLaneMask + L - n + from));
}
static inline V loadn(const float* p, int n) {
  if (n == L) return load(p);
  return {(Part)_mm256_maskload_ps(p, laneMask(n, 0)), (Part)_mm256_maskload_ps(p + W, laneMask(n, W))};
}
static inline void storen(float* p, V v, int n) {
  if (n == L) return store(p, v);
  _mm256_maskstore_ps(p, laneMask(n, 0), (__m256)v.a);
  _mm256_maskstore_ps(p + W, laneMask(n, W), (__m256)v.b);
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

// The same for one part; n may exceed it. Register tiles are made of parts: GCC keeps arrays of them, unlike
// arrays of structs, in registers.
static inline Part loadPart(const float* p, int n) {
  if (n >= W) return loadPart(p);
#if defined(__AVX512F__)
  return loadn(p, n);
#elif defined(__AVX2__)
  return (Part)_mm256_maskload_ps(p, laneMask(n + W, W));
#else
  Part v{};
  for (int i = 0; i < n; i++) v[i] = p[i];
  return v;
#endif
}
static inline void storePart(float* p, Part v, int n) {
  if (n >= W) return storePart(p, v);
#if defined(__AVX512F__)
  storen(p, v, n);
#elif defined(__AVX2__)
  _mm256_maskstore_ps(p, laneMask(n + W, W), (__m256)v);
#else
  for (int i = 0; i < n; i++) p[i] = v[i];
#endif
}

static inline int up(int n) { return (n + L - 1) / L * L; }

static inline Part pick(PartBits mask, Part yes, Part no) { return mask ? yes : no; }

// exp(x) - 1 for x <= 0 (x > 0 gives nonsense that callers mask away). Cody-Waite reduction, Taylor
// polynomial of degree 7 on [-ln2/2, ln2/2]: about 2e-7 relative. NaN passes.
static inline Part expm1Negative(Part x) {
  const Part low = all(-87.0f);
  x = pick(x < low, low, x);
  const Part magic = all(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  const Part shifted = fma(x, all(1.44269504088896341f), magic);
  const Part n = shifted - magic;
  Part r = fma(n, all(-0.693359375f), x);
  r = fma(n, all(2.12194440e-4f), r);
  Part q = all(1.0f / 5040.0f);
  q = fma(q, r, all(1.0f / 720.0f));
  q = fma(q, r, all(1.0f / 120.0f));
  q = fma(q, r, all(1.0f / 24.0f));
  q = fma(q, r, all(1.0f / 6.0f));
  q = fma(q, r, all(0.5f));
  const Part p = fma(q * r, r, r);
  PartBits bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits - 0x4B400000 + 127) << 23;
  Part scale;
  std::memcpy(&scale, &bits, sizeof scale);
  return fma(scale, p, scale - all(1.0f));
}

enum Activation { NONE = 0, ELU = 1, RELU = 2 };

static inline V activate(V x, int kind) {
  if (kind == NONE) return x;
  const Part zero{};
  if (kind == RELU) return eachPart(x, [&](Part p) { return pick(p < zero, zero, p); });
  return eachPart(x, [&](Part p) { return pick(p > zero, p, expm1Negative(p)); });
}
// Derivative by the value before activation.
static inline V slope(V x, int kind) {
  if (kind == NONE) return splat(1.0f);
  const Part zero{}, one = all(1.0f);
  if (kind == RELU) return eachPart(x, [&](Part p) { return pick(p > zero, one, zero); });
  return eachPart(x, [&](Part p) { return pick(p > zero, one, expm1Negative(p) + one); });
}
