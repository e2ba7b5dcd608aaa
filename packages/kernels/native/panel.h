// Matrix products in which one side is a panel: rows of sixteen channels, [rows][16], as the blocks keep their
// hidden activations. Every result is one chain of multiply-adds in a fixed order, whatever the tile.
#pragma once
#include "activation.h"
#include "gemm.h"

template <class T> constexpr int lanesOf() { return int(sizeof(T) / sizeof(float)); }
template <class T>
static inline T loadAs(const float* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
// The first n lanes, the others zero.
template <class T>
static inline T loadFirst(const float* p, int n) {
  if (n >= lanesOf<T>()) return loadAs<T>(p);
  T v{};
  for (int i = 0; i < n; i++) v[i] = p[i];
  return v;
}
template <class T>
static inline void storeAs(float* p, T v, int n) {
  if (n >= lanesOf<T>()) std::memcpy(p, &v, sizeof v);
  else for (int i = 0; i < n; i++) p[i] = v[i];
}

template <int ACT, int R>
static inline void activateRows(Part (&s)[R]) {
  if constexpr (R % kLockstep != 0) activateParts<ACT>(s);
  else
    for (int r = 0; r < R; r += kLockstep) activateParts<ACT>(reinterpret_cast<Part(&)[kLockstep]>(s[r]));
}

// C > 0: a [R][C], known beforehand, so that its rows need no registers for their places.
template <int ACT, int R, int C = 0>
static inline void panelTile(int count, const float* a, size_t stride, const float* w, size_t ldw, const float* bias, float* out) {
  const int K = C > 0 ? C : count;
  const size_t lda = C > 0 ? C : stride;
  for (int part = 0; part < L; part += W) {
    Part s[R];
    const Part b = bias ? loadPart(bias + part) : Part{};
    for (int r = 0; r < R; r++) s[r] = b;
    for (int k = 0; k < K; k++) {
      const Part v = loadPart(w + size_t(k) * ldw + part);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) s[r] = fma(all(a[r * lda + k]), v, s[r]);
    }
    activateRows<ACT>(s);
    for (int r = 0; r < R; r++) storePart(out + r * L + part, s[r]);
  }
}
// out[rows][16] = act(bias + a[rows][K] w), w [K][ldw] of which sixteen lanes are used. Asks for the rows that lie
// `ahead` floats further on.
template <int ACT>
static void panelOf(int rows, int K, const float* a, size_t lda, const float* w, size_t ldw, const float* bias, float* out,
                    ptrdiff_t ahead = 0) {
  int r = 0;
  for (; r + 8 <= rows; r += 8) {
    if (ahead != 0) expectBytes(a + r * lda + ahead, 8 * lda * sizeof(float));
    const float* rowsOfA = a + r * lda;
    if (K == 8 && lda == 8) panelTile<ACT, 8, 8>(K, rowsOfA, lda, w, ldw, bias, out + size_t(r) * L);  // LV-Net's widest blocks
    else panelTile<ACT, 8>(K, rowsOfA, lda, w, ldw, bias, out + size_t(r) * L);
  }
  for (; r + 2 <= rows; r += 2) panelTile<ACT, 2>(K, a + r * lda, lda, w, ldw, bias, out + size_t(r) * L);
  for (; r < rows; r++) panelTile<ACT, 1>(K, a + r * lda, lda, w, ldw, bias, out + size_t(r) * L);
}

