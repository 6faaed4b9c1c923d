// Runs the loops of hls/maps.h and hls/pixels.h by themselves on a memory of the test's, for test_maps.py.
#include "pixels.h"

using namespace edgemoe;

namespace {

// A memory in integers [address][lane][feature], and as the kernels have it.
struct memory_t {
  memory_row_t rows[FIRST_DEPTH];
  memory_row_t rest[REST_DEPTH];

  void take(const int *values) {
    for (int address = 0; address < FIRST_DEPTH; ++address) {
      for (int lane = 0; lane < TOKENS_PARALLEL; ++lane) {
        for (int l = 0; l < IN_PARALLEL; ++l) rows[address][lane][l] = *values++;
      }
    }
  }
  void give(int *values) const {
    for (int address = 0; address < FIRST_DEPTH; ++address) {
      for (int lane = 0; lane < TOKENS_PARALLEL; ++lane) {
        for (int l = 0; l < IN_PARALLEL; ++l) *values++ = static_cast<int>(rows[address][lane][l]);
      }
    }
  }
};

memory_t source;
memory_t destination;

}  // namespace

// An operation's words as they lie in DDR; tiles [iteration][lane][feature]. Returns how many there are.
extern "C" int run_convolution(const std::uint32_t *words, const int *memory, int *tiles) {
  source.take(memory);
  fifo<tile_t> found;
  tiles_for_convolution(decode_operation(words), source.rows, source.rest, found);
  int count = 0;
  for (; !found.empty(); ++count) {
    const tile_t tile = found.read();
    for (int lane = 0; lane < TOKENS_PARALLEL; ++lane) {
      for (int l = 0; l < IN_PARALLEL; ++l) *tiles++ = static_cast<int>(tile[lane][l]);
    }
  }
  return count;
}

// The destination as it is behind a row of twice the width.
extern "C" void run_resize(const std::uint32_t *words, const int *memory, int *changed) {
  source.take(memory);
  destination.take(changed);
  fifo<pair_t> between;
  const operation_t op = decode_operation(words);
  pairs_from_rows(op, source.rows, source.rest, between);
  columns_to_memory(op, between, destination.rows, destination.rest);
  destination.give(changed);
}

// Beats, as 32-bit words. Returns how many there are.
extern "C" int run_pixels(const std::uint32_t *words, const int *memory, std::uint32_t *beats) {
  source.take(memory);
  fifo<pair_t> between;
  fifo<beat_t> output;
  const operation_t op = decode_operation(words);
  pairs_from_rows(op, source.rows, source.rest, between);
  pixels_to_output(op, between, output);
  int count = 0;
  for (; !output.empty(); ++count) {
    const beat_t beat = output.read();
    for (int w = 0; w < BEAT_BITS / 32; ++w) *beats++ = beat_word(beat, w);
  }
  return count;
}
