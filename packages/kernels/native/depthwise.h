// Depthwise convolution by itself: planes straight from memory, results straight to memory.
#pragma once
#include "norm.h"
#include "ring.h"

// Rows of an NDHWC array.
struct FromMemory {
  const float* x;
  int d, h, w, c;
  void operator()(int volume, int z, int y, int c0, int c1, int block, float* out, ptrdiff_t ahead) const {
    const int lanes = std::min(L, c - block * L);
    const float* p = x + (((size_t(volume) * d + z) * h + y) * w + c0) * c + block * L;
    if (lanes == L) {
      for (int i = c0; i < c1; i++, p += c, out += L) {
        expectLine(p + ahead * c);
        store(out, load(p));
      }
    } else {
      for (int i = c0; i < c1; i++, p += c, out += L) store(out, loadn(p, lanes));
    }
  }
  // What a walk over `held` depths from z0 does not ask for by itself before it comes to this row.
  void expect(LinesToCome& lines, int volume, int z0, int held, int y, int c0, int c1, int block) const {
    if (y >= h || held <= kAhead) return;
    const size_t plane = size_t(h) * w * c;
    lines.add(x + (size_t(volume) * d + z0 + kAhead) * plane + (size_t(y) * w + c0) * c + block * L, c, c1 - c0, plane, held - kAhead);
  }
};

// A panel of results into an NDHWC array.
struct IntoMemory {
  const Depth& s;
  const float* bias;
  float* y;
  bool streamed;  // whole aligned lines, past the caches
  IntoMemory(const Depth& s, const float* bias, float* y)
      : s(s), bias(bias), y(y), streamed(s.c % L == 0 && reinterpret_cast<uintptr_t>(y) % (L * sizeof(float)) == 0) {}
  void put(const Slab& at, int block, int row, int column, int columns, const float* panel) const {
    const int lanes = std::min(L, s.c - block * L), inside = std::min(columns, at.w1 - at.w0 - column);
    const V b = bias ? loadn(bias + block * L, lanes) : splat(0.0f);
    for (int d = 0; d < at.depth(); d++) {
      float* out = y + ((((size_t(at.volume) * s.d + at.d0 + d) * s.h + row) * s.w + at.w0 + column) * s.c + block * L);
      const float* p = panel + size_t(d) * columns * L;
      if (streamed)
        for (int i = 0; i < inside; i++, out += s.c, p += L) stream(out, load(p) + b);
      else
        for (int i = 0; i < inside; i++, out += s.c, p += L) storen(out, load(p) + b, lanes);
    }
  }
};

constexpr int kBlocksTogether = 2;  // neighbours of a voxel lie side by side in memory

template <int K>
static void depthwiseRun(Depth s, const float* x, const float* packed, const IntoMemory& to) {
  const Cut cut(s, Ring<K>::rowCount, kBlocksTogether);
  const FromMemory source{x, s.d, s.h, s.w, s.c};
  const size_t ringFloats = (Ring<K>::floats(cut) + L - 1) / L * L;
  parallel(cut.tasks(), [&](int task, int thread) {
    const Slab at = cut.slab(task);
    float* rings = threadScratch(thread, 0, ringFloats * cut.grouped);
    float* scratch = threadScratch(thread, 1, Ring<K>::scratchFloats(cut));
    const auto ringOf = [&](int block) { return Ring<K>(s, at, rings + ringFloats * (block - at.block0)); };
    for (int b = at.block0; b < at.block1; b++) ringOf(b).start(b, source);
    Ring<K>::walk(at, [&](int y, int count) {
      for (int b = at.block0; b < at.block1; b++) ringOf(b).bringFor(y, count, b, source);
      for (int b = at.block0; b < at.block1; b++)
        ringOf(b).convolve(y, count, packed + Width<K>::weights * b, scratch, [&](int r, int column, int columns, const float* panel) {
          to.put(at, b, y + r, column, columns, panel);
        });
    });
    endStreams();
  });
}

static void depthwiseAny(Depth s, const float* x, const float* w, const float* bias, bool reversed, float* y) {
  byKernel<1, 3, 5, 7>(s.k, [&](auto k) {
    constexpr int K = decltype(k)::value;
    float* packed = sharedScratch(1, Width<K>::weights * (up(s.c) / L));
    packDepthwise<K>(w, s.c, reversed, packed);
    depthwiseRun<K>(s, x, packed, IntoMemory(s, bias, y));
  });
}
static void depthwiseForward(Depth s, const float* x, const float* w, const float* bias, float* y) {
  depthwiseAny(s, x, w, bias, false, y);
}
static void depthwiseBackwardInput(Depth s, const float* dy, const float* w, float* dx) {
  depthwiseAny(s, dy, w, nullptr, true, dx);
}