template <int M>
static inline void panelAtbTile(int rows, const float* a, size_t lda, const float* panel, float* out) {
  for (int part = 0; part < L; part += W) {
    Part s[M];
    for (int m = 0; m < M; m++) s[m] = loadPart(out + m * L + part);
    for (int r = 0; r < rows; r++) {
      const Part y = loadPart(panel + size_t(r) * L + part);
#pragma GCC unroll 8
      for (int m = 0; m < M; m++) s[m] = fma(all(a[r * lda + m]), y, s[m]);
    }
    for (int m = 0; m < M; m++) storePart(out + m * L + part, s[m]);
  }
}
// out[M][16] += a^T panel over the rows; a [rows][M].
static void panelAtb(int rows, int M, const float* a, size_t lda, const float* panel, float* out) {
  int m = 0;
  for (; m + 8 <= M; m += 8) panelAtbTile<8>(rows, a + m, lda, panel, out + size_t(m) * L);
  for (; m + 4 <= M; m += 4) panelAtbTile<4>(rows, a + m, lda, panel, out + size_t(m) * L);
  for (; m < M; m++) panelAtbTile<1>(rows, a + m, lda, panel, out + size_t(m) * L);
}

// Two neighbouring floats in all pairs of lanes.
static inline Part allPairs(const float* p) {
  double pair;
  std::memcpy(&pair, p, sizeof pair);
#if defined(__AVX512F__)
  return (Part)_mm512_set1_pd(pair);
#elif defined(__AVX2__)
  return (Part)_mm256_set1_pd(pair);
#else
  typedef double Doubles __attribute__((vector_size(W * 4)));
  return (Part)Doubles{pair, pair};
#endif
}
// a[0] + a[1], a[2] + a[3], ..., b[0] + b[1], ...
static inline Part sumPairs(Part a, Part b) {
  PartBits even;
  for (int i = 0; i < W; i++) even[i] = 2 * i;
  return __builtin_shuffle(a, b, even) + __builtin_shuffle(a, b, even + 1);
}

// How fromPanels wants weights [rows][up(C)], rows even, and a bias, [up(C)]: where the last columns are at most eight,
// rows k and k + 1 of them are mixed, in the place of row k.
static bool endsInPairs(int C) { return C % L != 0 && C % L <= L / 2; }
static void mixLastColumns(int rows, int C, float* w) {
  if (!endsInPairs(C)) return;
  const size_t ld = up(C);
  for (float* at = w + ld - L; rows > 0; rows -= 2, at += 2 * ld)
    for (int j = L / 2 - 1; j >= 0; j--) {
      const float first = at[j], second = rows > 1 ? at[ld + j] : 0.0f;
      at[2 * j] = first, at[2 * j + 1] = second;
    }
}

