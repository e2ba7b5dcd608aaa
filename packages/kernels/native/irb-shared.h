// What the passes of the inverted-residual block share: shapes, folded normalisations, the expansion made on the
// fly, and what is kept from forward to backward. Hidden activations lie in blocks of sixteen channels,
// [block][n][d][h][w][16], lanes without a channel hold zero.
// Convolution biases shift what a batch norm centres anyway: they are left out of all tensors and appear in the
// means only.
#pragma once
#include "conv.h"
#include "depthwise.h"
#include "panel.h"

// Buffers of the process, by what lies in them.
constexpr int kPartials = 0, kDepthwiseWeights = 1, kExpansion = 3, kPointwise = 4, kHiddenTensor = 7, kProjected = 8, kInputParts = 9,
              kNumbers = 10;

static int rowsOf(const Irb& s) { return s.n * s.d * s.h * s.w; }
static int blocksOf(const Irb& s) { return (s.e + L - 1) / L; }
static Depth hidden(const Irb& s) { return {s.n, s.d, s.h, s.w, s.e, s.k}; }
static size_t hiddenFloats(const Irb& s) { return size_t(rowsOf(s)) * up(s.e); }

// A normalisation of values that lack their bias, padded to whole blocks: u = value * scale + offset.
struct Folded {
  std::vector<float> scale, offset, mean;
};
static Folded foldedNorm(int c, const float* mean, const float* variance, const float* gamma, const float* beta, const float* bias,
                         float epsilon) {
  Folded f{std::vector<float>(up(c)), std::vector<float>(up(c)), std::vector<float>(up(c))};
  for (int j = 0; j < c; j++) {
    const double scale = double(gamma[j]) / std::sqrt(double(variance[j]) + epsilon);
    const double centre = double(mean[j]) - (bias ? bias[j] : 0.0f);
    f.scale[j] = float(scale);
    f.offset[j] = float(double(beta[j]) - scale * centre);
    f.mean[j] = float(centre);
  }
  return f;
}
static Folded folded1(const Irb& s, const IrbWeights& p, const IrbStats& t, float epsilon) {
  return foldedNorm(s.e, t.mean1, t.var1, p.gamma1, p.beta1, p.expandBias, epsilon);
}
static Folded folded2(const Irb& s, const IrbWeights& p, const IrbStats& t, float epsilon) {
  return foldedNorm(s.e, t.mean2, t.var2, p.gamma2, p.beta2, p.depthwiseBias, epsilon);
}
static Folded folded3(const Irb& s, const IrbWeights& p, const IrbStats& t, float epsilon) {
  return foldedNorm(s.c, t.mean3, t.var3, p.gamma3, p.beta3, p.projectBias, epsilon);
}

// Expansion and first normalisation as one affine map, u = x weight + offset; weight packed [c][up(e)].
struct Expansion {
  const float *weight, *offset;
  int c, ep;
};
static Expansion foldExpansion(const Irb& s, const IrbWeights& p, const Folded& one) {
  const int ep = up(s.e);
  float* w = sharedScratch(kExpansion, size_t(s.c) * ep + ep);
  packTransposed(p.expand, s.e, s.c, one.scale.data(), w);
  float* b = w + size_t(s.c) * ep;
  std::copy(one.offset.begin(), one.offset.end(), b);
  return {w, b, s.c, ep};
}

// Rows of the activated expansion, sixteen channels of it, made from the block's input.
template <int ACT>
struct FromExpansion {
  const float* x;
  Expansion e;
  int d, h, w;
  __attribute__((noinline)) void operator()(int volume, int z, int y, int c0, int c1, int block, float* out, ptrdiff_t ahead) const {
    const float* p = x + (((size_t(volume) * d + z) * h + y) * w + c0) * e.c;
    panelOf<ACT>(c1 - c0, e.c, p, e.c, e.weight + block * L, e.ep, e.offset + block * L, out, ahead * e.c);
  }
};

template <int K>
static const float* packedDepthwise(const Irb& s, const float* w, bool reversed) {
  float* packed = sharedScratch(kDepthwiseWeights, Width<K>::weights * blocksOf(s));
  packDepthwise<K>(w, s.e, reversed, packed);
  return packed;
}

// Mean and biased covariance of the block's input [rows][c], in float64, and the covariance times the expansion's
// weights, [e][c].
struct Moments {
  double *mean, *covariance, *products;
  static size_t doubles(const Irb& s) { return size_t(s.c) * s.c + s.c + size_t(s.e) * s.c; }
};

// What forward leaves for backward in one array of floats: the moments of x, the projection, and where there is
// room the depthwise convolution's output, from which the rest of the block is made again. Lines are aligned.
struct Saved {
  Moments moments;
  float *projected, *hidden;
  static size_t align(size_t floats) { return (floats + L - 1) / L * L; }
  static size_t floats(const Irb& s, bool keepHidden) {
    return L + align(2 * Moments::doubles(s)) + align(size_t(rowsOf(s)) * s.c) + (keepHidden ? hiddenFloats(s) : 0);
  }
  Saved(const Irb& s, float* base, bool keepHidden) {
    const uintptr_t line = L * sizeof(float);
    float* at = reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(base) + line - 1) / line * line);
    moments.mean = reinterpret_cast<double*>(at);
    moments.covariance = moments.mean + s.c;
    moments.products = moments.covariance + size_t(s.c) * s.c;
    projected = at + align(2 * Moments::doubles(s));
    hidden = keepHidden ? projected + align(size_t(rowsOf(s)) * s.c) : nullptr;
  }
};

// Whose hidden tensor lies in the process's buffer, by what it saved: the last block of a network goes backward first
// and finds it there.
static const float* hiddenOwner = nullptr;

// Adds partial sums [block][c][16] of all tasks, in order, into PyTorch's [c][e].
static void reduceBlocks(const Irb& s, const float* partials, int count, float* out) {
  const size_t length = size_t(s.c) * up(s.e);
  float* sums = sharedScratch(kNumbers, length);
  reducePartials(partials, count, length, sums);
  for (int c = 0; c < s.c; c++)
    for (int j = 0; j < s.e; j++) out[size_t(c) * s.e + j] = sums[(size_t(j / L) * s.c + c) * L + j % L];
}
