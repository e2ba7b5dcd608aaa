// The inner loops of the depthwise convolution: sums over height and depth, sixteen channels at a time, inside one
// column of a ring (ring.h). A column is a run of depths, [depth][16]. What lies along the width is the business of
// width.h: with Winograd's transform a column is one of its points, without it a voxel's column.
#pragma once
#include "activation.h"

// Rows of results that are made together, from what they share of the ring. With AVX-512 there are registers for both
// rows' weights, and each input is loaded once for the two: 1.3 times as fast as one after the other. The others do
// make one after the other, within a tile, so that whoever sums results meets them in the same order.
static constexpr int rowsTogether(int k) { return k == 5 ? 2 : 1; }

// Rows of the ring that one or two rows of results meet, the first of them with row[0] to row[K - 1]; those from `from`
// to `to` - 1 lie inside the image.
template <int K>
struct RowsAround {
  const float* row[K + 1];
  int from, to;
};

// How the depths of a column are cut: eight at a time where the neighbours they need are all there or all absent.
constexpr int kDepthTile = 8;

// acc[r][c][d] += what one row of the ring gives to R rows of results, the first of which meets it with weights
// [kd][16], the next one with those of the kernel row before.
template <int K, int R, int D, int C, int Below, int Above>
static inline void multiplyRow(const float* x, size_t pitch, const float* weights, Part (*acc)[C][D]) {
  Part w[R][K];
#pragma GCC unroll 2
  for (int r = 0; r < R; r++)
#pragma GCC unroll 8
    for (int kd = 0; kd < K; kd++) w[r][kd] = loadPart(weights + (kd - r * K) * L);
#pragma GCC unroll 8
  for (int c = 0; c < C; c++)
#pragma GCC unroll 16
    for (int i = -Below; i < D + Above; i++) {
      const Part v = loadPart(x + c * pitch + i * L);
      if (D == kDepthTile && i >= 0 && i < D) expectNext(x + c * pitch + (i + D) * L);
#pragma GCC unroll 2
      for (int r = 0; r < R; r++)
#pragma GCC unroll 8
        for (int kd = 0; kd < K; kd++) {
          const int d = i - kd + K / 2;
          if (d >= 0 && d < D) acc[r][c][d] = fma(v, w[r][kd], acc[r][c][d]);
        }
    }
}

// acc[r][c][d] += sum over kernel rows and depths, for R rows of results from `first` and C columns that share their
// weights [kh][kd][16]. Columns follow one another in memory: a tile asks for the lines of the next one, which waits
// in the second-level cache (4 % of a block on Intel's Sapphire Rapids).
// Below, Above: how many depths beyond the D results exist on either side.
template <int K, int R, int D, int C, int Below, int Above>
static inline void multiplyColumns(const RowsAround<K>& rows, int first, size_t offset, size_t pitch, const float* weights, Part (&acc)[R][C][D]) {
  const int from = std::max(0, rows.from - first), to = std::min(K + R - 1, rows.to - first);
  const auto multiply = [&](auto results, int row, int kh, Part (*into)[C][D]) {
    multiplyRow<K, decltype(results)::value, D, C, Below, Above>(rows.row[first + row] + offset, pitch, weights + kh * K * L, into);
  };
  constexpr std::integral_constant<int, 1> one{};
  int row = from;
  if constexpr (R == 2) {
    if (row == 0) multiply(one, row++, 0, acc);
    for (; row < std::min(K, to); row++) multiply(std::integral_constant<int, 2>{}, row, row, acc);
    if (row < to) multiply(one, row, K - 1, acc + 1);
  } else {
    for (; row < to; row++) multiply(one, row, row, acc);
  }
}

// Where results go: row r, column c, depth d at out + r * row + c * column + d * depth.
struct Placing {
  float* out;
  size_t row, column, depth;
};

// The sums of R rows from `first`, C columns and D depths; `Taps` times with neighbouring columns and the next weights
// (a direct convolution along the width), or once.
template <int K, int Taps, int R, int D, int C, int Below, int Above>
static __attribute__((noinline)) void sumTile(const RowsAround<K>& rows, int first, size_t offset, size_t pitch, const float* weights, const Placing& to) {
  for (int part = 0; part < L; part += W) {
    Part acc[R][C][D];
    for (int r = 0; r < R; r++)
      for (int c = 0; c < C; c++)
        for (int d = 0; d < D; d++) acc[r][c][d] = Part{};
    for (int t = 0; t < Taps; t++)
      multiplyColumns<K, R, D, C, Below, Above>(rows, first, offset + t * pitch + part, pitch, weights + t * K * K * L + part, acc);
    for (int r = 0; r < R; r++)
      for (int c = 0; c < C; c++)
        for (int d = 0; d < D; d++) storePart(to.out + (first + r) * to.row + c * to.column + d * to.depth + part, acc[r][c][d]);
  }
}

