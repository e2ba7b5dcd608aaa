// The inverted-residual block in a few passes. The expanded activation is never stored: the expansion is
// linear, so its batch statistics follow from the mean and covariance of the input, and the depthwise
// convolution makes its planes from the input as it goes. Kept for backward: z (depthwise output) and p
// (projection), both before normalisation.
#pragma once
#include "conv.h"
#include "depthwise.h"

static int rowsOf(const Irb& s) { return s.n * s.d * s.h * s.w; }

// Mean and biased covariance of x [rows][c], in float64.
struct Moments {
  std::vector<double> mean, covariance;  // covariance [c][c]
  std::vector<float> meanFloat;
};
static Moments momentsOf(int rows, int c, const float* x) {
  Moments m{std::vector<double>(c), std::vector<double>(size_t(c) * c), std::vector<float>(c)};
  channelSums<1>(size_t(rows) * c, c, m.mean.data(), [&](int, size_t i, int n, V* v) { v[0] = loadn(x + i, n); });
  for (int j = 0; j < c; j++) m.mean[j] /= rows, m.meanFloat[j] = float(m.mean[j]);
  const Chunks chunks = partialChunks(rows, 128);
  const size_t length = size_t(c) * c + c;
  std::vector<double> partial(length * chunks.count, 0.0);
  parallel(chunks.count, [&](int task, int thread) {
    constexpr int run = 64;  // rows summed in float32 before they go to float64
    float* centred = threadScratch(thread, 2, size_t(run) * c);
    float* product = threadScratch(thread, 3, size_t(c) * c);
    double* out = partial.data() + length * task;
    const int end = chunks.begin(task) + chunks.length(task);
    for (int r = chunks.begin(task); r < end; r += run) {
      const int rowsHere = std::min(run, end - r);
      for (int i = 0; i < rowsHere; i++)
        for (int j = 0; j < c; j++) {
          const float value = x[size_t(r + i) * c + j] - m.meanFloat[j];
          centred[size_t(i) * c + j] = value;
          out[size_t(c) * c + j] += value;
        }
      std::memset(product, 0, size_t(c) * c * sizeof(float));
      gemmAtb(rowsHere, c, c, centred, c, centred, c, product);
      for (size_t j = 0; j < size_t(c) * c; j++) out[j] += product[j];
    }
  });
  std::vector<double> sum(length, 0.0);
  for (int task = 0; task < chunks.count; task++)
    for (size_t j = 0; j < length; j++) sum[j] += partial[length * task + j];
  for (int a = 0; a < c; a++)
    for (int b = 0; b < c; b++) {
      const double shiftA = sum[size_t(c) * c + a] / rows, shiftB = sum[size_t(c) * c + b] / rows;
      m.covariance[size_t(a) * c + b] = sum[size_t(a) * c + b] / rows - shiftA * shiftB;
    }
  return m;
}

// out[j] = covariance of x times row j of the expansion's weights, [e][c].
static std::vector<double> timesCovariance(const Irb& s, const float* expand, const Moments& m) {
  std::vector<double> out(size_t(s.e) * s.c, 0.0);
  parallel((s.e + 15) / 16, [&](int task, int) {
    for (int j = task * 16; j < std::min(s.e, task * 16 + 16); j++) {
      double* row = out.data() + size_t(j) * s.c;
      for (int b = 0; b < s.c; b++) {
        const double w = expand[size_t(j) * s.c + b];
        const double* covariance = m.covariance.data() + size_t(b) * s.c;
        for (int c = 0; c < s.c; c++) row[c] += w * covariance[c];
      }
    }
  });
  return out;
}

// Statistics of the expansion a = W x + b from the moments of x.
static void expansionStatistics(const Irb& s, const Moments& m, const IrbWeights& p, float* mean, float* variance) {
  const std::vector<double> products = timesCovariance(s, p.expand, m);
  for (int j = 0; j < s.e; j++) {
    const float* w = p.expand + size_t(j) * s.c;
    double mu = p.expandBias ? p.expandBias[j] : 0.0, var = 0.0;
    for (int a = 0; a < s.c; a++) {
      mu += w[a] * m.mean[a];
      var += w[a] * products[size_t(j) * s.c + a];
    }
    mean[j] = float(mu);
    variance[j] = float(std::max(0.0, var));
  }
}

