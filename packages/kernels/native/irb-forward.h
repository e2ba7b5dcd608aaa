// Training forward: moments of x; expansion, activation and depthwise convolution in one pass, whose output is
// written once; activation and projection in a second; normalisation and sum in a third.
#pragma once
#include "irb-moments.h"

// The depthwise convolution's output as it comes, and its moments per part of the volume.
struct IntoHidden {
  const Depth& s;
  float* z;
  float* place(const Slab& at, int block, int d, int row, int column) const {
    const size_t volume = size_t(block) * s.n + at.volume;
    return z + (((volume * s.d + at.d0 + d) * s.h + row) * s.w + at.w0 + column) * L;
  }
};

// Sums of one channel block about a shift that is near its mean.
struct BlockSums {
  bool started = false;
  alignas(64) float shift[L];
  double sum[L] = {0}, square[L] = {0}, count = 0;

  // Of `rows` runs of `inside` vectors, `pitch` floats apart.
  void add(int rows, int inside, size_t pitch, const float* panel) {
    if (!started) begin(rows, inside, pitch, panel);
    V s = splat(0.0f), q = s;
    const V centre = load(shift);
    for (int r = 0; r < rows; r++)
      for (int i = 0; i < inside; i++) {
        const V v = load(panel + r * pitch + size_t(i) * L) - centre;
        s = s + v;
        q = fma(v, v, q);
      }
    alignas(64) float total[2 * L];
    store(total, s);
    store(total + L, q);
    for (int l = 0; l < L; l++) sum[l] += total[l], square[l] += total[L + l];
    count += double(rows) * inside;
  }
  void finish(int lanes, double* n, double* mean, double* squares) const {
    *n = count;
    for (int l = 0; l < lanes; l++) {
      mean[l] = shift[l] + sum[l] / count;
      squares[l] = square[l] - sum[l] * sum[l] / count;
    }
  }

 private:
  void begin(int rows, int inside, size_t pitch, const float* panel) {
    V s = splat(0.0f);
    for (int r = 0; r < rows; r++)
      for (int i = 0; i < inside; i++) s = s + load(panel + r * pitch + size_t(i) * L);
    store(shift, s * splat(1.0f / (float(rows) * inside)));
    started = true;
  }
};

static Cut forwardCut(const Depth& h) { return Cut(h, ringRows(h.k, rowsTogether(h.k)), 1); }

// Fills z; where `moments` is given also the moments of z, one group per part of the cut.
template <int K, int ACT>
static void hiddenPass(const Irb& s, const float* x, const Expansion& e, const float* weights, float* z, GroupMoments* moments) {
  const Depth h = hidden(s);
  const Cut cut = forwardCut(h);
  const FromExpansion<ACT> source{x, e, s.d, s.h, s.w};
  const IntoHidden to{h, z};
  parallel(cut.tasks(), [&](int task, int thread) {
    const Slab at = cut.slab(task);
    const Ring<K> ring(h, at, threadScratch(thread, 0, Ring<K>::floats(cut)));
    float* scratch = threadScratch(thread, 1, Ring<K>::scratchFloats(cut));
    const int block = at.block0;
    BlockSums sums;
    ring.start(block, source);
    Ring<K>::walk(at, [&](int y, int count) {
      ring.bringFor(y, count, block, source);
      ring.convolve(y, count, weights + Width<K>::weights * block, scratch, [&](int r, int column, int columns, const float* panel) {
        const int inside = std::min(columns, at.width() - column);
        for (int d = 0; d < at.depth(); d++) {
          float* out = to.place(at, block, d, y + r, column);
          for (int i = 0; i < inside; i++) stream(out + size_t(i) * L, load(panel + (size_t(d) * columns + i) * L));
        }
        if (moments) sums.add(at.depth(), inside, size_t(columns) * L, panel);
      });
    });
    endStreams();
    if (moments) {
      const size_t to = size_t(at.part) * h.c + block * L;
      sums.finish(std::min(L, h.c - block * L), &moments->count[at.part], &moments->mean[to], &moments->square[to]);
    }
  });
}

// From x to z, with statistics `t` of the first normalisation; measures those of the second where asked to.
static void makeHidden(const Irb& s, const float* x, const IrbWeights& p, float epsilon, int act, IrbStats t, bool measure, float* z) {
  const Expansion e = foldExpansion(s, p, folded1(s, p, t, epsilon));
  GroupMoments moments(forwardCut(hidden(s)).parts(), s.e);
  byKernel<3, 5, 7>(s.k, [&](auto k) {
    constexpr int K = decltype(k)::value;
    const float* weights = packedDepthwise<K>(s, p.depthwise, false);
    byActivation(act, [&](auto a) { hiddenPass<K, decltype(a)::value>(s, x, e, weights, z, measure ? &moments : nullptr); });
  });
  if (!measure) return;
  moments.merge(t.mean2, t.var2);
  if (p.depthwiseBias)
    for (int j = 0; j < s.e; j++) t.mean2[j] += p.depthwiseBias[j];
}