template <int R>
static inline void fromPanelsColumns(int panels, size_t pitch, const float* panel, const float* w, size_t ldw, const float* bias,
                                     const float* residual, int n, float* out, size_t ldo) {
  Part s[R];
  for (int r = 0; r < R; r++) s[r] = bias ? loadPart(bias) : Part{};
  for (int b = 0; b < panels; b++, panel += pitch, w += L * ldw)
    for (int k = 0; k < L; k++) {
      const Part v = loadPart(w + k * ldw);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) s[r] = fma(all(panel[r * L + k]), v, s[r]);
    }
  for (int r = 0; r < R; r++) storePart(out + r * ldo, residual ? s[r] + loadPart(residual + r * ldo, n) : s[r], n);
}
// At most eight columns: the even channels of column j are summed in lane 2 j, the odd ones in the lane after it, so
// that no lane is idle.
template <int R>
static inline void fromPanelsPairs(int panels, size_t pitch, const float* panel, const float* w, size_t ldw, const float* bias,
                                   const float* residual, int n, float* out, size_t ldo) {
  constexpr int P = L / W;
  Part s[R * P];
  for (int i = 0; i < R * P; i++) s[i] = bias ? loadPart(bias + i % P * W) : Part{};
  for (int b = 0; b < panels; b++, panel += pitch, w += L * ldw)
    for (int k = 0; k < L; k += 2) {
      Part v[P];
      for (int p = 0; p < P; p++) v[p] = loadPart(w + k * ldw + p * W);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) {
        const Part x = allPairs(panel + r * L + k);
        for (int p = 0; p < P; p++) s[r * P + p] = fma(x, v[p], s[r * P + p]);
      }
    }
  if (ldo == L / 2 && R * P > 1) {
    for (int i = 0; i < R * P / 2; i++) {
      const Part y = sumPairs(s[2 * i], s[2 * i + 1]);
      storePart(out + i * W, residual ? y + loadPart(residual + i * W) : y);
    }
    return;
  }
  for (int r = 0; r < R; r++)
    for (int p = 0; p < P; p += 2) {
      const Part y = sumPairs(s[r * P + p], s[r * P + std::min(p + 1, P - 1)]);
      const size_t at = r * ldo + p / 2 * W;
      const int left = n - p / 2 * W;
      storePart(out + at, residual ? y + loadPart(residual + at, left) : y, left);
    }
}
template <int R>
static inline void fromPanelsRows(int panels, size_t pitch, const float* panel, int C, const float* w, size_t ldw,
                                  const float* bias, const float* residual, float* out, size_t ldo) {
  const int wide = endsInPairs(C) ? C / L * L : C;
  const auto from = [](const float* p, int j) { return p ? p + j : nullptr; };
  for (int j = 0; j < wide; j += W)
    fromPanelsColumns<R>(panels, pitch, panel, w + j, ldw, from(bias, j), from(residual, j), C - j, out + j, ldo);
  if (wide < C)
    fromPanelsPairs<R>(panels, pitch, panel, w + wide, ldw, from(bias, wide), from(residual, wide), C - wide, out + wide, ldo);
}
// out[rows][C] = bias + sum over panels of panel[rows][16] w[16][ldw], plus residual where given; panels lie `pitch`
// floats apart, w and bias are padded to sixteen columns, the last ones mixed (mixLastColumns).
static void fromPanels(int rows, int panels, size_t pitch, const float* panel, int C, const float* w, size_t ldw, const float* bias,
                       const float* residual, float* out, size_t ldo) {
  int r = 0;
  const auto run = [&](auto n) {
    constexpr int R = decltype(n)::value;
    for (; r + R <= rows; r += R)
      fromPanelsRows<R>(panels, pitch, panel + size_t(r) * L, C, w, ldw, bias, residual ? residual + r * ldo : nullptr, out + r * ldo, ldo);
  };
  if constexpr (W == L) run(std::integral_constant<int, 8>{});
  run(std::integral_constant<int, 4>{});
  run(std::integral_constant<int, 1>{});
}

template <class T, int R>
static inline void addProductTile(int K, const float* a, const float* w, size_t ldw, int n, float* out, size_t ldo) {
  T s[R];
  for (int r = 0; r < R; r++) s[r] = loadFirst<T>(out + r * ldo, n);
  for (int k = 0; k < K; k++) {
    const T v = loadAs<T>(w + size_t(k) * ldw);
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) s[r] = fma(allOf<T>(a[r * K + k]), v, s[r]);
  }
  for (int r = 0; r < R; r++) storeAs<T>(out + r * ldo, s[r], n);
}
template <int R>
static inline void addProductRows(int K, const float* a, int C, const float* w, size_t ldw, float* out) {
  constexpr int wide = lanesOf<Part>(), narrow = lanesOf<Narrow>();
  int j = 0;
  for (; C - j > narrow; j += wide) addProductTile<Part, R>(K, a, w + j, ldw, C - j, out + j, C);
  for (; j < C; j += narrow) addProductTile<Narrow, R>(K, a, w + j, ldw, C - j, out + j, C);
}
// out[rows][C] += a[rows][K] w; w padded to sixteen columns.
static void addProduct(int rows, int K, const float* a, int C, const float* w, size_t ldw, float* out) {
  int r = 0;
  for (; r + 8 <= rows; r += 8) addProductRows<8>(K, a + size_t(r) * K, C, w, ldw, out + size_t(r) * C);
  for (; r < rows; r++) addProductRows<1>(K, a + size_t(r) * K, C, w, ldw, out + size_t(r) * C);
}
