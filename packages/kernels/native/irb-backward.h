// Backward: from dy to the gradient dp of the projection (through the third normalisation); one pass over the
// hidden tensor for the sums that the second normalisation needs; then one walk along the height in which a ring of
// dz, made as it goes, gives both the depthwise filter's gradient and the gradient by the activated expansion. No
// expanded gradient is ever written: the first normalisation's backward is affine in x, so what remains of it are
// small matrices and the product t with the expansion's weights.
#pragma once
#include "irb-forward.h"

// d(value) = scale * g - constant - factor * value: backward through a batch norm, from the sums of g and of
// g * (value - mean).
struct NormGradient {
  std::vector<float> scale, constant, factor;
  NormGradient(int c, int rows, const Folded& f, const float* variance, const float* gamma, float epsilon, const double* sumG,
               const double* sumGv, float* dgamma, float* dbeta)
      : scale(up(c)), constant(up(c)), factor(up(c)) {
    for (int j = 0; j < c; j++) {
      const double inv = 1.0 / std::sqrt(double(variance[j]) + epsilon), k = gamma[j] * inv, pull = k * inv * inv * sumGv[j] / rows;
      dbeta[j] = float(sumG[j]);
      dgamma[j] = float(sumGv[j] * inv);
      scale[j] = float(k);
      factor[j] = float(pull);
      constant[j] = float(k * sumG[j] / rows - pull * f.mean[j]);
    }
  }
};

// Through the third normalisation: what turns dy and the projection into dp.
static NormGradient projectionGradient(const Irb& s, const float* projected, const float* dy, const IrbWeights& p, const IrbStats& t,
                                       float epsilon, const IrbWeights& grad) {
  const int rows = rowsOf(s);
  const Folded three = folded3(s, p, t, epsilon);
  std::vector<float> mean(size_t(period(s.c)) * L);
  spread(three.mean.data(), s.c, mean.data());
  std::vector<double> sums(size_t(2) * s.c);
  channelSums<2>(size_t(rows) * s.c, s.c, sums.data(), [&](int slot, size_t i, int n, V* v) {
    v[0] = loadn(dy + i, n);
    v[1] = v[0] * (loadn(projected + i, n) - load(&mean[size_t(slot) * L]));
  });
  return NormGradient(s.c, rows, three, t.var3, p.gamma3, epsilon, sums.data(), sums.data() + s.c, grad.gamma3, grad.beta3);
}

// The gradient after the second activation's slope, g = (dp W3) act'(u2), summed on the fly: of sixteen channels,
// with the activated values for the projection's own gradient.
template <int ACT>
static void slopePanel(int rows, const float* z, const float* scale, const float* offset, const float* mean, const float* g, float* h2,
                       double* sumG, double* sumGz) {
  alignas(64) float total[2 * L];
  for (int part = 0; part < L; part += W) {
    const Part k = loadPart(scale + part), b = loadPart(offset + part), centre = loadPart(mean + part);
    Part sum{}, product{};
    inSteps<kLockstep>(rows, [&](int r, auto n) {
      constexpr int N = decltype(n)::value;
      const size_t at = size_t(r) * L + part;
      Part h[N];
      expectBytes(z + at + size_t(rows) * L, N * L * sizeof(float));  // of the next run
      lockstep<N>([&](int i) { h[i] = fma(loadPart(z + at + i * L), k, b); });
      activateParts<ACT>(h);
      lockstep<N>([&](int i) {
        const Part v = loadPart(g + at + i * L) * slopeAfter<ACT>(h[i]);
        storePart(h2 + at + i * L, h[i]);
        sum = sum + v;
        product = fma(v, loadPart(z + at + i * L) - centre, product);
      });
    });
    storePart(total + part, sum);
    storePart(total + L + part, product);
  }
  for (int l = 0; l < L; l++) sumG[l] += total[l], sumGz[l] += total[L + l];
}

// What the pass over the hidden tensor finds: sums per hidden channel, [up(e)].
struct HiddenSums {
  std::vector<double> g, gz;
};

