// Average pooling and trilinear up-sampling, rows of channels at a time.
#pragma once
#include "norm.h"

// out[i] = sum of weight * in[i] over a few rows of `count` floats.
static inline void blend(const float* const* rows, const float* weights, int parts, size_t count, float* out) {
  size_t i = 0;
  for (; i < count; i += L) {
    const int n = int(std::min<size_t>(L, count - i));
    V sum = loadn(rows[0] + i, n) * splat(weights[0]);
    for (int p = 1; p < parts; p++) sum = sum + loadn(rows[p] + i, n) * splat(weights[p]);
    storen(out + i, sum, n);
  }
}

static void poolForward(Depth s, const float* x, float* y) {
  const int od = s.d / 2, oh = s.h / 2, ow = s.w / 2;
  const size_t line = size_t(s.w) * s.c;
  parallel(s.n * od * oh, [&](int task, int thread) {
    const int oy = task % oh, oz = task / oh % od, volume = task / oh / od;
    const float* rows[4];
    const float weights[4] = {0.125f, 0.125f, 0.125f, 0.125f};
    for (int a = 0; a < 4; a++)
      rows[a] = x + ((size_t(volume) * s.d + 2 * oz + a / 2) * s.h + 2 * oy + a % 2) * line;
    float* sum = threadScratch(thread, 0, line);
    blend(rows, weights, 4, line, sum);
    float* out = y + size_t(task) * ow * s.c;
    for (int i = 0; i < ow; i++)
      for (int j = 0; j < s.c; j += L) {
        const int n = std::min(L, s.c - j);
        const float* p = sum + size_t(2 * i) * s.c + j;
        storen(out + size_t(i) * s.c + j, loadn(p, n) + loadn(p + s.c, n), n);
      }
  });
}

static void poolBackward(Depth s, const float* dy, float* dx) {
  const int od = s.d / 2, oh = s.h / 2, ow = s.w / 2;
  const V eighth = splat(0.125f);
  parallel(s.n * s.d * s.h, [&](int task, int) {
    const int y = task % s.h, z = task / s.h % s.d, volume = task / s.h / s.d;
    const float* from = dy + ((size_t(volume) * od + z / 2) * oh + y / 2) * ow * s.c;
    float* out = dx + size_t(task) * s.w * s.c;
    for (int i = 0; i < s.w; i++)
      for (int j = 0; j < s.c; j += L) {
        const int n = std::min(L, s.c - j);
        storen(out + size_t(i) * s.c + j, loadn(from + size_t(i / 2) * s.c + j, n) * eighth, n);
      }
  });
}

struct Tap { int low, high; float weight; };
static std::vector<Tap> linearTaps(int size, int factor) {
  std::vector<Tap> taps(size_t(size) * factor);
  for (int o = 0; o < size * factor; o++) {
    const double source = std::max(0.0, (o + 0.5) / factor - 0.5);
    const int low = std::min(size - 1, int(source));
    taps[o] = {low, std::min(size - 1, low + 1), float(source - low)};
  }
  return taps;
}

static void upsampleForward(Depth s, int factor, const float* x, float* y) {
  const auto zs = linearTaps(s.d, factor), ys = linearTaps(s.h, factor), xs = linearTaps(s.w, factor);
  const int od = s.d * factor, oh = s.h * factor, ow = s.w * factor;
  const size_t line = size_t(s.w) * s.c;
  parallel(s.n * od * oh, [&](int task, int thread) {
    const int oy = task % oh, oz = task / oh % od, volume = task / oh / od;
    const Tap tz = zs[oz], ty = ys[oy];
    const auto row = [&](int iz, int iy) { return x + ((size_t(volume) * s.d + iz) * s.h + iy) * line; };
    const float* rows[4] = {row(tz.low, ty.low), row(tz.low, ty.high), row(tz.high, ty.low), row(tz.high, ty.high)};
    const float weights[4] = {(1 - tz.weight) * (1 - ty.weight), (1 - tz.weight) * ty.weight,
                              tz.weight * (1 - ty.weight), tz.weight * ty.weight};
    float* mixed = threadScratch(thread, 0, line);
    blend(rows, weights, 4, line, mixed);
    float* out = y + size_t(task) * ow * s.c;
    for (int i = 0; i < ow; i++) {
      const float *a = mixed + size_t(xs[i].low) * s.c, *b = mixed + size_t(xs[i].high) * s.c;
      const V wb = splat(xs[i].weight), wa = splat(1 - xs[i].weight);
      for (int j = 0; j < s.c; j += L) {
        const int n = std::min(L, s.c - j);
        storen(out + size_t(i) * s.c + j, loadn(a + j, n) * wa + loadn(b + j, n) * wb, n);
      }
    }
  });
}

// Each task owns one plane of dx and walks the planes of dy that reach it, in order.
static void upsampleBackward(Depth s, int factor, const float* dy, float* dx) {
  const auto zs = linearTaps(s.d, factor), ys = linearTaps(s.h, factor), xs = linearTaps(s.w, factor);
  const int od = s.d * factor, oh = s.h * factor, ow = s.w * factor;
  const size_t line = size_t(s.w) * s.c;
  // A band of rows per task, so that flat volumes keep all threads busy.
  const int bands = std::min(s.h, 8);
  parallel(s.n * s.d * bands, [&](int task, int thread) {
    const int band = task % bands, iz = task / bands % s.d, volume = task / bands / s.d;
    const int y0 = s.h * band / bands, y1 = s.h * (band + 1) / bands;
    float* plane = dx + (size_t(volume) * s.d + iz) * s.h * line;
    std::memset(plane + y0 * line, 0, size_t(y1 - y0) * line * sizeof(float));
    float* sums = threadScratch(thread, 0, line);
    for (int oz = 0; oz < od; oz++) {
      const float wz = (zs[oz].low == iz ? 1 - zs[oz].weight : 0) + (zs[oz].high == iz ? zs[oz].weight : 0);
      if (wz == 0) continue;
      for (int oy = 0; oy < oh; oy++) {
        const Tap ty = ys[oy];
        const bool low = ty.low >= y0 && ty.low < y1, high = ty.high >= y0 && ty.high < y1;
        if (!low && !high) continue;
        const float* g = dy + ((size_t(volume) * od + oz) * oh + oy) * ow * s.c;
        std::memset(sums, 0, line * sizeof(float));
        for (int i = 0; i < ow; i++) {
          float *a = sums + size_t(xs[i].low) * s.c, *b = sums + size_t(xs[i].high) * s.c;
          const V wb = splat(xs[i].weight), wa = splat(1 - xs[i].weight);
          for (int j = 0; j < s.c; j += L) {
            const int n = std::min(L, s.c - j);
            const V v = loadn(g + size_t(i) * s.c + j, n);
            storen(a + j, loadn(a + j, n) + v * wa, n);
            storen(b + j, loadn(b + j, n) + v * wb, n);
          }
        }
        const auto addTo = [&](int row, float weight) {
          float* out = plane + row * line;
          for (size_t i = 0; i < line; i += L) {
            const int n = int(std::min<size_t>(L, line - i));
            storen(out + i, loadn(out + i, n) + loadn(sums + i, n) * splat(weight), n);
          }
        };
        if (low) addTo(ty.low, wz * (1 - ty.weight));
        if (high) addTo(ty.high, wz * ty.weight);
      }
    }
  });
}
