// Segments of shared memory as array buffers.
#include "arguments.h"
#include "segments.h"
#include "table.h"

#ifdef __linux__
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace {

using namespace segments;
const KernelTable* K = nullptr;

#ifdef __linux__
void release(napi_env, void* data, void* bytes) {
  munmap(data, *static_cast<size_t*>(bytes));
  delete static_cast<size_t*>(bytes);
}

// An array buffer over a file's memory; undefined where it cannot be had.
napi_value mapped(napi_env env, int file, size_t bytes, int protection) {
  void* data = mmap(nullptr, bytes, protection, MAP_SHARED, file, 0);
  if (data == MAP_FAILED) return nothing(env);
  napi_value buffer;
  auto* hint = new size_t(bytes);
  if (napi_create_external_arraybuffer(env, data, bytes, release, hint, &buffer) == napi_ok) return buffer;
  release(env, data, hint);
  return nothing(env);
}

bool isUndefined(napi_env env, napi_value value) {
  napi_valuetype kind;
  return napi_typeof(env, value, &kind) != napi_ok || kind == napi_undefined;
}

// [buffer, file]: the segment lives as long as somebody has it open or mapped. It can neither grow nor shrink, so
// that no reader ever reaches beyond its end.
napi_value segmentCreate(Args& a) {
  const size_t bytes = size_t(a.number(0));
  if (!a.good || bytes == 0) return nothing(a.env);
  const int file = memfd_create("lvnet", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (file < 0) return nothing(a.env);
  const bool made = ftruncate(file, off_t(bytes)) == 0 &&
                    fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0;
  const napi_value buffer = made ? mapped(a.env, file, bytes, PROT_READ | PROT_WRITE) : nothing(a.env);
  if (isUndefined(a.env, buffer)) {
    close(file);
    return buffer;
  }
  napi_value pair;
  napi_create_array_with_length(a.env, 2, &pair);
  napi_set_element(a.env, pair, 0, buffer);
  napi_set_element(a.env, pair, 1, numberOf(a.env, file));
  return pair;
}

// Somebody's segment, to be read.
napi_value segmentOpen(Args& a) {
  char path[256] = {0};
  size_t length = 0;
  if (a.count < 1 || napi_get_value_string_utf8(a.env, a.values[0], path, sizeof path, &length) != napi_ok)
    a.fail("a path was expected");
  if (!a.good) return nothing(a.env);
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return nothing(a.env);
  struct stat about;
  const int seals = fcntl(file, F_GET_SEALS);
  const bool good = seals >= 0 && (seals & F_SEAL_SHRINK) != 0 && fstat(file, &about) == 0 && about.st_size > 0;
  const napi_value buffer = good ? mapped(a.env, file, size_t(about.st_size), PROT_READ) : nothing(a.env);
  close(file);
  return buffer;
}

// Nobody finds the segment any more; who has it open keeps it.
napi_value segmentClose(Args& a) {
  const int file = a.integer(0);
  if (a.good) close(file);
  return nothing(a.env);
}
#else
napi_value segmentCreate(Args& a) { return nothing(a.env); }
napi_value segmentOpen(Args& a) { return nothing(a.env); }
napi_value segmentClose(Args& a) { return nothing(a.env); }
#endif

uint8_t* bufferOf(Args& a, size_t i, size_t* bytes) {
  void* data = nullptr;
  if (i >= a.count || napi_get_arraybuffer_info(a.env, a.values[i], &data, bytes) != napi_ok)
    a.fail("an array buffer was expected");
  return static_cast<uint8_t*>(data);
}
Message messageOf(Args& a, size_t i) {
  const size_t halves = size_t(a.number(i + 1)), count = size_t(a.number(i + 2));
  if (halves > count) a.fail("more is rounded than there is");
  return {a.floats(i, count), halves, count};
}

// buffer, offset of the slot, stamp, head, values, how many travel as bfloat16, how many there are
napi_value segmentWrite(Args& a) {
  size_t bytes = 0;
  uint8_t* buffer = bufferOf(a, 0, &bytes);
  const size_t at = size_t(a.number(1));
  const auto stamp = uint64_t(a.number(2));
  const void* head = a.array(3, napi_uint8_array, kNameBytes + kMarkBytes);
  const Message m = messageOf(a, 4);
  if (head == nullptr || stamp == 0 || at % 64 != 0 || at + m.bytes() > bytes) a.fail("the slot does not fit");
  if (a.good) write(buffer + at, stamp, head, m, K->roundToBf16);
  return nothing(a.env);
}

// buffer, first slot, distance of slots, number of slots, name, mark; [where its slot begins, its stamp], or nothing
napi_value segmentFind(Args& a) {
  size_t bytes = 0;
  const uint8_t* buffer = bufferOf(a, 0, &bytes);
  const size_t first = size_t(a.number(1)), stride = size_t(a.number(2)), slots = size_t(a.number(3));
  const void* name = a.array(4, napi_uint8_array, kNameBytes);
  void* mark = a.array(5, napi_uint8_array, kMarkBytes);
  if (name == nullptr || mark == nullptr || first % 64 != 0 || stride % 64 != 0 || stride < kHeadBytes) a.fail("the slot does not fit");
  if (first + slots * stride > bytes) a.fail("the segment is too small");
  for (size_t at = first; a.good && at < first + slots * stride; at += stride) {
    const uint64_t stamp = stampOf(buffer + at, name, mark);
    if (stamp == 0) continue;
    napi_value found;
    napi_create_array_with_length(a.env, 2, &found);
    napi_set_element(a.env, found, 0, numberOf(a.env, double(at)));
    napi_set_element(a.env, found, 1, numberOf(a.env, double(stamp)));
    return found;
  }
  return nothing(a.env);
}

// buffer, where the slot begins, its stamp; whether the slot still has it
napi_value segmentHolds(Args& a) {
  size_t bytes = 0;
  const uint8_t* buffer = bufferOf(a, 0, &bytes);
  const size_t at = size_t(a.number(1));
  const auto stamp = uint64_t(a.number(2));
  if (at % 64 != 0 || at + kHeadBytes > bytes) a.fail("the slot does not fit");
  napi_value v;
  napi_get_boolean(a.env, a.good && holds(buffer + at, stamp), &v);
  return v;
}

}  // namespace

void addSegments(napi_env env, napi_value exports, const KernelTable* table) {
  K = table;
  const auto add = [&](const char* name, napi_callback f) { addFunction(env, exports, name, f); };
  add("segmentCreate", guarded<segmentCreate>);
  add("segmentOpen", guarded<segmentOpen>);
  add("segmentClose", guarded<segmentClose>);
  add("segmentWrite", guarded<segmentWrite>);
  add("segmentFind", guarded<segmentFind>);
  add("segmentHolds", guarded<segmentHolds>);
}