// Writes dp, the projection's gradient, and returns the sums of g and g * (z - mean2).
template <int ACT>
static HiddenSums projectBackward(const Irb& s, const float* z, const float* projected, const float* dy, const IrbWeights& p,
                                  const Folded& two, const NormGradient& three, float* dp, float* dproject) {
  const int ep = up(s.e), blocks = blocksOf(s);
  float* packed = sharedScratch(kPointwise, size_t(s.c) * ep);
  packRows(p.project, s.c, s.e, nullptr, packed);
  const Chunks chunks = partialChunks(rowsOf(s), 64);
  const size_t length = size_t(s.c) * ep, plane = size_t(rowsOf(s)) * L;
  float* partials = sharedScratch(kPartials, length * chunks.count);
  std::vector<double> sums(size_t(2) * ep * chunks.count, 0.0);
  const auto scale3 = spreadTo(s.c, three.scale), constant3 = spreadTo(s.c, three.constant), factor3 = spreadTo(s.c, three.factor);
  parallel(chunks.count, [&](int task, int thread) {
    constexpr int run = 128;
    float* g = threadScratch(thread, 0, size_t(run) * L);
    float* h2 = threadScratch(thread, 1, size_t(run) * L);
    float* dw = partials + length * task;
    double* into = sums.data() + size_t(2) * ep * task;
    std::memset(dw, 0, length * sizeof(float));
    const int end = chunks.begin(task) + chunks.length(task);
    for (int r = chunks.begin(task); r < end; r += run) {
      const int rows = std::min(run, end - r);
      const size_t from = size_t(r) * s.c;
      sweep(from, from + size_t(rows) * s.c, period(s.c), [&](int slot, size_t i, int n) {
        const V v = fma(loadn(dy + i, n), load(&scale3[size_t(slot) * L]), splat(0.0f) - load(&constant3[size_t(slot) * L]));
        storen(dp + i, v - loadn(projected + i, n) * load(&factor3[size_t(slot) * L]), n);
      });
      for (int b = 0; b < blocks; b++) {
        panelOf<NONE>(rows, s.c, dp + from, s.c, packed + b * L, ep, nullptr, g);
        slopePanel<ACT>(rows, z + plane * b + size_t(r) * L, &two.scale[size_t(b) * L], &two.offset[size_t(b) * L],
                        &two.mean[size_t(b) * L], g, h2, into + b * L, into + ep + b * L);
        panelAtb(rows, s.c, dp + from, s.c, h2, dw + size_t(b) * s.c * L);
      }
    }
  });
  reduceBlocks(s, partials, chunks.count, dproject);
  HiddenSums found{std::vector<double>(ep, 0.0), std::vector<double>(ep, 0.0)};
  for (int task = 0; task < chunks.count; task++)
    for (int j = 0; j < ep; j++) {
      found.g[j] += sums[(size_t(task) * 2) * ep + j];
      found.gz[j] += sums[(size_t(task) * 2 + 1) * ep + j];
    }
  return found;
}

// Rows of dz, made from dp and z: dz = (dp W3) act'(u2) - constant - factor z, the scale lying in the weights.
template <int ACT>
struct FromHiddenGradient {
  const float *dp, *z, *weight;  // weight: [c][ep], column j times the normalisation's scale
  const Folded& two;
  const NormGradient& gradient;
  Irb s;
  __attribute__((noinline)) void operator()(int volume, int plane, int y, int c0, int c1, int block, float* out, ptrdiff_t ahead) const {
    const int ep = up(s.e), columns = c1 - c0;
    const size_t row = ((size_t(volume) * s.d + plane) * s.h + y) * s.w + c0;
    panelOf<NONE>(columns, s.c, dp + row * s.c, s.c, weight + block * L, ep, nullptr, out, ahead * s.c);
    const float* pz = z + (size_t(rowsOf(s)) * block + row) * L;
    for (int part = 0; part < L; part += W) {
      const int j = block * L + part;
      const Part k = loadPart(&two.scale[j]), b = loadPart(&two.offset[j]), f = loadPart(&gradient.factor[j]);
      const Part minusC = Part{} - loadPart(&gradient.constant[j]);
      inSteps<kLockstep>(columns, [&](int column, auto n) {
        constexpr int N = decltype(n)::value;
        float* at = out + size_t(column) * L + part;
        const float* value = pz + size_t(column) * L + part;
        Part slope[N];
        lockstep<N>([&](int i) { expectLine(value + (ahead + i) * L); });
        lockstep<N>([&](int i) { slope[i] = fma(loadPart(value + i * L), k, b); });
        slopeParts<ACT>(slope);
        lockstep<N>([&](int i) { storePart(at + i * L, fma(loadPart(at + i * L), slope[i], minusC) - loadPart(value + i * L) * f); });
      });
    }
  }
};

