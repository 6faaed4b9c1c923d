// The router of a mixture-of-experts layer: logits to token queues.
#pragma once

#include "arith.h"
#include "count.h"
#include "fifo.h"
#include "functions.h"
#include "memory.h"
#include "operation.h"
#include "queue.h"
#include "types.h"

namespace edgemoe {

// An expert and its logit in the search for the largest logit: one more bit, for a logit below all others.
struct candidate_t {
  sint<ACT_BITS + 1> logit;
  sint<EXPERT_BITS> expert;
};
constexpr int ABSENT = -(1 << ACT_BITS);  // logit of an expert that can't be chosen

constexpr int NOBODY = -1;  // a choice that is not made yet

// State of a token's search between two of its words.
struct search_t {
  candidate_t best;  // of the words of this round
  sint<EXPERT_BITS> expert[MAX_TOP_K];  // one more with every round
  act_t logit[MAX_TOP_K];
};

// A token's choice before its scores are known. Logits are base-2 logarithms, as attention scores are.
struct choice_t {
  place_t place;
  sint<EXPERT_BITS> expert[MAX_TOP_K];
  act_t logit[MAX_TOP_K];
  exp_sum_t sum;  // of the exponentials of all experts, relative to the first choice
};

// A route before its score is known: its exponential, relative to the token's first choice.
struct power_t {
  place_t place;
  sint<EXPERT_BITS> expert;
  exp_t value;
};

// Of equal logits the earlier one stays, which has the lower expert number.
inline bool operator>(const candidate_t &later, const candidate_t &earlier) {
#pragma HLS INLINE
  return later.logit > earlier.logit;
}

// Where the router is: a token's place, and its row in its frame.
struct walk_t {
  sint<TOKEN_BITS> block;
  wrapping_t<8> lane;
  wrapping_t<ROW_BITS> frame_row;

