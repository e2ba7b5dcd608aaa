// Group normalisation: per sample the sums of its channels, then those of the groups, in float64.
#pragma once
#include "elements.h"

// Values of a sample's channels as lanes see them.
static std::vector<float> spreadOver(const std::vector<double>& values) {
  std::vector<float> rounded(values.begin(), values.end()), out(size_t(period(int(values.size()))) * L);
  spread(rounded.data(), int(rounded.size()), out.data());
  return out;
}
// One value per channel out of one per group.
template <class F>
static std::vector<double> perChannel(const Groups& s, F f) {
  std::vector<double> values(s.c);
  for (int j = 0; j < s.c; j++) values[j] = f(j, j / (s.c / s.groups));
  return values;
}
static inline V valueOf(const Groups& s, const float* x, int n) {
  const V value = loadn(x, n);
  return s.rectified ? rectify(value) : value;
}

static void groupStatistics(const Groups& s, const float* x, float* mean, float* variance) {
  const size_t count = size_t(s.voxels) * s.c;
  const int each = s.c / s.groups;
  const double size = double(s.voxels) * each;
  std::vector<double> sums(size_t(2) * s.c);
  channelSums<1>(count, s.c, sums.data(), [&](int, size_t i, int n, V* v) { v[0] = valueOf(s, x + i, n); });
  for (int g = 0; g < s.groups; g++) {
    double total = 0;
    for (int j = g * each; j < (g + 1) * each; j++) total += sums[j];
    mean[g] = float(total / size);
  }
  const auto m = spreadOver(perChannel(s, [&](int, int g) { return double(mean[g]); }));
  channelSums<2>(count, s.c, sums.data(), [&](int slot, size_t i, int n, V* v) {
    const V d = keepLanes(valueOf(s, x + i, n) - load(&m[size_t(slot) * L]), n);
    v[0] = d;
    v[1] = d * d;
  });
  for (int g = 0; g < s.groups; g++) {
    double shift = 0, square = 0;
    for (int j = g * each; j < (g + 1) * each; j++) shift += sums[j], square += sums[s.c + j];
    shift /= size;  // what rounding the mean to float32 left
    variance[g] = float(std::max(0.0, square / size - shift * shift));
  }
}

static void groupNormForward(const Groups& s, const float* x, const float* gamma, const float* beta, float* mean,
                             float* variance, float* y) {
  const size_t count = size_t(s.voxels) * s.c;
  for (int sample = 0; sample < s.n; sample++, x += count, y += count, mean += s.groups, variance += s.groups) {
    groupStatistics(s, x, mean, variance);
    const auto factor = perChannel(s, [&](int j, int g) { return gamma[j] / std::sqrt(double(variance[g]) + s.epsilon); });
    const auto scale = spreadOver(factor);
    const auto offset = spreadOver(perChannel(s, [&](int j, int g) { return beta[j] - factor[j] * mean[g]; }));
    sweepAll(count, s.c, [&](int slot, size_t i, int n) {
      storen(y + i, fma(valueOf(s, x + i, n), load(&scale[size_t(slot) * L]), load(&offset[size_t(slot) * L])), n);
    });
  }
}

static void groupNormBackward(const Groups& s, const float* x, const float* gamma, const float* mean,
                              const float* variance, const float* dy, float* dx, float* dgamma, float* dbeta) {
  const size_t count = size_t(s.voxels) * s.c;
  const double size = double(s.voxels) * (s.c / s.groups);
  std::vector<double> gammas(s.c, 0.0), betas(s.c, 0.0);
  for (int sample = 0; sample < s.n; sample++, x += count, dy += count, dx += count, mean += s.groups, variance += s.groups) {
    const auto m = spreadOver(perChannel(s, [&](int, int g) { return double(mean[g]); }));
    std::vector<double> sums(size_t(2) * s.c);
    channelSums<2>(count, s.c, sums.data(), [&](int slot, size_t i, int n, V* v) {
      v[0] = loadn(dy + i, n);
      v[1] = v[0] * (valueOf(s, x + i, n) - load(&m[size_t(slot) * L]));
    });
    std::vector<double> inverse(s.groups), groupG(s.groups, 0.0), groupX(s.groups, 0.0);
    for (int g = 0; g < s.groups; g++) inverse[g] = 1.0 / std::sqrt(double(variance[g]) + s.epsilon);
    for (int j = 0; j < s.c; j++) {
      const int g = j / (s.c / s.groups);
      betas[j] += sums[j];
      gammas[j] += sums[s.c + j] * inverse[g];
      groupG[g] += sums[j] * gamma[j];
      groupX[g] += sums[s.c + j] * gamma[j];
    }
    // dx = inverse * (gamma dy - mean(gamma dy) - xhat mean(gamma dy xhat)) = scale dy - constant - factor (x - mean)
    const auto scale = spreadOver(perChannel(s, [&](int j, int g) { return gamma[j] * inverse[g]; }));
    const auto constant = spreadOver(perChannel(s, [&](int, int g) { return inverse[g] * groupG[g] / size; }));
    const auto factor = spreadOver(
        perChannel(s, [&](int, int g) { return inverse[g] * inverse[g] * inverse[g] * groupX[g] / size; }));
    sweepAll(count, s.c, [&](int slot, size_t i, int n) {
      const size_t at = size_t(slot) * L;
      const V value = loadn(x + i, n), centred = (s.rectified ? rectify(value) : value) - load(&m[at]);
      const V d = loadn(dy + i, n) * load(&scale[at]) - load(&constant[at]) - centred * load(&factor[at]);
      storen(dx + i, s.rectified ? wherePositive(value, d, splat(0.0f)) : d, n);
    });
  }
  for (int j = 0; j < s.c; j++) {
    dgamma[j] = float(gammas[j]);
    dbeta[j] = float(betas[j]);
  }
}