// Sums of the walk, per part of the cut: S = sum of dz1 (x - mean x) as [block][c][16], and sum of dz1, [block][16].
struct WalkSums {
  size_t length;
  float* partials;
  static size_t floats(const Irb& s) { return size_t(blocksOf(s)) * (s.c + 1) * L; }
};

template <int K, int ACT>
struct BackwardWalk {
  const Irb& s;
  const float* x;
  const Expansion& e;
  const float *centre, *back;          // mean of x, spread; expansion's weights [ep][up(c)], row j times the first scale, mixed
  const float* depthwise;              // packed, reversed
  const FromHiddenGradient<ACT>& dz;
  float *filterPartials, *sumPartials, *t;
  Cut cut;

  void task(int task, int thread) const {
    const Slab at = cut.slab(task);
    const Depth h = hidden(s);
    const int grouped = at.block1 - at.block0;
    const size_t voxels = size_t(at.depth()) * at.width(), ringFloats = Saved::align(Ring<K, 1>::floats(cut)), pitch = size_t(at.depth()) * L;
    Carver memory{threadScratch(thread, 0, taskFloats())};
    float *rings = memory.take(ringFloats * cut.grouped), *scratch = memory.take(Ring<K, 1>::scratchFloats(cut));
    float *columns = memory.take(centreFloats<K>(cut)), *activated = memory.take(rowFloats()), *dz1 = memory.take(rowFloats() * cut.grouped);
    float *centred = memory.take(size_t(cut.depth) * cut.width * s.c), *product = memory.take(size_t(s.c + 1) * L);
    const auto ringOf = [&](int block) { return Ring<K, 1>(h, at, rings + ringFloats * (block - at.block0)); };
    const FromExpansion<ACT> source{x, e, s.d, s.h, s.w};
    float* filter = filterPartials + Width<K>::weights * (size_t(at.part) * cut.blocks + at.block0);
    float* sums = sumPartials + size_t(s.c + 1) * L * (size_t(at.part) * cut.blocks + at.block0);
    std::memset(filter, 0, Width<K>::weights * grouped * sizeof(float));
    std::memset(sums, 0, size_t(s.c + 1) * L * grouped * sizeof(float));
    for (int b = 0; b < grouped; b++) ringOf(at.block0 + b).start(at.block0 + b, dz);
    for (int y = at.h0; y < at.h1; y++) {
      centreInput(at, y, centred);
      for (int b = 0; b < grouped; b++) {
        const Ring<K, 1> ring = ringOf(at.block0 + b);
        ring.bring(y + K / 2, at.block0 + b, dz);
        activatedRow(at, y, at.block0 + b, source, pitch, activated, columns);
        correlateTiles<K>(ring.around(y), at.width(), ring.pitch, ring.depths(), columns, pitch, filter + Width<K>::weights * b);
        std::memset(product, 0, size_t(s.c + 1) * L * sizeof(float));
        float* row = dz1 + voxels * L * b;
        ring.convolve(y, 1, depthwise + Width<K>::weights * (at.block0 + b), scratch, [&](int, int column, int count, const float* panel) {
          slopeInto(at, column, count, panel, activated, row, product + size_t(s.c) * L);
        });
        panelAtb(int(voxels), s.c, centred, s.c, row, product);
        float* into = sums + size_t(s.c + 1) * L * b;
        for (int i = 0; i < (s.c + 1) * L; i++) into[i] += product[i];
      }
      throughExpansion(at, y, dz1);
    }
  }

