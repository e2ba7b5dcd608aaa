// A convolution as a matrix product: each row of the left matrix holds what one position of the result reads.
// Forward passes, input gradients and transposed convolutions differ only in where they read.
#pragma once
#include <algorithm>
#include <cstring>
#include <vector>

#include "dense-table.h"
#include "vector.h"

// Rows of a block and the widest chunk of the inner dimension: a block is 209 KB, so that it stays in the
// second-level cache. The pitch is no power of two, which would map all rows to a few sets of the first level.
constexpr int kBlockRows = 192, kChunk = 256, kPitch = 272;
// A chunk this long is not continued in another plane of the kernel, so that planes outside the volume can be left
// out: with few slices they are most of the work.
constexpr int kPlaneFloats = 64;

// Positions of the result along one axis are first + i * spacing for i < count; the i-th reads the source at
// i * step + offset for each of its reaches. Reaches are sorted by offset.
struct Reach {
  int offset, tap;
};
struct Axis {
  int count, first, spacing, step;
  std::vector<Reach> reaches;
  bool adjacent() const {
    for (size_t i = 1; i < reaches.size(); i++)
      if (reaches[i].offset != reaches[i - 1].offset + 1) return false;
    return true;
  }
};

static Axis forwardAxis(const Dense& s, int a) {
  Axis axis{s.out[a], 0, 1, s.stride[a], {}};
  for (int t = 0; t < s.kernel[a]; t++) axis.reaches.push_back({t * s.dilation[a] - s.padding[a], t});
  return axis;
}
// Input positions whose remainder by the stride is `rest`: they read outputs (i + padding - tap * dilation) / stride.
static Axis backwardAxis(const Dense& s, int a, int rest) {
  const int stride = s.stride[a], count = s.in[a] > rest ? (s.in[a] - rest + stride - 1) / stride : 0;
  Axis axis{count, rest, stride, 1, {}};
  for (int t = s.kernel[a] - 1; t >= 0; t--) {
    const int distance = rest + s.padding[a] - t * s.dilation[a];
    if (distance % stride == 0) axis.reaches.push_back({distance / stride, t});
  }
  return axis;
}

// A run of consecutive floats of every row: some neighbouring voxels' channels, or some channels of one voxel.
struct Span {
  int z, y, x, voxels, channel, channels;
  int length() const { return voxels * channels; }
};
struct Chunk {
  int firstSpan, lastSpan, k, length;
  int z;  // that all its spans share, where a chunk is large enough for planes of their own
  bool onePlane;
};

struct Gather {
  int n, source[3], c, rows = 0, depth = 0;
  Axis axes[3];
  std::vector<Span> spans;
  std::vector<Chunk> chunks;
  std::vector<int> taps;  // places in the kernel, in the order of the inner dimension

  Gather(const Dense& s, bool forward, int z, int y, int x)
      : n(s.n),
        c(forward ? s.ci : s.co),
        axes{axisOf(s, forward, 0, z), axisOf(s, forward, 1, y), axisOf(s, forward, 2, x)} {
    for (int a = 0; a < 3; a++) source[a] = forward ? s.in[a] : s.out[a];
    rows = n * axes[0].count * axes[1].count * axes[2].count;
    for (const Reach& tz : axes[0].reaches)
      for (const Reach& ty : axes[1].reaches)
        for (const Reach& tx : axes[2].reaches)
          taps.push_back((tz.tap * s.kernel[1] + ty.tap) * s.kernel[2] + tx.tap);
    addSpans();
    addChunks();
  }
  // The rows of the result lie one behind the other.
  bool contiguous() const {
    for (const Axis& axis : axes)
      if (axis.spacing != 1) return false;
    return true;
  }

