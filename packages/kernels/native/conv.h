// Dense convolutions. Pointwise ones are matrix products; larger kernels run over a zero-padded copy.
#pragma once
#include "ring.h"
#include "stem.h"

static void pointwiseForward(int rows, int ci, int co, const float* x, const float* w, const float* bias, int act, float* y) {
  float* packed = sharedScratch(1, size_t(ci) * up(co) + up(co));
  packTransposed(w, co, ci, nullptr, packed);
  float* b = packed + size_t(ci) * up(co);
  packVector(bias, co, b);
  const Chunks chunks = chunksOf(rows, std::max(ci, co));
  parallel(chunks.count, [&](int task, int) {
    const size_t r = chunks.begin(task);
    gemmRows(chunks.length(task), ci, co, x + r * ci, ci, packed, bias ? b : nullptr, y + r * co, co);
    activateAll(y + r * co, size_t(chunks.length(task)) * co, act);
  });
}
static void pointwiseBackwardInput(int rows, int ci, int co, const float* dy, const float* w, float* dx) {
  float* packed = sharedScratch(1, size_t(co) * up(ci));
  packRows(w, co, ci, nullptr, packed);
  const Chunks chunks = chunksOf(rows, std::max(ci, co));
  parallel(chunks.count, [&](int task, int) {
    const size_t r = chunks.begin(task);
    gemmRows(chunks.length(task), co, ci, dy + r * co, co, packed, nullptr, dx + r * ci, ci);
  });
}
static void pointwiseBackwardFilter(int rows, int ci, int co, const float* x, const float* dy, float* dw) {
  const Chunks chunks = partialChunks(rows, 256);
  const size_t length = size_t(ci) * co;
  float* partials = sharedScratch(0, length * chunks.count);
  parallel(chunks.count, [&](int task, int) {
    const size_t r = chunks.begin(task);
    float* sums = partials + length * task;
    std::memset(sums, 0, length * sizeof(float));
    gemmAtb(chunks.length(task), co, ci, dy + r * co, co, x + r * ci, ci, sums);
  });
  reducePartials(partials, chunks.count, length, dw);
}

// A copy with k/2 zero columns on both sides of each row.
static const float* paddedRows(Conv s, const float* x, int channels) {
  const int half = s.k / 2, rows = s.n * s.d * s.h;
  const size_t from = size_t(s.w) * channels, edge = size_t(half) * channels, to = from + 2 * edge;
  float* out = sharedScratch(2, to * rows);
  parallel((rows + 63) / 64, [&](int task, int) {
    for (int r = task * 64; r < std::min(rows, task * 64 + 64); r++) {
      float* o = out + to * r;
      std::memset(o, 0, edge * sizeof(float));
      std::memcpy(o + edge, x + from * r, from * sizeof(float));
      std::memset(o + edge + from, 0, edge * sizeof(float));
    }
  });
  return out;
}

// weights packed [tap][ci][up(co)]
static void denseRun(Conv s, const float* x, const float* packed, const float* bias, int act, float* y) {
  const int cop = up(s.co), half = s.k / 2;
  const float* padded = paddedRows(s, x, s.ci);
  const size_t pitch = size_t(s.w + 2 * half) * s.ci;
  constexpr int T = 8;
  parallel(s.n * s.d * s.h, [&](int task, int) {
    const int yy = task % s.h, z = task / s.h % s.d, volume = task / s.h / s.d;
    for (int block = 0; block < s.co; block += W) {
      const int lanes = std::min(W, s.co - block);
      const Part b = bias ? loadPart(bias + block, lanes) : Part{};
      for (int w0 = 0; w0 < s.w; w0 += T) {
        const int width = std::min(T, s.w - w0);
        Part acc[T];
        for (int j = 0; j < T; j++) acc[j] = b;
        for (int kd = 0; kd < s.k; kd++) {
          const int iz = z + kd - half;
          if (iz < 0 || iz >= s.d) continue;
          for (int kh = 0; kh < s.k; kh++) {
            const int iy = yy + kh - half;
            if (iy < 0 || iy >= s.h) continue;
            const float* row = padded + ((size_t(volume) * s.d + iz) * s.h + iy) * pitch + size_t(w0) * s.ci;
            const float* wt = packed + size_t(kd * s.k + kh) * s.k * s.ci * cop + block;
            for (int kw = 0; kw < s.k; kw++)
              for (int i = 0; i < s.ci; i++, wt += cop) {
                const Part w = loadPart(wt);
                const float* p = row + kw * s.ci + i;
                if (width == T) {
#pragma GCC unroll 8
                  for (int j = 0; j < T; j++) acc[j] = fma(all(p[j * s.ci]), w, acc[j]);
                } else {
                  for (int j = 0; j < width; j++) acc[j] = fma(all(p[j * s.ci]), w, acc[j]);
                }
              }
          }
        }
        float* out = y + (size_t(task) * s.w + w0) * s.co + block;
        for (int j = 0; j < width; j++) storePart(out + size_t(j) * s.co, acc[j], lanes);
      }
    }
    activateAll(y + size_t(task) * s.w * s.co, size_t(s.w) * s.co, act);
  });
}

