// Streams that make up what is read from them and keep what passes, for the test of one process. Nothing here needs the
// C++ library, which takes minutes to build where the compiler of `ziglang` runs for the first time.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>

// One number of a struct: where it lies in memory and how many of its bits count.
struct leaf_t {
  int offset, container, bits;
  bool is_signed;
};

struct leaves_t {
  const leaf_t *first;
  int count;
  const leaf_t *begin() const { return first; }
  const leaf_t *end() const { return first + count; }
};

// splitmix64 (Steele et al., 2014).
inline std::uint64_t chance() {
  static std::uint64_t state = 1;
  std::uint64_t z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}
inline long between(long low, long high) { return low + static_cast<long>(chance() % (high - low + 1)); }

// Numbers of all magnitudes: as many bits as chance says.
inline void randomise(void *object, const leaves_t &leaves) {
  auto *bytes = static_cast<std::uint8_t *>(object);
  for (const leaf_t &leaf : leaves) {
    const int used = leaf.is_signed ? static_cast<int>(between(1, leaf.bits)) : leaf.bits;
    bool bit = false;
    for (int i = 0; i < leaf.container; ++i) {
      if (i < used) {
        bit = chance() & 1;
      } else if (!leaf.is_signed) {
        bit = false;
      }
      const int at = leaf.offset + i;
      bytes[at / 8] = static_cast<std::uint8_t>((bytes[at / 8] & ~(1 << at % 8)) | bit << at % 8);
    }
  }
}

// Elements one after another: the bits that count, as words of 32.
struct elements_t {
  std::uint32_t *words = nullptr;
  std::size_t size = 0, room = 0;
  std::uint32_t count = 0;

  void clear() { size = count = 0; }
  void add(const void *object, const leaves_t &leaves) {
    int total = 0, at = 0;
    for (const leaf_t &leaf : leaves) total += leaf.bits;
    const std::size_t more = (total + 31) / 32;
    if (size + more > room) {
      room = 2 * (size + more);
      words = static_cast<std::uint32_t *>(std::realloc(words, 4 * room));
    }
    std::memset(words + size, 0, 4 * more);
    const auto *bytes = static_cast<const std::uint8_t *>(object);
    for (const leaf_t &leaf : leaves) {
      for (int i = 0; i < leaf.bits; ++i, ++at) {
        const int from = leaf.offset + i;
        if (bytes[from / 8] >> from % 8 & 1) words[size + at / 32] |= 1u << at % 32;
      }
    }
    size += more;
    ++count;
  }
};

namespace hls {

template <typename T>
struct stream {
  elements_t came, went;
  leaves_t leaves = {};
  void (*make)(T &) = nullptr;

  stream() = default;
  explicit stream(const char *) {}
  T read() {
    T value;
    std::memset(static_cast<void *>(&value), 0, sizeof value);
    randomise(&value, leaves);
    make(value);
    came.add(&value, leaves);
    return value;
  }
  void write(const T &value) { went.add(&value, leaves); }
};

}  // namespace hls
