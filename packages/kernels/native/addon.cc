// The bridge to Node: plain N-API, typed arrays are used in place. Here the choice of an instruction set, LV-Net's
// kernels and the process; vector-bindings.cc, dense-bindings.cc and segments.cc have the rest.
#include "arguments.h"

#include <csignal>
#include <cstdlib>
#include <string>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "pool.h"
#include "table.h"

namespace {

const KernelTable* K = nullptr;

const KernelTable* choose(const char* forced) {
  const std::string want = forced ? forced : "";
#ifdef LVNET_X86
  __builtin_cpu_init();
  const bool has512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512cd");
  const bool has2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  if (has512 && (want == "" || want == "avx512")) return tableAvx512();
  if (has2 && (want == "" || want == "avx512" || want == "avx2")) return tableAvx2();
#endif
  return tableBaseline();
}

size_t cube(int k) { return size_t(k) * k * k; }

Conv convOf(Args& a) {
  return {a.extent(0), a.extent(1), a.extent(2), a.extent(3), a.extent(4), a.extent(5), a.kernel(6, false)};
}
size_t voxels(int n, int d, int h, int w) { return size_t(n) * d * h * w; }

napi_value convForward(Args& a) {
  const Conv s = convOf(a);
  const size_t v = voxels(s.n, s.d, s.h, s.w);
  const float *x = a.floats(7, v * s.ci), *w = a.floats(8, cube(s.k) * s.ci * s.co), *b = a.maybe(9, s.co);
  const int act = a.integer(10);
  float* y = a.floats(11, v * s.co);
  if (a.good) K->convForward(s, x, w, b, act, y);
  return nothing(a.env);
}
napi_value convBackwardInput(Args& a) {
  const Conv s = convOf(a);
  const size_t v = voxels(s.n, s.d, s.h, s.w);
  const float *dy = a.floats(7, v * s.co), *w = a.floats(8, cube(s.k) * s.ci * s.co);
  float* dx = a.floats(9, v * s.ci);
  if (a.good) K->convBackwardInput(s, dy, w, dx);
  return nothing(a.env);
}
napi_value convBackwardFilter(Args& a) {
  const Conv s = convOf(a);
  const size_t v = voxels(s.n, s.d, s.h, s.w);
  const float *x = a.floats(7, v * s.ci), *dy = a.floats(8, v * s.co);
  float *dw = a.floats(9, cube(s.k) * s.ci * s.co), *db = a.maybe(10, s.co);
  if (a.good) K->convBackwardFilter(s, x, dy, dw, db);
  return nothing(a.env);
}

Depth depthOf(Args& a) {
  return {a.extent(0), a.extent(1), a.extent(2), a.extent(3), a.extent(4), a.kernel(5, true)};
}

napi_value depthwiseForward(Args& a) {
  const Depth s = depthOf(a);
  const size_t v = voxels(s.n, s.d, s.h, s.w) * s.c;
  const float *x = a.floats(6, v), *w = a.floats(7, cube(s.k) * s.c), *b = a.maybe(8, s.c);
  float* y = a.floats(9, v);
  if (a.good) K->depthwiseForward(s, x, w, b, y);
  return nothing(a.env);
}
napi_value depthwiseBackwardInput(Args& a) {
  const Depth s = depthOf(a);
  const size_t v = voxels(s.n, s.d, s.h, s.w) * s.c;
  const float *dy = a.floats(6, v), *w = a.floats(7, cube(s.k) * s.c);
  float* dx = a.floats(8, v);
  if (a.good) K->depthwiseBackwardInput(s, dy, w, dx);
  return nothing(a.env);
}
napi_value depthwiseBackwardFilter(Args& a) {
  const Depth s = depthOf(a);
  const size_t v = voxels(s.n, s.d, s.h, s.w) * s.c;
  const float *x = a.floats(6, v), *dy = a.floats(7, v);
  float *dw = a.floats(8, cube(s.k) * s.c), *db = a.maybe(9, s.c);
  if (a.good) K->depthwiseBackwardFilter(s, x, dy, dw, db);
  return nothing(a.env);
}

napi_value normStatistics(Args& a) {
  const int rows = a.extent(0), c = a.extent(1);
  const float* x = a.floats(2, size_t(rows) * c);
  float *mean = a.floats(3, c), *variance = a.floats(4, c);
  if (a.good) K->normStatistics(rows, c, x, mean, variance);
  return nothing(a.env);
}
Norm normOf(Args& a, size_t i, int c) {
  return {a.floats(i, c), a.floats(i + 1, c), a.floats(i + 2, c), a.floats(i + 3, c), float(a.number(i + 4))};
}
napi_value normForward(Args& a) {
  const int rows = a.extent(0), c = a.extent(1), act = a.integer(8);
  const size_t n = size_t(rows) * c;
  const float* x = a.floats(2, n);
  const Norm p = normOf(a, 3, c);
  const float* residual = a.maybe(9, n);
  float* y = a.floats(10, n);
  if (a.good) K->normForward(rows, c, x, p, act, residual, y);
  return nothing(a.env);
}
napi_value normBackward(Args& a) {
  const int rows = a.extent(0), c = a.extent(1), act = a.integer(8);
  const size_t n = size_t(rows) * c;
  const float* x = a.floats(2, n);
  const Norm p = normOf(a, 3, c);
  const float* dy = a.floats(9, n);
  float *dx = a.floats(10, n), *dgamma = a.floats(11, c), *dbeta = a.floats(12, c);
  if (a.good) K->normBackward(rows, c, x, p, act, dy, dx, dgamma, dbeta);
  return nothing(a.env);
}

napi_value pool(Args& a, bool forward) {
  const Depth s{a.extent(0), a.extent(1), a.extent(2), a.extent(3), a.extent(4), 2};
  if (s.d % 2 || s.h % 2 || s.w % 2) a.fail("pooled sizes must be even");
  const size_t v = voxels(s.n, s.d, s.h, s.w) * s.c;
  const float* from = a.floats(5, forward ? v : v / 8);
  float* to = a.floats(6, forward ? v / 8 : v);
  if (a.good) (forward ? K->poolForward : K->poolBackward)(s, from, to);
  return nothing(a.env);
}
napi_value poolForward(Args& a) { return pool(a, true); }
napi_value poolBackward(Args& a) { return pool(a, false); }

Depth raisedOf(Args& a) { return {a.extent(0), a.extent(1), a.extent(2), a.extent(3), a.extent(4), 1}; }

napi_value upsampleForward(Args& a) {
  const Depth s = raisedOf(a);
  const int factor = a.extent(5);
  const size_t v = voxels(s.n, s.d, s.h, s.w) * s.c, raised = v * cube(factor);
  const float *x = a.floats(6, v), *onto = a.maybe(7, raised);
  float* y = a.floats(8, raised);
  if (a.good) K->upsampleForward(s, factor, x, onto, y);
  return nothing(a.env);
}
napi_value upsampleBackward(Args& a) {
  const Depth s = raisedOf(a);
  const int factor = a.extent(5);
  const size_t v = voxels(s.n, s.d, s.h, s.w) * s.c;
  const float* dy = a.floats(6, v * cube(factor));
  float* dx = a.floats(7, v);
  if (a.good) K->upsampleBackward(s, factor, dy, dx);
  return nothing(a.env);
}

napi_value foreground(Args& a) {
  const int rows = a.extent(0), classes = a.extent(1);
  const float* x = a.floats(2, size_t(rows) * classes);
  float* p = a.floats(3, rows);
  if (a.good) K->foreground(rows, classes, x, p);
  return nothing(a.env);
}
napi_value crossEntropy(Args& a) {
  const int rows = a.extent(0), classes = a.extent(1);
  const float* x = a.floats(2, size_t(rows) * classes);
  const auto* labels = static_cast<const int32_t*>(a.array(3, napi_int32_array, rows));
  float* dx = a.maybe(4, size_t(rows) * classes);
  if (labels == nullptr) a.fail("an array is missing");
  if (a.good)
    for (int i = 0; i < rows; i++)
      if (labels[i] < 0 || labels[i] >= classes) {
        a.fail("a label is outside the classes");
        break;
      }
  return a.good ? numberOf(a.env, K->crossEntropy(rows, classes, x, labels, dx)) : nothing(a.env);
}

// Networks have no blocks but these, and each other one costs a second to compile for every instruction set.
Irb irbOf(Args& a) {
  const Irb s{a.extent(0), a.extent(1), a.extent(2), a.extent(3), a.extent(4), a.extent(5), a.kernel(6, true)};
  if (s.k == 1) a.fail("this kernel size is not supported in a block");
  return s;
}
int activationOf(Args& a) {
  const int act = a.integer(8);
  if (act != ELU && act != RELU) a.fail("this activation is not supported in a block");
  return act;
}
// epsilon, activation, then twelve arrays
IrbWeights irbWeights(Args& a, size_t i, const Irb& s) {
  const size_t ce = size_t(s.c) * s.e;
  return {a.floats(i, ce),     a.maybe(i + 1, s.e), a.floats(i + 2, s.e),  a.floats(i + 3, s.e),
          a.floats(i + 4, cube(s.k) * s.e), a.maybe(i + 5, s.e), a.floats(i + 6, s.e), a.floats(i + 7, s.e),
          a.floats(i + 8, ce), a.maybe(i + 9, s.c), a.floats(i + 10, s.c), a.floats(i + 11, s.c)};
}
IrbStats irbStats(Args& a, size_t i, const Irb& s) {
  return {a.floats(i, s.e),     a.floats(i + 1, s.e), a.floats(i + 2, s.e),
          a.floats(i + 3, s.e), a.floats(i + 4, s.c), a.floats(i + 5, s.c)};
}
napi_value irbForward(Args& a) {
  const Irb s = irbOf(a);
  const size_t v = voxels(s.n, s.d, s.h, s.w);
  const bool keepHidden = a.integer(30) != 0;
  const float epsilon = float(a.number(7));
  const int act = activationOf(a);
  const float* x = a.floats(9, v * s.c);
  const IrbWeights p = irbWeights(a, 10, s);
  const IrbStats t = irbStats(a, 22, s);
  float *y = a.floats(28, v * s.c), *saved = a.maybe(29, a.good ? K->irbSavedFloats(s, keepHidden) : 0);
  if (a.good) K->irbForward(s, x, p, epsilon, act, y, t, saved, keepHidden);
  return nothing(a.env);
}
napi_value irbInfer(Args& a) {
  const Irb s = irbOf(a);
  const size_t v = voxels(s.n, s.d, s.h, s.w);
  const float epsilon = float(a.number(7));
  const int act = activationOf(a);
  const float* x = a.floats(9, v * s.c);
  const IrbWeights p = irbWeights(a, 10, s);
  const IrbStats t = irbStats(a, 22, s);
  float* y = a.floats(28, v * s.c);
  if (a.good) K->irbInfer(s, x, p, epsilon, act, t, y);
  return nothing(a.env);
}
napi_value irbBackward(Args& a) {
  const Irb s = irbOf(a);
  const size_t v = voxels(s.n, s.d, s.h, s.w);
  const float epsilon = float(a.number(7));
  const int act = activationOf(a);
  const float* x = a.floats(9, v * s.c);
  const IrbWeights p = irbWeights(a, 10, s);
  const IrbStats t = irbStats(a, 22, s);
  const bool kept = a.integer(43) != 0;
  const float *saved = a.floats(28, a.good ? K->irbSavedFloats(s, kept) : 0), *dy = a.floats(29, v * s.c);
  float* dx = a.floats(30, v * s.c);
  const IrbWeights g = irbWeights(a, 31, s);
  if (a.good) K->irbBackward(s, x, p, epsilon, act, t, saved, kept, dy, dx, g);
  return nothing(a.env);
}

// A Float32Array on memory of its own, whose contents are undefined.
napi_value allocate(Args& a) {
  const size_t length = size_t(a.number(0));
  if (!a.good || length == 0) return nothing(a.env);
  float* data = allocateFloats(length);
  const auto release = [](napi_env, void* p, void*) { std::free(p); };
  napi_value buffer, array;
  if (napi_create_external_arraybuffer(a.env, data, length * sizeof(float), release, nullptr, &buffer) != napi_ok) {
    std::free(data);
    return nothing(a.env);
  }
  napi_create_typedarray(a.env, napi_float32_array, length, buffer, 0, &array);
  return array;
}

napi_value setThreadsOf(Args& a) {
  const int count = a.integer(0);
  if (a.good) setThreads(count);
  return nothing(a.env);
}
napi_value fmaPeak(Args& a) { return numberOf(a.env, K->fmaPeak(a.number(0))); }
// The kernel kills this process when the thread that started it ends.
napi_value dieWithParent(Args& a) {
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
  return nothing(a.env);
}

napi_value init(napi_env env, napi_value exports) {
  if (K == nullptr) K = choose(std::getenv("LVNET_ISA"));
  addDenseKernels(env, exports, K->name);
  addVectorKernels(env, exports, K);
  addSegments(env, exports, K);
  const auto add = [&](const char* name, napi_callback f) { addFunction(env, exports, name, f); };
#define ADD(name) add(#name, pooled<name>)
#define ADD_FREE(name) add(#name, guarded<name>)
  ADD(convForward);
  ADD(convBackwardInput);
  ADD(convBackwardFilter);
  ADD(depthwiseForward);
  ADD(depthwiseBackwardInput);
  ADD(depthwiseBackwardFilter);
  ADD(normStatistics);
  ADD(normForward);
  ADD(normBackward);
  ADD(poolForward);
  ADD(poolBackward);
  ADD(upsampleForward);
  ADD(upsampleBackward);
  ADD(foreground);
  ADD(crossEntropy);
  ADD(irbForward);
  ADD(irbInfer);
  ADD(irbBackward);
  ADD_FREE(allocate);
  ADD(fmaPeak);
  ADD_FREE(dieWithParent);
  add("setThreads", pooled<setThreadsOf>);
  napi_value isa;
  napi_create_string_utf8(env, K->name, NAPI_AUTO_LENGTH, &isa);
  napi_set_named_property(env, exports, "instructionSet", isa);
  return exports;
}

}  // namespace

NAPI_MODULE(lvnet, init)
