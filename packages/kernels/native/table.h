// The kernels of one instruction set. Shapes are NDHWC; see src/kernel-set.ts for what each one does.
#pragma once
#include <cstddef>
#include <cstdint>

struct Conv { int n, d, h, w, ci, co, k; };
struct Depth { int n, d, h, w, c, k; };
struct Irb { int n, d, h, w, c, e, k; };
struct Norm { const float *mean, *variance, *gamma, *beta; float epsilon; };
enum Activation { NONE = 0, ELU = 1, RELU = 2 };

struct IrbWeights {
  float *expand, *expandBias, *gamma1, *beta1, *depthwise, *depthwiseBias, *gamma2, *beta2, *project, *projectBias,
      *gamma3, *beta3;
};
struct IrbStats { float *mean1, *var1, *mean2, *var2, *mean3, *var3; };

// Values of a tree's node: floats, or bfloat16 where there are halves.
struct TreeSource {
  const float* floats;
  const uint16_t* halves;
};
// So many values may wait for their partners: enough for 2^31 leaves.
constexpr int kTreeDepth = 32;

struct KernelTable {
  const char* name;
  void (*convForward)(Conv, const float* x, const float* w, const float* bias, int act, float* y);
  void (*convBackwardInput)(Conv, const float* dy, const float* w, float* dx);
  void (*convBackwardFilter)(Conv, const float* x, const float* dy, float* dw, float* dbias);
  void (*depthwiseForward)(Depth, const float* x, const float* w, const float* bias, float* y);
  void (*depthwiseBackwardInput)(Depth, const float* dy, const float* w, float* dx);
  void (*depthwiseBackwardFilter)(Depth, const float* x, const float* dy, float* dw, float* dbias);
  void (*normStatistics)(int rows, int c, const float* x, float* mean, float* variance);
  void (*normForward)(int rows, int c, const float* x, Norm, int act, const float* residual, float* y);
  void (*normBackward)(int rows, int c, const float* x, Norm, int act, const float* dy, float* dx, float* dgamma,
                       float* dbeta);
  void (*poolForward)(Depth, const float* x, float* y);
  void (*poolBackward)(Depth, const float* dy, float* dx);
  void (*upsampleForward)(Depth, int factor, const float* x, const float* onto, float* y);
  void (*upsampleBackward)(Depth, int factor, const float* dy, float* dx);
  void (*foreground)(int rows, int classes, const float* logits, float* p);
  double (*crossEntropy)(int rows, int classes, const float* logits, const int32_t* labels, float* dlogits);
  // Floats that a block's forward leaves for its backward, with or without its hidden tensor.
  size_t (*irbSavedFloats)(const Irb&, bool keepHidden);
  void (*irbForward)(Irb, const float* x, IrbWeights, float epsilon, int act, float* y, IrbStats, float* saved, bool keepHidden);
  void (*irbBackward)(Irb, const float* x, IrbWeights, float epsilon, int act, IrbStats, const float* saved, bool keptHidden,
                      const float* dy, float* dx, IrbWeights gradients);
  void (*irbInfer)(Irb, const float* x, IrbWeights, float epsilon, int act, IrbStats, float* y);
  void (*roundToBf16)(uint16_t* into, const float* from, size_t count);
  void (*addTree)(float* sum, const TreeSource* sources, const int32_t* order, size_t steps, bool rounded, size_t count);
  double (*fmaPeak)(double seconds);
};

const KernelTable* tableAvx512();
const KernelTable* tableAvx2();
const KernelTable* tableBaseline();

// exact.cc: each operation rounded to float32, no contraction, the same bits everywhere.
struct Adam {
  float samples, beta1, rest1, beta2, rest2, epsilon, weightDecay, stepSize, rootCorrection2;
};
void exactSum(float* sum, const float* a, const float* b, size_t count);
void exactWiden(float* into, const uint16_t* from, size_t count);
void exactScale(float* into, float factor, size_t count);
bool exactAllFinite(const float* x, size_t count);
double exactChecksum(const float* x, size_t count);
double exactSumOfSquares(const float* x, size_t count);
void exactAdam(float* weights, const float* gradient, float* m, float* v, size_t from, size_t to, const Adam& a);
