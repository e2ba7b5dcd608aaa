// Dense convolution of a single channel, as the first layer of a network has it: sixteen voxels of a row lie in the
// lanes, so that few output channels fill the vectors too (85 -> 12 ms for 5^3 kernels, 1 to 8 channels, a million
// voxels, two threads of Zen 4).
#pragma once
#include "norm.h"

// The input with K/2 zero columns to the left of each row and zeros up to whole vectors (and K - 1) to its right.
struct PaddedRows {
  const float* data;
  size_t pitch;
  template <int K>
  static PaddedRows of(const Conv& s, const float* x) {
    const int rows = s.n * s.d * s.h;
    const size_t pitch = size_t(up(s.w) + up(K));
    float* out = sharedScratch(2, pitch * rows);
    parallel((rows + 63) / 64, [&](int task, int) {
      for (int r = task * 64; r < std::min(rows, task * 64 + 64); r++) {
        float* o = out + pitch * r;
        std::memset(o, 0, pitch * sizeof(float));
        std::memcpy(o + K / 2, x + size_t(r) * s.w, size_t(s.w) * sizeof(float));
      }
    });
    return {out, pitch};
  }
};

// One row of results and the rows of input that its kernel meets, by kernel depth and row; null outside the image.
template <int K>
struct StemRow {
  const float* input[K][K];
  StemRow(const Conv& s, const PaddedRows& x, int line) {
    const int y = line % s.h, z = line / s.h % s.d, volume = line / s.h / s.d;
    for (int kd = 0; kd < K; kd++)
      for (int kh = 0; kh < K; kh++) {
        const int iz = z + kd - K / 2, iy = y + kh - K / 2;
        const bool inside = iz >= 0 && iz < s.d && iy >= 0 && iy < s.h;
        input[kd][kh] = inside ? x.data + x.pitch * ((size_t(volume) * s.d + iz) * s.h + iy) : nullptr;
      }
  }
};

#ifdef __AVX512F__
constexpr int kStemChannels = 8;
#else
constexpr int kStemChannels = 4;
#endif

// a[0], b[0], a[1], b[1], ... of the first halves, or of the second ones.
static inline Part zip(Part a, Part b, bool second) {
  PartBits from;
  for (int i = 0; i < W; i++) from[i] = (second ? W / 2 : 0) + i / 2 + i % 2 * W;
  return __builtin_shuffle(a, b, from);
}
// Rows of one channel each become voxels of C channels each: C is a power of two, and each perfect shuffle of them all
// moves one bit of the channel's number behind the voxel's.
template <int C>
static inline void interleave(Part (&rows)[C]) {
#pragma GCC unroll 4
  for (int done = 1; done < C; done *= 2) {
    Part mixed[C];
#pragma GCC unroll 8
    for (int i = 0; i < C / 2; i++) {
      mixed[2 * i] = zip(rows[i], rows[i + C / 2], false);
      mixed[2 * i + 1] = zip(rows[i], rows[i + C / 2], true);
    }
#pragma GCC unroll 8
    for (int i = 0; i < C; i++) rows[i] = mixed[i];
  }
}

// Results of CO channels and two parts of voxels, [voxel][CO]; weights [tap][co].
template <int K, int CO>
static inline void stemTile(const StemRow<K>& row, int w, const float* weights, int co, const float* bias, float* out) {
  Part acc[2][CO];
  for (int c = 0; c < CO; c++) acc[0][c] = acc[1][c] = all(bias ? bias[c] : 0.0f);
  for (int kd = 0; kd < K; kd++)
    for (int kh = 0; kh < K; kh++) {
      const float *x = row.input[kd][kh], *tap = weights + size_t(kd * K + kh) * K * co;
      if (x == nullptr) continue;
#pragma GCC unroll 8
      for (int kw = 0; kw < K; kw++, tap += co) {
        const Part a = loadPart(x + w + kw), b = loadPart(x + w + kw + W);
#pragma GCC unroll 8
        for (int c = 0; c < CO; c++) {
          const Part v = all(tap[c]);
          acc[0][c] = fma(a, v, acc[0][c]);
          acc[1][c] = fma(b, v, acc[1][c]);
        }
      }
    }
  for (int half = 0; half < 2; half++) {
    interleave(acc[half]);
    for (int c = 0; c < CO; c++) storePart(out + (half * CO + c) * W, acc[half][c]);
  }
}