// Expansion and first normalisation as one affine map: u = x W' + b', W' packed [c][up(e)].
struct Expansion {
  const float *weight, *offset;
  int c, ep;
};
static Expansion foldExpansion(const Irb& s, const IrbWeights& p, Norm norm) {
  const Affine a = fold(s.e, norm);
  const int ep = up(s.e);
  float* w = sharedScratch(3, size_t(s.c) * ep + ep);
  packTransposed(p.expand, s.e, s.c, a.scale.data(), w);
  float* b = w + size_t(s.c) * ep;
  for (int j = 0; j < ep; j++)
    b[j] = j < s.e ? a.offset[j] + (p.expandBias ? p.expandBias[j] * a.scale[j] : 0.0f) : 0.0f;
  return {w, b, s.c, ep};
}

// Planes of the activated expansion, sixteen channels of it, made from the block's input.
struct FromExpansion {
  const float* x;
  Expansion e;
  int d, h, w, act;
  void operator()(int volume, int z, int y, int c0, int c1, int block, float* out) const {
    const float* p = x + (((size_t(volume) * d + z) * h + y) * w + c0) * e.c;
    const float* wt = e.weight + block * L;
    const V bias = load(e.offset + block * L);
    int i = c0;
    for (; i + 4 <= c1; i += 4, p += 4 * e.c, out += 4 * L) {
      V s0 = bias, s1 = bias, s2 = bias, s3 = bias;
      for (int k = 0; k < e.c; k++) {
        const V v = load(wt + size_t(k) * e.ep);
        s0 = fma(splat(p[k]), v, s0);
        s1 = fma(splat(p[e.c + k]), v, s1);
        s2 = fma(splat(p[2 * e.c + k]), v, s2);
        s3 = fma(splat(p[3 * e.c + k]), v, s3);
      }
      store(out, activate(s0, act));
      store(out + L, activate(s1, act));
      store(out + 2 * L, activate(s2, act));
      store(out + 3 * L, activate(s3, act));
    }
    for (; i < c1; i++, p += e.c, out += L) {
      V sum = bias;
      for (int k = 0; k < e.c; k++) sum = fma(splat(p[k]), load(wt + size_t(k) * e.ep), sum);
      store(out, activate(sum, act));
    }
  }
};

static Depth hidden(const Irb& s) { return {s.n, s.d, s.h, s.w, s.e, s.k}; }

static void expandAndConvolve(const Irb& s, const float* x, const IrbWeights& p, Norm one, int act, float* z) {
  const FromExpansion source{x, foldExpansion(s, p, one), s.d, s.h, s.w, act};
  byKernel(s.k, [&](auto k) {
    constexpr int K = decltype(k)::value;
    float* packed = sharedScratch(1, size_t(up(s.e)) * K * K * K);
    packDepthwise(p.depthwise, s.e, K * K * K, false, packed);
    depthwiseRun<K>(hidden(s), packed, p.depthwiseBias, z, source);
  });
}

// One row of activated hidden values and, where wanted, slopes: u = z * scale + offset.
static inline void activateRow(const float* z, const float* scale, const float* offset, int e, int act, float* value,
                               float* derivative) {
  for (int j = 0; j < e; j += L) {
    const int n = std::min(L, e - j);
    const V u = fma(loadn(z + j, n), loadn(scale + j, n), loadn(offset + j, n));
    storen(value + j, activate(u, act), n);
    if (derivative) storen(derivative + j, slope(u, act), n);
  }
}

