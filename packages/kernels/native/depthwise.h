// Depthwise convolution: sixteen channels at a time over a ring of k planes that stays in the second-level
// cache. Where the planes come from is the caller's business: memory, or a block's expansion on the fly.
#pragma once
#include "gemm.h"

#ifdef __AVX512F__
constexpr int kTileRows = 2, kTileColumns = 8;
#else
constexpr int kTileRows = 1, kTileColumns = 8;
#endif
constexpr size_t kRingBytes = 640 * 1024;

struct Tiles {
  int width, height, columns, rows, blocks;
  Tiles(int h, int w, int c, int k) {
    width = std::min(w, 64);
    const size_t rowBytes = size_t(width + k - 1) * L * sizeof(float);
    const int fit = int(kRingBytes / (rowBytes * k)) - (k - 1);
    height = std::max(2, std::min(h, fit));
    const int pieces = (h + height - 1) / height;  // equal heights rather than a short last one
    height = (h + pieces - 1) / pieces;
    if (height % 2 == 1 && height < h) height++;
    columns = (w + width - 1) / width;
    rows = (h + height - 1) / height;
    blocks = (c + L - 1) / L;
  }
  int perVolume() const { return columns * rows * blocks; }
};

struct Place {
  int volume, block, h0, h1, w0, w1;
  Place(const Tiles& t, int task, int h, int w) {
    block = task % t.blocks;
    task /= t.blocks;
    w0 = task % t.columns * t.width;
    task /= t.columns;
    h0 = task % t.rows * t.height;
    volume = task / t.rows;
    h1 = std::min(h, h0 + t.height);
    w1 = std::min(w, w0 + t.width);
  }
};

// A ring of k planes with halo; fill(volume, plane, row, first column, last column, block, out) writes
// 16 channels per voxel for columns inside the image.
template <class Fill>
struct Ring {
  const Fill& fill;
  const Place& at;
  int d, h, w, k, half;
  size_t rowStride, planeStride;
  float* data;
  Ring(const Fill& fill, const Place& at, int d, int h, int w, int k, int thread, int slot)
      : fill(fill), at(at), d(d), h(h), w(w), k(k), half(k / 2) {
    rowStride = size_t(at.w1 - at.w0 + k - 1) * L;
    planeStride = size_t(at.h1 - at.h0 + k - 1) * rowStride;
    data = threadScratch(thread, slot, planeStride * k);
  }
  float* plane(int z) const { return data + size_t(z % k) * planeStride; }
  void bring(int z) {
    float* p = plane(z);
    const int c0 = std::max(0, at.w0 - half), c1 = std::min(w, at.w1 + half);
    const int left = c0 - (at.w0 - half), right = at.w1 + half - c1;
    for (int y = at.h0 - half; y < at.h1 + half; y++, p += rowStride) {
      if (y < 0 || y >= h) {
        std::memset(p, 0, rowStride * sizeof(float));
        continue;
      }
      if (left > 0) std::memset(p, 0, size_t(left) * L * sizeof(float));
      if (right > 0) std::memset(p + rowStride - size_t(right) * L, 0, size_t(right) * L * sizeof(float));
      fill(at.volume, z, y, c0, c1, at.block, p + size_t(left) * L);
    }
  }
};

// Weights [c][taps] as [block][taps][16], reversed for the gradient by the input.
static void packDepthwise(const float* w, int c, int taps, bool reversed, float* out) {
  for (int b = 0; b < (c + L - 1) / L; b++)
    for (int t = 0; t < taps; t++)
      for (int l = 0; l < L; l++) {
        const int ch = b * L + l;
        *out++ = ch < c ? w[size_t(ch) * taps + (reversed ? taps - 1 - t : t)] : 0.0f;
      }
}

template <int K, int TH, int TW>
static inline void depthwiseTile(const float* const* planes, size_t rowStride, const float* wt, Part bias, Part (&acc)[TH][TW]) {
  for (int t = 0; t < TH; t++)
    for (int j = 0; j < TW; j++) acc[t][j] = bias;
  for (int kd = 0; kd < K; kd++) {
    if (planes[kd] == nullptr) continue;
    const float* weights = wt + size_t(kd) * K * K * L;
#pragma GCC unroll 8
    for (int r = 0; r < TH + K - 1; r++) {
      const float* row = planes[kd] + r * rowStride;
      Part w[TH][K];
#pragma GCC unroll 2
      for (int t = 0; t < TH; t++)
        if (r - t >= 0 && r - t < K)
          for (int kw = 0; kw < K; kw++) w[t][kw] = loadPart(weights + ((r - t) * K + kw) * L);
#pragma GCC unroll 16
      for (int j = 0; j < TW + K - 1; j++) {
        const Part x = loadPart(row + j * L);
#pragma GCC unroll 2
        for (int t = 0; t < TH; t++) {
          if (r - t < 0 || r - t >= K) continue;
#pragma GCC unroll 8
          for (int kw = 0; kw < K; kw++) {
            const int o = j - kw;
            if (o >= 0 && o < TW) acc[t][o] = fma(x, w[t][kw], acc[t][o]);
          }
        }
      }
    }
  }
}

