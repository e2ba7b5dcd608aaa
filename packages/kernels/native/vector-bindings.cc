// The bridge to Node for what works on whole vectors: sums of gradients, their wire format, Adam.
#include "arguments.h"

#include <vector>

#include "table.h"

namespace {

const KernelTable* K = nullptr;

napi_value addBoth(Args& a) {
  const size_t count = size_t(a.number(3)), part = 1 << 16;
  const float *x = a.floats(0, count), *y = a.floats(1, count);
  float* sum = a.floats(2, count);
  if (a.good)
    parallel(int((count + part - 1) / part), [&](int task, int) {
      const size_t begin = task * part, end = begin + part < count ? begin + part : count;
      exactSum(sum + begin, x + begin, y + begin, end - begin);
    });
  return nothing(a.env);
}
// Whether every sum has its two values, and one is left at the end.
bool isOrder(const int32_t* order, size_t steps, size_t sources) {
  int height = 0;
  for (size_t i = 0; i < steps; i++) {
    if (order[i] >= int32_t(sources)) return false;
    height += order[i] < 0 ? -1 : 1;
    if (height < 1 || height > kTreeDepth) return false;
  }
  return height == 1;
}
// sources, order, its length, rounded, sum, count
napi_value addTree(Args& a) {
  const size_t steps = size_t(a.number(2)), count = size_t(a.number(5));
  const auto* order = static_cast<const int32_t*>(a.array(1, napi_int32_array, steps));
  const bool rounded = a.integer(3) != 0;
  float* sum = a.floats(4, count);
  uint32_t length = 0;
  if (!a.good || order == nullptr || napi_get_array_length(a.env, a.values[0], &length) != napi_ok) a.fail("a list was expected");
  std::vector<TreeSource> sources(a.good ? length : 0);
  for (uint32_t i = 0; i < sources.size(); i++) {
    Args source(a.env);
    napi_get_element(a.env, a.values[0], i, &source.values[0]);
    bool isTyped = false;
    napi_typedarray_type type = napi_float32_array;
    napi_is_typedarray(a.env, source.values[0], &isTyped);
    if (isTyped) napi_get_typedarray_info(a.env, source.values[0], &type, nullptr, nullptr, nullptr, nullptr);
    if (type == napi_uint16_array) sources[i] = {nullptr, static_cast<const uint16_t*>(source.array(0, type, count))};
    else sources[i] = {source.floats(0, count), nullptr};
    if (!source.good) return nothing(a.env);
  }
  if (a.good && !isOrder(order, steps, sources.size())) a.fail("this is no order of additions");
  if (a.good) K->addTree(sum, sources.data(), order, steps, rounded, count);
  return nothing(a.env);
}
napi_value roundToBf16(Args& a) {
  const size_t count = size_t(a.number(2));
  auto* into = static_cast<uint16_t*>(a.array(0, napi_uint16_array, count));
  const float* from = a.floats(1, count);
  if (a.good && into) K->roundToBf16(into, from, count);
  return nothing(a.env);
}
napi_value fromBf16(Args& a) {
  const size_t count = size_t(a.number(2));
  float* into = a.floats(0, count);
  const auto* from = static_cast<const uint16_t*>(a.array(1, napi_uint16_array, count));
  if (a.good && from) exactWiden(into, from, count);
  return nothing(a.env);
}
napi_value scaleInto(Args& a) {
  const size_t count = size_t(a.number(2));
  float* into = a.floats(0, count);
  const float factor = float(a.number(1));
  if (a.good) exactScale(into, factor, count);
  return nothing(a.env);
}
napi_value checksum(Args& a) {
  const size_t count = size_t(a.number(1));
  const float* x = a.floats(0, count);
  return numberOf(a.env, a.good ? exactChecksum(x, count) : 0);
}
napi_value isAllFinite(Args& a) {
  const size_t count = size_t(a.number(1));
  const float* x = a.floats(0, count);
  napi_value v;
  napi_get_boolean(a.env, a.good && exactAllFinite(x, count), &v);
  return v;
}
napi_value sumOfSquares(Args& a) {
  const size_t count = size_t(a.number(1));
  const float* x = a.floats(0, count);
  return numberOf(a.env, a.good ? exactSumOfSquares(x, count) : 0.0);
}
napi_value adamStep(Args& a) {
  const size_t from = size_t(a.number(4)), to = size_t(a.number(5));
  float *weights = a.floats(0, to), *m = a.floats(2, to), *v = a.floats(3, to);
  const float* gradient = a.floats(1, to);
  const Adam c{float(a.number(6)),  float(a.number(7)),  float(a.number(8)),  float(a.number(9)),
               float(a.number(10)), float(a.number(11)), float(a.number(12)), float(a.number(13)), float(a.number(14))};
  if (!a.good || to <= from) return nothing(a.env);
  const size_t part = 1 << 16;
  parallel(int((to - from + part - 1) / part), [&](int task, int) {
    const size_t begin = from + task * part, end = begin + part < to ? begin + part : to;
    exactAdam(weights, gradient, m, v, begin, end, c);
  });
  return nothing(a.env);
}

}  // namespace

void addVectorKernels(napi_env env, napi_value exports, const KernelTable* table) {
  if (K == nullptr) K = table;
  const auto add = [&](const char* name, napi_callback f) { addFunction(env, exports, name, f); };
#define ADD(name) add(#name, pooled<name>)
#define ADD_FREE(name) add(#name, guarded<name>)
  ADD(addBoth);
  ADD_FREE(addTree);
  ADD_FREE(roundToBf16);
  ADD_FREE(fromBf16);
  ADD_FREE(scaleInto);
  ADD_FREE(isAllFinite);
  ADD(checksum);
  ADD(sumOfSquares);
  ADD(adamStep);
}