  walk_t(int first_block, int frame_rows) : block(first_block), lane(TOKENS_PARALLEL), frame_row(frame_rows) {}
};
// To the next token, or to another place if it `returns`. Rows between two frames are no tokens: they go to no expert.
inline void step_or_return(walk_t &walk, int frame_gap, bool returns, const walk_t &to) {
#pragma HLS INLINE
  const bool moves = (walk.frame_row.last || walk.lane.last) && !returns;
  const sint<TOKEN_BITS> blocks = walk.frame_row.last ? sint<TOKEN_BITS>(frame_gap) : sint<TOKEN_BITS>(1);
  const sint<TOKEN_BITS> same = returns ? to.block : walk.block;
  const sint<TOKEN_BITS> next = walk.block + blocks;
  walk.block = moves ? next : same;
  advance_or_return(walk.lane, true, returns, to.lane, walk.frame_row.last);
  advance_or_return(walk.frame_row, true, returns, to.frame_row);
}

inline void place_if(walk_t &walk, bool moves, const walk_t &to) {
#pragma HLS INLINE
  walk.block = moves ? to.block : walk.block;
  move_if(walk.lane, moves, to.lane);
  move_if(walk.frame_row, moves, to.frame_row);
}

// Rate: one word of logits an iteration, II = 1; (tokens, padded to whole groups of CHOOSE_TOKENS) x rounds x in_words
// iterations. A round searches for the largest logit left; there are top_k, but at least two, because the sum of the
// exponentials is formed in the second one, when the largest logit is known.
// A search needs the last one's result: that is a read, a comparison with the experts taken, a tournament of
// SEARCH_LEVELS, a comparison with the best so far and a write. So CHOOSE_TOKENS tokens take turns, word after word,
// and a token comes back when its last word is through. Choices leave in the order of tokens, in the group's last pass.
inline void choose_experts(const operation_t op, const memory_row_t logits[HIDDEN_DEPTH], fifo<choice_t> &choices) {
#pragma HLS AGGREGATE variable = logits
#pragma HLS ARRAY_PARTITION variable = logits complete dim = 2
  const int rounds = op.top_k > 1 ? op.top_k : 2;
  const int groups = (op.tokens + CHOOSE_TOKENS - 1) / CHOOSE_TOKENS;
  const int iterations = groups * rounds * op.in_words * CHOOSE_TOKENS;
#pragma HLS BIND_OP variable = iterations op = mul impl = fabric
  // Memories, not registers: a distance between iterations can be stated for a memory only. Two of them, because one
  // read of both would put the exponentials, which are late, into the way from one search to the next.
  search_t searches[CHOOSE_TOKENS];
  exp_sum_t sums[CHOOSE_TOKENS];
#pragma HLS AGGREGATE variable = searches
#pragma HLS BIND_STORAGE variable = searches type = ram_2p impl = lutram latency = 1
#pragma HLS BIND_STORAGE variable = sums type = ram_2p impl = lutram latency = 1
  walk_t walk(op.source_block, op.frame_tokens);
  walk_t group_walk = walk;  // where the group begins
  sint<ROW_BITS> group_token = 0;
  wrapping_t<8> slot(CHOOSE_TOKENS);
  wrapping_t<WORD_BITS> word(op.in_words);
  wrapping_t<8> round(rounds);
  bool first_of_group = true;
  bool last_pass = word.last && round.last;  // over the group's tokens

choose_words:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
// What a token's word leaves (experts taken, best so far; sum) is read by its next word. Between them lies one word of
// every other token of the group: both come back after CHOOSE_TOKENS iterations, never earlier.
#pragma HLS DEPENDENCE variable = searches inter RAW distance = CHOOSE_TOKENS true
#pragma HLS DEPENDENCE variable = sums inter RAW distance = CHOOSE_TOKENS true
    // Tokens that only pad the last group read nothing that could lie beyond the memory.
    const bool valid = group_token + slot < op.tokens;
    int address = 0;
    if (valid) address = walk.block * op.source_stride + op.source_word + word;
    const word_t values = read_lane(logits, address, walk.lane);
    search_t search = {};
#pragma HLS ARRAY_PARTITION variable = search.expert complete
#pragma HLS ARRAY_PARTITION variable = search.logit complete
  no_choice:
    for (int k = 0; k < MAX_TOP_K; ++k) {
#pragma HLS UNROLL
      search.expert[k] = NOBODY;
    }
    if (round > 0 || word > 0) search = read_at(searches, slot);
    exp_sum_t sum = 0;
    if (round > 1 || (round == 1 && word > 0)) sum = read_at(sums, slot);
    if (word == 0) search.best.logit = ABSENT;
    exp_sum_t word_sum = 0;

    candidate_t candidates[IN_PARALLEL];
#pragma HLS ARRAY_PARTITION variable = candidates complete
  choose_lanes:
    for (int lane = 0; lane < IN_PARALLEL; ++lane) {
#pragma HLS UNROLL
      const int expert = word * IN_PARALLEL + lane;
      candidates[lane].expert = expert;
      const bool exists = expert >= op.expert_first && expert < op.expert_end;
      bool taken = false;
    taken_experts:
      for (int k = 0; k < MAX_TOP_K - 1; ++k) {  // the last choice stands in nobody's way
#pragma HLS UNROLL
        taken = taken || search.expert[k] == candidates[lane].expert;
      }
      candidates[lane].logit = exists && !taken ? sint<ACT_BITS + 1>(values[lane]) : sint<ACT_BITS + 1>(ABSENT);
      if (round == 1 && exists) {
        word_sum += exp2_negative(sint<ACT_BITS + 1>(search.logit[0]) - values[lane], op.score_shift);
      }
    }
    const candidate_t found = largest_of<SEARCH_LEVELS>(candidates);
    if (found > search.best) search.best = found;
  keep_choice:
    for (int k = 0; k < MAX_TOP_K; ++k) {
#pragma HLS UNROLL
      if (k == round && word.last) {
        search.expert[k] = search.best.expert;
        search.logit[k] = static_cast<act_t>(search.best.logit);
      }
    }
    sum = sum + word_sum;
    write_at(searches, slot, search);
    write_at(sums, slot, sum);

    if (last_pass && valid) {
      choice_t choice;
      choice.place.block = walk.block;
      choice.place.lane = walk.lane.at;
    copy_choice:
      for (int k = 0; k < MAX_TOP_K; ++k) {
#pragma HLS UNROLL
        choice.expert[k] = search.expert[k];
        choice.logit[k] = search.logit[k];
      }
      choice.sum = sum;
      choices.write(choice);
    }
    const walk_t here = walk;
    step_or_return(walk, op.frame_gap, slot.last && !last_pass, group_walk);
    place_if(group_walk, first_of_group, here);
    first_of_group = slot.last && last_pass;
    if (first_of_group) group_token = group_token + sint<8>(CHOOSE_TOKENS);
    advance_if(round, slot.last && word.last);
    advance_if(word, slot.last);
    advance(slot);
    last_pass = word.last && round.last;
  }
}

