// The other side of a process's ports, for its test under Verilator: FIFOs with gaps, memories with their latency.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

using word_t = std::vector<std::uint32_t>;

inline std::mt19937 &chance() {
  static std::mt19937 generator(1);
  return generator;
}
inline bool happens(int percent) { return static_cast<int>(chance()() % 100) < percent; }

template <typename P>
void put(P &port, const word_t &value) {
  if constexpr (std::is_integral_v<P>) {
    std::uint64_t whole = value[0];
    if (value.size() > 1) whole |= static_cast<std::uint64_t>(value[1]) << 32;
    port = static_cast<P>(whole);
  } else {
    for (std::size_t i = 0; i < value.size(); ++i) port[i] = value[i];
  }
}
template <typename P>
word_t take(const P &port, int bits) {
  word_t value((bits + 31) / 32);
  for (std::size_t i = 0; i < value.size(); ++i) {
    if constexpr (std::is_integral_v<P>) {
      value[i] = static_cast<std::uint32_t>(static_cast<std::uint64_t>(port) >> (32 * i));
    } else {
      value[i] = port[i];
    }
  }
  return value;
}
inline word_t noise(int bits) {
  word_t value((bits + 31) / 32);
  for (auto &part : value) part = chance()();
  if (bits % 32) value.back() &= (1u << bits % 32) - 1;
  return value;
}

struct score_t {
  long bad = 0, compared = 0;
  std::map<std::string, long> crossed;  // elements and accesses, by port
  void fault(const std::string &what) {
    if (++bad <= 8) std::printf("%s\n", what.c_str());
  }
};

struct vectors_t {
  std::FILE *file;
  explicit vectors_t(const char *name) : file(std::fopen(name, "rb")) {}
  std::uint32_t number() {
    std::uint32_t value = 0;
    if (std::fread(&value, 4, 1, file) != 1) {
      std::printf("the vectors end too early\n");
      std::exit(2);
    }
    return value;
  }
  word_t word(int bits) {
    word_t value((bits + 31) / 32);
    for (auto &part : value) part = number();
    return value;
  }
  std::vector<word_t> words(int bits, std::size_t count) {
    std::vector<word_t> values(count);
    for (auto &value : values) value = word(bits);
    return values;
  }
};

struct queue_t {
  std::vector<word_t> elements;
  std::size_t at = 0;
  std::size_t asked = ~std::size_t(0);  // of an AXI port: beats that were asked for so far
  bool offered = false, room = false;
};

// A memory with one port to read and one to write, as memory.sv.
struct memory_t {
  std::vector<word_t> words, expected;
  std::vector<word_t> stages;
  int bits = 0;

  void read(std::uint32_t address, std::uint32_t enable, bool writes, std::uint32_t write_address) {
    for (std::size_t s = stages.size() - 1; s > 0; --s) {
      if (enable >> s & 1) stages[s] = stages[s - 1];
    }
    if (enable & 1) {
      stages[0] = address < words.size() ? words[address] : noise(bits);
      if (writes && write_address == address) stages[0] = noise(bits);
    }
  }
};
