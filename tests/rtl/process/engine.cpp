// The whole engine with memories behind its AXI ports, as their masters show them: bursts that are asked for, beats.
// Arguments: folder with the buffers, percent of cycles in which a beat comes or goes, most cycles.
#include "Vtop.h"
#include "ports.h"
#include "verilated.h"

#include <deque>

using buffer_t = std::vector<std::uint32_t>;
constexpr int BEAT_WORDS = @WORDS@;
constexpr int LATENCY = 64;

static buffer_t contents(const std::string &name) {
  buffer_t words;
  std::FILE *file = std::fopen(name.c_str(), "rb");
  if (file == nullptr) {
    std::printf("there is no %s\n", name.c_str());
    std::exit(2);
  }
  std::uint32_t word = 0;
  while (std::fread(&word, 4, 1, file) == 1) words.push_back(word);
  std::fclose(file);
  return words;
}

struct burst_t {
  std::uint64_t first, beats;
  long since;
};

// What both kinds of ports have: requests in order.
struct port_t {
  buffer_t data;
  std::deque<burst_t> asked;

  void ask(const word_t &request, long now) {
    const std::uint64_t first = request[0] | static_cast<std::uint64_t>(request[1]) << 32;
    const std::uint64_t beats = request[2] | static_cast<std::uint64_t>(request[3]) << 32;
    if ((first + beats) * BEAT_WORDS > data.size()) {
      std::printf("a burst of %lu beats from %lu leaves its buffer\n", beats, first);
      std::exit(1);
    }
    asked.push_back({first, beats, now});
  }
  word_t next() {
    burst_t &burst = asked.front();
    const auto from = data.begin() + burst.first * BEAT_WORDS;
    word_t beat(from, from + BEAT_WORDS);
    step();
    return beat;
  }
  void step() {
    burst_t &burst = asked.front();
    ++burst.first;
    if (--burst.beats == 0) asked.pop_front();
  }
};

struct reader_t : port_t {
  word_t held;
  bool offered = false;
  void offer(long now, int percent) {
    if (offered || asked.empty() || now - asked.front().since < LATENCY || !happens(percent)) return;
    held = next();
    offered = true;
  }
};

int main(int, char **argv) {
  const std::string folder = argv[1];
  const int percent = std::atoi(argv[2]);
  const long most = std::atol(argv[3]);
  Verilated::randReset(2);
  static Vtop top;
  reader_t @READERS@;
  port_t result;
  // @LOAD@
  result.data.assign(contents(folder + "/expected").size(), 0xa5a5a5a5);
  std::uint32_t status = ~0u, progress = 0;
  top.ap_start = 0;
  top.ap_rst_n = 0;
  for (int i = 0; i < 4; ++i) {
    top.ap_clk = 0;
    top.eval();
    top.ap_clk = 1;
    top.eval();
  }
  top.ap_rst_n = 1;
  top.ap_start = 1;
  top.program_request_full_n = 1;
  long now = 0;
  for (; now < most && !top.ap_done; ++now) {
    top.ap_clk = 0;
    // @OFFER@
    top.result_request_full_n = 1;
    top.result_full_n = !result.asked.empty() && happens(percent);
    top.eval();
    // @TAKE@
    if (top.result_request_write) result.ask(take(top.result_request_din, 128), now);
    if (top.result_write && top.result_full_n) {
      const word_t beat = take(top.result_din, 32 * BEAT_WORDS);
      std::copy(beat.begin(), beat.end(), result.data.begin() + result.asked.front().first * BEAT_WORDS);
      result.step();
    }
    if (top.status_write_enable) status = top.status_write_data;
    if (top.progress_write_enable) {
      progress = top.progress_write_data;
      if (std::getenv("VERBOSE")) std::printf("%ld: operation %u\n", now, progress);
    }
    top.ap_clk = 1;
    top.eval();
    top.ap_start = 0;
  }
  const buffer_t expected = contents(folder + "/expected");
  long bad = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    for (int byte = 0; byte < 4; ++byte) bad += (expected[i] >> 8 * byte & 255) != (result.data[i] >> 8 * byte & 255);
  }
  std::printf("status=%u done=%d operation=%u cycles=%ld bytes=%zu bad=%ld\n", status, static_cast<int>(top.ap_done),
              progress, now, 4 * expected.size(), bad);
  return bad != 0 || status != 0;
}