// Rate: one route an iteration, II = 1; tokens x top_k iterations.
// Exponentials of the choices, and for every token what they are divided by: the sum over all experts, or over its own.
inline void weigh_choices(const operation_t op, fifo<choice_t> &choices, fifo<power_t> &powers,
                          fifo<exp_sum_t> &totals) {
  const int iterations = op.tokens * op.top_k;
#pragma HLS BIND_OP variable = iterations op = mul impl = fabric
  const bool chosen_only = (op.flags & FLAG_SOFTMAX_AFTER_TOP_K) != 0;
  choice_t choice;
#pragma HLS ARRAY_PARTITION variable = choice.expert complete
#pragma HLS ARRAY_PARTITION variable = choice.logit complete
  exp_sum_t chosen = 0;
  wrapping_t<8> k(op.top_k);

weigh_routes:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_ROUTES
    if (k == 0) {
      choice = choices.read();
      chosen = 0;
    }
    power_t power;
    power.place = choice.place;
    power.expert = choice.expert[k];
    power.value = exp2_negative(sint<ACT_BITS + 1>(choice.logit[0]) - choice.logit[k], op.score_shift);
    powers.write(power);
    chosen += power.value;
    if (k.last) totals.write(chosen_only ? chosen : choice.sum);
    advance(k);
  }
}

// Rate: one route an iteration, II = 1; tokens x top_k iterations. Scores are softmax probabilities.
inline void score_choices(const operation_t op, fifo<power_t> &powers, fifo<exp_sum_t> &totals, fifo<route_t> &routes) {
  const int iterations = op.tokens * op.top_k;
#pragma HLS BIND_OP variable = iterations op = mul impl = fabric
  exp_sum_t total = 0;
  wrapping_t<8> k(op.top_k);

score_routes:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_ROUTES
    if (k == 0) total = totals.read();
    const row_scale_t scale = reciprocal(total);
    const power_t power = powers.read();
    const finished_t product = finished_t(power.value) * scale.mantissa;
    route_t route;
    route.place = power.place;
    route.expert = power.expert;
    const mantissa_t score =
        saturate<MANTISSA_BITS>(round_shift<FINISHED_BITS>(product, EXP_FRACTION + static_cast<int>(scale.exponent)));
    route.score = score > op.score_threshold ? score : mantissa_t(0);
    routes.write(route);
    advance(k);
  }
}

constexpr int RECENT_COUNTERS = 2;  // a cycle to read the memory, and one to add and write
constexpr int COUNTER_DISTANCE = RECENT_COUNTERS + 1;
// Counters that were just changed: their new values may still be on their way to memory.
struct recent_t {
  sint<EXPERT_BITS> expert[RECENT_COUNTERS];
  sint<ROUTE_BITS> value[RECENT_COUNTERS];
};

// Adds one to an expert's counter and returns what it was. Counters of the last routes come from registers, so that
// what is read from memory was written COUNTER_DISTANCE calls ago or earlier.
inline sint<ROUTE_BITS> count_up(sint<EXPERT_BITS> expert, sint<ROUTE_BITS> counters[MAX_EXPERTS], recent_t &recent) {
#pragma HLS INLINE
  sint<ROUTE_BITS> newer = 0;
  bool is_recent = false;
find_recent:
  for (int r = RECENT_COUNTERS - 1; r >= 0; --r) {
#pragma HLS UNROLL
    if (recent.expert[r] == expert) {
      newer = recent.value[r];
      is_recent = true;
    }
  }
  const sint<ROUTE_BITS> kept = read_needed(counters, expert, !is_recent);
  const sint<ROUTE_BITS> value = is_recent ? newer : kept;
shift_recent:
  for (int r = RECENT_COUNTERS - 1; r > 0; --r) {
#pragma HLS UNROLL
    recent.expert[r] = recent.expert[r - 1];
    recent.value[r] = recent.value[r - 1];
  }
  recent.expert[0] = expert;
  recent.value[0] = value + 1;
  write_at(counters, expert, recent.value[0]);
  return value;
}
inline void forget_recent(recent_t &recent) {
#pragma HLS INLINE
forget_counters:
  for (int r = 0; r < RECENT_COUNTERS; ++r) {
#pragma HLS UNROLL
    recent.expert[r] = -1;
    recent.value[r] = 0;
  }
}

