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

template <class T, int R>
static inline void fromPanelsTile(int panels, size_t pitch, const float* panel, const float* w, size_t ldw, T bias, T (&s)[R]) {
  for (int r = 0; r < R; r++) s[r] = bias;
  for (int b = 0; b < panels; b++, panel += pitch, w += L * ldw)
    for (int k = 0; k < L; k++) {
      const T v = loadAs<T>(w + k * ldw);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) s[r] = fma(allOf<T>(panel[r * L + k]), v, s[r]);
    }
}
template <class T, int R>
static inline void fromPanelsColumns(int panels, size_t pitch, const float* panel, const float* w, size_t ldw, const float* bias,
                                     int j, int n, float* out, size_t ldo) {
  T s[R];
  fromPanelsTile<T, R>(panels, pitch, panel, w + j, ldw, bias ? loadAs<T>(bias + j) : T{}, s);
  for (int r = 0; r < R; r++) storeAs<T>(out + r * ldo + j, s[r], n);
}
template <int R>
static inline void fromPanelsRows(int panels, size_t pitch, const float* panel, int C, const float* w, size_t ldw,
                                  const float* bias, float* out, size_t ldo) {
  constexpr int wide = lanesOf<Part>(), narrow = lanesOf<Narrow>();
  int j = 0;
  for (; C - j > narrow; j += wide) fromPanelsColumns<Part, R>(panels, pitch, panel, w, ldw, bias, j, C - j, out, ldo);
  for (; j < C; j += narrow) fromPanelsColumns<Narrow, R>(panels, pitch, panel, w, ldw, bias, j, C - j, out, ldo);
}
// out[rows][C] = bias + sum over panels of panel[rows][16] w[16][ldw]; panels lie `pitch` floats apart, w and
// bias are padded to sixteen columns.
static void fromPanels(int rows, int panels, size_t pitch, const float* panel, int C, const float* w, size_t ldw, const float* bias,
                       float* out, size_t ldo) {
  int r = 0;
  for (; r + 8 <= rows; r += 8) fromPanelsRows<8>(panels, pitch, panel + size_t(r) * L, C, w, ldw, bias, out + r * ldo, ldo);
  for (; r + 4 <= rows; r += 4) fromPanelsRows<4>(panels, pitch, panel + size_t(r) * L, C, w, ldw, bias, out + r * ldo, ldo);
  for (; r < rows; r++) fromPanelsRows<1>(panels, pitch, panel + size_t(r) * L, C, w, ldw, bias, out + r * ldo, ldo);
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
