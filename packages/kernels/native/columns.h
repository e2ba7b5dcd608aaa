// The inner loops of the depthwise convolution: sums over height and depth, sixteen channels at a time, inside one
// column of a ring (ring.h). A column is a run of depths, [depth][16]. What lies along the width is the business of
// width.h: with Winograd's transform a column is one of its points, without it a voxel's column.
#pragma once
#include "activation.h"

// Rows of the ring that one row of results meets: kernel rows `from` to `to` - 1 lie inside the image.
template <int K>
struct RowsAround {
  const float* row[K];
  int from, to;
};

// How the depths of a column are cut: eight at a time where the neighbours they need are all there or all absent.
constexpr int kDepthTile = 8;

// acc[c][d] += sum over kernel rows and depths, for C columns that share their weights [kh][kd][16]. Columns follow
// one another in memory: a tile asks for the lines of the next one, which waits in the second-level cache (4 % of a
// block on Intel's Sapphire Rapids).
// Below, Above: how many depths beyond the D results exist on either side.
template <int K, int D, int C, int Below, int Above>
static inline void multiplyColumns(const RowsAround<K>& rows, size_t offset, size_t pitch, const float* weights, Part (&acc)[C][D]) {
  for (int kh = rows.from; kh < rows.to; kh++) {
    const float *x = rows.row[kh] + offset, *u = weights + kh * K * L;
    Part w[K];
#pragma GCC unroll 8
    for (int kd = 0; kd < K; kd++) w[kd] = loadPart(u + kd * L);
#pragma GCC unroll 8
    for (int c = 0; c < C; c++)
#pragma GCC unroll 16
      for (int i = -Below; i < D + Above; i++) {
        const Part v = loadPart(x + c * pitch + i * L);
        if (D == kDepthTile && i >= 0 && i < D) expectNext(x + c * pitch + (i + D) * L);
#pragma GCC unroll 8
        for (int kd = 0; kd < K; kd++) {
          const int d = i - kd + K / 2;
          if (d >= 0 && d < D) acc[c][d] = fma(v, w[kd], acc[c][d]);
        }
      }
  }
}

// Where results go: column c, depth d at out + c * column + d * depth.
struct Placing {
  float* out;
  size_t column, depth;
};

// The sums of C columns and D depths; `taps` times with neighbouring columns and the next weights (a direct
// convolution along the width), or once.
template <int K, int Taps, int D, int C, int Below, int Above>
static inline void sumTile(const RowsAround<K>& rows, size_t offset, size_t pitch, const float* weights, const Placing& to) {
  for (int part = 0; part < L; part += W) {
    Part acc[C][D];
    for (int c = 0; c < C; c++)
      for (int d = 0; d < D; d++) acc[c][d] = Part{};
    for (int t = 0; t < Taps; t++)
      multiplyColumns<K, D, C, Below, Above>(rows, offset + t * pitch + part, pitch, weights + t * K * K * L + part, acc);
    for (int c = 0; c < C; c++)
      for (int d = 0; d < D; d++) storePart(to.out + c * to.column + d * to.depth + part, acc[c][d]);
  }
}

// One depth of C columns, for every case that has no tile of its own.
template <int K, int Taps, int C>
static inline void sumDepth(const RowsAround<K>& rows, size_t offset, size_t pitch, int first, int last, const float* weights, const Placing& to) {
  for (int part = 0; part < L; part += W) {
    Part acc[C];
    for (int c = 0; c < C; c++) acc[c] = Part{};
    for (int t = 0; t < Taps; t++)
      for (int kh = rows.from; kh < rows.to; kh++)
        for (int kd = first; kd < last; kd++) {
          const float* x = rows.row[kh] + offset + t * pitch + (kd - K / 2) * L + part;
          const Part w = loadPart(weights + ((t * K + kh) * K + kd) * L + part);
#pragma GCC unroll 8
          for (int c = 0; c < C; c++) acc[c] = fma(loadPart(x + c * pitch), w, acc[c]);
        }
    for (int c = 0; c < C; c++) storePart(to.out + c * to.column + part, acc[c]);
  }
}

template <int K, int Taps, int D, int C>
static inline bool sumTileWhere(const RowsAround<K>& rows, size_t offset, size_t pitch, int below, int above, const float* weights,
                                const Placing& to) {
  constexpr int H = K / 2;
  if (below >= H && above >= H) sumTile<K, Taps, D, C, H, H>(rows, offset, pitch, weights, to);
  else if (below == 0 && above >= H) sumTile<K, Taps, D, C, 0, H>(rows, offset, pitch, weights, to);
  else if (below >= H && above == 0) sumTile<K, Taps, D, C, H, 0>(rows, offset, pitch, weights, to);
  else if (below == 0 && above == 0) sumTile<K, Taps, D, C, 0, 0>(rows, offset, pitch, weights, to);
  else return false;
  return true;
}

// Depths of a column: `count` results from depth `first` of a ring that holds `held`.
struct Depths {
  int first, count, held;
};

// Columns that one call of sumColumns takes: the fewer the depths, the more columns fill the registers.
static inline int columnsAtOnce(int depths) { return depths >= 8 ? 1 : depths >= 4 ? 2 : depths >= 2 ? 4 : 8; }

template <int K, int Taps, int C>
static void sumColumns(const RowsAround<K>& rows, size_t offset, size_t pitch, Depths s, const float* weights, const Placing& to) {
  for (int d = 0; d < s.count;) {
    const int left = s.count - d, below = s.first + d;
    const size_t from = offset + size_t(below) * L;
    const Placing at{to.out + d * to.depth, to.column, to.depth};
    const auto above = [&](int taken) { return s.held - below - taken; };
    if constexpr (C == 1) {
      if (left >= 8 && sumTileWhere<K, Taps, 8, C>(rows, from, pitch, below, above(8), weights, at)) {
        d += 8;
        continue;
      }
    }
    if constexpr (C <= 2) {
      if (left >= 4 && sumTileWhere<K, Taps, 4, C>(rows, from, pitch, below, above(4), weights, at)) {
        d += 4;
        continue;
      }
    }
    if constexpr (C <= 4) {
      if (left >= 2 && sumTileWhere<K, Taps, 2, C>(rows, from, pitch, below, above(2), weights, at)) {
        d += 2;
        continue;
      }
    }
    sumDepth<K, Taps, C>(rows, from, pitch, std::max(0, K / 2 - below), std::min(K, K / 2 + s.held - below), weights, at);
    d++;
  }
}
