// Inference with running statistics: everything is known beforehand, so one walk along the height makes the block,
// row by row; nothing expanded leaves the cache.
#pragma once
#include "irb-forward.h"

constexpr int kInferBlocks = 4;

template <int K, int ACT>
struct InferWalk {
  const Irb& s;
  const float* x;
  const Expansion& e;
  const float* depthwise;
  const Folded& two;
  const float *project, *offset;  // [ep][up(c)], column c times the third scale; offset padded; both mixed
  float* out;                     // y where one group makes it all, else [group][rows][c]
  Cut cut;

  void task(int task, int thread) const {
    const Slab at = cut.slab(task);
    const Depth h = hidden(s);
    const int grouped = at.block1 - at.block0;
    const size_t ringFloats = Saved::align(Ring<K>::floats(cut)), plane = size_t(at.depth()) * at.width() * L, row = plane * grouped;
    float* rings = threadScratch(thread, 0, ringFloats * cut.grouped);
    float* scratch = threadScratch(thread, 1, Ring<K>::scratchFloats(cut));
    float* hiddenRows = threadScratch(thread, 2, size_t(cut.depth) * cut.width * L * cut.grouped * Ring<K>::together);
    const auto ringOf = [&](int block) { return Ring<K>(h, at, rings + ringFloats * (block - at.block0)); };
    const FromExpansion<ACT> source{x, e, s.d, s.h, s.w};
    for (int b = 0; b < grouped; b++) ringOf(at.block0 + b).start(at.block0 + b, source);
    Ring<K>::walk(at, [&](int y, int count) {
      for (int b = 0; b < grouped; b++) {
        const Ring<K> ring = ringOf(at.block0 + b);
        ring.bringFor(y, count, at.block0 + b, source);
        const size_t j = size_t(at.block0 + b) * L;
        ring.convolve(y, count, depthwise + Width<K>::weights * (at.block0 + b), scratch, [&](int r, int column, int columns, const float* panel) {
          const int inside = std::min(columns, at.width() - column);
          for (int d = 0; d < at.depth(); d++)
            activatePanel<ACT>(inside, panel + size_t(d) * columns * L, &two.scale[j], &two.offset[j],
                               hiddenRows + row * r + plane * b + (size_t(d) * at.width() + column) * L);
        });
      }
      for (int r = 0; r < count; r++) projectRow(at, y + r, hiddenRows + row * r, plane);
    });
  }

  void projectRow(const Slab& at, int y, const float* hiddenRow, size_t plane) const {
    float* to = out + size_t(at.group) * rowsOf(s) * s.c;
    for (int d = 0; d < at.depth(); d++) {
      const size_t voxel = (((size_t(at.volume) * s.d + at.d0 + d) * s.h + y) * s.w + at.w0) * s.c;
      fromPanels(at.width(), at.block1 - at.block0, plane, hiddenRow + size_t(d) * at.width() * L, s.c, project + size_t(at.block0) * L * up(s.c),
                 up(s.c), at.group == 0 ? offset : nullptr, cut.groups == 1 ? x + voxel : nullptr, to + voxel, s.c);
    }
  }
};

// y = x + sum of the groups' projections.
static void addGroups(const Irb& s, const float* x, const float* parts, int groups, float* y) {
  const size_t whole = size_t(rowsOf(s)) * s.c, part = 16384;
  parallel(int((whole + part - 1) / part), [&](int task, int) {
    const size_t to = std::min(whole, (size_t(task) + 1) * part);
    for (size_t i = size_t(task) * part; i < to; i += L) {
      const int n = int(std::min<size_t>(L, to - i));
      V v = loadn(x + i, n);
      for (int g = 0; g < groups; g++) v = v + loadn(parts + whole * g + i, n);
      storen(y + i, v, n);
    }
  });
}

static void irbInfer(Irb s, const float* x, IrbWeights p, float epsilon, int act, IrbStats t, float* y) {
  const Folded two = folded2(s, p, t, epsilon);
  Folded three = folded3(s, p, t, epsilon);
  const Expansion e = foldExpansion(s, p, folded1(s, p, t, epsilon));
  const int ep = up(s.e), cp = up(s.c);
  float* project = sharedScratch(kPointwise, size_t(ep) * cp);
  std::memset(project, 0, size_t(ep) * cp * sizeof(float));
  packTransposed(p.project, s.c, s.e, three.scale.data(), project);
  mixLastColumns(ep, s.c, project);
  mixLastColumns(1, s.c, three.offset.data());
  const Cut cut(hidden(s), ringRows(s.k, rowsTogether(s.k)), kInferBlocks);
  float* out = cut.groups > 1 ? sharedScratch(kInputParts, size_t(cut.groups) * rowsOf(s) * s.c) : y;
  byKernel<3, 5, 7>(s.k, [&](auto k) {
    constexpr int K = decltype(k)::value;
    const float* depthwise = packedDepthwise<K>(s, p.depthwise, false);
    byActivation(act, [&](auto a) {
      const InferWalk<K, decltype(a)::value> walk{s, x, e, depthwise, two, project, three.offset.data(), out, cut};
      parallel(cut.tasks(), [&](int task, int thread) { walk.task(task, thread); });
    });
  });
  if (cut.groups > 1) addGroups(s, x, out, cut.groups, y);
}
