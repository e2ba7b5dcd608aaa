// Loops over long arrays that another core wrote, or that lie in no cache: the exchange's sums and conversions.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

// Elements asked for so far ahead, half a page of floats: a processor by itself looks no further than the page's end (two
// or four processes on Sapphire Rapids: a tenth of a round with bf16).
constexpr size_t kElementsAhead = 512;
constexpr size_t kElementsAtOnce = 32;

template <class T>
static inline void askAhead(const T* from, size_t i) {
  constexpr size_t line = 64 / sizeof(T);
  for (size_t l = 0; l < kElementsAtOnce; l += line) __builtin_prefetch(from + i + kElementsAhead + l, 0, 3);
}
template <class T>
static inline void askAheadToWrite(const T* into, size_t i) {
  constexpr size_t line = 64 / sizeof(T);
  for (size_t l = 0; l < kElementsAtOnce; l += line) __builtin_prefetch(into + i + kElementsAhead + l, 1, 3);
}

static inline float widened(uint16_t half) {
  const uint32_t bits = uint32_t(half) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// into[i] = f(i) for a piece that stays in the first cache, where `into` may be what f reads at i; ask(i) asks for what
// comes after it.
template <class T, class Ask, class F>
static inline void overChunk(T* into, size_t count, Ask ask, F f) {
  size_t i = 0;
  for (; i + kElementsAtOnce <= count; i += kElementsAtOnce) {
    ask(i);
    T results[kElementsAtOnce];
    for (size_t l = 0; l < kElementsAtOnce; l++) results[l] = f(i + l);
    std::memcpy(into + i, results, sizeof results);
  }
  for (; i < count; i++) into[i] = f(i);
}

// The same along arrays of any length, whose own lines are asked for too.
template <class T, class Ask, class F>
static inline void alongLines(T* into, size_t count, Ask ask, F f) {
  overChunk(into, count, [&](size_t i) {
    ask(i);
    askAheadToWrite(into, i);
  }, f);
}
