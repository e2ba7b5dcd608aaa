// Dense convolutions of any kernel, stride, padding and dilation: blocks of the gathered matrix times the weights.
#pragma once
#include "dense-gemm.h"
#include "norm.h"

// Weights as [panel][tap][channel][column of the panel]; `across` and `along` are the strides of column and channel.
// Each line is put together first: lines of one channel lie far apart, and would throw each other out of the cache.
static const float* packWeights(const Gather& g, const float* w, int columns, size_t across, size_t along) {
  const Panels panels(columns);
  const size_t taps = g.taps.size();
  const int* places = g.taps.data();
  float* packed = sharedScratch(1, size_t(panels.padded) * std::max(1, g.depth));
  parallel(g.c, [&](int channel, int thread) {
    float* lines = threadScratch(thread, 3, taps * 32);
    for (int p = 0; p < panels.count; p++) {
      const int width = panels.width(p);
      for (int j = 0; j < width; j++) {
        const int column = p * 32 + j;
        const float* from = w + column * across + channel * along;
        for (size_t t = 0; t < taps; t++) lines[t * width + j] = column < columns ? from[places[t]] : 0.0f;
      }
      float* out = packed + size_t(p) * 32 * g.depth + size_t(channel) * width;
      for (size_t t = 0; t < taps; t++) std::memcpy(out + t * g.c * width, lines + t * width, width * sizeof(float));
    }
  });
  return packed;
}

// Where a row of the result lies.
static inline size_t placeOf(const Gather& g, const int* size, const Position& at) {
  const auto along = [&](int a, int i) { return size_t(g.axes[a].first + i * g.axes[a].spacing); };
  return ((size_t(at.volume) * size[0] + along(0, at.z)) * size[1] + along(1, at.y)) * size[2] + along(2, at.x);
}

// Result rows = bias + gathered rows times packed weights; `size` is the result's.
static void multiply(const Gather& g, const float* source, const float* packed, int columns, const float* bias,
                     float* result, const int* size) {
  const Panels panels(columns);
  const int blocks = (g.rows + kBlockRows - 1) / kBlockRows;
  // Few rows: the panels are shared out too. At most eight, whose chunk of weights fits the second-level cache.
  const int together = std::max(1, std::min({8, panels.count, panels.count * blocks / 32}));
  const int groups = (panels.count + together - 1) / together;
  std::vector<float> start(size_t(panels.count) * 32, 0.0f);
  if (bias) std::copy(bias, bias + columns, start.begin());
  const bool direct = g.contiguous();
  parallel(blocks * groups, [&](int task, int thread) {
    const int group = task % groups, firstRow = task / groups * kBlockRows;
    const int rows = std::min(kBlockRows, g.rows - firstRow);
    const int from = group * together * 32, to = std::min(columns, from + together * 32);
    float* panel = threadScratch(thread, 0, size_t(kBlockRows) * kPitch);
    if (const int over = rows % kRows)  // the last tile reads whole rows
      std::memset(panel + size_t(rows) * kPitch, 0, size_t(kRows - over) * kPitch * sizeof(float));
    const size_t ldc = direct ? columns : to - from;
    float* c = direct ? result + size_t(firstRow) * columns + from
                      : threadScratch(thread, 1, size_t(kBlockRows) * (together * 32));
    bool started = false;
    for (const Chunk& chunk : g.chunks) {
      if (!readsInside(g, chunk, firstRow, rows)) continue;
      packBlock(g, chunk, source, firstRow, rows, panel);
      for (int at = from; at < to; at += 32) {
        const int width = panels.width(at / 32);
        const float* b = packed + size_t(at) * g.depth + size_t(chunk.k) * width;
        productPanel(rows, chunk.length, panel, b, width, c + (at - from), ldc, std::min(32, to - at),
                     started ? nullptr : &start[at]);
      }
      started = true;
    }
    if (!started)
      for (int r = 0; r < rows; r++) std::copy(&start[from], &start[from] + (to - from), c + r * ldc);
    if (direct) return;
    Position at(g, firstRow);
    for (int r = 0; r < rows; r++, at.advance(g))
      std::memcpy(result + placeOf(g, size, at) * columns + from, c + r * ldc, (to - from) * sizeof(float));
  });
}

static void denseForward(const Dense& s, const float* x, const float* w, const float* bias, float* y) {
  const Gather g(s, true, 0, 0, 0);
  const float* packed = packWeights(g, w, s.co, size_t(s.ci) * s.taps(), s.taps());
  multiply(g, x, packed, s.co, bias, y, s.out);
}