// One depth of C columns of row r, for every case that has no tile of its own.
template <int K, int Taps, int C>
static inline void sumDepth(const RowsAround<K>& rows, int r, size_t offset, size_t pitch, int first, int last, const float* weights, const Placing& to) {
  for (int part = 0; part < L; part += W) {
    Part acc[C];
    for (int c = 0; c < C; c++) acc[c] = Part{};
    for (int t = 0; t < Taps; t++)
      for (int kh = std::max(0, rows.from - r); kh < std::min(K, rows.to - r); kh++)
        for (int kd = first; kd < last; kd++) {
          const float* x = rows.row[r + kh] + offset + t * pitch + (kd - K / 2) * L + part;
          const Part w = loadPart(weights + ((t * K + kh) * K + kd) * L + part);
#pragma GCC unroll 8
          for (int c = 0; c < C; c++) acc[c] = fma(loadPart(x + c * pitch), w, acc[c]);
        }
    for (int c = 0; c < C; c++) storePart(to.out + r * to.row + c * to.column + part, acc[c]);
  }
}

template <int K, int Taps, int R, int D, int C>
static inline bool sumTileWhere(const RowsAround<K>& rows, size_t offset, size_t pitch, int below, int above, const float* weights,
                                const Placing& to) {
  constexpr int H = K / 2, S = W == L ? R : 1;
  const auto sum = [&](auto tile) {
    for (int first = 0; first < R; first += S) tile(first);
    return true;
  };
  if (below >= H && above >= H) return sum([&](int first) { sumTile<K, Taps, S, D, C, H, H>(rows, first, offset, pitch, weights, to); });
  if (below == 0 && above >= H) return sum([&](int first) { sumTile<K, Taps, S, D, C, 0, H>(rows, first, offset, pitch, weights, to); });
  if (below >= H && above == 0) return sum([&](int first) { sumTile<K, Taps, S, D, C, H, 0>(rows, first, offset, pitch, weights, to); });
  if (below == 0 && above == 0) return sum([&](int first) { sumTile<K, Taps, S, D, C, 0, 0>(rows, first, offset, pitch, weights, to); });
  return false;
}

// Depths of a column: `count` results from depth `first` of a ring that holds `held`.
struct Depths {
  int first, count, held;
};

// Columns that one call of sumColumns takes: the fewer the depths, the more columns fill the registers.
static inline int columnsAtOnce(int depths) { return depths >= 8 ? 1 : depths >= 4 ? 2 : depths >= 2 ? 4 : 8; }

template <int K, int Taps, int R, int C>
static void sumColumns(const RowsAround<K>& rows, size_t offset, size_t pitch, Depths s, const float* weights, const Placing& to) {
  for (int d = 0; d < s.count;) {
    const int left = s.count - d, below = s.first + d;
    const size_t from = offset + size_t(below) * L;
    const Placing at{to.out + d * to.depth, to.row, to.column, to.depth};
    const auto above = [&](int taken) { return s.held - below - taken; };
    if constexpr (C == 1) {
      if (left >= 8 && sumTileWhere<K, Taps, R, 8, C>(rows, from, pitch, below, above(8), weights, at)) {
        d += 8;
        continue;
      }
    }
    if constexpr (C <= 2) {
      if (left >= 4 && sumTileWhere<K, Taps, R, 4, C>(rows, from, pitch, below, above(4), weights, at)) {
        d += 4;
        continue;
      }
    }
    if constexpr (C <= 4) {
      if (left >= 2 && sumTileWhere<K, Taps, R, 2, C>(rows, from, pitch, below, above(2), weights, at)) {
        d += 2;
        continue;
      }
    }
    for (int r = 0; r < R; r++)
      sumDepth<K, Taps, C>(rows, r, from, pitch, std::max(0, K / 2 - below), std::min(K, K / 2 + s.held - below), weights, at);
    d++;
  }
}
