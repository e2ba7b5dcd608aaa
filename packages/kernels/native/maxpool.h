// Maximum over windows. The place of each winner is kept, so that the gradient can be gathered without races.
#pragma once
#include "norm.h"

// Calls f(place in the window, offset of the voxel) for the voxels of one output's window that lie inside.
template <class F>
static inline void eachInside(const Window& s, int volume, int z, int y, int x, F f) {
  const int z0 = z * s.stride[0] - s.padding[0], y0 = y * s.stride[1] - s.padding[1], x0 = x * s.stride[2] - s.padding[2];
  for (int a = std::max(0, -z0); a < std::min(s.kernel[0], s.in[0] - z0); a++)
    for (int b = std::max(0, -y0); b < std::min(s.kernel[1], s.in[1] - y0); b++)
      for (int e = std::max(0, -x0); e < std::min(s.kernel[2], s.in[2] - x0); e++)
        f((a * s.kernel[1] + b) * s.kernel[2] + e,
          ((size_t(volume) * s.in[0] + z0 + a) * s.in[1] + y0 + b) * s.in[2] + x0 + e);
}

static void maxPoolForward(const Window& s, const float* x, float* y, uint8_t* winners) {
  parallel(s.n * s.out[0] * s.out[1], [&](int task, int thread) {
    const int oy = task % s.out[1], oz = task / s.out[1] % s.out[0], volume = task / s.out[1] / s.out[0];
    auto* places = reinterpret_cast<int32_t*>(threadScratch(thread, 0, size_t(s.c)));
    for (int ox = 0; ox < s.out[2]; ox++) {
      const size_t at = (size_t(task) * s.out[2] + ox) * s.c;
      float* best = y + at;
      bool first = true;
      eachInside(s, volume, oz, oy, ox, [&](int place, size_t voxel) {
        const float* values = x + voxel * s.c;
        for (int j = 0; j < s.c; j++) {
          const float value = values[j];
          const bool wins = first | (value > best[j]) | (value != value);
          best[j] = wins ? value : best[j];
          places[j] = wins ? place : places[j];
        }
        first = false;
      });
      for (int j = 0; j < s.c; j++) winners[at + j] = uint8_t(places[j]);
    }
  });
}

// Each input voxel asks the windows that cover it whether it won.
static void maxPoolBackward(const Window& s, const float* dy, const uint8_t* winners, float* dx) {
  parallel(s.n * s.in[0] * s.in[1], [&](int task, int) {
    const int iy = task % s.in[1], iz = task / s.in[1] % s.in[0], volume = task / s.in[1] / s.in[0];
    for (int ix = 0; ix < s.in[2]; ix++) {
      float* out = dx + (size_t(task) * s.in[2] + ix) * s.c;
      std::memset(out, 0, size_t(s.c) * sizeof(float));
      const int place[3] = {iz, iy, ix};
      int low[3], high[3];  // outputs whose windows cover the voxel
      for (int a = 0; a < 3; a++) {
        const int reach = place[a] + s.padding[a] - s.kernel[a] + 1;
        low[a] = reach > 0 ? (reach + s.stride[a] - 1) / s.stride[a] : 0;
        high[a] = std::min(s.out[a] - 1, (place[a] + s.padding[a]) / s.stride[a]);
      }
      for (int z = low[0]; z <= high[0]; z++)
        for (int y = low[1]; y <= high[1]; y++)
          for (int x = low[2]; x <= high[2]; x++) {
            const int a = iz + s.padding[0] - z * s.stride[0], b = iy + s.padding[1] - y * s.stride[1];
            const int own = (a * s.kernel[1] + b) * s.kernel[2] + ix + s.padding[2] - x * s.stride[2];
            const size_t at = (((size_t(volume) * s.out[0] + z) * s.out[1] + y) * s.out[2] + x) * s.c;
            for (int j = 0; j < s.c; j++) out[j] += winners[at + j] == own ? dy[at + j] : 0.0f;
          }
    }
  });
}
