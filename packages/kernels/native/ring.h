// How a volume is cut into tasks, and the ring of rows that a task carries along the height. A task covers a tile
// of the width, a run of the height, all or many of the depths, and a group of channel blocks. Walking along the
// height keeps the halo small: the depth is short and mostly whole.
#pragma once
#include "width.h"

// Of a second-level cache of 1 MB or more. A narrower tile makes more columns twice, a wider one leaves the cache
// (inference on Sapphire Rapids, 2 MB: 3 % slower with 640 KB, 5 % with 1080 KB).
constexpr size_t kRingBytes = 720 * 1024;

// Input is asked for two depths before its use. A whole row ahead would not do: planes are a power of two apart and
// would push each other out of the cache. The lines are asked for one by one between the arithmetic; all at once
// they queue up and stall it.
constexpr int kAhead = 2;
// Voxels from row (d, y) to the row whose turn comes `kAhead` rows later, in a walk over `held` depths per row.
static inline ptrdiff_t ahead(const Depth& s, int held, int d, int y) {
  const ptrdiff_t plane = ptrdiff_t(s.h) * s.w;
  if (d + kAhead < held) return kAhead * plane;
  return y + 1 < s.h && held >= kAhead ? s.w - (held - kAhead) * plane : 0;
}

static inline int pieces(int length, int most) { return (length + most - 1) / most; }
// Length of each piece where `length` is cut evenly, in multiples of `step`.
static inline int evenly(int length, int most, int step) {
  const int piece = pieces(length, pieces(length, std::max(step, most)));
  return (piece + step - 1) / step * step;
}

// One volume's share of a task: [from, to) along each axis, results only.
struct Slab {
  int volume, part, d0, d1, h0, h1, w0, w1, group, block0, block1;
  int depth() const { return d1 - d0; }
  int width() const { return w1 - w0; }
};

// Cuts by shape alone, so that sums over tasks do not depend on the number of threads or on the machine.
struct Cut {
  Depth s;
  int blocks, grouped, groups, depth, height, width, depths, heights, widths;

  // Tasks take up to `most` blocks together, each with a ring of `ringRows` rows.
  Cut(Depth s, int ringRows, int most) : s(s) {
    blocks = (s.c + L - 1) / L;
    groups = pieces(blocks, most);
    grouped = pieces(blocks, groups);
    depth = evenly(s.d, 32, 1);
    const int held = std::min(s.d, depth + s.k - 1);
    const size_t column = size_t(held) * L * sizeof(float) * ringRows * grouped * (s.k == 5 ? 2 : 1);
    width = evenly(s.w, std::max(16, std::min(s.w, int(kRingBytes / column))), 4);
    height = evenly(s.h, std::max(16, std::min(64, s.h / 4)), 1);
    depths = pieces(s.d, depth);
    heights = pieces(s.h, height);
    widths = pieces(s.w, width);
  }
  // Parts of all volumes; each part has `groups` tasks.
  int parts() const { return s.n * depths * heights * widths; }
  int tasks() const { return parts() * groups; }
  Slab slab(int task) const {
    Slab t;
    t.group = task % groups;
    t.part = task / groups;
    int rest = t.part;
    const auto along = [&](int pieces, int size, int length, int& from, int& to) {
      from = rest % pieces * size;
      to = std::min(length, from + size);
      rest /= pieces;
    };
    along(widths, width, s.w, t.w0, t.w1);
    along(heights, height, s.h, t.h0, t.h1);
    along(depths, depth, s.d, t.d0, t.d1);
    t.volume = rest;
    t.block0 = t.group * grouped;
    t.block1 = std::min(blocks, t.block0 + grouped);
    return t;
  }
};

// Rows that a ring for kernels of k keeps, where so many rows of results are made together.
static constexpr int ringRows(int k, int together) { return k + together - 1; }

// A ring of rows, each [tile][point][depth][16], of one channel block.
template <int K, int Together = rowsTogether(K)>
struct Ring {
  static constexpr int together = Together, rowCount = ringRows(K, Together);
  const Depth& s;
  const Slab& at;
  int first, held;  // depths that the ring keeps: those of the slab and their neighbours inside the volume
  size_t pitch, rowFloats;
  float *rows, *line;

