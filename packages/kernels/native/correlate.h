// The filter gradient's inner loops: products of a ring's columns with the columns in their centre, summed over
// width and depth. The order of the sums is the same for every instruction set.
#pragma once
#include "columns.h"

// Kernel rows that share one pass over the centre: as many as registers hold sums for.
#ifdef __AVX512F__
constexpr int kRowsPerPass = 3;
#else
constexpr int kRowsPerPass = 2;
#endif

// Lines of rows whose turn comes next, asked for one at a time between the sums, so that the memory is at work meanwhile.
// All at once they would fill the queue that the sums' own loads wait in (gradient by the weights on Sapphire Rapids:
// 0.96 of the time; asked for at once, 1.0).
class LinesToCome {
  struct Row {
    const float* at;
    size_t column, plane;
    int columns, depths;
  };
  Row rows[2];
  int count = 0, row = 0, depth = 0, column = 0;

 public:
  // `depths` planes of `columns` lines of one row, at least one each; at most two rows.
  void add(const float* at, size_t column, int columns, size_t plane, int depths) {
    rows[count++] = {at, column, plane, columns, depths};
  }
  void askForOne() {
    if (row == count) return;
    const Row& r = rows[row];
    expectLine(r.at + depth * r.plane + column * r.column);
    if (++column < r.columns) return;
    column = 0;
    if (++depth < r.depths) return;
    depth = 0, row++;
  }
};

// Columns of the ring from `offset` of a row, `pitch` apart, beside as many centre columns `centrePitch` apart.
struct Columns {
  size_t offset, pitch;
  const float* centre;
  size_t centrePitch;
  int count;
  LinesToCome* toCome;  // may be null
};

template <int K, int H, int D, int Below, int Above>
static inline void correlateTile(const float* const (&x)[H], const float* centre, Part (&acc)[H][K]) {
#pragma GCC unroll 16
  for (int i = -Below; i < D + Above; i++)
#pragma GCC unroll 8
    for (int h = 0; h < H; h++) {
      const Part v = loadPart(x[h] + i * L);
#pragma GCC unroll 8
      for (int kd = 0; kd < K; kd++) {
        const int d = i - kd + K / 2;
        if (d >= 0 && d < D) acc[h][kd] = fma(v, loadPart(centre + d * L), acc[h][kd]);
      }
    }
}

// sums[h][kd][16] += products over D depths of all columns, for H kernel rows from kh.
template <int K, int H, int D, int Below, int Above>
static inline void correlateRun(const RowsAround<K>& rows, int kh, const Columns& s, float* sums) {
  for (int part = 0; part < L; part += W) {
    Part acc[H][K];
    for (int h = 0; h < H; h++)
      for (int kd = 0; kd < K; kd++) acc[h][kd] = Part{};
    for (int c = 0; c < s.count; c++) {
      asm volatile("" ::: "memory");  // keeps loads of the next column from being moved up here, which spills sums
      if (part == 0 && s.toCome) s.toCome->askForOne();
      const float* x[H];
      for (int h = 0; h < H; h++) x[h] = rows.row[kh + h] + s.offset + c * s.pitch + part;
      correlateTile<K, H, D, Below, Above>(x, s.centre + c * s.centrePitch + part, acc);
    }
    for (int h = 0; h < H; h++)
      for (int kd = 0; kd < K; kd++) {
        float* at = sums + (h * K + kd) * L + part;
        storePart(at, loadPart(at) + acc[h][kd]);
      }
  }
}

// One depth, whose kernel depths `first` to `last` - 1 exist.
template <int K>
static inline void correlateDepth(const RowsAround<K>& rows, int kh, int first, int last, const Columns& s, float* sums) {
  for (int kd = first; kd < last; kd++)
    for (int part = 0; part < L; part += W) {
      const float* x = rows.row[kh] + s.offset + (kd - K / 2) * L + part;
      Part acc{};
      for (int c = 0; c < s.count; c++) acc = fma(loadPart(x + c * s.pitch), loadPart(s.centre + c * s.centrePitch + part), acc);
      float* at = sums + kd * L + part;
      storePart(at, loadPart(at) + acc);
    }
}

template <int K, int H, int D>
static inline bool correlateWhere(const RowsAround<K>& rows, int kh, int below, int above, const Columns& s, float* sums) {
  constexpr int E = K / 2;
  if (below >= E && above >= E) correlateRun<K, H, D, E, E>(rows, kh, s, sums);
  else if (below == 0 && above >= E) correlateRun<K, H, D, 0, E>(rows, kh, s, sums);
  else if (below >= E && above == 0) correlateRun<K, H, D, E, 0>(rows, kh, s, sums);
  else if (below == 0 && above == 0) correlateRun<K, H, D, 0, 0>(rows, kh, s, sums);
  else return false;
  return true;
}

template <int K, int H>
static inline void correlateRows(const RowsAround<K>& rows, int kh, Depths depths, const Columns& s, float* sums) {
  for (int d = 0; d < depths.count;) {
    const int left = depths.count - d, below = depths.first + d;
    const Columns at{s.offset + size_t(below) * L, s.pitch, s.centre + size_t(d) * L, s.centrePitch, s.count, s.toCome};
    const auto above = [&](int taken) { return depths.held - below - taken; };
    if (left >= 8 && correlateWhere<K, H, 8>(rows, kh, below, above(8), at, sums)) d += 8;
    else if (left >= 4 && correlateWhere<K, H, 4>(rows, kh, below, above(4), at, sums)) d += 4;
    else if (left >= 2 && correlateWhere<K, H, 2>(rows, kh, below, above(2), at, sums)) d += 2;
    else {
      for (int h = 0; h < H; h++)
        correlateDepth<K>(rows, kh + h, std::max(0, K / 2 - below), std::min(K, K / 2 + depths.held - below), at, sums + h * K * L);
      d++;
    }
  }
}

// sums[kh][kd][16] += sum over the columns and depths of ring[kh][d + kd - K/2] centre[d].
template <int K>
static void correlateColumns(const RowsAround<K>& rows, Depths depths, const Columns& s, float* sums) {
  // A row alone has too few sums to keep the multipliers busy: four rows are two and two, not three and one.
  for (int kh = rows.from; kh < rows.to;) {
    const int left = rows.to - kh;
    const auto take = [&](auto h) {
      constexpr int H = decltype(h)::value;
      correlateRows<K, H>(rows, kh, depths, s, sums + kh * K * L);
      kh += H;
    };
    if (K >= 3 && kRowsPerPass >= 3 && left >= 3 && left != 4) take(std::integral_constant<int, std::min(K, 3)>{});
    else if (K >= 2 && left >= 2) take(std::integral_constant<int, std::min(K, 2)>{});
    else take(std::integral_constant<int, 1>{});
  }
}