static void convForward(Conv s, const float* x, const float* w, const float* bias, int act, float* y) {
  if (s.k == 1) return pointwiseForward(s.n * s.d * s.h * s.w, s.ci, s.co, x, w, bias, act, y);
  if (s.ci == 1 && s.k <= 7) return byKernel<3, 5, 7>(s.k, [&](auto k) { stemForward<decltype(k)::value>(s, x, w, bias, act, y); });
  const int taps = s.k * s.k * s.k, cop = up(s.co);
  float* packed = sharedScratch(1, size_t(taps) * s.ci * cop);
  for (int t = 0; t < taps; t++)
    for (int i = 0; i < s.ci; i++)
      for (int o = 0; o < cop; o++)
        packed[(size_t(t) * s.ci + i) * cop + o] = o < s.co ? w[(size_t(o) * s.ci + i) * taps + t] : 0.0f;
  denseRun(s, x, packed, bias, act, y);
}

static void convBackwardInput(Conv s, const float* dy, const float* w, float* dx) {
  if (s.k == 1) return pointwiseBackwardInput(s.n * s.d * s.h * s.w, s.ci, s.co, dy, w, dx);
  const int taps = s.k * s.k * s.k, cip = up(s.ci);
  float* packed = sharedScratch(1, size_t(taps) * s.co * cip);
  for (int t = 0; t < taps; t++)
    for (int o = 0; o < s.co; o++)
      for (int i = 0; i < cip; i++)
        packed[(size_t(t) * s.co + o) * cip + i] = i < s.ci ? w[(size_t(o) * s.ci + i) * taps + taps - 1 - t] : 0.0f;
  Conv r = s;
  r.ci = s.co;
  r.co = s.ci;
  denseRun(r, dy, packed, nullptr, NONE, dx);
}

static void sumChannels(size_t count, int c, const float* x, float* out) {
  std::vector<double> sums(c);
  channelSums<1>(count, c, sums.data(), [&](int, size_t i, int n, V* v) { v[0] = loadn(x + i, n); });
  for (int j = 0; j < c; j++) out[j] = float(sums[j]);
}

// Adds M columns (taps of a row times input channels) of one line of voxels to the filter's gradient.
template <int M>
static inline void filterColumns(const Conv& s, const float* row, const float* dy, int lanes, float* into) {
  const int cop = up(s.co);
  Part acc[M];
  for (int a = 0; a < M; a++) acc[a] = loadPart(into + size_t(a) * cop);
  for (int w = 0; w < s.w; w++, row += s.ci, dy += s.co) {
    const Part g = loadPart(dy, lanes);
#pragma GCC unroll 8
    for (int a = 0; a < M; a++) acc[a] = fma(all(row[a]), g, acc[a]);
  }
  for (int a = 0; a < M; a++) storePart(into + size_t(a) * cop, acc[a], W);
}
static void filterLine(const Conv& s, const float* row, const float* dy, int lanes, float* into) {
  const int columns = s.k * s.ci, cop = up(s.co);
  int q = 0;
  for (; q + 8 <= columns; q += 8) filterColumns<8>(s, row + q, dy, lanes, into + size_t(q) * cop);
  for (; q + 5 <= columns; q += 5) filterColumns<5>(s, row + q, dy, lanes, into + size_t(q) * cop);
  for (; q < columns; q++) filterColumns<1>(s, row + q, dy, lanes, into + size_t(q) * cop);
}

static void convBackwardFilter(Conv s, const float* x, const float* dy, float* dw, float* dbias) {
  const int rows = s.n * s.d * s.h * s.w;
  if (dbias) sumChannels(size_t(rows) * s.co, s.co, dy, dbias);
  if (s.k == 1) return pointwiseBackwardFilter(rows, s.ci, s.co, x, dy, dw);
  if (s.ci == 1 && s.k <= 7) return byKernel<3, 5, 7>(s.k, [&](auto k) { stemFilter<decltype(k)::value>(s, x, dy, dw); });
  const int taps = s.k * s.k * s.k, half = s.k / 2, cop = up(s.co), lines = s.n * s.d * s.h;
  const float* padded = paddedRows(s, x, s.ci);
  const size_t pitch = size_t(s.w + 2 * half) * s.ci, length = size_t(taps) * s.ci * cop;
  const int parts = std::min(lines, 64);
  float* partials = sharedScratch(0, length * parts);
  parallel(parts, [&](int task, int) {
    float* sums = partials + length * task;
    std::memset(sums, 0, length * sizeof(float));
    const int from = int(int64_t(lines) * task / parts), to = int(int64_t(lines) * (task + 1) / parts);
    for (int line = from; line < to; line++) {
      const int yy = line % s.h, z = line / s.h % s.d, volume = line / s.h / s.d;
      const float* g = dy + size_t(line) * s.w * s.co;
      for (int kd = 0; kd < s.k; kd++)
        for (int kh = 0; kh < s.k; kh++) {
          const int iz = z + kd - half, iy = yy + kh - half;
          if (iz < 0 || iz >= s.d || iy < 0 || iy >= s.h) continue;
          const float* row = padded + ((size_t(volume) * s.d + iz) * s.h + iy) * pitch;
          float* into = sums + size_t(kd * s.k + kh) * s.k * s.ci * cop;
          for (int block = 0; block < s.co; block += W)
            filterLine(s, row, g + block, std::min(W, s.co - block), into + block);
        }
    }
  });
  float* sums = sharedScratch(1, length);
  reducePartials(partials, parts, length, sums);
  for (int o = 0; o < s.co; o++)
    for (int i = 0; i < s.ci; i++)
      for (int t = 0; t < taps; t++) dw[(size_t(o) * s.ci + i) * taps + t] = sums[(size_t(t) * s.ci + i) * cop + o];
}
