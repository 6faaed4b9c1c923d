// Counters of control loops. A loop of II = 1 decides in every cycle what the next iteration does, so the path from a
// register through comparison, addition and multiplexer back to a register must fit a cycle. Conditions on a counter
// are therefore flags beside it, which are computed one step ahead.
#pragma once

#include "types.h"

namespace edgemoe {

// From 0 to below a limit, then anew. A limit below 1 is never reached: such a count goes on as far as its bits.
template <int BITS>
struct wrapping_t {
  sint<BITS> at;
  bool last;  // whether `at` is limit - 1
  sint<BITS> before_last;  // limit - 2
  bool single;  // whether the limit is 1

  explicit wrapping_t(int limit, int start = 0)
      : at(start), last(start == limit - 1), before_last(limit - 2), single(limit == 1) {}
  operator int() const { return static_cast<int>(at); }
};
// One step if it `moves`: to another count of the same limit if it `returns`, to 0 behind the last value and wherever
// it `restarts`. Addition and comparison have one multiplexer behind them.
template <int BITS>
inline void advance_or_return(wrapping_t<BITS> &count, bool moves, bool returns, const wrapping_t<BITS> &to,
                              bool restarts = false) {
#pragma HLS INLINE
  const bool goes_on = moves && !(returns || restarts || count.last);
  const sint<BITS> next = count.at + sint<2>(1);
  const bool next_is_last = count.at == count.before_last;
  const sint<BITS> begin = returns ? to.at : sint<BITS>(0);
  const bool begin_is_last = returns ? to.last : count.single;
  const sint<BITS> other = moves ? begin : count.at;
  const bool other_is_last = moves ? begin_is_last : count.last;
  count.at = goes_on ? next : other;
  count.last = goes_on ? next_is_last : other_is_last;
}
template <int BITS>
inline void advance_if(wrapping_t<BITS> &count, bool moves, bool restarts = false) {
#pragma HLS INLINE
  advance_or_return(count, moves, false, count, restarts);
}
template <int BITS>
inline void advance(wrapping_t<BITS> &count) {
#pragma HLS INLINE
  advance_if(count, true);
}
// Puts a count where another one of its limit is, if it `moves`.
template <int BITS>
inline void move_if(wrapping_t<BITS> &count, bool moves, const wrapping_t<BITS> &to) {
#pragma HLS INLINE
  count.at = moves ? to.at : count.at;
  count.last = moves ? to.last : count.last;
}
// Another limit for a count that is at 0.
template <int BITS>
inline void set_limit(wrapping_t<BITS> &count, int limit) {
#pragma HLS INLINE
  count.last = limit == 1;
  count.before_last = limit - 2;
  count.single = limit == 1;
}

// Places or words at hand: one at a time is taken, one or more come back. Whether one is taken is known late in a
// cycle, so that it is subtracted in the next one.
template <int BITS>
struct credit_t {
  bool some;  // whether any is left
  sint<BITS> beyond;  // how many more than one were left before the last step's was taken
  sint<BITS> taken;  // in the last step: 1 or 0

  explicit credit_t(int given) : some(given > 0), beyond(given - 1), taken(0) {}
};
// `takes` only where some are left; what is given is at least 1.
template <int BITS>
inline void settle(credit_t<BITS> &credit, bool takes, bool gives, int given) {
#pragma HLS INLINE
  const bool another = credit.beyond > credit.taken;
  credit.beyond = credit.beyond - credit.taken + (gives ? sint<BITS>(given) : sint<BITS>(0));
  credit.some = gives ? true : takes ? another : credit.some;
  credit.taken = takes ? 1 : 0;
}

// Where scores of SCORE_ROWS neighbouring rows belong: a tile of keys, a block of rows, a word of the tile, a group of
// the block's rows. The last of these steps first.
struct score_place_t {
  wrapping_t<8> word;
  wrapping_t<TOKEN_BITS> block;
  sint<TILE_BITS> tile;
  wrapping_t<8> group;

  explicit score_place_t(int blocks) : word(OUT_WORDS), block(blocks), tile(0), group(SCORE_GROUPS) {}
};
inline void step_to_next(score_place_t &at) {
#pragma HLS INLINE
  const bool last_word = at.group.last && at.word.last;
  if (last_word && at.block.last) at.tile = at.tile + 1;
  advance_if(at.block, last_word);
  advance_if(at.word, at.group.last);
  advance(at.group);
}

}  // namespace edgemoe
