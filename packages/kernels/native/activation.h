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

// The parts of exp(x) for x <= 0 (x > 0 gives nonsense that callers mask away): exp(x) = scale (1 + e), scale a power
// of two. x = n ln 2 + r; the polynomial is the minimax one for r + r^2 q(r) on |r| <= ln(2) / 2: 1.3e-8 relative, so
// that rounding is what remains (1.2e-7). NaN passes.
template <int N>
static inline void expNegative(const Part (&x)[N], Part (&e)[N], Part (&scale)[N]) {
  // 1.5 * 2^23 + 127: adding it rounds to an integer, found in the low bits; moved to where a float has its exponent,
  // whose bias is 127, they are 2^n.
  const Part magic = all(12583039.0f);
  Part bounded[N], shifted[N], r[N];
  lockstep<N>([&](int i) { bounded[i] = larger(all(-87.0f), x[i]); });
  lockstep<N>([&](int i) { shifted[i] = fma(bounded[i], all(1.44269504088896341f), magic); });
  lockstep<N>([&](int i) { r[i] = fma(shifted[i] - magic, all(-0.693147180559945309f), bounded[i]); });
  lockstep<N>([&](int i) { e[i] = fma(all(0.0013882516650483012f), r[i], all(0.008366547524929047f)); });
  lockstep<N>([&](int i) { e[i] = fma(e[i], r[i], all(0.04166720062494278f)); });
  lockstep<N>([&](int i) { e[i] = fma(e[i], r[i], all(0.1666654348373413f)); });
  lockstep<N>([&](int i) { e[i] = fma(e[i], r[i], all(0.4999999701976776f)); });
  lockstep<N>([&](int i) { e[i] = fma(e[i] * r[i], r[i], r[i]); });
  lockstep<N>([&](int i) {
    PartWord bits;
    std::memcpy(&bits, &shifted[i], sizeof bits);
    bits <<= 23;
    std::memcpy(&scale[i], &bits, sizeof bits);
  });
}

// x where it is positive, else scale (1 + e) - 1: in AVX-512 the choice costs no instruction of its own.
static inline Part positiveOr(Part x, Part e, Part scale) {
#if defined(__AVX512F__)
  const __mmask16 rest = _mm512_cmp_ps_mask((__m512)x, _mm512_setzero_ps(), _CMP_NGT_UQ);
  const __m512 less = _mm512_mask_sub_ps((__m512)x, rest, (__m512)scale, _mm512_set1_ps(1.0f));
  return (Part)_mm512_mask3_fmadd_ps((__m512)scale, (__m512)e, less, rest);
#else
  return pick(x > Part{}, x, fma(scale, e, scale - all(1.0f)));
#endif
}

template <int ACT, int N>
static inline void activateParts(Part (&x)[N]) {
  const Part zero{};
  if constexpr (ACT == ELU) {
    Part e[N], scale[N];
    expNegative(x, e, scale);
    lockstep<N>([&](int i) { x[i] = positiveOr(x[i], e[i], scale[i]); });
  }
  if constexpr (ACT == RELU) lockstep<N>([&](int i) { x[i] = pick(x[i] < zero, zero, x[i]); });
}
// The derivative by the value before activation, in its place.
template <int ACT, int N>
static inline void slopeParts(Part (&x)[N]) {
  const Part zero{}, one = all(1.0f);
  if constexpr (ACT == ELU) {
    Part e[N], scale[N];
    lockstep<N>([&](int i) { x[i] = smaller(zero, x[i]); });
    expNegative(x, e, scale);
    lockstep<N>([&](int i) { x[i] = fma(scale[i], e[i], scale[i]); });
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