  size_t rowFloats() const { return size_t(cut.depth) * (cut.width + L) * L; }
  size_t taskFloats() const {
    return Saved::align(Ring<K, 1>::floats(cut)) * cut.grouped + Ring<K, 1>::scratchFloats(cut) + centreFloats<K>(cut) + rowFloats() * (cut.grouped + 1) +
           size_t(cut.depth) * cut.width * s.c + size_t(s.c + 1) * L + 8 * L;
  }
  size_t voxelAt(const Slab& at, int d, int y) const {
    return ((size_t(at.volume) * s.d + at.d0 + d) * s.h + y) * s.w + at.w0;
  }
  // x - mean of one row, [depth][width][c].
  void centreInput(const Slab& at, int y, float* out) const {
    for (int d = 0; d < at.depth(); d++, out += size_t(at.width()) * s.c) {
      const float* p = x + voxelAt(at, d, y) * s.c;
      expectBytes(p + ahead(hidden(s), at.depth(), d, y) * s.c, size_t(at.width()) * s.c * sizeof(float));
      centreRows(at.width(), s.c, p, centre, out);
    }
  }
  // The activated expansion of one row, [depth][width][16], also as the centre of the filter's gradient.
  __attribute__((noinline)) void activatedRow(const Slab& at, int y, int block, const FromExpansion<ACT>& source, size_t pitch, float* out, float* columns) const {
    const int padded = Width<K>::tiles(at.width()) * Width<K>::results;
    for (int d = 0; d < at.depth(); d++, out += size_t(at.width()) * L) {
      source(at.volume, at.d0 + d, y, at.w0, at.w1, block, out, 0);
      // Columns past the width are zeros until the next depth's row is written over them.
      std::memset(out + size_t(at.width()) * L, 0, size_t(padded - at.width()) * L * sizeof(float));
      intoCentre<K>(out, at.width(), pitch, columns + size_t(d) * L);
    }
  }
  // Results of the convolution times the activation's slope, into the row's dz1; their sum into `sum`.
  __attribute__((noinline)) void slopeInto(const Slab& at, int column, int count, const float* panel, const float* activated, float* row, float* sum) const {
    const int inside = std::min(count, at.width() - column);
    for (int part = 0; part < L; part += W) {
      Part total = loadPart(sum + part);
      for (int d = 0; d < at.depth(); d++) {
        const size_t to = (size_t(d) * at.width() + column) * L + part;
        const float* p = panel + size_t(d) * count * L + part;
        for (int i = 0; i < inside; i++) {
          const Part v = loadPart(p + size_t(i) * L) * slopeAfter<ACT>(loadPart(activated + to + size_t(i) * L));
          storePart(row + to + size_t(i) * L, v);
          total = total + v;
        }
      }
      storePart(sum + part, total);
    }
  }
  // t of one row: dz1 of the group's blocks times the expansion's weights.
  __attribute__((noinline)) void throughExpansion(const Slab& at, int y, const float* dz1) const {
    const size_t plane = size_t(at.depth()) * at.width() * L;
    float* out = t + size_t(at.group) * rowsOf(s) * s.c;
    for (int d = 0; d < at.depth(); d++)
      fromPanels(at.width(), at.block1 - at.block0, plane, dz1 + size_t(d) * at.width() * L, s.c, back + size_t(at.block0) * L * up(s.c),
                 up(s.c), nullptr, nullptr, out + voxelAt(at, d, y) * s.c, s.c);
  }
};

constexpr int kBackwardBlocks = 4;