// Positions of the input with the same remainder by the stride form a convolution of their own.
static void denseBackwardInput(const Dense& s, const float* dy, const float* w, const float* bias, float* dx) {
  for (int z = 0; z < s.stride[0]; z++)
    for (int y = 0; y < s.stride[1]; y++)
      for (int x = 0; x < s.stride[2]; x++) {
        const Gather g(s, false, z, y, x);
        if (g.rows == 0) continue;
        const float* packed = packWeights(g, w, s.ci, s.taps(), size_t(s.ci) * s.taps());
        multiply(g, dy, packed, s.ci, bias, dx, s.in);
      }
}

// Copies rows of a matrix into panels [panel][row][width], zero padded.
static void packRightBlock(const Panels& panels, const float* b, int rows, float* out) {
  for (int p = 0; p < panels.count; p++) {
    const int width = panels.width(p), lanes = std::min(width, panels.columns - p * 32);
    float* to = out + size_t(p) * 32 * kBlockRows;
    for (int r = 0; r < rows; r++) {
      copyFloats(to + r * width, b + size_t(r) * panels.columns + p * 32, lanes);
      clearFloats(to + r * width + lanes, width - lanes);
    }
  }
}

// From sums [part][tap][channel][padded column] to [column][channel][tap]; parts are added in order, in float64.
static void unpackFilter(const Gather& g, const Panels& panels, const float* sums, int parts, float* dw) {
  const size_t length = size_t(g.depth) * panels.padded, taps = g.taps.size();
  parallel(g.c, [&](int channel, int thread) {
    float* lines = threadScratch(thread, 3, taps * 32);
    for (int p = 0; p < panels.count; p++) {
      const int width = panels.width(p), valid = std::min(width, panels.columns - p * 32);
      for (size_t t = 0; t < taps; t++) {
        const float* from = sums + (t * g.c + channel) * panels.padded + p * 32;
        for (int j = 0; j < valid; j++) {
          double total = 0;
          for (int part = 0; part < parts; part++) total += from[part * length + j];
          lines[t * width + j] = float(total);
        }
      }
      for (int j = 0; j < valid; j++) {
        float* out = dw + (size_t(p * 32 + j) * g.c + channel) * taps;
        for (size_t t = 0; t < taps; t++) out[g.taps[t]] = lines[t * width + j];
      }
    }
  });
}

static void denseBackwardFilter(const Dense& s, const float* x, const float* dy, float* dw) {
  const Gather g(s, true, 0, 0, 0);
  const Panels panels(s.co);
  const int blocks = (g.rows + kBlockRows - 1) / kBlockRows, chunks = int(g.chunks.size());
  // Each chunk of weights is a task; few chunks are shared out by rows too, with partial sums.
  const int parts = std::max(1, std::min(blocks, (32 + chunks - 1) / chunks));
  const size_t length = size_t(g.depth) * panels.padded;
  float* sums = sharedScratch(0, length * parts);
  parallel(chunks * parts, [&](int task, int thread) {
    const Chunk& chunk = g.chunks[task % chunks];
    const int part = task / chunks;
    float* into = sums + length * part + size_t(chunk.k) * panels.padded;
    std::memset(into, 0, size_t(chunk.length) * panels.padded * sizeof(float));
    float* left = threadScratch(thread, 0, size_t(kBlockRows) * kPitch);
    float* right = threadScratch(thread, 2, size_t(kBlockRows) * panels.count * 32);
    std::memset(left, 0, size_t(kBlockRows) * kPitch * sizeof(float));  // tiles read beyond a chunk's end
    const int from = int(int64_t(blocks) * part / parts), to = int(int64_t(blocks) * (part + 1) / parts);
    for (int block = from; block < to; block++) {
      const int firstRow = block * kBlockRows, rows = std::min(kBlockRows, g.rows - firstRow);
      if (!readsInside(g, chunk, firstRow, rows)) continue;
      packBlock(g, chunk, x, firstRow, rows, left);
      packRightBlock(panels, dy + size_t(firstRow) * s.co, rows, right);
      for (int p = 0; p < panels.count; p++)
        transposedPanel(rows, chunk.length, left, right + size_t(p) * 32 * kBlockRows, panels.width(p), into + p * 32,
                        panels.padded);
    }
  });
  unpackFilter(g, panels, sums, parts, dw);
}
