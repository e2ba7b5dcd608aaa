// The activations, their slopes, and the exponential they need. All work on N parts in lockstep: one exponential is
// a chain of sixty cycles, of which a processor overlaps too few by itself (ELU on AMD Zen 4: 26 cycles per vector
// one by one, 15 in fours).
#pragma once
#include "vector.h"

typedef uint32_t PartWord __attribute__((vector_size(W * 4)));

#ifdef __AVX512F__
constexpr int kLockstep = 4;
#else
constexpr int kLockstep = 2;
#endif

template <int N, class F>
static inline void lockstep(F f) {
#pragma GCC unroll 8
  for (int i = 0; i < N; i++) f(i);
}

// The parts of exp(x) for x <= 0 (x > 0 gives nonsense that callers mask away): exp(x) = p 2^n, n in the low bits of
// `shifted`. x = n ln 2 + r; p is the minimax polynomial of degree five for exp(r), |r| <= ln(2) / 2, that is 1 at 0:
// 9.2e-8 relative, 1.5e-7 with its rounding. NaN passes.
template <int N>
static inline void expNegative(const Part (&x)[N], Part (&p)[N], Part (&shifted)[N]) {
  // 1.5 * 2^23 + 127: adding it rounds to an integer, which the low bits hold with an exponent's bias.
  const Part magic = all(12583039.0f);
  Part bounded[N], r[N];
  lockstep<N>([&](int i) { bounded[i] = larger(all(-87.0f), x[i]); });
  lockstep<N>([&](int i) { shifted[i] = fma(bounded[i], all(1.44269504088896341f), magic); });
  lockstep<N>([&](int i) { r[i] = fma(shifted[i] - magic, all(-0.693147180559945309f), bounded[i]); });
  lockstep<N>([&](int i) { p[i] = fma(all(0.0082903066650033f), r[i], all(0.0418979749083519f)); });
  lockstep<N>([&](int i) { p[i] = fma(p[i], r[i], all(0.1666763722896576f)); });
  lockstep<N>([&](int i) { p[i] = fma(p[i], r[i], all(0.4999915063381195f)); });
  lockstep<N>([&](int i) { p[i] = fma(p[i], r[i], all(0.9999997019767761f)); });
  lockstep<N>([&](int i) { p[i] = fma(p[i], r[i], all(1.0f)); });
}
// 2^n: the low bits, moved to where a float has its exponent.
static inline Part powerOfTwo(Part shifted) {
  PartWord bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits <<= 23;
  Part power;
  std::memcpy(&power, &bits, sizeof power);
  return power;
}

// x where it is positive, else p 2^n - 1: in AVX-512 the choice costs no instruction of its own.
static inline Part positiveOr(Part x, Part p, Part shifted) {
#if defined(__AVX512F__)
  const __mmask16 rest = _mm512_cmp_ps_mask((__m512)x, _mm512_setzero_ps(), _CMP_NGT_UQ);
  const __m512i power = _mm512_mask_slli_epi32((__m512i)x, rest, (__m512i)shifted, 23);
  return (Part)_mm512_mask_fmsub_ps((__m512)power, rest, (__m512)p, _mm512_set1_ps(1.0f));
#else
  return pick(x > Part{}, x, fma(powerOfTwo(shifted), p, all(-1.0f)));
#endif
}

template <int ACT, int N>
static inline void activateParts(Part (&x)[N]) {
  const Part zero{};
  if constexpr (ACT == ELU) {
    Part p[N], shifted[N];
    expNegative(x, p, shifted);
    lockstep<N>([&](int i) { x[i] = positiveOr(x[i], p[i], shifted[i]); });
  }
  if constexpr (ACT == RELU) lockstep<N>([&](int i) { x[i] = pick(x[i] < zero, zero, x[i]); });
}
// The derivative by the value before activation, in its place.
template <int ACT, int N>
static inline void slopeParts(Part (&x)[N]) {
  const Part zero{}, one = all(1.0f);
  if constexpr (ACT == ELU) {
    Part p[N], shifted[N];
    lockstep<N>([&](int i) { x[i] = smaller(zero, x[i]); });
    expNegative(x, p, shifted);
    lockstep<N>([&](int i) { x[i] = powerOfTwo(shifted[i]) * p[i]; });
  }
  if constexpr (ACT == RELU) lockstep<N>([&](int i) { x[i] = pick(x[i] > zero, one, zero); });
}
// The derivative by the value after activation.
template <int ACT>
static inline Part slopeAfter(Part h) {
  const Part zero{}, one = all(1.0f);
  return ACT == ELU ? one + smaller(zero, h) : pick(h > zero, one, zero);
}

// Calls f with a block's activation as a constant.
template <class F>
static void byActivation(int kind, F f) {
  if (kind == ELU) f(std::integral_constant<int, ELU>{});
  else f(std::integral_constant<int, RELU>{});
}

// Calls f(first, std::integral_constant<int, N>) over `count` in steps of N, the rest one by one.
template <int N, class F>
static inline void inSteps(int count, F f) {
  int i = 0;
  for (; i + N <= count; i += N) f(i, std::integral_constant<int, N>{});
  for (; i < count; i++) f(i, std::integral_constant<int, 1>{});
}

static inline V activate(V x, int kind) {
  if (kind == NONE) return x;
  return eachPart(x, [&](Part p) {
    Part v[1] = {p};
    if (kind == RELU) activateParts<RELU>(v);
    else activateParts<ELU>(v);
    return v[0];
  });
}
// In place, while the values are in the cache; four parts at a time, since each is a long chain.
static inline void activateAll(float* x, size_t count, int kind) {
  if (kind == NONE) return;
  size_t i = 0;
  byActivation(kind, [&](auto constant) {
    for (; i + 4 * W <= count; i += 4 * W) {
      Part v[4];
      for (int p = 0; p < 4; p++) v[p] = loadPart(x + i + p * W);
      activateParts<decltype(constant)::value>(v);
      for (int p = 0; p < 4; p++) storePart(x + i + p * W, v[p]);
    }
  });
  for (; i < count; i += L) {
    const int n = int(std::min<size_t>(L, count - i));
    storen(x + i, activate(loadn(x + i, n), kind), n);
  }
}
static inline V slope(V x, int kind) {
  if (kind == NONE) return splat(1.0f);
  return eachPart(x, [&](Part p) {
    Part v[1] = {p};
    if (kind == RELU) slopeParts<RELU>(v);
    else slopeParts<ELU>(v);
    return v[0];
  });
}
