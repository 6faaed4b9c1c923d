// The engine on the simulated board, for Python: its registers and its interrupt line as they are, its buses on buffers
// that lie in Python's memory. The clock moves within `edgemoe_run`, and as far as an access to a register takes.
//
// A handle is used by one thread at a time. No exception leaves: what ends the simulation is in `edgemoe_error`.
#include "surrounded.h"

#include <cstdint>
#include <exception>
#include <memory>
#include <string>

namespace {

constexpr long SETTLING = 16;  // cycles from a reset, a write or the end of a run until nothing more comes of it
enum { BUSY = 1, INTERRUPT = 2, STANDS = 4, FAILED = -1 };

struct board_t {
  VerilatedContext context;
  std::unique_ptr<surrounded_t> engine;
  long hang = -1;  // operation from which on the memory is silent
  long quiet = 0;  // cycles without movement after which the engine stands
  std::string error;

  bool line() const { return engine->top->__SYM__interrupt; }

  void cycle() {
    monitor_t &monitor = engine->monitor;
    engine->memory.is_silent = hang >= 0 && monitor.running && (hang == 0 || monitor.operation() >= hang);
    engine->cycle();
  }

  void reset() {
    engine->monitor.running = false;
    engine->reset();
    for (int i = 0; i < SETTLING; ++i) engine->cycle();
  }

  int run(long cycles, const volatile int *stop) {
    const bool was = line();
    long settling = SETTLING;
    while (cycles-- > 0 && !*stop && line() == was) {
      cycle();
      if (engine->monitor.running) {
        settling = SETTLING;
        if (quiet && engine->quiet() > quiet) return BUSY | STANDS;
      } else if (--settling == 0) {
        return 0;
      }
    }
    return BUSY;
  }
};

// What `use` gives, or FAILED; what was wrong before stays wrong.
template <typename USE>
auto guarded(void *handle, USE use) -> decltype(use(*static_cast<board_t *>(handle))) {
  board_t &board = *static_cast<board_t *>(handle);
  if (!board.error.empty()) return FAILED;
  try {
    return use(board);
  } catch (const std::exception &error) {
    board.error = error.what();
    return FAILED;
  }
}

}  // namespace

#define EXPORTED extern "C" __attribute__((visibility("default")))

// A new engine, as the bitstream leaves it: what is never given a value is random by the seed.
EXPORTED void *edgemoe_open(long latency, std::uint64_t numerator, std::uint64_t denominator, int percent,
                            std::uint64_t seed) {
  auto board = std::make_unique<board_t>();
  board->context.randReset(2);
  board->context.randSeed(static_cast<int>(seed));
  try {
    board->engine.reset(new surrounded_t(board->context, {latency, numerator, denominator, percent, seed}));
    board->engine->memory.is_strict = false;
    board->reset();
  } catch (const std::exception &) {
    return nullptr;
  }
  return board.release();
}

EXPORTED void edgemoe_close(void *handle) { delete static_cast<board_t *>(handle); }

// The reset of the block design, which memory and interconnect follow.
EXPORTED int edgemoe_reset(void *handle) {
  return guarded(handle, [](board_t &board) {
    board.reset();
    return 0;
  });
}

EXPORTED void edgemoe_connect(void *handle, std::uint64_t address, std::uint8_t *bytes, std::uint64_t size) {
  static_cast<board_t *>(handle)->engine->memory.connect(address, bytes, size);
}

EXPORTED long edgemoe_read(void *handle, int offset) {
  return guarded(handle, [=](board_t &board) { return static_cast<long>(board.engine->get_register(offset)); });
}

// Some cycles more, until a start that was written has reached the engine.
EXPORTED int edgemoe_write(void *handle, int offset, std::uint32_t value) {
  return guarded(handle, [=](board_t &board) {
    board.engine->set_register(offset, value);
    for (int i = 0; i < 4; ++i) board.cycle();
    return board.engine->monitor.running ? BUSY : 0;
  });
}

// Runs until so many cycles are over, `stop` is set, the interrupt line changes, or nothing is left to do. Gives BUSY
// where something is; STANDS beside it where nothing moves any more.
EXPORTED int edgemoe_run(void *handle, long cycles, const volatile int *stop) {
  return guarded(handle, [=](board_t &board) { return board.run(cycles, stop); });
}

EXPORTED int edgemoe_line(void *handle) { return static_cast<board_t *>(handle)->line(); }
EXPORTED long edgemoe_clock(void *handle) { return static_cast<board_t *>(handle)->engine->memory.now; }
EXPORTED long edgemoe_operation(void *handle) { return static_cast<board_t *>(handle)->engine->monitor.operation(); }
EXPORTED long edgemoe_runs(void *handle) { return static_cast<board_t *>(handle)->engine->monitor.runs(); }

// Cycles of the last run that has ended; -1: none has.
EXPORTED long edgemoe_cycles(void *handle) {
  const std::vector<long> &cycles = static_cast<board_t *>(handle)->engine->monitor.cycles;
  return cycles.empty() ? -1 : cycles.back();
}

EXPORTED const char *edgemoe_error(void *handle) { return static_cast<board_t *>(handle)->error.c_str(); }
EXPORTED const char *edgemoe_problem(void *handle) {
  return static_cast<board_t *>(handle)->engine->memory.problem.c_str();
}

// The memory falls silent when this operation begins; -1: it does not. After so many quiet cycles the engine stands.
EXPORTED void edgemoe_hang(void *handle, long operation, long quiet) {
  board_t &board = *static_cast<board_t *>(handle);
  board.hang = operation;
  board.quiet = quiet;
}

// A burst of a port, from 1 on, counted from now, gets this answer; burst 0: none does.
EXPORTED void edgemoe_answer(void *handle, int port, long burst, int response) {
  static_cast<board_t *>(handle)->engine->memory.spoil(port, burst, response);
}