static void projectHidden(const Irb& s, const float* z, const IrbWeights& p, Norm two, int act, float* out) {
  const Affine a = fold(s.e, two);
  const int cp = up(s.c);
  float* packed = sharedScratch(4, size_t(s.e) * cp + cp);
  packTransposed(p.project, s.c, s.e, nullptr, packed);
  float* bias = packed + size_t(s.e) * cp;
  packVector(p.projectBias, s.c, bias);
  const Chunks chunks = chunksOf(rowsOf(s), s.e);
  parallel(chunks.count, [&](int task, int thread) {
    const size_t r = chunks.begin(task);
    const int rows = chunks.length(task);
    float* h2 = threadScratch(thread, 0, size_t(rows) * s.e);
    for (int i = 0; i < rows; i++)
      activateRow(z + (r + i) * s.e, a.scale.data(), a.offset.data(), s.e, act, h2 + size_t(i) * s.e, nullptr);
    gemmRows(rows, s.e, s.c, h2, s.e, packed, bias, out + r * s.c, s.c);
  });
}

static Norm norm1(const IrbWeights& p, const IrbStats& t, float epsilon) { return {t.mean1, t.var1, p.gamma1, p.beta1, epsilon}; }
static Norm norm2(const IrbWeights& p, const IrbStats& t, float epsilon) { return {t.mean2, t.var2, p.gamma2, p.beta2, epsilon}; }
static Norm norm3(const IrbWeights& p, const IrbStats& t, float epsilon) { return {t.mean3, t.var3, p.gamma3, p.beta3, epsilon}; }

static void irbForward(Irb s, const float* x, IrbWeights p, float epsilon, int act, float* y, IrbStats t, float* saved) {
  const int rows = rowsOf(s);
  float* z = saved ? saved : sharedScratch(7, size_t(rows) * s.e);
  float* projected = saved ? saved + size_t(rows) * s.e : sharedScratch(8, size_t(rows) * s.c);
  expansionStatistics(s, momentsOf(rows, s.c, x), p, t.mean1, t.var1);
  expandAndConvolve(s, x, p, norm1(p, t, epsilon), act, z);
  normStatistics(rows, s.e, z, t.mean2, t.var2);
  projectHidden(s, z, p, norm2(p, t, epsilon), act, projected);
  normStatistics(rows, s.c, projected, t.mean3, t.var3);
  normForward(rows, s.c, projected, norm3(p, t, epsilon), NONE, x, y);
}

static void irbInfer(Irb s, const float* x, IrbWeights p, float epsilon, int act, IrbStats t, float* y) {
  const int rows = rowsOf(s);
  float* z = sharedScratch(7, size_t(rows) * s.e);
  float* projected = sharedScratch(8, size_t(rows) * s.c);
  expandAndConvolve(s, x, p, norm1(p, t, epsilon), act, z);
  projectHidden(s, z, p, norm2(p, t, epsilon), act, projected);
  normForward(rows, s.c, projected, norm3(p, t, epsilon), NONE, x, y);
}

// dz made from g (the gradient after the second activation's slope) and z: dz = scale g - constant - factor
// (z - mean). Left in g's place, where each element is asked for once.
struct FromHiddenGradient {
  float* g;
  const float* z;
  const float *scale, *constant, *factor;  // padded to up(e); constant already holds - factor * mean
  int d, h, w, e;
  void operator()(int volume, int plane, int y, int c0, int c1, int block, float* out) const {
    const int lanes = std::min(L, e - block * L);
    const size_t at = (((size_t(volume) * d + plane) * h + y) * w + c0) * e + block * L;
    const V k = load(scale + block * L), f = load(factor + block * L);
    const V minusB = splat(0.0f) - load(constant + block * L);
    float* pg = g + at;
    const float* pz = z + at;
    for (int i = c0; i < c1; i++, pg += e, pz += e, out += L) {
      const V value = fma(loadn(pg, lanes), k, minusB) - loadn(pz, lanes) * f;
      store(out, value);
      storen(pg, value, lanes);
    }
  }
};

