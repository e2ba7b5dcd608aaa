// Small matrix products: pointwise convolutions are [rows, K] x [K, N].
#pragma once
#include <algorithm>
#include <vector>

#include "pool.h"
#include "vector.h"

#ifdef __AVX512F__
constexpr int kRowTile = 8;
#else
constexpr int kRowTile = 6;
#endif

// Packs w[n][k] (weights of a pointwise convolution) as [k][up(n)], zero padded, times scale[n] if given.
static void packTransposed(const float* w, int n, int k, const float* scale, float* out) {
  const int np = up(n);
  for (int i = 0; i < k; i++)
    for (int j = 0; j < np; j++) out[size_t(i) * np + j] = j < n ? w[size_t(j) * k + i] * (scale ? scale[j] : 1.0f) : 0.0f;
}
// Packs w[k][n] as [k][up(n)], zero padded, row k times scale[k] if given.
static void packRows(const float* w, int k, int n, const float* scale, float* out) {
  const int np = up(n);
  for (int i = 0; i < k; i++)
    for (int j = 0; j < np; j++) out[size_t(i) * np + j] = j < n ? w[size_t(i) * n + j] * (scale ? scale[i] : 1.0f) : 0.0f;
}
static void packVector(const float* v, int n, float* out) {
  for (int j = 0; j < up(n); j++) out[j] = v && j < n ? v[j] : 0.0f;
}

template <int R>
static inline void gemmTile(int K, int N, const float* a, size_t lda, const float* b, const float* bias, float* c,
                            size_t ldc) {
  const int np = up(N);
  int j = 0;
  for (; j + 2 * W <= np && j + W < N; j += 2 * W) {
    Part s0[R], s1[R];
    const Part b0 = bias ? loadPart(bias + j) : Part{}, b1 = bias ? loadPart(bias + j + W) : Part{};
    for (int r = 0; r < R; r++) s0[r] = b0, s1[r] = b1;
    for (int k = 0; k < K; k++) {
      const Part w0 = loadPart(b + size_t(k) * np + j), w1 = loadPart(b + size_t(k) * np + j + W);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) {
        const Part x = all(a[r * lda + k]);
        s0[r] = fma(x, w0, s0[r]);
        s1[r] = fma(x, w1, s1[r]);
      }
    }
    for (int r = 0; r < R; r++) {
      storePart(c + r * ldc + j, s0[r], W);
      storePart(c + r * ldc + j + W, s1[r], N - j - W);
    }
  }
  if (j < N) {
    Part s[R];
    const Part b0 = bias ? loadPart(bias + j) : Part{};
    for (int r = 0; r < R; r++) s[r] = b0;
    for (int k = 0; k < K; k++) {
      const Part w = loadPart(b + size_t(k) * np + j);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) s[r] = fma(all(a[r * lda + k]), w, s[r]);
    }
    for (int r = 0; r < R; r++) storePart(c + r * ldc + j, s[r], N - j);
  }
}

// c[rows][N] = a[rows][K] b + bias; b packed [K][up(N)], bias padded or null. Serial.
static void gemmRows(int rows, int K, int N, const float* a, size_t lda, const float* b, const float* bias, float* c,
                     size_t ldc) {
  int r = 0;
  for (; r + kRowTile <= rows; r += kRowTile) gemmTile<kRowTile>(K, N, a + r * lda, lda, b, bias, c + r * ldc, ldc);
  for (; r < rows; r++) gemmTile<1>(K, N, a + r * lda, lda, b, bias, c + r * ldc, ldc);
}

template <int M>
static inline void gemmAtbTile(int rows, int N, const float* a, size_t lda, const float* b, size_t ldb, float* out,
                               size_t ldo) {
  for (int j = 0; j < N; j += W) {
    const int lanes = N - j;
    Part s[M];
    for (int m = 0; m < M; m++) s[m] = loadPart(out + m * ldo + j, lanes);
    for (int r = 0; r < rows; r++) {
      const Part y = loadPart(b + r * ldb + j, lanes);
#pragma GCC unroll 8
      for (int m = 0; m < M; m++) s[m] = fma(all(a[r * lda + m]), y, s[m]);
    }
    for (int m = 0; m < M; m++) storePart(out + m * ldo + j, s[m], lanes);
  }
}

// out[M][N] += a^T b over rows; a [rows][M], b [rows][N]. Serial.
static void gemmAtb(int rows, int M, int N, const float* a, size_t lda, const float* b, size_t ldb, float* out) {
  int m = 0;
  for (; m + 8 <= M; m += 8) gemmAtbTile<8>(rows, N, a + m, lda, b, ldb, out + size_t(m) * N, N);
  for (; m < M; m++) gemmAtbTile<1>(rows, N, a + m, lda, b, ldb, out + size_t(m) * N, N);
}

// Rows of one task: fixed by the shape, so that partial sums do not depend on threads.
struct Chunks {
  int rows, size, count;
  Chunks(int rows, int size) : rows(rows), size(size), count((rows + size - 1) / size) {}
  int begin(int task) const { return task * size; }
  int length(int task) const { return std::min(size, rows - task * size); }
};
static Chunks chunksOf(int rows, int width) {
  return Chunks(rows, std::max(32, std::min(4096, 16384 / std::max(1, width))));
}
// Fewer, longer chunks where each one carries a partial sum of `partial` floats.
static Chunks partialChunks(int rows, int smallest) {
  const int size = std::max(smallest, (rows + 31) / 32);
  return Chunks(rows, (size + 31) / 32 * 32);
}

// Adds the partial sums of all tasks in task order, in float64.
static void reducePartials(const float* partials, int count, size_t length, float* out) {
  const int tasks = int((length + 1023) / 1024);
  parallel(tasks, [&](int task, int) {
    const size_t from = size_t(task) * 1024, to = std::min(length, from + 1024);
    double sums[1024];
    std::fill(sums, sums + (to - from), 0.0);
    for (int p = 0; p < count; p++)
      for (size_t i = from; i < to; i++) sums[i - from] += partials[size_t(p) * length + i];
    for (size_t i = from; i < to; i++) out[i] = float(sums[i - from]);
  });
}

// T is double or a vector of doubles; rows past `rows` repeat the last one and are not stored.
template <class T, int R>
static inline void productTileInDouble(int rows, int N, int K, const float* a, const double* b, double* out) {
  T sum[R] = {};
  const float* row[R];
  for (int r = 0; r < R; r++) row[r] = a + size_t(std::min(r, rows - 1)) * K;
  for (int k = 0; k < K; k++) {
    T value;
    std::memcpy(&value, b + size_t(k) * N, sizeof value);
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) sum[r] += double(row[r][k]) * value;
  }
  for (int r = 0; r < std::min(R, rows); r++) std::memcpy(out + size_t(r) * N, &sum[r], sizeof sum[r]);
}
// out[M][N] = a[M][K] b[K][N], sums in float64: for statistics, which cancel.
static void productInDouble(int M, int N, int K, const float* a, const double* b, double* out) {
  typedef double Doubles __attribute__((vector_size(W * 4)));
  constexpr int R = 8, D = W / 2;
  parallel((M + R - 1) / R, [&](int task, int) {
    const int m = task * R;
    const float* from = a + size_t(m) * K;
    double* to = out + size_t(m) * N;
    int n = 0;
    for (; n + D <= N; n += D) productTileInDouble<Doubles, R>(M - m, N, K, from, b + n, to + n);
    for (; n < N; n++) productTileInDouble<double, R>(M - m, N, K, from, b + n, to + n);
  });
}