 private:
  static Axis axisOf(const Dense& s, bool forward, int a, int rest) {
    return forward ? forwardAxis(s, a) : backwardAxis(s, a, rest);
  }
  void addSpans() {
    const auto& xs = axes[2].reaches;
    const bool whole = !xs.empty() && axes[2].adjacent() && int(xs.size()) * c <= kChunk;
    for (const Reach& z : axes[0].reaches)
      for (const Reach& y : axes[1].reaches) {
        if (whole) {
          spans.push_back({z.offset, y.offset, xs[0].offset, int(xs.size()), 0, c});
          continue;
        }
        for (const Reach& x : xs)
          for (int at = 0; at < c; at += kChunk)
            spans.push_back({z.offset, y.offset, x.offset, 1, at, std::min(kChunk, c - at)});
      }
  }
  void addChunks() {
    for (int i = 0; i < int(spans.size()); i++) {
      const int length = spans[i].length();
      const bool full = chunks.empty() || chunks.back().length + length > kChunk;
      const bool newPlane = !full && chunks.back().length >= kPlaneFloats && chunks.back().z != spans[i].z;
      if (full || newPlane) chunks.push_back({i, i, depth, 0, spans[i].z, true});
      chunks.back().onePlane &= chunks.back().z == spans[i].z;
      chunks.back().lastSpan = i + 1;
      chunks.back().length += length;
      depth += length;
    }
  }
};

// Runs are short: a call of memcpy would take longer than most of them.
static inline void copyFloats(float* to, const float* from, int count) {
  int i = 0;
  for (; i + W <= count; i += W) storePart(to + i, loadPart(from + i));
  for (; i < count; i++) to[i] = from[i];
}
static inline void clearFloats(float* to, int count) {
  for (int i = 0; i < count; i++) to[i] = 0;
}

// One row's part of a span; voxels outside the source are zero. `row` is null where the whole line is.
static inline void packSpan(const Gather& g, const Span& span, const float* row, int x, float* out) {
  const int left = row ? std::min(span.voxels, std::max(0, -x)) : span.voxels;
  const int right = row ? std::min(span.voxels - left, std::max(0, x + span.voxels - g.source[2])) : 0;
  const int inside = span.voxels - left - right;
  clearFloats(out, left * span.channels);
  if (inside > 0)
    copyFloats(out + left * span.channels, row + size_t(x + left) * g.c + span.channel, inside * span.channels);
  clearFloats(out + (left + inside) * span.channels, right * span.channels);
}

// Position of a row of the result along the axes.
struct Position {
  int volume, z, y, x;
  Position(const Gather& g, int row) {
    const int xs = g.axes[2].count, ys = g.axes[1].count, zs = g.axes[0].count;
    x = row % xs;
    y = row / xs % ys;
    z = row / xs / ys % zs;
    volume = row / xs / ys / zs;
  }
  void advance(const Gather& g) {
    if (++x < g.axes[2].count) return;
    x = 0;
    if (++y < g.axes[1].count) return;
    y = 0;
    if (++z < g.axes[0].count) return;
    z = 0;
    volume++;
  }
};

// Whether any row of a block reads a voxel of the chunk's plane.
static bool readsInside(const Gather& g, const Chunk& chunk, int firstRow, int rows) {
  if (!chunk.onePlane) return true;
  const Position first(g, firstRow), last(g, firstRow + rows - 1);
  if (first.volume != last.volume) return true;
  const auto inside = [&](int z) { return z * g.axes[0].step + chunk.z; };
  return inside(last.z) >= 0 && inside(first.z) < g.source[0];
}

// Fills `rows` rows of the panel with a chunk of the left matrix.
static void packBlock(const Gather& g, const Chunk& chunk, const float* source, int firstRow, int rows, float* panel) {
  Position at(g, firstRow);
  for (int r = 0; r < rows; r++, at.advance(g)) {
    float* out = panel + size_t(r) * kPitch;
    for (int i = chunk.firstSpan; i < chunk.lastSpan; i++) {
      const Span& span = g.spans[i];
      const int z = at.z * g.axes[0].step + span.z, y = at.y * g.axes[1].step + span.y;
      const bool inside = z >= 0 && z < g.source[0] && y >= 0 && y < g.source[1];
      const float* row = source + ((size_t(at.volume) * g.source[0] + z) * g.source[1] + y) * g.source[2] * g.c;
      packSpan(g, span, inside ? row : nullptr, at.x * g.axes[2].step + span.x, out);
      out += span.length();
    }
  }
}