// Through projection and second activation: g = (dp W3) * act'(u2); dW3, and sums of g and g (z - mean2).
static void projectBackward(const Irb& s, const float* z, const float* dp, const IrbWeights& p, Norm two, int act,
                            float* g, double* sumG, double* sumGz, float* dproject) {
  const Affine a = fold(s.e, two);
  const int ep = up(s.e);
  float* packed = sharedScratch(4, size_t(s.c) * ep);
  packRows(p.project, s.c, s.e, nullptr, packed);
  const Chunks chunks = partialChunks(rowsOf(s), 64);
  const size_t length = size_t(s.c) * s.e;
  float* partials = sharedScratch(0, length * chunks.count);
  std::vector<double> sums(size_t(2) * s.e * chunks.count, 0.0);
  parallel(chunks.count, [&](int task, int thread) {
    const int run = std::max(16, std::min(256, 16384 / s.e));
    float* h2 = threadScratch(thread, 0, size_t(run) * s.e);
    float* slopes = threadScratch(thread, 1, size_t(run) * s.e);
    float* row = threadScratch(thread, 2, size_t(2) * ep);
    float* dw = partials + length * task;
    double* into = sums.data() + size_t(2) * s.e * task;
    std::memset(dw, 0, length * sizeof(float));
    const int end = chunks.begin(task) + chunks.length(task);
    for (int r = chunks.begin(task); r < end; r += run) {
      const int rows = std::min(run, end - r);
      const float* zr = z + size_t(r) * s.e;
      float* gr = g + size_t(r) * s.e;
      for (int i = 0; i < rows; i++)
        activateRow(zr + size_t(i) * s.e, a.scale.data(), a.offset.data(), s.e, act, h2 + size_t(i) * s.e, slopes + size_t(i) * s.e);
      gemmRows(rows, s.c, s.e, dp + size_t(r) * s.c, s.c, packed, nullptr, gr, s.e);
      gemmAtb(rows, s.c, s.e, dp + size_t(r) * s.c, s.c, h2, s.e, dw);
      std::memset(row, 0, size_t(2) * ep * sizeof(float));
      for (int i = 0; i < rows; i++)
        for (int j = 0; j < s.e; j += L) {
          const int n = std::min(L, s.e - j);
          const size_t at = size_t(i) * s.e + j;
          const V v = loadn(gr + at, n) * loadn(slopes + at, n);
          storen(gr + at, v, n);
          store(row + j, load(row + j) + v);
          store(row + ep + j, load(row + ep + j) + v * (loadn(zr + at, n) - loadn(two.mean + j, n)));
        }
      for (int j = 0; j < s.e; j++) into[j] += row[j], into[s.e + j] += row[ep + j];
    }
  });
  reducePartials(partials, chunks.count, length, dproject);
  std::fill(sumG, sumG + s.e, 0.0);
  std::fill(sumGz, sumGz + s.e, 0.0);
  for (int task = 0; task < chunks.count; task++)
    for (int j = 0; j < s.e; j++) {
      sumG[j] += sums[(size_t(task) * 2) * s.e + j];
      sumGz[j] += sums[(size_t(task) * 2 + 1) * s.e + j];
    }
}

