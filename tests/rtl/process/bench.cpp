// The bench of one process. Lines between @ are filled in by process_bench.py.
#include "Vtop.h"
#include "ports.h"
#include "verilated.h"

template <typename P>
static void offer(queue_t &queue, int percent, int bits, P &data, unsigned char &empty_n) {
  const std::size_t there = queue.elements.size() < queue.asked ? queue.elements.size() : queue.asked;
  queue.offered = queue.offered || (queue.at < there && happens(percent));
  empty_n = queue.offered;
  put(data, queue.offered ? queue.elements[queue.at] : noise(bits));
}

static void accept(queue_t &queue, score_t &score, const char *name) {
  if (!queue.offered) score.fault(std::string(name) + ": read while it is empty");
  queue.at += queue.offered;
  score.crossed[name] += queue.offered;
  queue.offered = false;
}

template <typename P>
static std::size_t beats_of(const P &request) {
  return take(request, 128)[2];
}

// Room stays until it is taken, as in a FIFO.
static bool has_room(queue_t &queue, int percent) { return queue.room = queue.room || happens(percent); }

static void compare(queue_t &queue, const word_t &value, score_t &score, const char *name) {
  if (!queue.room) score.fault(std::string(name) + ": written while it is full");
  queue.room = false;
  ++score.compared;
  ++score.crossed[name];
  if (queue.at >= queue.elements.size()) {
    score.fault(std::string(name) + ": one element too many");
  } else if (queue.elements[queue.at] != value) {
    score.fault(std::string(name) + ": element " + std::to_string(queue.at) + " differs");
  }
  ++queue.at;
}

static void write(memory_t &memory, std::uint32_t address, const word_t &value, std::uint64_t enable,
                  const std::vector<int> &lanes, bool whole, score_t &score, const char *name) {
  if (enable == 0) return;
  ++score.crossed[name];
  if (address >= memory.words.size()) {
    score.fault(std::string(name) + ": written at address " + std::to_string(address));
    return;
  }
  if (whole) {
    memory.words[address] = value;
    return;
  }
  int at = 0;
  for (std::size_t lane = 0; lane < lanes.size(); ++lane) {
    for (int i = 0; i < lanes[lane]; ++i, ++at) {
      if (!(enable >> lane & 1)) continue;
      const std::uint32_t bit = 1u << at % 32;
      memory.words[address][at / 32] = (memory.words[address][at / 32] & ~bit) | (value[at / 32] & bit);
    }
  }
}

int main(int, char **argv) {
  vectors_t in(argv[1]);
  const int tests = std::atoi(argv[2]), into = std::atoi(argv[3]), out = std::atoi(argv[4]);
  (void)into;
  (void)out;
  score_t score;
  long cycles = 0;
  Verilated::randReset(2);
  Verilated::randSeed(1);
  Vtop top;
  top.ap_start = 0;
  top.ap_rst_n = 0;
  for (int i = 0; i < 4; ++i) {
    top.ap_clk = 0;
    top.eval();
    top.ap_clk = 1;
    top.eval();
  }
  top.ap_rst_n = 1;
  for (int test = 0; test < tests && score.bad < 8; ++test) {
    // @LOAD@
    bool done = false;
    top.ap_start = 1;
    for (long begun = cycles; !done; ++cycles) {
      if (cycles - begun > 1000000) {
        std::printf("test %d does not end\n", test);
        score.fault("it does not end");
        break;
      }
      top.ap_clk = 0;
      // @OFFER@
      top.eval();
      // @MOVE@
      top.ap_clk = 1;
      top.eval();
      // @SETTLE@
      top.ap_start = 0;
      done = top.ap_done;
    }
    // @FINISH@
  }
  // @PORTS@
  for (const auto &port : score.crossed) {
    if (port.second == 0) std::printf("idle %s\n", port.first.c_str());
  }
  std::printf("outputs=%ld bad=%ld cycles=%ld\n", score.compared, score.bad, cycles);
  return score.bad != 0;
}
