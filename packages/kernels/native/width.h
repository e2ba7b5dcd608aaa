// What happens along the width. Kernels of five use Winograd's F(4, 5): four results from eight columns take eight
// multiplications instead of twenty, and the sums over depth and height run between the transforms. Its error is
// 1e-6 of the largest result (direct: 3e-7). Other kernels are summed directly, column by column.
#pragma once
#include "correlate.h"

template <int K>
struct Width {
  static constexpr bool winograd = K == 5;
  static constexpr int points = winograd ? 8 : 1;   // columns of the ring per tile
  static constexpr int results = winograd ? 4 : 1;  // columns of results per tile
  static constexpr int taps = winograd ? 1 : K;     // neighbouring tiles that one result meets
  static constexpr int sets = winograd ? 8 : K;     // of K x K weights
  static constexpr size_t weights = size_t(sets) * K * K * L;  // floats per block of sixteen channels

  static int tiles(int width) { return (width + results - 1) / results; }
  static int ringTiles(int width) { return winograd ? tiles(width) : width + K - 1; }
  // Columns of input that the tiles read, from K/2 to the left of the first result.
  static int inputColumns(int width) { return winograd ? 4 * tiles(width) + 4 : width + K - 1; }
};

// Points 0, 1, -1, 2, -2, 1/2, -1/2 and infinity: row p of G holds f, f a, f a^2, ... with these a and f.
struct WinogradG {
  double at[8][5];
  constexpr WinogradG() : at{} {
    constexpr double a[7] = {0, 1, -1, 2, -2, 0.5, -0.5};
    constexpr double f[7] = {1, -2.0 / 9, -2.0 / 9, 1.0 / 90, 1.0 / 90, 32.0 / 45, 32.0 / 45};
    for (int p = 0; p < 7; p++) {
      double value = f[p];
      for (int tap = 0; tap < 5; tap++, value *= a[p]) at[p][tap] = value;
    }
    at[7][4] = 1.0;
  }
};
constexpr WinogradG kG;

// B^T x: eight columns of input, sixteen channels each, to eight points `pitch` apart.
static inline void winogradInput(const float* x, float* out, size_t pitch) {
  for (int part = 0; part < L; part += W) {
    const auto in = [&](int i) { return loadPart(x + i * L + part); };
    const auto put = [&](int p, Part v) { storePart(out + p * pitch + part, v); };
    const Part x1 = in(1), x2 = in(2), x3 = in(3), x4 = in(4), x5 = in(5), x6 = in(6);
    put(0, fma(all(5.25f), x4 - x2, in(0) - x6));
    put(7, fma(all(5.25f), x3 - x5, in(7) - x1));
    Part even = fma(all(-4.25f), x4, x2 + x6), odd = fma(all(-4.25f), x3, x1 + x5);
    put(1, even + odd);
    put(2, even - odd);
    even = fma(all(-1.25f), x4, fma(all(0.25f), x2, x6));
    odd = fma(all(0.25f), x1, fma(all(-1.25f), x3, x5));
    put(3, fma(all(2.0f), odd, even));
    put(4, fma(all(-2.0f), odd, even));
    even = fma(all(-5.0f), x4, fma(all(4.0f), x2, x6));
    odd = fma(all(0.25f), x5, fma(all(-1.25f), x3, x1));
    put(5, fma(all(2.0f), odd, even));
    put(6, fma(all(-2.0f), odd, even));
  }
}

// A^T m: eight points `pitch` apart to four columns of results `column` apart.
static inline void winogradResult(const float* m, size_t pitch, float* out, size_t column) {
  for (int part = 0; part < L; part += W) {
    const auto in = [&](int p) { return loadPart(m + p * pitch + part); };
    const Part m1 = in(1), m2 = in(2), m3 = in(3), m4 = in(4), m5 = in(5), m6 = in(6);
    const Part s1 = m1 + m2, s2 = m3 + m4, s3 = m5 + m6, d1 = m1 - m2, d2 = m3 - m4, d3 = m5 - m6;
    storePart(out + part, (in(0) + s1) + (s2 + s3));
    storePart(out + column + part, fma(all(2.0f), d2, fma(all(0.5f), d3, d1)));
    storePart(out + 2 * column + part, fma(all(4.0f), s2, fma(all(0.25f), s3, s1)));
    storePart(out + 3 * column + part, fma(all(8.0f), d2, fma(all(0.125f), d3, d1)) + in(7));
  }
}

// A g: four columns to eight points `pitch` apart, the transpose of the above.
static inline void winogradCentre(const float* g, float* out, size_t pitch) {
  for (int part = 0; part < L; part += W) {
    const auto put = [&](int p, Part v) { storePart(out + p * pitch + part, v); };
    const Part g0 = loadPart(g + part), g1 = loadPart(g + L + part), g2 = loadPart(g + 2 * L + part), g3 = loadPart(g + 3 * L + part);
    put(0, g0);
    Part even = g0 + g2, odd = g1 + g3;
    put(1, even + odd);
    put(2, even - odd);
    even = fma(all(4.0f), g2, g0);
    odd = fma(all(4.0f), g3, g1);
    put(3, fma(all(2.0f), odd, even));
    put(4, fma(all(-2.0f), odd, even));
    even = fma(all(0.25f), g2, g0);
    odd = fma(all(0.25f), g3, g1);
    put(5, fma(all(0.5f), odd, even));
    put(6, fma(all(-0.5f), odd, even));
    put(7, g3);
  }
}

