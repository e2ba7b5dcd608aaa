// The two register tiles of the dense convolutions. Each result is one chain of multiply-adds in a fixed order, so
// that its bits depend neither on the width of a vector nor on how the work is cut.
#pragma once
#include "gather.h"

// Rows of a tile times one or two vectors: 24 sums in the 32 registers of AVX-512, 12 in the 16 of the others.
#ifdef __AVX512F__
constexpr int kRows = 12;
#else
constexpr int kRows = 6;
#endif

// Columns of the right matrix come in panels of 32, the last one may have 16.
struct Panels {
  int columns, count, padded;
  explicit Panels(int columns) : columns(columns) {
    const int rest = columns % 32;
    padded = columns / 32 * 32 + (rest == 0 ? 0 : rest <= 16 ? 16 : 32);
    count = (padded + 31) / 32;
  }
  int width(int panel) const { return std::min(32, padded - panel * 32); }
};

// c[rows][lanes] = start + a b; a row-major with the pitch of a block, b [length][width]. `start` is a bias, or
// null to go on with what c holds.
template <int NV>
static inline void productTile(int length, const float* a, const float* b, int width, float* c, size_t ldc, int rows,
                               int lanes, const float* start) {
  Part sum[kRows][NV];
#pragma GCC unroll 12
  for (int r = 0; r < kRows; r++)
#pragma GCC unroll 2
    for (int v = 0; v < NV; v++)
      sum[r][v] = start ? loadPart(start + v * W)
                  : r < rows && lanes > v * W ? loadPart(c + r * ldc + v * W, lanes - v * W)
                                              : Part{};
  for (int k = 0; k < length; k++) {
    Part w[NV];
#pragma GCC unroll 2
    for (int v = 0; v < NV; v++) w[v] = loadPart(b + size_t(k) * width + v * W);
#pragma GCC unroll 12
    for (int r = 0; r < kRows; r++) {
      const Part x = all(a[r * kPitch + k]);
#pragma GCC unroll 2
      for (int v = 0; v < NV; v++) sum[r][v] = fma(x, w[v], sum[r][v]);
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < kRows; r++)
#pragma GCC unroll 2
    for (int v = 0; v < NV; v++)
      if (r < rows && lanes > v * W) storePart(c + r * ldc + v * W, sum[r][v], lanes - v * W);
}

// One panel of the product: rows of a block times a chunk.
static void productPanel(int rows, int length, const float* a, const float* b, int width, float* c, size_t ldc,
                         int lanes, const float* start) {
  for (int r = 0; r < rows; r += kRows)
    for (int j = 0; j < std::min(width, lanes);) {
      const float* first = start ? start + j : nullptr;
      float* out = c + size_t(r) * ldc + j;
      const bool two = j + 2 * W <= width;
      if (two)
        productTile<2>(length, a + size_t(r) * kPitch, b + j, width, out, ldc, rows - r, lanes - j, first);
      else
        productTile<1>(length, a + size_t(r) * kPitch, b + j, width, out, ldc, rows - r, lanes - j, first);
      j += two ? 2 * W : W;
    }
}

// sums[m][lanes] += a^T b over the rows of a block, added up by themselves first; b [rows][width].
template <int NV>
static inline void transposedTile(int rows, const float* a, const float* b, int width, float* sums, size_t lds,
                                  int count) {
  Part sum[kRows][NV];
#pragma GCC unroll 12
  for (int m = 0; m < kRows; m++)
#pragma GCC unroll 2
    for (int v = 0; v < NV; v++) sum[m][v] = Part{};
  for (int r = 0; r < rows; r++) {
    Part g[NV];
#pragma GCC unroll 2
    for (int v = 0; v < NV; v++) g[v] = loadPart(b + size_t(r) * width + v * W);
#pragma GCC unroll 12
    for (int m = 0; m < kRows; m++) {
      const Part x = all(a[size_t(r) * kPitch + m]);
#pragma GCC unroll 2
      for (int v = 0; v < NV; v++) sum[m][v] = fma(x, g[v], sum[m][v]);
    }
  }
#pragma GCC unroll 12
  for (int m = 0; m < kRows; m++)
#pragma GCC unroll 2
    for (int v = 0; v < NV; v++)
      if (m < count) {
        float* out = sums + m * lds + v * W;
        storePart(out, loadPart(out) + sum[m][v]);
      }
}

// One panel of the transposed product: `length` columns of the block times `width` columns of b.
static void transposedPanel(int rows, int length, const float* a, const float* b, int width, float* sums, size_t lds) {
  for (int m = 0; m < length; m += kRows)
    for (int j = 0; j < width;) {
      float* out = sums + size_t(m) * lds + j;
      const bool two = j + 2 * W <= width;
      if (two)
        transposedTile<2>(rows, a + m, b + j, width, out, lds, length - m);
      else
        transposedTile<1>(rows, a + m, b + j, width, out, lds, length - m);
      j += two ? 2 * W : W;
    }
}
