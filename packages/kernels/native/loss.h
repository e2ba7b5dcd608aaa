#pragma once
#include "norm.h"

static void softmax(int rows, int classes, const float* logits, float* p) {
  const Chunks chunks(rows, 4096);
  parallel(chunks.count, [&](int task, int) {
    for (int r = chunks.begin(task); r < chunks.begin(task) + chunks.length(task); r++) {
      const float* x = logits + size_t(r) * classes;
      float* out = p + size_t(r) * classes;
      const float largest = *std::max_element(x, x + classes);
      double sum = 0;
      for (int k = 0; k < classes; k++) sum += out[k] = std::exp(x[k] - largest);
      for (int k = 0; k < classes; k++) out[k] = float(out[k] / sum);
    }
  });
}

static double crossEntropy(int rows, int classes, const float* logits, const int32_t* labels, float* dlogits) {
  const Chunks chunks(rows, 4096);
  std::vector<double> sums(chunks.count);
  const double scale = 1.0 / rows;
  parallel(chunks.count, [&](int task, int) {
    double total = 0;
    std::vector<float> power(classes);
    for (int r = chunks.begin(task); r < chunks.begin(task) + chunks.length(task); r++) {
      const float* x = logits + size_t(r) * classes;
      const float largest = *std::max_element(x, x + classes);
      float sum = 0;
      for (int k = 0; k < classes; k++) sum += power[k] = std::exp(x[k] - largest);
      total += double(std::log(sum)) + largest - x[labels[r]];
      if (dlogits)
        for (int k = 0; k < classes; k++)
          dlogits[size_t(r) * classes + k] = float((double(power[k]) / sum - (k == labels[r] ? 1 : 0)) * scale);
    }
    sums[task] = total;
  });
  double total = 0;
  for (double sum : sums) total += sum;
  return total * scale;
}