  Ring(const Depth& s, const Slab& at, float* memory) : s(s), at(at), first(std::max(0, at.d0 - K / 2)) {
    held = std::min(s.d, at.d1 + K / 2) - first;
    pitch = size_t(held) * L;
    rowFloats = rowLength(held, at.width());
    rows = memory;
    line = rows + rowCount * rowFloats;
  }
  // Rows a multiple of 4 KB apart would share the same few places of the first-level cache.
  static size_t rowLength(int held, int width) { return (size_t(Width<K>::ringTiles(width)) * Width<K>::points * held + 1) * L; }
  static size_t floats(const Cut& c) {
    const int held = std::min(c.s.d, c.depth + K - 1);
    return rowCount * rowLength(held, c.width) + size_t(Width<K>::inputColumns(c.width)) * L;
  }

  Depths depths() const { return {at.d0 - first, at.depth(), held}; }

  // Makes row y part of the ring; source(volume, depth, y, first column, last column, block, out) writes sixteen
  // channels per voxel for columns inside the image.
  template <class Source>
  void bring(int y, int block, const Source& source) const {
    if (y < 0 || y >= s.h) return;
    const int from = at.w0 - K / 2, to = from + Width<K>::inputColumns(at.width());
    const int inside = std::max(0, from), end = std::min(s.w, to);
    std::memset(line, 0, size_t(inside - from) * L * sizeof(float));
    std::memset(line + size_t(end - from) * L, 0, size_t(to - end) * L * sizeof(float));
    for (int d = 0; d < held; d++) {
      source(at.volume, first + d, y, inside, end, block, line + size_t(inside - from) * L, ahead(s, held, d, y));
      intoRing<K>(line, at.width(), pitch, rows + size_t(y % rowCount) * rowFloats + size_t(d) * L);
    }
  }
  // Before the first row of results: the rows above and beside it.
  template <class Source>
  void start(int block, const Source& source) const {
    for (int y = at.h0 - K / 2; y < at.h0 + K / 2; y++) bring(y, block, source);
  }
  // Calls f(y, count) for the rows of a slab, `together` at a time.
  template <class F>
  static void walk(const Slab& at, const F& f) {
    for (int y = at.h0; y < at.h1; y += together) f(y, std::min(together, at.h1 - y));
  }
  // Makes what the results of `count` rows from y meet part of the ring, where the rows before y were there already.
  template <class Source>
  void bringFor(int y, int count, int block, const Source& source) const {
    for (int r = 0; r < count; r++) bring(y + r + K / 2, block, source);
  }
  // What the results of `count` rows from y meet.
  RowsAround<K> around(int y, int count = 1) const {
    RowsAround<K> r;
    r.from = std::max(0, K / 2 - y);
    r.to = std::min(K + count - 1, K / 2 + s.h - y);
    for (int i = 0; i < K + count - 1; i++) {
      const int row = y + i - K / 2;
      r.row[i] = rows + size_t(row < 0 ? 0 : row % rowCount) * rowFloats;
    }
    return r;
  }
  // Calls sink(row, first column within the slab, columns, panel [depth][columns][16]) for the results of `count` rows
  // from y, at most `together`. scratch: scratchFloats().
  template <class Sink>
  void convolve(int y, int count, const float* weights, float* scratch, const Sink& sink) const {
    const RowsAround<K> rows = around(y, count);
    const Depths d = depths();
    const int tiles = Width<K>::tiles(at.width()), C = columnsAtOnce(d.count);
    float* panel = scratch + size_t(count) * Width<K>::points * std::max(16, d.count) * L;
    int t = 0;
    const auto run = [&](auto c) {
      constexpr int N = decltype(c)::value, columns = N * Width<K>::results;
      for (; t + N <= tiles; t += N) {
        if (count == together) convolveTilesOf<K, together, N>(rows, t, pitch, d, weights, scratch, panel);
        else convolveTilesOf<K, 1, N>(rows, t, pitch, d, weights, scratch, panel);
        for (int r = 0; r < count; r++) sink(r, t * Width<K>::results, columns, panel + size_t(r) * d.count * columns * L);
      }
    };
    if (C == 8) run(std::integral_constant<int, 8>{});
    if (C == 4) run(std::integral_constant<int, 4>{});
    if (C == 2) run(std::integral_constant<int, 2>{});
    run(std::integral_constant<int, 1>{});
  }
  static size_t scratchFloats(const Cut& c) { return size_t(together) * (Width<K>::points + Width<K>::results) * std::max(16, c.depth) * L; }
};

// Calls f with the size of a kernel as a constant, one of these.
template <int... Sizes, class F>
static void byKernel(int k, F f) {
  ((k == Sizes ? f(std::integral_constant<int, Sizes>{}) : void()), ...);
}

// Memory of a task, handed out piece by piece from one buffer of the thread.
struct Carver {
  float* next;
  float* take(size_t floats) {
    float* p = next;
    next += (floats + L - 1) / L * L;
    return p;
  }
};