template <int K>
static void stemForward(const Conv& s, const float* x, const float* w, const float* bias, int act, float* y) {
  constexpr int taps = K * K * K;
  float* packed = sharedScratch(1, size_t(taps) * s.co);
  for (int t = 0; t < taps; t++)
    for (int c = 0; c < s.co; c++) packed[size_t(t) * s.co + c] = w[size_t(c) * taps + t];
  const PaddedRows rows = PaddedRows::of<K>(s, x);
  parallel(s.n * s.d * s.h, [&](int line, int) {
    const StemRow<K> row(s, rows, line);
    float* out = y + size_t(line) * s.w * s.co;
    for (int at = 0; at < s.w; at += 2 * W)
      inSteps<kStemChannels>(s.co, [&](int c, auto n) {
        constexpr int N = decltype(n)::value;
        alignas(64) float tile[2 * W * N];
        stemTile<K, N>(row, at, packed + c, s.co, bias ? bias + c : nullptr, tile);
        for (int i = 0; i < std::min(2 * W, s.w - at); i++) std::memcpy(out + size_t(at + i) * s.co + c, tile + i * N, sizeof(float) * N);
      });
    activateAll(out, size_t(s.w) * s.co, act);
  });
}

#ifdef __AVX512F__
template <int K> constexpr int kStemFilters = K > 5 ? 3 : 4;
#else
template <int K> constexpr int kStemFilters = K > 5 ? 1 : 2;
#endif

// sums[channel][kw][16] += what a row gives to CO channels' taps of one kernel row; dy [co][pitch].
template <int K, int CO>
static inline void stemFilterRow(const float* x, const float* dy, size_t pitch, int width, float* sums, size_t channel) {
  for (int part = 0; part < L; part += W) {
    Part acc[CO][K];
    for (int c = 0; c < CO; c++)
      for (int k = 0; k < K; k++) acc[c][k] = loadPart(sums + c * channel + k * L + part);
    for (int w = part; w < width; w += L) {
      asm volatile("" ::: "memory");  // keeps the loop's loads where they are: moved up they spill the sums
#pragma GCC unroll 8
      for (int k = 0; k < K; k++) {
        const Part v = loadPart(x + w + k);
#pragma GCC unroll 8
        for (int c = 0; c < CO; c++) acc[c][k] = fma(v, loadPart(dy + c * pitch + w), acc[c][k]);
      }
    }
    for (int c = 0; c < CO; c++)
      for (int k = 0; k < K; k++) storePart(sums + c * channel + k * L + part, acc[c][k]);
  }
}

template <int K>
static void stemFilter(const Conv& s, const float* x, const float* dy, float* dw) {
  constexpr int taps = K * K * K;
  const PaddedRows rows = PaddedRows::of<K>(s, x);
  const int lines = s.n * s.d * s.h, parts = std::min(lines, 64);
  const size_t channel = size_t(taps) * L, length = channel * s.co, pitch = up(s.w);
  float* partials = sharedScratch(0, length * parts);
  parallel(parts, [&](int task, int thread) {
    float* sums = partials + length * task;
    float* across = threadScratch(thread, 0, pitch * s.co);
    std::memset(sums, 0, length * sizeof(float));
    std::memset(across, 0, pitch * s.co * sizeof(float));
    const int to = int(int64_t(lines) * (task + 1) / parts);
    for (int line = int(int64_t(lines) * task / parts); line < to; line++) {
      const StemRow<K> row(s, rows, line);
      const float* from = dy + size_t(line) * s.w * s.co;
      for (int i = 0; i < s.w; i++)
        for (int c = 0; c < s.co; c++) across[c * pitch + i] = from[size_t(i) * s.co + c];
      for (int kd = 0; kd < K; kd++)
        for (int kh = 0; kh < K; kh++)
          if (row.input[kd][kh] != nullptr)
            inSteps<kStemFilters<K>>(s.co, [&](int c, auto n) {
              stemFilterRow<K, decltype(n)::value>(row.input[kd][kh], across + c * pitch, pitch, s.w,
                                                   sums + c * channel + size_t(kd * K + kh) * K * L, channel);
            });
    }
  });
  float* sums = sharedScratch(1, length);
  reducePartials(partials, parts, length, sums);
  for (size_t t = 0; t < size_t(s.co) * taps; t++) {
    double total = 0;
    for (int l = 0; l < L; l++) total += sums[t * L + l];
    dw[t] = float(total);
  }
}