template <int K, int TH, int TW>
static inline void depthwiseOutput(const float* const* planes, size_t rowStride, const float* wt, const float* bias,
                                   float* y, size_t rowPitch, int c, int lanes) {
  for (int part = 0; part < lanes; part += W) {
    const float* shifted[K];
    for (int kd = 0; kd < K; kd++) shifted[kd] = planes[kd] ? planes[kd] + part : nullptr;
    Part acc[TH][TW];
    depthwiseTile<K, TH, TW>(shifted, rowStride, wt + part, bias ? loadPart(bias + part, lanes - part) : Part{}, acc);
    for (int t = 0; t < TH; t++)
      for (int j = 0; j < TW; j++) storePart(y + t * rowPitch + size_t(j) * c + part, acc[t][j], lanes - part);
  }
}

template <int K, class Fill>
static void depthwiseRun(Depth s, const float* packed, const float* bias, float* y, const Fill& fill) {
  const Tiles tiles(s.h, s.w, s.c, K);
  const size_t pitch = size_t(s.w) * s.c;
  parallel(s.n * tiles.perVolume(), [&](int task, int thread) {
    const Place at(tiles, task, s.h, s.w);
    Ring<Fill> ring(fill, at, s.d, s.h, s.w, K, thread, 0);
    const float* wt = packed + size_t(at.block) * K * K * K * L;
    const int lanes = std::min(L, s.c - at.block * L);
    const float* b = bias ? bias + at.block * L : nullptr;
    for (int z = 0; z < std::min(s.d, K / 2); z++) ring.bring(z);
    for (int z = 0; z < s.d; z++) {
      if (z + K / 2 < s.d) ring.bring(z + K / 2);
      const float* base[K];
      for (int kd = 0; kd < K; kd++) {
        const int iz = z + kd - K / 2;
        base[kd] = iz < 0 || iz >= s.d ? nullptr : ring.plane(iz);
      }
      const auto run = [&](auto height, auto width, int row, int column) {
        const float* planes[K];
        for (int kd = 0; kd < K; kd++)
          planes[kd] = base[kd] ? base[kd] + row * ring.rowStride + size_t(column) * L : nullptr;
        float* out = y + (((size_t(at.volume) * s.d + z) * s.h + at.h0 + row) * s.w + at.w0 + column) * s.c + at.block * L;
        depthwiseOutput<K, decltype(height)::value, decltype(width)::value>(planes, ring.rowStride, wt, b, out, pitch, s.c, lanes);
      };
      const auto columnsOf = [&](auto height, int row) {
        int column = 0;
        for (; column + kTileColumns <= at.w1 - at.w0; column += kTileColumns)
          run(height, std::integral_constant<int, kTileColumns>{}, row, column);
        for (; column + 2 <= at.w1 - at.w0; column += 2) run(height, std::integral_constant<int, 2>{}, row, column);
        for (; column < at.w1 - at.w0; column++) run(height, std::integral_constant<int, 1>{}, row, column);
      };
      int row = 0;
      for (; row + kTileRows <= at.h1 - at.h0; row += kTileRows) columnsOf(std::integral_constant<int, kTileRows>{}, row);
      for (; row < at.h1 - at.h0; row++) columnsOf(std::integral_constant<int, 1>{}, row);
    }
  });
}

// Which rows of taps share the accumulators of one pass: as many as registers hold.
template <int K>
constexpr int tapRows() {
#ifdef __AVX512F__
  return K <= 5 ? K : 1;
#else
  return K <= 3 ? K : 1;
#endif
}

// C neighbouring voxels of dy share the x they meet.
template <int K, int R, int C>
static inline void filterVoxels(const float* x, size_t rowStride, const float* dy, Part (&acc)[R][K]) {
#ifdef __GNUC__
  asm volatile("" ::: "memory");  // keeps loads of the next voxels from being moved up here, which spills sums
#endif
  Part g[C];
#pragma GCC unroll 4
  for (int i = 0; i < C; i++) g[i] = loadPart(dy + size_t(i) * L);
#pragma GCC unroll 8
  for (int a = 0; a < R; a++)
#pragma GCC unroll 16
    for (int j = 0; j < K + C - 1; j++) {
      const Part v = loadPart(x + a * rowStride + size_t(j) * L);
#pragma GCC unroll 4
      for (int i = 0; i < C; i++)
        if (j - i >= 0 && j - i < K) acc[a][j - i] = fma(g[i], v, acc[a][j - i]);
    }
}

// Adds what one plane of dy gives to R x K taps.
template <int K, int R>
static inline void filterPlane(const float* x, size_t rowStride, const float* dy, int height, int width, float* into) {
  constexpr int C = R * K > 20 ? 2 : 4;
  Part acc[R][K];
  for (int a = 0; a < R; a++)
    for (int kw = 0; kw < K; kw++) acc[a][kw] = loadPart(into + (a * K + kw) * L);
  for (int row = 0; row < height; row++, x += rowStride) {
    int column = 0;
    for (; column + C <= width; column += C, dy += C * L) filterVoxels<K, R, C>(x + size_t(column) * L, rowStride, dy, acc);
    for (; column < width; column++, dy += L) filterVoxels<K, R, 1>(x + size_t(column) * L, rowStride, dy, acc);
  }
  for (int a = 0; a < R; a++)
    for (int kw = 0; kw < K; kw++) storePart(into + (a * K + kw) * L, acc[a][kw], W);
}

