// Resizing to any size: nearest, or linear along each axis by either corner rule.
#pragma once
#include "norm.h"

// One end of an output's reach along an axis, seen from either side.
struct End {
  int at;
  float weight;
};

// The inputs that each output reads: one, or two with shares.
static std::vector<std::vector<End>> endsOf(int size, int to, int rule) {
  std::vector<std::vector<End>> ends(to);
  for (int o = 0; o < to; o++) {
    if (rule == NEAREST) {
      ends[o].push_back({int(int64_t(o) * size / to), 1.0f});
      continue;
    }
    double source = 0;
    if (rule == CENTRES) source = std::max(0.0, (o + 0.5) * size / to - 0.5);
    else if (to > 1) source = double(o) * (size - 1) / (to - 1);
    const int low = std::min(size - 1, int(source));
    const double share = low + 1 < size ? source - low : 0.0;
    ends[o].push_back({low, float(1 - share)});
    if (share > 0) ends[o].push_back({low + 1, float(share)});
  }
  return ends;
}
// The outputs that read each input.
static std::vector<std::vector<End>> readersOf(int size, const std::vector<std::vector<End>>& ends) {
  std::vector<std::vector<End>> readers(size);
  for (int o = 0; o < int(ends.size()); o++)
    for (const End& end : ends[o]) readers[end.at].push_back({o, end.weight});
  return readers;
}

// Sums lines of `from` with the weights of two axes, then voxels of that line with those of the third: one line of the
// result. `size` and `lines` belong to `from`.
static void resizeLine(const float* from, const int* size, int c, int volume, const std::vector<End>& zs,
                       const std::vector<End>& ys, const std::vector<std::vector<End>>& xs, float* mixed, float* out) {
  const size_t line = size_t(size[2]) * c;
  bool first = true;
  for (const End& z : zs)
    for (const End& y : ys) {
      const float* row = from + ((size_t(volume) * size[0] + z.at) * size[1] + y.at) * line;
      const V weight = splat(z.weight * y.weight);
      for (size_t i = 0; i < line; i += L) {
        const int n = int(std::min<size_t>(L, line - i));
        const V value = loadn(row + i, n);
        storen(mixed + i, first ? value * weight : fma(value, weight, loadn(mixed + i, n)), n);
      }
      first = false;
    }
  if (first) std::memset(mixed, 0, line * sizeof(float));
  for (size_t o = 0; o < xs.size(); o++)
    for (int j = 0; j < c; j += L) {
      const int n = std::min(L, c - j);
      V sum = splat(0.0f);
      for (const End& x : xs[o]) sum = fma(loadn(mixed + size_t(x.at) * c + j, n), splat(x.weight), sum);
      storen(out + o * c + j, sum, n);
    }
}

static void resizeForward(const Resize& s, const float* x, float* y) {
  const auto zs = endsOf(s.in[0], s.out[0], s.rule), ys = endsOf(s.in[1], s.out[1], s.rule),
             xs = endsOf(s.in[2], s.out[2], s.rule);
  parallel(s.n * s.out[0] * s.out[1], [&](int task, int thread) {
    float* mixed = threadScratch(thread, 0, size_t(s.in[2]) * s.c);
    const int oy = task % s.out[1], oz = task / s.out[1] % s.out[0], volume = task / s.out[1] / s.out[0];
    resizeLine(x, s.in, s.c, volume, zs[oz], ys[oy], xs, mixed, y + size_t(task) * s.out[2] * s.c);
  });
}

static void resizeBackward(const Resize& s, const float* dy, float* dx) {
  const auto zs = readersOf(s.in[0], endsOf(s.in[0], s.out[0], s.rule)),
             ys = readersOf(s.in[1], endsOf(s.in[1], s.out[1], s.rule)),
             xs = readersOf(s.in[2], endsOf(s.in[2], s.out[2], s.rule));
  parallel(s.n * s.in[0] * s.in[1], [&](int task, int thread) {
    float* mixed = threadScratch(thread, 0, size_t(s.out[2]) * s.c);
    const int iy = task % s.in[1], iz = task / s.in[1] % s.in[0], volume = task / s.in[1] / s.in[0];
    resizeLine(dy, s.out, s.c, volume, zs[iz], ys[iy], xs, mixed, dx + size_t(task) * s.in[2] * s.c);
  });
}
