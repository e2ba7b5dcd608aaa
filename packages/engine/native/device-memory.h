// Stands in front of tfjs's binding, whose sources stay as they are: a process takes no more of its GPU's memory than
// LVNET_DEVICE_MEMORY_MIB says.
#pragma once
#include <cstdlib>
#include <cstring>

#include "tensorflow/c/eager/c_api.h"

static inline TFE_Context *LvnetNewContext(TFE_ContextOptions *options, TF_Status *status) {
  const char *text = std::getenv("LVNET_DEVICE_MEMORY_MIB");
  const float mib = text == nullptr ? 0.0f : std::strtof(text, nullptr);
  if (mib > 0) {
    // ConfigProto { gpu_options (6) { experimental (9) { virtual_devices (1) { memory_limit_mb (1): [mib] } } } }
    unsigned char config[12] = {0x32, 10, 0x4a, 8, 0x0a, 6, 0x0a, 4};
    std::memcpy(config + 8, &mib, 4);
    TFE_ContextOptionsSetConfig(options, config, sizeof config, status);
    if (TF_GetCode(status) != TF_OK) return nullptr;
  }
  return TFE_NewContext(options, status);
}

#define TFE_NewContext LvnetNewContext
