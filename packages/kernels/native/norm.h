// Batch normalisation and its companions. Channels are laid over lanes with period lcm(c, 16), so that
// few channels use whole vectors too.
#pragma once
#include <cmath>
#include <numeric>

#include "activation.h"
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

// sums[s][slot][16] += what f(slot, element, lanes, V out[S]) gives for elements from..to, which start a period.
template <int S, int SLOTS, class F>
static inline void addInRegisters(size_t from, size_t to, float* sums, F f) {
  V total[S][SLOTS];
  for (int s = 0; s < S; s++)
    for (int k = 0; k < SLOTS; k++) total[s][k] = load(sums + (s * SLOTS + k) * L);
  const auto add = [&](int slot, size_t i, int n) {
    V value[S];
    f(slot, i, n, value);
    for (int s = 0; s < S; s++) total[s][slot] = total[s][slot] + value[s];
  };
  size_t i = from;
  for (; i + SLOTS * L <= to; i += SLOTS * L)
#pragma GCC unroll 4
    for (int k = 0; k < SLOTS; k++) add(k, i + k * L, L);
#pragma GCC unroll 4
  for (int k = 0; k < SLOTS; k++, i += L)
    if (i < to) add(k, i, int(std::min<size_t>(L, to - i)));
  for (int s = 0; s < S; s++)
    for (int k = 0; k < SLOTS; k++) store(sums + (s * SLOTS + k) * L, total[s][k]);
}
template <int S, class F>
static inline void addUp(size_t from, size_t to, int slots, float* sums, F f) {
  if (slots == 1) return addInRegisters<S, 1>(from, to, sums, f);
  if (slots == 2) return addInRegisters<S, 2>(from, to, sums, f);
  if (slots == 4) return addInRegisters<S, 4>(from, to, sums, f);
  sweep(from, to, slots, [&](int slot, size_t i, int n) {
    V value[S];
    f(slot, i, n, value);
    for (int s = 0; s < S; s++) {
      float* at = sums + (size_t(s) * slots + slot) * L;
      store(at, load(at) + value[s]);
    }
  });
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
    std::vector<float> run(static_cast<size_t>(S) * lanes);
    const size_t step = size_t(lanes) * std::max(1, 64 / slots);
    for (size_t at = from; at < to; at += step) {
      std::fill(run.begin(), run.end(), 0.0f);
      addUp<S>(at, std::min(to, at + step), slots, run.data(), f);
      for (size_t j = 0; j < run.size(); j++) sums[j] += run[j];
    }
    for (int s = 0; s < S; s++)
      for (int j = 0; j < lanes; j++) partial[(size_t(task) * S + s) * c + j % c] += sums[size_t(s) * lanes + j];
  });
  std::fill(out, out + size_t(S) * c, 0.0);
  for (int task = 0; task < tasks; task++)
    for (int j = 0; j < S * c; j++) out[j] += partial[size_t(task) * S * c + j];
}

// out = rows of x minus the mean; all [rows][c].
static void centreRows(int rows, int c, const float* x, const float* mean, float* out) {
  const int slots = period(c);
  sweep(0, size_t(rows) * c, slots, [&](int slot, size_t i, int n) { storen(out + i, loadn(x + i, n) - loadn(mean + size_t(slot) * L, n), n); });
}

// Mean and sum of squared deviations per channel of several groups of values.
struct GroupMoments {
  int groups, c;
  std::vector<double> count, mean, square;  // mean, square: [group][c]
  GroupMoments(int groups, int c) : groups(groups), c(c), count(groups), mean(size_t(groups) * c), square(size_t(groups) * c) {}
  // Of all groups together, merged in order; the variance is the biased one.
  void merge(float* meanOut, float* variance) const {
    double total = 0;
    for (double n : count) total += n;
    for (int j = 0; j < c; j++) {
      double sum = 0, squares = 0;
      for (int g = 0; g < groups; g++) sum += count[g] * mean[size_t(g) * c + j];
      const double centre = sum / total;
      for (int g = 0; g < groups; g++) {
        const double shift = mean[size_t(g) * c + j] - centre;
        squares += square[size_t(g) * c + j] + count[g] * shift * shift;
      }
      meanOut[j] = float(centre);
      variance[j] = float(squares / total);
    }
  }
};

// One group's moments of rows [rows][c] that lie in cache: about a rough mean first, so that nothing cancels.
static void momentsOfRows(int rows, int c, const float* x, double* mean, double* square) {
  const int slots = period(c), lanes = slots * L;
  const size_t count = size_t(rows) * c;
  std::vector<float> rough(lanes, 0.0f), near(size_t(2) * lanes, 0.0f);
  addUp<1>(0, count, slots, rough.data(), [&](int, size_t i, int n, V* v) { v[0] = loadn(x + i, n); });
  for (int j = 0; j < c; j++) {
    double sum = 0;
    for (int l = j; l < lanes; l += c) sum += rough[l];
    mean[j] = double(float(sum / rows));
  }
  for (int l = 0; l < lanes; l++) rough[l] = float(mean[l % c]);
  addUp<2>(0, count, slots, near.data(), [&](int slot, size_t i, int n, V* v) {
    v[0] = loadn(x + i, n) - loadn(rough.data() + size_t(slot) * L, n);
    v[1] = v[0] * v[0];
  });
  for (int j = 0; j < c; j++) {
    double sum = 0, squares = 0;
    for (int l = j; l < lanes; l += c) sum += near[l], squares += near[size_t(lanes) + l];
    mean[j] += sum / rows;
    square[j] = squares - sum * sum / rows;
  }
}

static void normStatistics(int rows, int c, const float* x, float* mean, float* variance) {
  const Chunks chunks(rows, std::max(1, int(partOf(c) / 8 / c)));
  GroupMoments m(chunks.count, c);
  parallel(chunks.count, [&](int task, int) {
    const size_t at = size_t(task) * c;
    m.count[task] = chunks.length(task);
    momentsOfRows(chunks.length(task), c, x + size_t(chunks.begin(task)) * c, &m.mean[at], &m.square[at]);
  });
  m.merge(mean, variance);
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
static std::vector<float> spreadTo(int c, const std::vector<float>& v) {
  std::vector<float> out(size_t(period(c)) * L);
  spread(v.data(), c, out.data());
  return out;
}
static std::vector<float> spreadOf(const std::vector<float>& v) {
  std::vector<float> out(size_t(period(int(v.size()))) * L);
  spread(v.data(), int(v.size()), out.data());
  return out;
}

// y = act(x * scale + offset) + residual; scale and offset have c entries.
static void affineRows(int rows, int c, const float* x, const float* scale, const float* offset, int act, const float* residual, float* y) {
  std::vector<float> k(size_t(period(c)) * L), b(k.size());
  spread(scale, c, k.data());
  spread(offset, c, b.data());
  const size_t count = size_t(rows) * c, part = partOf(c);
  parallel(int((count + part - 1) / part), [&](int task, int) {
    const size_t from = size_t(task) * part;
    sweep(from, std::min(count, from + part), period(c), [&](int slot, size_t i, int n) {
      V v = activate(fma(loadn(x + i, n), load(&k[size_t(slot) * L]), load(&b[size_t(slot) * L])), act);
      if (residual) v = v + loadn(residual + i, n);
      storen(y + i, v, n);
    });
  });
}
static void normForward(int rows, int c, const float* x, Norm p, int act, const float* residual, float* y) {
  const Affine a = fold(c, p);
  affineRows(rows, c, x, a.scale.data(), a.offset.data(), act, residual, y);
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
