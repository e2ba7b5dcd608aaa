// Batch normalisation and its companions. Channels are laid over lanes with period lcm(c, 16), so that
// few channels use whole vectors too.
#pragma once
#include <cmath>
#include <numeric>

#include "gemm.h"

// Vectors after which the channels of the lanes repeat.
static inline int period(int c) { return std::lcm(c, L) / L; }
static void spread(const float* values, int c, float* out) {
  const int lanes = period(c) * L;
  for (int i = 0; i < lanes; i++) out[i] = values[i % c];
}

// Runs f(vector index within the task's part, period slot, first element, lanes) over rows*c elements.
template <class F>
static inline void sweep(size_t from, size_t to, int slots, F f) {
  int slot = 0;
  size_t i = from;
  for (; i + L <= to; i += L) {
    f(slot, i, L);
    if (++slot == slots) slot = 0;
  }
  if (i < to) f(slot, i, int(to - i));
}

// Elements of one task: whole periods.
static size_t partOf(int c) {
  const size_t whole = size_t(period(c)) * L;
  return std::max<size_t>(1, 32768 / whole) * whole;
}

// Sums of S quantities per channel: f(slot, element, lanes, V out[S]); float32 over short runs, then float64.
template <int S, class F>
static void channelSums(size_t count, int c, double* out, F f) {
  const int slots = period(c), lanes = slots * L;
  const size_t part = partOf(c);
  const int tasks = int((count + part - 1) / part);
  std::vector<double> partial(size_t(tasks) * S * c, 0.0);
  parallel(tasks, [&](int task, int) {
    const size_t from = size_t(task) * part, to = std::min(count, from + part);
    std::vector<double> sums(static_cast<size_t>(S) * lanes, 0.0);
    std::vector<float> run(static_cast<size_t>(S) * lanes, 0.0f);
    const size_t step = size_t(lanes) * std::max(1, 64 / slots);
    for (size_t at = from; at < to; at += step) {
      std::fill(run.begin(), run.end(), 0.0f);
      sweep(at, std::min(to, at + step), slots, [&](int slot, size_t i, int n) {
        V value[S];
        f(slot, i, n, value);
        for (int s = 0; s < S; s++) {
          float* r = run.data() + size_t(s) * lanes + size_t(slot) * L;
          store(r, load(r) + value[s]);
        }
      });
      for (size_t j = 0; j < run.size(); j++) sums[j] += run[j];
    }
    for (int s = 0; s < S; s++)
      for (int j = 0; j < lanes; j++) partial[(size_t(task) * S + s) * c + j % c] += sums[size_t(s) * lanes + j];
  });
  std::fill(out, out + size_t(S) * c, 0.0);
  for (int task = 0; task < tasks; task++)
    for (int j = 0; j < S * c; j++) out[j] += partial[size_t(task) * S * c + j];
}

static void normStatistics(int rows, int c, const float* x, float* mean, float* variance) {
  const size_t count = size_t(rows) * c;
  std::vector<double> sums(c);
  channelSums<1>(count, c, sums.data(), [&](int, size_t i, int n, V* v) { v[0] = loadn(x + i, n); });
  for (int j = 0; j < c; j++) mean[j] = float(sums[j] / rows);
  std::vector<float> m(size_t(period(c)) * L);
  spread(mean, c, m.data());
  std::vector<double> both(size_t(2) * c);
  channelSums<2>(count, c, both.data(), [&](int slot, size_t i, int n, V* v) {
    V d = loadn(x + i, n) - load(&m[size_t(slot) * L]);
    if (n < L) d = d * loadn(std::vector<float>(L, 1.0f).data(), n);
    v[0] = d;
    v[1] = d * d;
  });
  // The mean is rounded to float32; the first sum takes that rounding out of the variance.
  for (int j = 0; j < c; j++) {
    const double shift = both[j] / rows;
    variance[j] = float(std::max(0.0, both[c + j] / rows - shift * shift));
  }
}

// y = act(x * scale + offset)
struct Affine {
  std::vector<float> scale, offset;
};
static Affine fold(int c, Norm p) {
  Affine a{std::vector<float>(c), std::vector<float>(c)};
  for (int j = 0; j < c; j++) {
    const double s = double(p.gamma[j]) / std::sqrt(double(p.variance[j]) + p.epsilon);
    a.scale[j] = float(s);
    a.offset[j] = float(double(p.beta[j]) - s * p.mean[j]);
  }
  return a;
}
static std::vector<float> spreadOf(const std::vector<float>& v) {
  std::vector<float> out(size_t(period(int(v.size()))) * L);
  spread(v.data(), int(v.size()), out.data());
  return out;
}

static void normForward(int rows, int c, const float* x, Norm p, int act, const float* residual, float* y) {
  const Affine a = fold(c, p);
  const auto scale = spreadOf(a.scale), offset = spreadOf(a.offset);
  const size_t count = size_t(rows) * c, part = partOf(c);
  parallel(int((count + part - 1) / part), [&](int task, int) {
    const size_t from = size_t(task) * part;
    sweep(from, std::min(count, from + part), period(c), [&](int slot, size_t i, int n) {
      V v = activate(fma(loadn(x + i, n), load(&scale[size_t(slot) * L]), load(&offset[size_t(slot) * L])), act);
      if (residual) v = v + loadn(residual + i, n);
      storen(y + i, v, n);
    });
  });
}

static void normBackward(int rows, int c, const float* x, Norm p, int act, const float* dy, float* dx, float* dgamma,
                         float* dbeta) {
  const Affine a = fold(c, p);
  const auto scale = spreadOf(a.scale), offset = spreadOf(a.offset);
  std::vector<float> mean(size_t(period(c)) * L);
  spread(p.mean, c, mean.data());
  const size_t count = size_t(rows) * c, part = partOf(c);
  std::vector<double> sums(size_t(2) * c);
  const auto inner = [&](int slot, size_t i, int n) {
    const V g = loadn(dy + i, n);
    if (act == NONE) return g;
    return g * slope(fma(loadn(x + i, n), load(&scale[size_t(slot) * L]), load(&offset[size_t(slot) * L])), act);
  };
  channelSums<2>(count, c, sums.data(), [&](int slot, size_t i, int n, V* v) {
    v[0] = inner(slot, i, n);
    v[1] = v[0] * (loadn(x + i, n) - load(&mean[size_t(slot) * L]));
  });
  // dx = scale * (g - mean(g) - xhat * mean(g * xhat)) = scale * g - constant - factor * (x - mean)
  std::vector<float> constant(c), factor(c);
  for (int j = 0; j < c; j++) {
    const double inv = 1.0 / std::sqrt(double(p.variance[j]) + p.epsilon);
    dbeta[j] = float(sums[j]);
    dgamma[j] = float(sums[c + j] * inv);
    constant[j] = float(double(p.gamma[j]) * inv * sums[j] / rows);
    factor[j] = float(double(p.gamma[j]) * inv * inv * inv * sums[c + j] / rows);
  }
  const auto k = spreadOf(constant), f = spreadOf(factor);
  parallel(int((count + part - 1) / part), [&](int task, int) {
    const size_t from = size_t(task) * part;
    sweep(from, std::min(count, from + part), period(c), [&](int slot, size_t i, int n) {
      const size_t s = size_t(slot) * L;
      const V centred = loadn(x + i, n) - load(&mean[s]);
      storen(dx + i, inner(slot, i, n) * load(&scale[s]) - load(&k[s]) - centred * load(&f[s]), n);
    });
  });
}
