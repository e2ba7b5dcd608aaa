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

// Results of CO channels and two parts of voxels, at out + channel * pitch; weights [tap][co].
template <int K, int CO>
static inline void stemTile(const StemRow<K>& row, int w, const float* weights, int co, const float* bias, float* out, size_t pitch) {
  Part acc[CO][2];
  for (int c = 0; c < CO; c++) acc[c][0] = acc[c][1] = all(bias ? bias[c] : 0.0f);
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
          acc[c][0] = fma(a, v, acc[c][0]);
          acc[c][1] = fma(b, v, acc[c][1]);
        }
      }
    }
  for (int c = 0; c < CO; c++) storePart(out + c * pitch, acc[c][0]), storePart(out + c * pitch + W, acc[c][1]);
}

template <int K>
static void stemForward(const Conv& s, const float* x, const float* w, const float* bias, int act, float* y) {
  constexpr int taps = K * K * K;
  float* packed = sharedScratch(1, size_t(taps) * s.co);
  for (int t = 0; t < taps; t++)
    for (int c = 0; c < s.co; c++) packed[size_t(t) * s.co + c] = w[size_t(c) * taps + t];
  const PaddedRows rows = PaddedRows::of<K>(s, x);
  parallel(s.n * s.d * s.h, [&](int line, int thread) {
    const StemRow<K> row(s, rows, line);
    const size_t pitch = 2 * L;
    float* tile = threadScratch(thread, 0, pitch * s.co);
    float* out = y + size_t(line) * s.w * s.co;
    for (int at = 0; at < s.w; at += 2 * W) {
      inSteps<kStemChannels>(s.co, [&](int c, auto n) {
        stemTile<K, decltype(n)::value>(row, at, packed + c, s.co, bias ? bias + c : nullptr, tile + c * pitch, pitch);
      });
      for (int i = 0; i < std::min(2 * W, s.w - at); i++)
        for (int c = 0; c < s.co; c++) out[size_t(at + i) * s.co + c] = tile[c * pitch + i];
    }
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
