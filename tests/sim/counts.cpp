// Runs the counts of hls/count.h step by step, for test_counts.py.
#include "count.h"

using namespace edgemoe;

// what[i]: 1 moves, 2 restarts, 4 returns to the place that the count had after step `home`. Of every step: the count,
// and whether it is the last one.
extern "C" void run_wrapping(int limit, int start, int steps, const int *what, int home, int *at, int *last) {
  wrapping_t<9> count(limit, start);
  wrapping_t<9> kept = count;
  for (int i = 0; i < steps; ++i) {
    advance_or_return(count, (what[i] & 1) != 0, (what[i] & 4) != 0, kept, (what[i] & 2) != 0);
    move_if(kept, i == home, count);
    at[i] = static_cast<int>(count);
    last[i] = count.last ? 1 : 0;
  }
}

// A count whose limit changes while it is at 0.
extern "C" void run_limits(int first, int second, int steps, int *at, int *last) {
  wrapping_t<9> count(first);
  for (int i = 0; i < steps; ++i) {
    const bool changes = i == first - 1;
    advance(count);
    if (changes) set_limit(count, second);
    at[i] = static_cast<int>(count);
    last[i] = count.last ? 1 : 0;
  }
}

// Takes where it is asked to and some are left; given[i] come back. Of every step: whether some are left.
extern "C" void run_credit(int first, int steps, const int *asks, const int *given, int *some) {
  credit_t<12> credit(first);
  for (int i = 0; i < steps; ++i) {
    settle(credit, asks[i] != 0 && credit.some, given[i] > 0, given[i]);
    some[i] = credit.some ? 1 : 0;
  }
}

// Places of scores: tile, block, word and group of every step.
extern "C" void run_scores(int blocks, int steps, int *places) {
  score_place_t at(blocks);
  for (int i = 0; i < steps; ++i) {
    places[4 * i + 0] = static_cast<int>(at.tile);
    places[4 * i + 1] = at.block;
    places[4 * i + 2] = at.word;
    places[4 * i + 3] = at.group;
    step_to_next(at);
  }
}