// Rate: one route or one expert an iteration, II = 1; 2 x (experts + tokens x top_k) iterations. Half of them, clearing
// and counting, pass while choices still come. Sorts the routes by expert, by counting.
inline void fill_queues(const operation_t op, fifo<route_t> &routes, queue_t &queue) {
  const int entries = op.tokens * op.top_k;
  sint<ROUTE_BITS> count[MAX_EXPERTS];
  sint<ROUTE_BITS> next[MAX_EXPERTS];
#pragma HLS BIND_STORAGE variable = count type = ram_2p impl = lutram latency = 1
#pragma HLS BIND_STORAGE variable = next type = ram_2p impl = lutram latency = 1
  recent_t recent;
#pragma HLS ARRAY_PARTITION variable = recent.expert complete
#pragma HLS ARRAY_PARTITION variable = recent.value complete

clear_counts:
  for (int expert = 0; expert < op.expert_end; ++expert) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_EXPERTS
    write_at(count, expert, sint<ROUTE_BITS>(0));
  }
  forget_recent(recent);
count_routes:
  for (int i = 0; i < entries; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_ROUTES
// A counter's newer values are in `recent`: 1 and 2 iterations old.
#pragma HLS DEPENDENCE variable = count inter RAW distance = COUNTER_DISTANCE true
    const route_t route = routes.read();
    write_at(queue.by_token, i, route);
    count_up(route.expert, count, recent);
  }
  sint<ROUTE_BITS> first = 0;
place_queues:
  for (int expert = 0; expert < op.expert_end; ++expert) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_EXPERTS
    const sint<ROUTE_BITS> entries_of_expert = read_at(count, expert);
    write_at(queue.first, expert, first);
    write_at(queue.count, expert, entries_of_expert);
    write_at(next, expert, first);
    first += entries_of_expert;
  }
  forget_recent(recent);
sort_routes:
  for (int i = 0; i < entries; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_ROUTES
#pragma HLS DEPENDENCE variable = next inter RAW distance = COUNTER_DISTANCE true
    const route_t route = read_at(queue.by_token, i);
    const sint<ROUTE_BITS> entry = count_up(route.expert, next, recent);
    write_at(queue.by_expert, entry, route);
    write_at(queue.places, entry, route.place);
  }
}

// All processes run at once; only the sort waits for the last choice.
inline void route_tokens(const operation_t op, const memory_row_t logits[HIDDEN_DEPTH], queue_t &queue) {
#pragma HLS DATAFLOW
#pragma HLS AGGREGATE variable = logits
#pragma HLS ARRAY_PARTITION variable = logits complete dim = 2
  fifo<choice_t> choices("choices");
  fifo<power_t> powers("powers");
  fifo<exp_sum_t> totals("totals");
  fifo<route_t> routes("routes");
// A group's choices come in a burst. A token's total comes with the last of its powers, which wait for it.
#pragma HLS STREAM variable = choices depth = CHOICES_DEPTH
#pragma HLS STREAM variable = powers depth = POWERS_DEPTH
#pragma HLS STREAM variable = totals depth = TOTALS_DEPTH
#pragma HLS STREAM variable = routes depth = ROUTES_DEPTH

  choose_experts(op, logits, choices);
  weigh_choices(op, choices, powers, totals);
  score_choices(op, powers, totals, routes);
  fill_queues(op, routes, queue);
}

// Rate: one route an iteration, II = 1; tokens x top_k iterations. For inspection: expert and score of every token.
inline void store_routes(const operation_t op, const queue_t &queue, fifo<beat_t> &output) {
  const int iterations = op.tokens * op.top_k;
#pragma HLS BIND_OP variable = iterations op = mul impl = fabric

route_beats:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_ROUTES
    const route_t route = read_at(queue.by_token, i);
    beat_t beat;
  clear_words:
    for (int w = 0; w < BEAT_BITS / 32; ++w) {
#pragma HLS UNROLL
      set_beat_word(beat, w, 0);
    }
    set_beat_word(beat, 0, static_cast<int>(route.expert));
    set_beat_word(beat, 1, static_cast<int>(route.score));
    output.write(beat);
  }
}

}  // namespace edgemoe
