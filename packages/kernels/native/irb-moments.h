// Statistics of the expansion without the expansion: it is linear, so its batch statistics follow from the mean and
// covariance of the block's input.
#pragma once
#include "irb-shared.h"
#include "panel.h"

// out[c][c] += rows^T rows for eight of its rows from m; T: vectors over the columns.
template <class T, int M>
static inline void gramTile(int rows, int c, const float* x, int m, int n, float* out) {
  T sum[M] = {};
  for (int r = 0; r < rows; r++, x += c) {
    const T v = loadFirst<T>(x + n, c - n);
#pragma GCC unroll 8
    for (int i = 0; i < M; i++) sum[i] = fma(allOf<T>(x[m + i]), v, sum[i]);
  }
  for (int i = 0; i < M; i++) storeAs<T>(out + size_t(m + i) * c + n, sum[i], c - n);
}
template <int M>
static inline void gramRows(int rows, int c, const float* x, int m, float* out) {
  constexpr int wide = lanesOf<Part>(), narrow = lanesOf<Narrow>();
  int n = 0;
  for (; c - n > narrow; n += wide) gramTile<Part, M>(rows, c, x, m, n, out);
  for (; n < c; n += narrow) gramTile<Narrow, M>(rows, c, x, m, n, out);
}
// out[c][c] = x^T x over the rows.
static void gram(int rows, int c, const float* x, float* out) {
  int m = 0;
  for (; m + 8 <= c; m += 8) gramRows<8>(rows, c, x, m, out);
  for (; m < c; m++) gramRows<1>(rows, c, x, m, out);
}

// Of one run of rows: count, sums about `shift`, and products about it, [c][c].
struct InputSums {
  double count = 0;
  std::vector<float> shift, spreadShift;
  std::vector<double> sum, product;

  void begin(int rows, int c, const float* x) {
    shift.assign(c, 0.0f);
    for (int r = 0; r < rows; r++)
      for (int j = 0; j < c; j++) shift[j] += x[size_t(r) * c + j] / float(rows);
    spreadShift = spreadTo(c, shift);
    sum.assign(c, 0.0);
    product.assign(size_t(c) * c, 0.0);
  }
  // centred: room for the rows; products: for [c][c].
  void add(int rows, int c, const float* x, float* centred, float* products) {
    const int slots = period(c), lanes = slots * L;
    std::vector<float> near(lanes, 0.0f);
    centreRows(rows, c, x, spreadShift.data(), centred);
    addUp<1>(0, size_t(rows) * c, slots, near.data(), [&](int, size_t i, int n, V* v) { v[0] = loadn(centred + i, n); });
    gram(rows, c, centred, products);
    for (int l = 0; l < lanes; l++) sum[l % c] += near[l];
    for (size_t i = 0; i < product.size(); i++) product[i] += products[i];
    count += rows;
  }
};

// Sums in float32 over a short run of rows, about the mean of each chunk's first run; in float64 from there on.
static void momentsOf(int rows, int c, const float* x, const Moments& m) {
  constexpr int run = 64;
  const Chunks chunks = partialChunks(rows, 128);
  std::vector<InputSums> parts(chunks.count);
  parallel(chunks.count, [&](int task, int thread) {
    float* centred = threadScratch(thread, 2, size_t(run) * c + size_t(c) * c);
    const int begin = chunks.begin(task), end = begin + chunks.length(task);
    parts[task].begin(std::min(run, end - begin), c, x + size_t(begin) * c);
    for (int r = begin; r < end; r += run)
      parts[task].add(std::min(run, end - r), c, x + size_t(r) * c, centred, centred + size_t(run) * c);
  });
  std::fill(m.mean, m.mean + c, 0.0);
  for (const InputSums& p : parts)
    for (int j = 0; j < c; j++) m.mean[j] += (p.count * p.shift[j] + p.sum[j]) / rows;
  std::fill(m.covariance, m.covariance + size_t(c) * c, 0.0);
  for (const InputSums& p : parts)
    for (int a = 0; a < c; a++)
      for (int b = 0; b < c; b++) {
        const double da = m.mean[a] - p.shift[a], db = m.mean[b] - p.shift[b];
        m.covariance[size_t(a) * c + b] += (p.product[size_t(a) * c + b] - da * p.sum[b] - db * p.sum[a] + p.count * da * db) / rows;
      }
}

// products[j] = covariance of x times row j of the expansion's weights, [e][c].
static void timesCovariance(const Irb& s, const float* expand, const Moments& m) {
  productInDouble(s.e, s.c, s.c, expand, m.covariance, m.products);
}

// Statistics of the expansion a = W x + b from the moments of x.
static void expansionStatistics(const Irb& s, const Moments& m, const IrbWeights& p, float* mean, float* variance) {
  timesCovariance(s, p.expand, m);
  for (int j = 0; j < s.e; j++) {
    const float* w = p.expand + size_t(j) * s.c;
    double mu = p.expandBias ? p.expandBias[j] : 0.0, var = 0.0;
    for (int a = 0; a < s.c; a++) {
      mu += w[a] * m.mean[a];
      var += w[a] * m.products[size_t(j) * s.c + a];
    }
    mean[j] = float(mu);
    variance[j] = float(std::max(0.0, var));
  }
}
