// The router of a mixture-of-experts layer: logits to token queues.
#pragma once

#include "fifo.h"
#include "functions.h"
#include "operation.h"
#include "queue.h"
#include "types.h"

namespace edgemoe {

// A token's choice before its scores are known. Logits are base-2 logarithms, as attention scores are.
struct choice_t {
  place_t place;
  sint<EXPERT_BITS> expert[MAX_TOP_K];
  act_t logit[MAX_TOP_K];
  exp_sum_t sum;  // of the exponentials relative to the first choice
};

// Rate: one word of logits an iteration, II = 4 (the next search needs the last one's result);
// tokens x (top_k + 1) x in_words iterations: top_k searches for the largest logit left, and one pass for the sum.
// Equal logits: the lower expert number wins.
inline void choose_experts(const operation_t op, const memory_row_t logits[HIDDEN_DEPTH], fifo<choice_t> &choices) {
  const int iterations = op.tokens * (op.top_k + 1) * op.in_words;
  const bool chosen_only = (op.flags & FLAG_SOFTMAX_AFTER_TOP_K) != 0;
  choice_t choice;
#pragma HLS ARRAY_PARTITION variable = choice.expert complete
#pragma HLS ARRAY_PARTITION variable = choice.logit complete
  choice.place.block = op.source_block;
  choice.place.lane = 0;
  int round = 0;
  int word = 0;
  bool found = false;
  sint<EXPERT_BITS> best_expert = 0;
  act_t best_logit = 0;

choose_words:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 4
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
    const word_t values = logits[choice.place.block * op.source_stride + op.source_word + word][choice.place.lane];
    if (word == 0) {
      found = false;
      if (round == 0) choice.sum = 0;
    }
  choose_lanes:
    for (int lane = 0; lane < IN_PARALLEL; ++lane) {
#pragma HLS UNROLL
      const int expert = word * IN_PARALLEL + lane;
      bool taken = false;
    taken_experts:
      for (int k = 0; k < MAX_TOP_K; ++k) {
#pragma HLS UNROLL
        if (k < round && choice.expert[k] == expert) taken = true;
      }
      const bool exists = expert >= op.expert_first && expert < op.expert_end;
      if (round < op.top_k) {
        if (exists && !taken && (!found || values[lane] > best_logit)) {
          found = true;
          best_expert = expert;
          best_logit = values[lane];
        }
      } else if (exists && (taken || !chosen_only)) {
        choice.sum += exp2_negative(sint<ACT_BITS + 1>(choice.logit[0]) - values[lane], op.score_shift);
      }
    }
    if (word == op.in_words - 1) {
      if (round < op.top_k) {
        choice.expert[round] = best_expert;
        choice.logit[round] = best_logit;
      } else {
        choices.write(choice);
        step_to_next(choice.place);
      }
      word = 0;
      round = round == op.top_k ? 0 : round + 1;
    } else {
      ++word;
    }
  }
}

// Rate: one route an iteration, II = 1; tokens x top_k iterations. Scores are softmax probabilities.
inline void score_choices(const operation_t op, fifo<choice_t> &choices, fifo<route_t> &routes) {
  const int iterations = op.tokens * op.top_k;
  choice_t choice;
  int k = 0;

score_routes:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
    if (k == 0) choice = choices.read();
    const row_scale_t scale = reciprocal(choice.sum);
    const exp_t value = exp2_negative(sint<ACT_BITS + 1>(choice.logit[0]) - choice.logit[k], op.score_shift);
    const finished_t product = finished_t(value) * scale.mantissa;
    route_t route;
    route.place = choice.place;
    route.expert = choice.expert[k];
    const mantissa_t score =
        saturate<MANTISSA_BITS>(round_shift<FINISHED_BITS>(product, EXP_FRACTION + static_cast<int>(scale.exponent)));
    route.score = score > op.score_threshold ? score : mantissa_t(0);
    routes.write(route);
    k = k == op.top_k - 1 ? 0 : k + 1;
  }
}

// Sorts the routes by expert, by counting: II = 2 where a count is read, changed and written; experts + 2 x tokens x
// top_k iterations in all.
inline void fill_queues(const operation_t op, fifo<route_t> &routes, queue_t &queue) {
  const int entries = op.tokens * op.top_k;
  sint<ROUTE_BITS> next[MAX_EXPERTS];

clear_counts:
  for (int expert = 0; expert < op.expert_end; ++expert) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_EXPERTS
    queue.count[expert] = 0;
  }
count_routes:
  for (int i = 0; i < entries; ++i) {
#pragma HLS PIPELINE II = 2
#pragma HLS LOOP_TRIPCOUNT max = MAX_ROUTES
    const route_t route = routes.read();
    queue.by_token[i] = route;
    queue.count[route.expert] = queue.count[route.expert] + 1;
  }
  sint<ROUTE_BITS> first = 0;
place_queues:
  for (int expert = 0; expert < op.expert_end; ++expert) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_EXPERTS
    queue.first[expert] = first;
    next[expert] = first;
    first += queue.count[expert];
  }
sort_routes:
  for (int i = 0; i < entries; ++i) {
#pragma HLS PIPELINE II = 2
#pragma HLS LOOP_TRIPCOUNT max = MAX_ROUTES
    const route_t route = queue.by_token[i];
    queue.by_expert[next[route.expert]] = route;
    queue.places[next[route.expert]] = route.place;
    next[route.expert] = next[route.expert] + 1;
  }
}

inline void route_tokens(const operation_t op, const memory_row_t logits[HIDDEN_DEPTH], queue_t &queue) {
#pragma HLS DATAFLOW
  fifo<choice_t> choices("choices");
  fifo<route_t> routes("routes");
#pragma HLS STREAM variable = choices depth = 4
#pragma HLS STREAM variable = routes depth = 4

  choose_experts(op, logits, choices);
  score_choices(op, choices, routes);
  fill_queues(op, routes, queue);
}

// Rate: one route an iteration, II = 1; tokens x top_k iterations. For inspection: expert and score of every token.
inline void store_routes(const operation_t op, const queue_t &queue, fifo<beat_t> &output) {
  const int iterations = op.tokens * op.top_k;

route_beats:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_ROUTES
    beat_t beat;
  clear_words:
    for (int w = 0; w < BEAT_BITS / 32; ++w) {
#pragma HLS UNROLL
      set_beat_word(beat, w, 0);
    }
    set_beat_word(beat, 0, static_cast<int>(queue.by_token[i].expert));
    set_beat_word(beat, 1, static_cast<int>(queue.by_token[i].score));
    output.write(beat);
  }
}

}  // namespace edgemoe