// dx = sum of the groups' t - constant - (x - mean x) M + dy: what the expansion's batch statistics add.
static void finishInput(const Irb& s, const float* x, const float* centre, const double* constant, const float* M, const float* t,
                        int groups, const float* dy, float* dx) {
  const int cp = up(s.c), slots = period(s.c);
  float* packed = sharedScratch(kPointwise, size_t(s.c) * cp);
  for (int a = 0; a < s.c; a++)
    for (int b = 0; b < cp; b++) packed[size_t(a) * cp + b] = b < s.c ? -M[size_t(a) * s.c + b] : 0.0f;
  std::vector<float> shift(s.c);
  for (int j = 0; j < s.c; j++) shift[j] = float(constant[j]);
  const std::vector<float> offset = spreadTo(s.c, shift);
  const size_t whole = size_t(rowsOf(s)) * s.c;
  const Chunks chunks(rowsOf(s), std::max(32, 4096 / s.c));
  parallel(chunks.count, [&](int task, int thread) {
    const size_t from = size_t(chunks.begin(task)) * s.c;
    const int rows = chunks.length(task);
    float* centred = threadScratch(thread, 0, size_t(rows) * s.c);
    centreRows(rows, s.c, x + from, centre, centred);
    sweep(from, from + size_t(rows) * s.c, slots, [&](int slot, size_t i, int n) {
      V v = loadn(dy + i, n) - loadn(offset.data() + size_t(slot) * L, n);
      for (int g = 0; g < groups; g++) v = v + loadn(t + whole * g + i, n);
      storen(dx + i, v, n);
    });
    addProduct(rows, s.c, centred, s.c, packed, cp, dx + from);
  });
}

// M = sum over j of pull[j] w_j w_j^T, [c][c].
static const float* weightedGram(const Irb& s, const float* expand, const double* pull) {
  const size_t square = size_t(s.c) * s.c;
  float* pulled = sharedScratch(kNumbers, size_t(s.e) * s.c + square);
  float* M = pulled + size_t(s.e) * s.c;
  for (int j = 0; j < s.e; j++)
    for (int c = 0; c < s.c; c++) pulled[size_t(j) * s.c + c] = float(pull[j] * expand[size_t(j) * s.c + c]);
  std::memset(M, 0, square * sizeof(float));
  parallel((s.c + 15) / 16, [&](int task, int) {
    const int from = task * 16, rows = std::min(16, s.c - from);
    gemmAtb(s.e, rows, s.c, pulled + from, s.c, expand, s.c, M + size_t(from) * s.c);
  });
  return M;
}

static void zeroBias(float* bias, int n) {
  if (bias) std::memset(bias, 0, size_t(n) * sizeof(float));  // a bias before a batch norm has no effect
}

// The walk over the whole block: fills t, the depthwise filter's gradient and S with the sum of dz1.
template <int K, int ACT>
static int walkBackward(const Irb& s, const float* x, const float* z, const float* dp, const IrbWeights& p, const Folded& one,
                        const Folded& two, const NormGradient& gradient, const float* centre, float* ddepthwise, std::vector<float>& sums) {
  const int ep = up(s.e), cp = up(s.c), blocks = blocksOf(s);
  const Expansion e = foldExpansion(s, p, one);
  float* weights = sharedScratch(kPointwise, size_t(s.c) * ep + size_t(ep) * cp);
  float* back = weights + size_t(s.c) * ep;
  packRows(p.project, s.c, s.e, nullptr, weights);
  for (int c = 0; c < s.c; c++)
    for (int j = 0; j < s.e; j++) weights[size_t(c) * ep + j] *= gradient.scale[j];
  std::memset(back, 0, size_t(ep) * cp * sizeof(float));
  packRows(p.expand, s.e, s.c, one.scale.data(), back);
  mixLastColumns(ep, s.c, back);
  const FromHiddenGradient<ACT> dz{dp, z, weights, two, gradient, s};
  const Cut cut(hidden(s), ringRows(K, 1), kBackwardBlocks);
  const size_t filterLength = Width<K>::weights * blocks, sumLength = WalkSums::floats(s);
  float* partials = sharedScratch(kPartials, (filterLength + sumLength) * cut.parts());
  float* t = sharedScratch(kInputParts, size_t(cut.groups) * rowsOf(s) * s.c);
  const BackwardWalk<K, ACT> walk{s,  x, e, centre, back, packedDepthwise<K>(s, p.depthwise, true), dz, partials, partials + filterLength * cut.parts(),
                                  t, cut};
  parallel(cut.tasks(), [&](int task, int thread) { walk.task(task, thread); });
  sums.resize(sumLength);
  reducePartials(partials + filterLength * cut.parts(), cut.parts(), sumLength, sums.data());
  finishFilter<K>(partials, cut.parts(), s.e, true, ddepthwise);
  return cut.groups;
}