// A row of the centre, [depth][columns][16], from a source, as the tiles of a filter gradient want it; columns past
// the slab are zero. line: inputColumns of one row.
template <int K, class Source>
static void centreRow(const Depth& s, const Slab& at, int y, int block, const Source& source, size_t pitch, float* line, float* centre) {
  const int padded = Width<K>::tiles(at.width()) * Width<K>::results;
  std::memset(line + size_t(at.width()) * L, 0, size_t(padded - at.width()) * L * sizeof(float));
  for (int d = 0; d < at.depth(); d++) {
    source(at.volume, at.d0 + d, y, at.w0, at.w1, block, line, ahead(s, at.depth(), d, y));
    intoCentre<K>(line, at.width(), pitch, centre + size_t(d) * L);
  }
}
template <int K>
static size_t centreFloats(const Cut& c) { return size_t(Width<K>::tiles(c.width)) * Width<K>::points * c.depth * L; }

// Adds the partial sums of all parts, [part][block][...], in order.
template <int K>
static void finishFilter(const float* partials, int parts, int c, bool reversed, float* dw) {
  const size_t length = Width<K>::weights * (up(c) / L);
  float* sums = sharedScratch(1, length);
  reducePartials(partials, parts, length, sums);
  unpackFilter<K>(sums, c, reversed, dw);
}

template <int K>
static void depthwiseFilterRun(Depth s, const float* x, const float* dy, float* dw) {
  const Cut cut(s, ringRows(K, 1), kBlocksTogether);
  const FromMemory source{x, s.d, s.h, s.w, s.c}, centreSource{dy, s.d, s.h, s.w, s.c};
  const size_t ringFloats = (Ring<K, 1>::floats(cut) + L - 1) / L * L, length = Width<K>::weights * cut.blocks;
  float* partials = sharedScratch(0, length * cut.parts());
  parallel(cut.tasks(), [&](int task, int thread) {
    const Slab at = cut.slab(task);
    float* rings = threadScratch(thread, 0, ringFloats * cut.grouped);
    float* centre = threadScratch(thread, 1, centreFloats<K>(cut));
    float* line = threadScratch(thread, 2, size_t(cut.width + L) * L);
    const auto ringOf = [&](int block) { return Ring<K, 1>(s, at, rings + ringFloats * (block - at.block0)); };
    const auto sumsOf = [&](int block) { return partials + length * at.part + Width<K>::weights * block; };
    for (int b = at.block0; b < at.block1; b++) {
      ringOf(b).start(b, source);
      std::memset(sumsOf(b), 0, Width<K>::weights * sizeof(float));
    }
    const size_t pitch = size_t(at.depth()) * L;
    for (int y = at.h0; y < at.h1; y++) {
      LinesToCome next;
      if (y + 1 < at.h1) {
        const Ring<K, 1> first = ringOf(at.block0);
        source.expect(next, at.volume, first.first, first.held, y + 1 + K / 2, at.w0, at.w1, at.block0);
        centreSource.expect(next, at.volume, at.d0, at.depth(), y + 1, at.w0, at.w1, at.block0);
      }
      for (int b = at.block0; b < at.block1; b++) {
        const Ring<K, 1> ring = ringOf(b);
        ring.bring(y + K / 2, b, source);
        centreRow<K>(s, at, y, b, centreSource, pitch, line, centre);
        correlateTiles<K>(ring.around(y), at.width(), ring.pitch, ring.depths(), centre, pitch, sumsOf(b), &next);
      }
    }
  });
  finishFilter<K>(partials, cut.parts(), s.c, false, dw);
}

static void depthwiseBackwardFilter(Depth s, const float* x, const float* dy, float* dw, float* dbias) {
  byKernel<1, 3, 5, 7>(s.k, [&](auto k) { depthwiseFilterRun<decltype(k)::value>(s, x, dy, dw); });
  if (dbias) {
    std::vector<double> sums(s.c);
    channelSums<1>(size_t(s.n) * s.d * s.h * s.w * s.c, s.c, sums.data(),
                   [&](int, size_t i, int n, V* v) { v[0] = loadn(dy + i, n); });
    for (int j = 0; j < s.c; j++) dbias[j] = float(sums[j]);
  }
}
