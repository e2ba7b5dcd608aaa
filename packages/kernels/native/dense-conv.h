// Dense convolutions of any kernel, stride, padding and dilation: blocks of the gathered matrix times the weights.
#pragma once
#include "dense-gemm.h"
#include "norm.h"

// Channels that a task takes of a panel's weights: what a task touches of PyTorch's layout fits the first-level cache.
constexpr int kChannelsTogether = 16;

template <class F>
static void eachPanelChannels(const Panels& panels, int channels, F f) {
  const int blocks = (channels + kChannelsTogether - 1) / kChannelsTogether;
  parallel(panels.count * blocks, [&](int task, int thread) {
    const int from = task % blocks * kChannelsTogether, to = std::min(channels, from + kChannelsTogether);
    for (int channel = from; channel < to; channel++) f(task / blocks, channel, thread);
  });
}

// Weights as [panel][tap][channel][column of the panel]; `across` and `along` are the strides of column and channel.
// Each line is put together first: lines of one channel lie far apart, and would throw each other out of the cache.
static const float* packWeights(const Gather& g, const float* w, int columns, size_t across, size_t along) {
  const Panels panels(columns);
  const size_t taps = g.taps.size();
  const int* places = g.taps.data();
  float* packed = sharedScratch(1, size_t(panels.padded) * std::max(1, g.depth));
  const auto pack = [&](int p, int channel, int thread) {
    float* lines = threadScratch(thread, 3, taps * 32);
    const int width = panels.width(p), valid = std::min(width, columns - p * 32);
    for (int j = 0; j < valid; j++) {
      const float* from = w + size_t(p * 32 + j) * across + channel * along;
      for (size_t t = 0; t < taps; t++) lines[t * width + j] = from[places[t]];
    }
    float* out = packed + size_t(p) * 32 * g.depth + size_t(channel) * width;
    for (size_t t = 0; t < taps; t++) {
      clearFloats(lines + t * width + valid, width - valid);
      copyFloats(out + t * g.c * width, lines + t * width, width);
    }
  };
  if (across > along) {
    eachPanelChannels(panels, g.c, pack);
  } else {  // all columns of a channel lie side by side
    parallel(g.c, [&](int channel, int thread) {
      for (int p = 0; p < panels.count; p++) pack(p, channel, thread);
    });
  }
  return packed;
}

// Where a row of the result lies.
static inline size_t placeOf(const Gather& g, const int* size, const Position& at) {
  const auto along = [&](int a, int i) { return size_t(g.axes[a].first + i * g.axes[a].spacing); };
  return ((size_t(at.volume) * size[0] + along(0, at.z)) * size[1] + along(1, at.y)) * size[2] + along(2, at.x);
}

static inline void finishRow(const Finish& finish, int from, float* values, int count) {
  for (int i = 0; i < count; i += L) {
    const int n = std::min(L, count - i);
    const V y = fma(loadn(values + i, n), loadn(finish.scale + from + i, n), loadn(finish.shift + from + i, n));
    storen(values + i, finish.rectified ? rectify(y) : y, n);
  }
}

// Result rows = bias + gathered rows times packed weights, finished if that is asked for; `size` is the result's.
static void multiply(const Gather& g, const float* source, const float* packed, int columns, const float* bias,
                     float* result, const int* size, const Finish* finish = nullptr) {
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
    if (finish)
      for (int r = 0; r < rows; r++) finishRow(*finish, from, c + r * ldc, to - from);
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

static void denseInfer(const Dense& s, const float* x, const float* w, const Finish& finish, float* y) {
  const Gather g(s, true, 0, 0, 0);
  const float* packed = packWeights(g, w, s.co, size_t(s.ci) * s.taps(), s.taps());
  multiply(g, x, packed, s.co, nullptr, y, s.out, &finish);
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

// From sums [part][panel][tap][channel][column of the panel] to [column][channel][tap]; parts are added in order, in
// float64.
static void unpackFilter(const Gather& g, const Panels& panels, const float* sums, int parts, float* dw) {
  const size_t length = size_t(g.depth) * panels.padded, taps = g.taps.size();
  eachPanelChannels(panels, g.c, [&](int p, int channel, int thread) {
    float* lines = threadScratch(thread, 3, taps * 32);
    const int width = panels.width(p), valid = std::min(width, panels.columns - p * 32);
    for (size_t t = 0; t < taps; t++) {
      const float* from = sums + size_t(p) * 32 * g.depth + (t * g.c + channel) * width;
      double total[32] = {0};
      for (int part = 0; part < parts; part++)
        for (int j = 0; j < valid; j++) total[j] += from[part * length + j];
      for (int j = 0; j < valid; j++) lines[t * width + j] = float(total[j]);
    }
    for (int j = 0; j < valid; j++) {
      float* out = dw + (size_t(p * 32 + j) * g.c + channel) * taps;
      for (size_t t = 0; t < taps; t++) out[g.taps[t]] = lines[t * width + j];
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
    const auto into = [&](int p) {
      return sums + length * part + size_t(p) * 32 * g.depth + size_t(chunk.k) * panels.width(p);
    };
    for (int p = 0; p < panels.count; p++)
      std::memset(into(p), 0, size_t(chunk.length) * panels.width(p) * sizeof(float));
    float* left = threadScratch(thread, 0, size_t(kBlockRows) * kPitch);
    float* right = threadScratch(thread, 2, size_t(kBlockRows) * panels.count * 32);
    std::memset(left, 0, size_t(kBlockRows) * kPitch * sizeof(float));  // tiles read beyond a chunk's end
    const int from = int(int64_t(blocks) * part / parts), to = int(int64_t(blocks) * (part + 1) / parts);
    for (int block = from; block < to; block++) {
      const int firstRow = block * kBlockRows, rows = std::min(kBlockRows, g.rows - firstRow);
      if (!readsInside(g, chunk, firstRow, rows)) continue;
      packBlock(g, chunk, x, firstRow, rows, left);
      packRightBlock(panels, dy + size_t(firstRow) * s.co, rows, right);
      for (int m = 0; m < chunk.length; m += kRows)  // twelve columns of the left stay in the cache, panels stream by
        for (int p = 0; p < panels.count; p++)
          transposedPanel(rows, std::min(kRows, chunk.length - m), left + m, right + size_t(p) * 32 * kBlockRows,
                          panels.width(p), into(p) + size_t(m) * panels.width(p), panels.width(p));
    }
  });
  unpackFilter(g, panels, sums, parts, dw);
}