// A panel of hidden values through the second normalisation and the activation; asks for z `ahead` floats further on.
template <int ACT>
static void activatePanel(int rows, const float* z, const float* scale, const float* offset, float* out, size_t ahead = 0) {
  for (int part = 0; part < L; part += W) {
    const Part k = loadPart(scale + part), b = loadPart(offset + part);
    inSteps<kLockstep>(rows, [&](int r, auto n) {
      constexpr int N = decltype(n)::value;
      const size_t at = size_t(r) * L + part;
      Part v[N];
      if (ahead != 0) expectBytes(z + at + ahead, N * L * sizeof(float));
      lockstep<N>([&](int i) { v[i] = fma(loadPart(z + at + i * L), k, b); });
      activateParts<ACT>(v);
      lockstep<N>([&](int i) { storePart(out + at + i * L, v[i]); });
    });
  }
}

// projected = act(norm2(z)) W3, and its moments.
template <int ACT>
static void projectPass(const Irb& s, const float* z, const Folded& two, const float* packed, float* projected, GroupMoments& moments,
                        const Chunks& chunks) {
  const int blocks = blocksOf(s), cp = up(s.c);
  const size_t plane = size_t(rowsOf(s)) * L;
  const int run = std::max(16, std::min(128, 8192 / s.e));
  parallel(chunks.count, [&](int task, int thread) {
    const size_t pitch = size_t(run) * L;
    float* h2 = threadScratch(thread, 0, pitch * blocks);
    const int begin = chunks.begin(task), end = begin + chunks.length(task);
    for (int r = begin; r < end; r += run) {
      const int rows = std::min(run, end - r);
      for (int b = 0; b < blocks; b++)
        activatePanel<ACT>(rows, z + plane * b + size_t(r) * L, &two.scale[size_t(b) * L], &two.offset[size_t(b) * L], h2 + pitch * b, size_t(rows) * L);
      fromPanels(rows, blocks, pitch, h2, s.c, packed, cp, nullptr, nullptr, projected + size_t(r) * s.c, s.c);
    }
    moments.count[task] = end - begin;
    momentsOfRows(end - begin, s.c, projected + size_t(begin) * s.c, &moments.mean[size_t(task) * s.c], &moments.square[size_t(task) * s.c]);
  });
}

static void projectHidden(const Irb& s, const float* z, const IrbWeights& p, float epsilon, int act, IrbStats t, float* projected) {
  float* packed = sharedScratch(kPointwise, size_t(up(s.e)) * up(s.c));
  std::memset(packed, 0, size_t(up(s.e)) * up(s.c) * sizeof(float));
  packTransposed(p.project, s.c, s.e, nullptr, packed);
  mixLastColumns(up(s.e), s.c, packed);
  const Folded two = folded2(s, p, t, epsilon);
  const Chunks chunks(rowsOf(s), std::max(32, std::min(1024, 16384 / s.c)));
  GroupMoments moments(chunks.count, s.c);
  byActivation(act, [&](auto a) { projectPass<decltype(a)::value>(s, z, two, packed, projected, moments, chunks); });
  moments.merge(t.mean3, t.var3);
  if (p.projectBias)
    for (int j = 0; j < s.c; j++) t.mean3[j] += p.projectBias[j];
}

static void irbForward(Irb s, const float* x, IrbWeights p, float epsilon, int act, float* y, IrbStats t, float* saved, bool keepHidden) {
  const int rows = rowsOf(s);
  const Saved kept(s, saved ? saved : sharedScratch(kProjected, Saved::floats(s, false)), keepHidden && saved);
  if (!kept.hidden || hiddenOwner == saved) hiddenOwner = nullptr;
  float* z = kept.hidden ? kept.hidden : sharedScratch(kHiddenTensor, hiddenFloats(s));
  momentsOf(rows, s.c, x, kept.moments);
  expansionStatistics(s, kept.moments, p, t.mean1, t.var1);
  makeHidden(s, x, p, epsilon, act, t, true, z);
  projectHidden(s, z, p, epsilon, act, t, kept.projected);
  const Folded three = folded3(s, p, t, epsilon);
  affineRows(rows, s.c, kept.projected, three.scale.data(), three.offset.data(), NONE, x, y);
  if (!kept.hidden) hiddenOwner = saved;
}
