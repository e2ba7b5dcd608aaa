// Compiled once per instruction set with -DTABLE=<function> -DTABLE_NAME="<name>".
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <numeric>
#include <type_traits>
#include <vector>
#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "dense-table.h"
#include "pool.h"
#include "table.h"

// The shared headers hold more than is used here.
#pragma GCC diagnostic ignored "-Wunused-function"

namespace {
#include "vector.h"
#include "gemm.h"
#include "norm.h"
#include "elements.h"
#include "dense-conv.h"
#include "maxpool.h"
#include "resize.h"
#include "group-norm.h"

const DenseTable table{
    TABLE_NAME,       denseForward,      denseInfer, denseBackwardInput, denseBackwardFilter, sumRows,
    maxPoolForward,   maxPoolBackward,   resizeForward,         resizeBackward,     groupNormForward,
    groupNormBackward, reluForward,      reluBackward,          preluForward,       preluBackward,       copyChannels,
};
}  // namespace

const DenseTable* TABLE() { return &table; }