// Through first activation and expansion. dh: gradient at the activated expansion. Fills dx with
// t = (k1 g) W1, and S = sum of g (x - mean x) as [c][e], and sum of g.
static void expandBackward(const Irb& s, const float* x, const float* dh, const IrbWeights& p, const Expansion& e,
                           const float* scale1, const Moments& m, int act, float* dx, float* S, double* sumG) {
  const int cp = up(s.c), ep = e.ep;
  float* packed = sharedScratch(4, size_t(s.e) * cp);
  packRows(p.expand, s.e, s.c, scale1, packed);
  const Chunks chunks = partialChunks(rowsOf(s), 64);
  const size_t length = size_t(s.c) * s.e;
  float* partials = sharedScratch(0, length * chunks.count);
  std::vector<double> sums(size_t(s.e) * chunks.count, 0.0);
  parallel(chunks.count, [&](int task, int thread) {
    const int run = std::max(16, std::min(256, 16384 / s.e));
    float* g = threadScratch(thread, 0, size_t(run) * s.e);
    float* centred = threadScratch(thread, 1, size_t(run) * s.c);
    float* row = threadScratch(thread, 2, size_t(ep));
    float* into = partials + length * task;
    double* total = sums.data() + size_t(s.e) * task;
    std::memset(into, 0, length * sizeof(float));
    const int end = chunks.begin(task) + chunks.length(task);
    for (int r = chunks.begin(task); r < end; r += run) {
      const int rows = std::min(run, end - r);
      const float* xr = x + size_t(r) * s.c;
      gemmRows(rows, s.c, s.e, xr, s.c, e.weight, e.offset, g, s.e);
      for (int i = 0; i < rows; i++)
        for (int j = 0; j < s.c; j++) centred[size_t(i) * s.c + j] = xr[size_t(i) * s.c + j] - m.meanFloat[j];
      std::memset(row, 0, size_t(ep) * sizeof(float));
      for (int i = 0; i < rows; i++)
        for (int j = 0; j < s.e; j += L) {
          const int n = std::min(L, s.e - j);
          const size_t at = size_t(i) * s.e + j;
          const V v = loadn(dh + size_t(r) * s.e + at, n) * slope(loadn(g + at, n), act);
          storen(g + at, v, n);
          store(row + j, load(row + j) + v);
        }
      for (int j = 0; j < s.e; j++) total[j] += row[j];
      gemmAtb(rows, s.c, s.e, centred, s.c, g, s.e, into);
      gemmRows(rows, s.e, s.c, g, s.e, packed, nullptr, dx + size_t(r) * s.c, s.c);
    }
  });
  reducePartials(partials, chunks.count, length, S);
  std::fill(sumG, sumG + s.e, 0.0);
  for (int task = 0; task < chunks.count; task++)
    for (int j = 0; j < s.e; j++) sumG[j] += sums[size_t(task) * s.e + j];
}

// dx = t - constant - (x - mean x) M + dy: what the batch statistics of the expansion add.
static void finishInput(const Irb& s, const float* x, const Moments& m, const double* constant, const double* M,
                        const float* dy, float* dx) {
  const int cp = up(s.c);
  float* packed = sharedScratch(4, size_t(s.c) * cp + cp);
  float* offset = packed + size_t(s.c) * cp;
  for (int a = 0; a < s.c; a++)
    for (int b = 0; b < cp; b++) packed[size_t(a) * cp + b] = b < s.c ? float(-M[size_t(a) * s.c + b]) : 0.0f;
  for (int b = 0; b < cp; b++) offset[b] = b < s.c ? float(-constant[b]) : 0.0f;
  const Chunks chunks = chunksOf(rowsOf(s), s.c);
  parallel(chunks.count, [&](int task, int thread) {
    const size_t r = chunks.begin(task);
    const int rows = chunks.length(task);
    float* centred = threadScratch(thread, 0, size_t(rows) * s.c);
    float* add = threadScratch(thread, 1, size_t(rows) * s.c);
    for (int i = 0; i < rows; i++)
      for (int j = 0; j < s.c; j++) centred[size_t(i) * s.c + j] = x[(r + i) * s.c + j] - m.meanFloat[j];
    gemmRows(rows, s.c, s.c, centred, s.c, packed, offset, add, s.c);
    const size_t count = size_t(rows) * s.c;
    for (size_t i = 0; i < count; i += L) {
      const int n = int(std::min<size_t>(L, count - i));
      const size_t at = r * s.c + i;
      storen(dx + at, loadn(dx + at, n) + loadn(add + i, n) + loadn(dy + at, n), n);
    }
  });
}

// M = sum over j of pull[j] w_j w_j^T, [c][c].
static std::vector<double> weightedGram(const Irb& s, const float* expand, const double* pull) {
  std::vector<double> M(size_t(s.c) * s.c, 0.0);
  parallel((s.c + 7) / 8, [&](int task, int) {
    for (int j = 0; j < s.e; j++) {
      const float* w = expand + size_t(j) * s.c;
      for (int b = task * 8; b < std::min(s.c, task * 8 + 8); b++) {
        const double scale = pull[j] * w[b];
        double* row = M.data() + size_t(b) * s.c;
        for (int c = 0; c < s.c; c++) row[c] += scale * w[c];
      }
    }
  });
  return M;
}