// One row of input columns, [columns][16], into the tiles of a ring row, at one depth.
template <int K>
static void intoRing(const float* row, int width, size_t pitch, float* ring) {
  constexpr int P = Width<K>::points, R = Width<K>::results;
  for (int t = 0; t < Width<K>::ringTiles(width); t++, ring += P * pitch) {
    if constexpr (Width<K>::winograd) winogradInput(row + size_t(t) * R * L, ring, pitch);
    else
      for (int part = 0; part < L; part += W) storePart(ring + part, loadPart(row + size_t(t) * L + part));
  }
}
// The same for the centre of a filter gradient; the row is padded with zeros to whole tiles.
template <int K>
static void intoCentre(const float* row, int width, size_t pitch, float* centre) {
  constexpr int P = Width<K>::points, R = Width<K>::results;
  for (int t = 0; t < Width<K>::tiles(width); t++, centre += P * pitch) {
    if constexpr (Width<K>::winograd) winogradCentre(row + size_t(t) * R * L, centre, pitch);
    else
      for (int part = 0; part < L; part += W) storePart(centre + part, loadPart(row + size_t(t) * L + part));
  }
}

// Weights [c][K^3] of PyTorch's layout as [block][set][kh][kd][16], reversed for the gradient by the input.
template <int K>
static void packDepthwise(const float* w, int c, bool reversed, float* out) {
  constexpr int taps = K * K * K;
  parallel((c + L - 1) / L, [&](int b, int) {
    float* to = out + Width<K>::weights * b;
    std::memset(to, 0, Width<K>::weights * sizeof(float));
    for (int l = 0; l < std::min(L, c - b * L); l++)
      for (int kh = 0; kh < K; kh++)
        for (int kd = 0; kd < K; kd++) {
          const float* row = w + size_t(b * L + l) * taps + (reversed ? taps - K - (kd * K + kh) * K : (kd * K + kh) * K);
          double tap[K];
          for (int kw = 0; kw < K; kw++) tap[kw] = row[reversed ? K - 1 - kw : kw];
          for (int set = 0; set < Width<K>::sets; set++) {
            double value = tap[set % K];
            if constexpr (Width<K>::winograd) {
              value = 0;
              for (int kw = 0; kw < K; kw++) value += kG.at[set][kw] * tap[kw];
            }
            to[((set * K + kh) * K + kd) * L + l] = float(value);
          }
        }
  });
}
// The way back for filter gradients: sums [block][set][kh][kd][16] to [c][K^3].
template <int K>
static void unpackFilter(const float* sums, int c, bool reversed, float* dw) {
  constexpr int taps = K * K * K;
  parallel((c + L - 1) / L, [&](int b, int) {
    const float* from = sums + Width<K>::weights * b;
    for (int l = 0; l < std::min(L, c - b * L); l++)
      for (int kh = 0; kh < K; kh++)
        for (int kd = 0; kd < K; kd++) {
          double tap[K] = {0};
          for (int set = 0; set < Width<K>::sets; set++) {
            const double sum = from[((set * K + kh) * K + kd) * L + l];
            if constexpr (Width<K>::winograd)
              for (int kw = 0; kw < K; kw++) tap[kw] += kG.at[set][kw] * sum;
            else tap[set] = sum;
          }
          float* row = dw + size_t(b * L + l) * taps + (reversed ? taps - K - (kd * K + kh) * K : (kd * K + kh) * K);
          for (int kw = 0; kw < K; kw++) row[reversed ? K - 1 - kw : kw] = float(tap[kw]);
        }
  });
}

// Results of R rows and C neighbouring tiles from `tile`, as panels [row][depth][C * results][16]. `pitch`: floats
// between columns of the ring; `scratch` holds R * points * C * depths vectors.
template <int K, int R, int C>
static __attribute__((noinline)) void convolveTilesOf(const RowsAround<K>& rows, int tile, size_t pitch, Depths s, const float* weights, float* scratch, float* panel) {
  constexpr int P = Width<K>::points, N = Width<K>::results;
  const size_t offset = size_t(tile) * P * pitch;
  if constexpr (Width<K>::winograd) {
    const size_t depth = C * L, point = s.count * depth, row = P * point;
    for (int p = 0; p < P; p++)
      sumColumns<K, 1, R, C>(rows, offset + p * pitch, P * pitch, s, weights + size_t(p) * K * K * L, {scratch + p * point, row, L, depth});
    for (int r = 0; r < R; r++)
      for (int d = 0; d < s.count; d++)
        for (int c = 0; c < C; c++)
          winogradResult(scratch + r * row + d * depth + c * L, point, panel + ((size_t(r) * s.count + d) * C + c) * N * L, L);
  } else {
    sumColumns<K, K, R, C>(rows, offset, pitch, s, weights, {panel, s.count * C * size_t(L), L, C * L});
  }
}

// Sums [set][kh][kd][16] += what all tiles of a row give to the filter.
template <int K>
static void correlateTiles(const RowsAround<K>& rows, int width, size_t pitch, Depths s, const float* centre, size_t centrePitch, float* sums,
                           LinesToCome* toCome = nullptr) {
  constexpr int P = Width<K>::points;
  for (int set = 0; set < Width<K>::sets; set++) {
    const size_t step = Width<K>::winograd ? set * centrePitch : 0;
    const Columns columns{set * pitch, P * pitch, centre + step, P * centrePitch, Width<K>::tiles(width), toCome};
    correlateColumns<K>(rows, s, columns, sums + size_t(set) * K * K * L);
  }
}
