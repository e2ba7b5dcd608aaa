// What every binding needs: arguments of a call, checked, and failures as JavaScript errors.
#pragma once
#define NAPI_VERSION 8
#include <node_api.h>

#include <mutex>
#include <new>

#include "pool.h"

// The kernels of dense-bindings.cc, for the instruction set of that name.
void addDenseKernels(napi_env env, napi_value exports, const char* instructionSet);
// The kernels of vector-bindings.cc.
struct KernelTable;
void addVectorKernels(napi_env env, napi_value exports, const KernelTable* table);
// The shared memory of segments.cc.
void addSegments(napi_env env, napi_value exports, const KernelTable* table);

struct Args {
  napi_env env;
  size_t count = 48;
  napi_value values[48];
  bool good = true;
  // One value, to be set by hand.
  explicit Args(napi_env env) : env(env), count(1) {}
  Args(napi_env env, napi_callback_info info) : env(env) { napi_get_cb_info(env, info, &count, values, nullptr, nullptr); }

  void fail(const char* what) {
    if (good) napi_throw_type_error(env, nullptr, what);
    good = false;
  }
  // A size: positive.
  int32_t extent(size_t i) {
    const int32_t v = integer(i);
    if (v < 1) fail("a size below 1");
    return v;
  }
  int32_t kernel(size_t i, bool depthwise) {
    const int32_t v = extent(i);
    if (v % 2 == 0 || (depthwise && v > 7)) fail("this kernel size is not supported");
    return v;
  }
  int32_t integer(size_t i) {
    int32_t v = 0;
    if (i >= count || napi_get_value_int32(env, values[i], &v) != napi_ok) fail("a number was expected");
    return v;
  }
  double number(size_t i) {
    double v = 0;
    if (i >= count || napi_get_value_double(env, values[i], &v) != napi_ok) fail("a number was expected");
    return v;
  }
  // Null and undefined give a null pointer. `least` guards against arrays that are too short.
  void* array(size_t i, napi_typedarray_type type, size_t least) {
    napi_valuetype kind = napi_undefined;
    if (i < count) napi_typeof(env, values[i], &kind);
    if (kind == napi_null || kind == napi_undefined) return nullptr;
    bool is = false;
    napi_is_typedarray(env, values[i], &is);
    napi_typedarray_type found;
    size_t length = 0;
    void* data = nullptr;
    if (is) napi_get_typedarray_info(env, values[i], &found, &length, &data, nullptr, nullptr);
    if (!is || found != type) {
      fail("a typed array of another type was expected");
      return nullptr;
    }
    if (length < least) {
      fail("an array is shorter than its shape says");
      return nullptr;
    }
    return data;
  }
  float* floats(size_t i, size_t least) {
    auto* p = static_cast<float*>(array(i, napi_float32_array, least));
    if (p == nullptr && least > 0) fail("an array is missing");
    return p;
  }
  float* maybe(size_t i, size_t least) { return static_cast<float*>(array(i, napi_float32_array, least)); }
};

inline napi_value nothing(napi_env env) {
  napi_value v;
  napi_get_undefined(env, &v);
  return v;
}
inline napi_value numberOf(napi_env env, double value) {
  napi_value v;
  napi_create_double(env, value, &v);
  return v;
}

inline void throwOutOfMemory(napi_env env, double bytes) {
  napi_value code, message, error;
  napi_create_string_utf8(env, "OUT_OF_MEMORY", NAPI_AUTO_LENGTH, &code);
  napi_create_string_utf8(env, "the native kernels ran out of memory", NAPI_AUTO_LENGTH, &message);
  napi_create_error(env, code, message, &error);
  napi_set_named_property(env, error, "bytes", numberOf(env, bytes));
  napi_throw(env, error);
}

template <napi_value (*F)(Args&)>
napi_value guarded(napi_env env, napi_callback_info info) {
  Args a(env, info);
  try {
    return F(a);
  } catch (const OutOfMemory& missing) {
    throwOutOfMemory(env, double(missing.bytes));
  } catch (const std::bad_alloc&) {
    throwOutOfMemory(env, 0);  // some small thing
  } catch (...) {
    napi_throw_error(env, nullptr, "the native kernels failed");
  }
  return nothing(env);
}

// The thread pool and its buffers serve one call at a time, from whichever JavaScript thread.
inline std::mutex poolUse;
template <napi_value (*F)(Args&)>
napi_value pooled(napi_env env, napi_callback_info info) {
  const std::lock_guard<std::mutex> lock(poolUse);
  return guarded<F>(env, info);
}

inline void addFunction(napi_env env, napi_value exports, const char* name, napi_callback f) {
  napi_value value;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, f, nullptr, &value);
  napi_set_named_property(env, exports, name, value);
}