// dweight: x from a ring, dy row by row; one partial sum per (volume, tile), added in order.
template <int K, class FillX, class FillDy>
static void depthwiseFilterRun(Depth s, const FillX& fillX, const FillDy& fillDy, float* dw) {
  constexpr int taps = K * K * K, R = tapRows<K>();
  const Tiles tiles(s.h, s.w, s.c, K);
  const int parts = s.n * tiles.columns * tiles.rows;
  const size_t length = size_t(tiles.blocks) * taps * L;
  float* partials = sharedScratch(0, size_t(parts) * length);
  parallel(s.n * tiles.perVolume(), [&](int task, int thread) {
    const Place at(tiles, task, s.h, s.w);
    Ring<FillX> ring(fillX, at, s.d, s.h, s.w, K, thread, 0);
    float* sums = partials + size_t(task / tiles.blocks) * length + size_t(at.block) * taps * L;
    std::memset(sums, 0, size_t(taps) * L * sizeof(float));
    const int width = at.w1 - at.w0;
    float* dyPlane = threadScratch(thread, 1, size_t(width) * L * (at.h1 - at.h0));
    for (int z = 0; z < std::min(s.d, K / 2); z++) ring.bring(z);
    for (int z = 0; z < s.d; z++) {
      if (z + K / 2 < s.d) ring.bring(z + K / 2);
      for (int y = at.h0; y < at.h1; y++)
        fillDy(at.volume, z, y, at.w0, at.w1, at.block, dyPlane + size_t(y - at.h0) * width * L);
      for (int kd = 0; kd < K; kd++) {
        const int iz = z + kd - K / 2;
        if (iz < 0 || iz >= s.d) continue;
        for (int kh = 0; kh < K; kh += R)
          for (int part = 0; part < L; part += W)
            filterPlane<K, R>(ring.plane(iz) + kh * ring.rowStride + part, ring.rowStride, dyPlane + part, at.h1 - at.h0,
                              width, sums + size_t(kd * K + kh) * K * L + part);
      }
    }
  });
  float* packed = sharedScratch(1, length);
  reducePartials(partials, parts, length, packed);
  for (int ch = 0; ch < s.c; ch++)
    for (int t = 0; t < taps; t++) dw[size_t(ch) * taps + t] = packed[(size_t(ch / L) * taps + t) * L + ch % L];
}

// Planes straight from memory.
struct FromMemory {
  const float* x;
  int d, h, w, c;
  void operator()(int volume, int z, int y, int c0, int c1, int block, float* out) const {
    const int lanes = std::min(L, c - block * L);
    const float* p = x + (((size_t(volume) * d + z) * h + y) * w + c0) * c + block * L;
    if (lanes == L) {
      for (int i = c0; i < c1; i++, p += c, out += L) store(out, load(p));
    } else {
      for (int i = c0; i < c1; i++, p += c, out += L) store(out, loadn(p, lanes));
    }
  }
};

template <class F>
static void byKernel(int k, F f) {
  if (k == 3) f(std::integral_constant<int, 3>{});
  else if (k == 5) f(std::integral_constant<int, 5>{});
  else if (k == 7) f(std::integral_constant<int, 7>{});
  else f(std::integral_constant<int, 1>{});
}

static void depthwiseAny(Depth s, const float* x, const float* w, const float* bias, bool reversed, float* y) {
  byKernel(s.k, [&](auto k) {
    constexpr int K = decltype(k)::value;
    float* packed = sharedScratch(1, size_t(up(s.c)) * K * K * K);
    packDepthwise(w, s.c, K * K * K, reversed, packed);
    depthwiseRun<K>(s, packed, bias, y, FromMemory{x, s.d, s.h, s.w, s.c});
  });
}
static void depthwiseForward(Depth s, const float* x, const float* w, const float* bias, float* y) {
  depthwiseAny(s, x, w, bias, false, y);
}
static void depthwiseBackwardInput(Depth s, const float* dy, const float* w, float* dx) {
  depthwiseAny(s, dy, w, nullptr, true, dx);
}
static void depthwiseBackwardFilter(Depth s, const float* x, const float* dy, float* dw, float* dbias) {
  byKernel(s.k, [&](auto k) {
    depthwiseFilterRun<decltype(k)::value>(s, FromMemory{x, s.d, s.h, s.w, s.c}, FromMemory{dy, s.d, s.h, s.w, s.c}, dw);
  });
  if (dbias) {
    std::vector<double> sums(s.c);
    channelSums<1>(size_t(s.n) * s.d * s.h * s.w * s.c, s.c, sums.data(),
                   [&](int, size_t i, int n, V* v) { v[0] = loadn(dy + i, n); });
    for (int j = 0; j < s.c; j++) dbias[j] = float(sums[j]);
  }
}
