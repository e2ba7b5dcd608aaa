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
// Not Part{} + a, which costs an addition for the sake of -0.
static inline Part all(float a) {
#if defined(__AVX512F__)
  return (Part)_mm512_set1_ps(a);
#elif defined(__AVX2__)
  return (Part)_mm256_set1_ps(a);
#else
  return Part{a, a, a, a};
#endif
}
static inline Part loadPart(const float* p) {
  Part v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
static inline void storePart(float* p, Part v) { std::memcpy(p, &v, sizeof v); }
// Past the caches, for data that nobody reads soon: no line is fetched only to be overwritten. p is aligned.
static inline void streamPart(float* p, Part v) {
#if defined(__AVX512F__)
  _mm512_stream_ps(p, (__m512)v);
#elif defined(__AVX2__)
  _mm256_stream_ps(p, (__m256)v);
#else
  storePart(p, v);
#endif
}

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

static inline void stream(float* p, V v) {
#if defined(__AVX512F__)
  streamPart(p, v);
#elif defined(__AVX2__)
  streamPart(p, v.a);
  streamPart(p + W, v.b);
#else
  store(p, v);
#endif
}
// Makes what was streamed visible to other threads before the task counts as done.
static inline void endStreams() {
#if defined(__AVX2__)
  _mm_sfence();
#endif
}

// Asks for the line of p, or the lines of `bytes` from p, into the second-level cache: it takes more requests at a
// time than the first one (13 against 8 GB/s on Zen 4 for scattered rows).
static inline void expectLine(const float* p) { __builtin_prefetch(p, 0, 2); }
static inline void expectBytes(const float* p, size_t bytes) {
  for (size_t i = 0; i < bytes / sizeof(float); i += L) expectLine(p + i);
}
// One line into the first-level cache, for what is needed next. Narrow parts would ask for each line twice.
static inline void expectNext(const float* p) {
  if constexpr (W == L) __builtin_prefetch(p, 0, 3);
}

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
// The larger; b where either is NaN. (Masked by ones: GCC 12 warns of the plain intrinsic's insides.)
static inline Part larger(Part a, Part b) {
#if defined(__AVX512F__)
  return (Part)_mm512_maskz_max_ps(__mmask16(-1), (__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (Part)_mm256_max_ps((__m256)a, (__m256)b);
#else
  return pick(a > b, a, b);
#endif
}
static inline Part smaller(Part a, Part b) {
#if defined(__AVX512F__)
  return (Part)_mm512_maskz_min_ps(__mmask16(-1), (__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (Part)_mm256_min_ps((__m256)a, (__m256)b);
#else
  return pick(a < b, a, b);
#endif
}

// Eight lanes at most: for results of few channels, which would leave half of a wider vector idle.
#if defined(__AVX512F__)
typedef float Narrow __attribute__((vector_size(32)));
static inline Narrow fma(Narrow a, Narrow b, Narrow c) {
  return (Narrow)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}
#else
typedef Part Narrow;
#endif
template <class T>
static inline T allOf(float a) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == sizeof(Narrow)) return (T)_mm256_set1_ps(a);
  else
#endif
    return all(a);
}
