// Streams that make up what is read from them and keep what passes, for the test of one process.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <random>
#include <vector>

// One number of a struct: where it lies in memory and how many of its bits count.
struct leaf_t {
  int offset, container, bits;
  bool is_signed;
};

inline std::mt19937_64 &chance() {
  static std::mt19937_64 generator(1);
  return generator;
}
inline long between(long low, long high) { return low + static_cast<long>(chance()() % (high - low + 1)); }

// Numbers of all magnitudes: as many bits as chance says.
inline void randomise(void *object, const std::vector<leaf_t> &leaves) {
  auto *bytes = static_cast<std::uint8_t *>(object);
  for (const leaf_t &leaf : leaves) {
    const int used = leaf.is_signed ? static_cast<int>(between(1, leaf.bits)) : leaf.bits;
    std::vector<bool> bits(leaf.container);
    for (int i = 0; i < used; ++i) bits[i] = chance()() & 1;
    for (int i = used; i < leaf.container; ++i) bits[i] = leaf.is_signed && bits[used - 1];
    for (int i = 0; i < leaf.container; ++i) {
      const int at = leaf.offset + i;
      bytes[at / 8] = static_cast<std::uint8_t>((bytes[at / 8] & ~(1 << at % 8)) | bits[i] << at % 8);
    }
  }
}

// The bits that count, one after another, as words of 32.
inline std::vector<std::uint32_t> packed(const void *object, const std::vector<leaf_t> &leaves) {
  const auto *bytes = static_cast<const std::uint8_t *>(object);
  int total = 0, at = 0;
  for (const leaf_t &leaf : leaves) total += leaf.bits;
  std::vector<std::uint32_t> words((total + 31) / 32);
  for (const leaf_t &leaf : leaves) {
    for (int i = 0; i < leaf.bits; ++i, ++at) {
      const int from = leaf.offset + i;
      if (bytes[from / 8] >> from % 8 & 1) words[at / 32] |= 1u << at % 32;
    }
  }
  return words;
}

namespace hls {

template <typename T>
struct stream {
  std::vector<std::vector<std::uint32_t>> came, went;
  const std::vector<leaf_t> *leaves = nullptr;
  std::function<void(T &)> make;

  stream() = default;
  explicit stream(const char *) {}
  T read() {
    T value;
    std::memset(static_cast<void *>(&value), 0, sizeof value);
    randomise(&value, *leaves);
    if (make) make(value);
    came.push_back(packed(&value, *leaves));
    return value;
  }
  void write(const T &value) { went.push_back(packed(&value, *leaves)); }
};

}  // namespace hls
