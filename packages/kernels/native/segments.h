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

inline void write(uint8_t* slot, uint64_t stamp, const void* head, Message m, Round round) {
  auto* state = reinterpret_cast<uint64_t*>(slot);
  __atomic_store_n(state, 0, __ATOMIC_RELAXED);
  std::atomic_thread_fence(std::memory_order_release);
  std::memcpy(slot + 8, head, kNameBytes + kMarkBytes);
  round(reinterpret_cast<uint16_t*>(slot + kHeadBytes), m.values, m.halves);
  std::memcpy(slot + m.restAt(), m.values + m.halves, (m.count - m.halves) * 4);
  __atomic_store_n(state, stamp, __ATOMIC_RELEASE);
}

// Whether the slot has not been written since it had that stamp: whatever was read from it until now is whole.
inline bool holds(const uint8_t* slot, uint64_t stamp) {
  std::atomic_thread_fence(std::memory_order_acquire);
  return __atomic_load_n(reinterpret_cast<const uint64_t*>(slot), __ATOMIC_RELAXED) == stamp;
}

// The stamp of the message of that name, 0 where the slot holds another one or is being written; fills the mark.
inline uint64_t stampOf(const uint8_t* slot, const void* name, void* mark) {
  const uint64_t stamp = __atomic_load_n(reinterpret_cast<const uint64_t*>(slot), __ATOMIC_ACQUIRE);
  if (stamp == 0 || std::memcmp(slot + 8, name, kNameBytes) != 0) return 0;
  std::memcpy(mark, slot + 8 + kNameBytes, kMarkBytes);
  return holds(slot, stamp) ? stamp : 0;
}

}  // namespace segments