static void zeroBias(float* bias, int n) {
  if (bias) std::memset(bias, 0, size_t(n) * sizeof(float));  // a bias before a batch norm has no effect
}

static void irbBackward(Irb s, const float* x, IrbWeights p, float epsilon, int act, IrbStats t, const float* saved,
                        const float* dy, float* dx, IrbWeights grad) {
  const int rows = rowsOf(s), ep = up(s.e);
  const float *z = saved, *projected = saved + size_t(rows) * s.e;
  float* dp = sharedScratch(8, size_t(rows) * s.c);
  float* g = sharedScratch(7, size_t(rows) * s.e);
  float* dh = sharedScratch(9, size_t(rows) * s.e);
  const Norm one = norm1(p, t, epsilon), two = norm2(p, t, epsilon);
  normBackward(rows, s.c, projected, norm3(p, t, epsilon), NONE, dy, dp, grad.gamma3, grad.beta3);

  std::vector<double> sumG(s.e), sumGz(s.e);
  projectBackward(s, z, dp, p, two, act, g, sumG.data(), sumGz.data(), grad.project);
  std::vector<float> scale(ep, 0.0f), constant(ep, 0.0f), factor(ep, 0.0f);
  for (int j = 0; j < s.e; j++) {
    const double inv = 1.0 / std::sqrt(double(t.var2[j]) + epsilon), k = p.gamma2[j] * inv;
    grad.beta2[j] = float(sumG[j]);
    grad.gamma2[j] = float(sumGz[j] * inv);
    const double f = k * inv * inv * sumGz[j] / rows;
    scale[j] = float(k);
    factor[j] = float(f);
    constant[j] = float(k * sumG[j] / rows - f * t.mean2[j]);
  }
  const FromHiddenGradient dz{g, z, scale.data(), constant.data(), factor.data(), s.d, s.h, s.w, s.e};
  const Expansion e = foldExpansion(s, p, one);
  byKernel(s.k, [&](auto k) {
    constexpr int K = decltype(k)::value;
    depthwiseFilterRun<K>(hidden(s), FromExpansion{x, e, s.d, s.h, s.w, act}, dz, grad.depthwise);
    float* packed = sharedScratch(1, size_t(ep) * K * K * K);
    packDepthwise(p.depthwise, s.e, K * K * K, true, packed);
    depthwiseRun<K>(hidden(s), packed, nullptr, dh, FromMemory{g, s.d, s.h, s.w, s.e});
  });

  const Moments m = momentsOf(rows, s.c, x);
  const Affine a = fold(s.e, one);
  std::vector<float> S(size_t(s.c) * s.e);
  std::vector<double> sum1(s.e), pull(s.e), k0(s.c, 0.0);
  expandBackward(s, x, dh, p, e, a.scale.data(), m, act, dx, S.data(), sum1.data());
  const std::vector<double> products = timesCovariance(s, p.expand, m);
  for (int j = 0; j < s.e; j++) {
    const float* w = p.expand + size_t(j) * s.c;
    const double inv = 1.0 / std::sqrt(double(t.var1[j]) + epsilon), k1 = p.gamma1[j] * inv;
    double dot = 0.0;
    for (int c = 0; c < s.c; c++) dot += double(w[c]) * S[size_t(c) * s.e + j];
    const double dgamma = dot * inv;
    grad.gamma1[j] = float(dgamma);
    grad.beta1[j] = float(sum1[j]);
    pull[j] = k1 * inv * dgamma / rows;
    for (int c = 0; c < s.c; c++) {
      const double projection = products[size_t(j) * s.c + c];
      grad.expand[size_t(j) * s.c + c] = float(k1 * (S[size_t(c) * s.e + j] - dgamma * inv * projection));
      k0[c] += w[c] * k1 * sum1[j] / rows;
    }
  }
  const std::vector<double> M = weightedGram(s, p.expand, pull.data());
  finishInput(s, x, m, k0.data(), M.data(), dy, dx);
  zeroBias(grad.expandBias, s.e);
  zeroBias(grad.depthwiseBias, s.e);
  zeroBias(grad.projectBias, s.c);
}
