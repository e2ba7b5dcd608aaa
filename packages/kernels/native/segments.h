// Messages in memory that processes of one machine share. A segment has one writer and any number of readers, who
// may be as slow as they like: a slot's stamp tells whether it was written again while they read.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace segments {

// A slot: stamp, name of the message, mark of its sender, then the values; bfloat16 first, float32 from the next
// multiple of 64 bytes on.
constexpr size_t kNameBytes = 24, kMarkBytes = 32, kHeadBytes = 64;
constexpr size_t roundedUp(size_t bytes) { return (bytes + 63) / 64 * 64; }

struct Message {
  float* values;
  size_t halves, count;
  size_t restAt() const { return kHeadBytes + roundedUp(halves * 2); }
  size_t bytes() const { return restAt() + (count - halves) * 4; }
};

using Round = void (*)(uint16_t*, const float*, size_t);
using Widen = void (*)(float*, const uint16_t*, size_t);

inline void write(uint8_t* slot, uint64_t stamp, const void* head, Message m, Round round) {
  auto* state = reinterpret_cast<uint64_t*>(slot);
  __atomic_store_n(state, 0, __ATOMIC_RELAXED);
  std::atomic_thread_fence(std::memory_order_release);
  std::memcpy(slot + 8, head, kNameBytes + kMarkBytes);
  round(reinterpret_cast<uint16_t*>(slot + kHeadBytes), m.values, m.halves);
  std::memcpy(slot + m.restAt(), m.values + m.halves, (m.count - m.halves) * 4);
  __atomic_store_n(state, stamp, __ATOMIC_RELEASE);
}

// False where the slot holds another message, or was written meanwhile: then mark and values are worthless.
inline bool read(const uint8_t* slot, const void* name, void* mark, Message m, Widen widen) {
  const auto* state = reinterpret_cast<const uint64_t*>(slot);
  const uint64_t before = __atomic_load_n(state, __ATOMIC_ACQUIRE);
  if (before == 0 || std::memcmp(slot + 8, name, kNameBytes) != 0) return false;
  std::memcpy(mark, slot + 8 + kNameBytes, kMarkBytes);
  widen(m.values, reinterpret_cast<const uint16_t*>(slot + kHeadBytes), m.halves);
  std::memcpy(m.values + m.halves, slot + m.restAt(), (m.count - m.halves) * 4);
  std::atomic_thread_fence(std::memory_order_acquire);
  return __atomic_load_n(state, __ATOMIC_RELAXED) == before;
}

}  // namespace segments