static void irbBackward(Irb s, const float* x, IrbWeights p, float epsilon, int act, IrbStats st, const float* saved, bool keptHidden,
                        const float* dy, float* dx, IrbWeights grad) {
  const int rows = rowsOf(s);
  const Saved kept(s, const_cast<float*>(saved), keptHidden);
  float* z = keptHidden ? kept.hidden : sharedScratch(kHiddenTensor, hiddenFloats(s));
  if (!keptHidden && hiddenOwner != saved) makeHidden(s, x, p, epsilon, act, st, false, z);
  if (!keptHidden) hiddenOwner = nullptr;
  const Folded one = folded1(s, p, st, epsilon), two = folded2(s, p, st, epsilon);
  const NormGradient three = projectionGradient(s, kept.projected, dy, p, st, epsilon, grad);
  float* dp = sharedScratch(kProjected, size_t(rows) * s.c);
  HiddenSums found;
  byActivation(act, [&](auto a) { found = projectBackward<decltype(a)::value>(s, z, kept.projected, dy, p, two, three, dp, grad.project); });
  const NormGradient gradient(s.e, rows, two, st.var2, p.gamma2, epsilon, found.g.data(), found.gz.data(), grad.gamma2, grad.beta2);
  std::vector<float> sums, mean(kept.moments.mean, kept.moments.mean + s.c);
  const std::vector<float> centre = spreadTo(s.c, mean);
  int groups = 0;
  byKernel<3, 5, 7>(s.k, [&](auto k) {
    byActivation(act, [&](auto a) {
      groups = walkBackward<decltype(k)::value, decltype(a)::value>(s, x, z, dp, p, one, two, gradient, centre.data(), grad.depthwise, sums);
    });
  });
  // Through the first normalisation and the expansion, from S = sum of dz1 (x - mean x) and the sum of dz1.
  std::vector<double> pull(s.e), k0(s.c, 0.0);
  for (int j = 0; j < s.e; j++) {
    const float* w = p.expand + size_t(j) * s.c;
    const float* S = sums.data() + size_t(j / L) * (s.c + 1) * L + j % L;
    const double inv = 1.0 / std::sqrt(double(st.var1[j]) + epsilon), k1 = p.gamma1[j] * inv, sum = S[size_t(s.c) * L];
    double dot = 0.0;
    for (int c = 0; c < s.c; c++) dot += double(w[c]) * S[size_t(c) * L];
    const double dgamma = dot * inv;
    grad.gamma1[j] = float(dgamma);
    grad.beta1[j] = float(sum);
    pull[j] = k1 * inv * dgamma / rows;
    for (int c = 0; c < s.c; c++) {
      grad.expand[size_t(j) * s.c + c] = float(k1 * (S[size_t(c) * L] - dgamma * inv * kept.moments.products[size_t(j) * s.c + c]));
      k0[c] += w[c] * k1 * sum / rows;
    }
  }
  const float* M = weightedGram(s, p.expand, pull.data());
  finishInput(s, x, centre.data(), k0.data(), M, sharedScratch(kInputParts, 0), groups, dy, dx);
  zeroBias(grad.expandBias, s.e);
  zeroBias(grad.depthwiseBias, s.e);
  zeroBias(grad.projectBias, s.c);
}
