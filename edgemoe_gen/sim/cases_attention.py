"""Cases of softmax and attention: scores, running maximum and sum, division, and the product with the values."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgemoe_gen.base.arithmetic import ceil_div
from edgemoe_gen.design import Design
from edgemoe_gen.design.design import TERM_BITS
from edgemoe_gen.numerics.fixed import Format, Integers, dequantise, quantise
from edgemoe_gen.numerics.tables import EXP_POSITION_BITS, PROBABILITY_FRACTION
from edgemoe_gen.program.places import Place
from edgemoe_gen.sim import references as ref
from edgemoe_gen.sim.checks import Bench, Case, Check, Deviation, compare
from edgemoe_gen.sim.engine import Engine
from edgemoe_gen.sim.kernel_inputs import extreme_rows, random_values, score_rows

NO_HEAD = "the key and value memory (max_cache) does not hold keys and values of one head"


def run_softmax(bench: Bench, rows: Integers, fraction: int, names: list[str] | None = None) -> list[Deviation]:
    """Softmax of given scores [rows, keys] of `fraction` fractional bits.

    Queries are unit vectors and keys the columns of the scores, so that the engine's scores are the given ones, rounded
    to the format of keys; values are unit vectors, as many keys at a time as fit, so that its results are the
    probabilities. Bound: `softmax_bound`.
    """
    design, k = bench.design, bench.design.knobs
    form = bench.cache_form(fraction)
    rows = quantise(dequantise(rows, bench.form(fraction)), form)
    count, keys = rows.shape
    width = design.out_tiles(count) * k.out_parallel
    cache_words = bench.builder.capacity_words("cache", keys)
    key_words = design.words(width)
    window = min((cache_words - key_words) // design.out_words * k.out_parallel, design.query_words * k.in_parallel)
    window = min(window, design.out_tiles(keys) * k.out_parallel)
    unit, value_unit = k.activation_bits - 2, design.cache_bits - 2
    query = bench.place("query", width, unit)
    key = Place("cache", width, form, cache_words)
    scores = bench.builder.place("hidden", keys, bench.form(fraction))
    bench.load(query, np.eye(count, width, dtype=np.int64) << unit)
    exact = bench.load(key, np.pad(rows.T, ((0, 0), (0, width - count)))).T[:count]
    bench.builder.scores(query, key, scores, count, keys)
    bench.store("scores", scores, count)
    value = Place("cache", window, bench.cache_form(unit), cache_words, key_words)
    result = bench.place("query", window, unit)
    for start in range(0, keys, window):
        bench.load(value, np.eye(keys, window, -start, dtype=np.int64) << value_unit)
        bench.builder.values(scores, value, result, count, keys)
        bench.store(f"p{start}", result, count)
    bench.run()
    got = np.concatenate([bench.values(f"p{start}") for start in range(0, keys, window)], axis=1)[:, :keys]
    term = value_unit + min(TERM_BITS - design.cache_bits - 2, PROBABILITY_FRACTION)
    bound = ref.softmax_bound(design, keys, term, result.form)
    found = [compare("scores", bench.values("scores"), exact, ref.product_bound(design, scores.form))]
    wanted = ref.softmax(exact)
    for row in range(count):
        what = f"probabilities of row {row}" + (f" ({names[row]})" if names else "")
        found.append(compare(what, got[row], wanted[row], bound))
    return found


def softmax_rows_that_fit(design: Design, keys: int) -> int:
    """Rows of scores that `run_softmax` can take at once: queries, keys and scores must fit, with room for values."""
    k = design.knobs
    cache = design.memory_depths["cache"] // ceil_div(keys, k.cache_lanes) // design.out_words * k.out_parallel
    hidden = design.memory_depths["hidden"] // design.padded_words(keys) * k.tokens_parallel
    columns = min(design.query_words * k.in_parallel, cache - k.out_parallel) // k.out_parallel * k.out_parallel
    return min(columns, hidden, k.max_tokens)


def softmax_cases(design: Design) -> Iterator[Case]:
    """The longest rows that the design takes, and odd ones; rows that are hard for a running maximum and sum."""
    bits = design.knobs.activation_bits

    def shaped(keys: int, fraction: int, group: str) -> Check:
        keys = min(keys, design.knobs.max_tokens)

        def check(engine: Engine, rng: np.random.Generator) -> list[Deviation]:
            rows: dict[str, Integers] = {}
            form = Bench(engine).form(fraction)
            while len(rows) < 16:
                more = score_rows(keys, form, design.knobs.out_parallel, rng)
                rows |= {f"{name}, {len(rows)}": row for name, row in more.items() if (group in name) or not group}
            most = softmax_rows_that_fit(design, keys)
            names = list(rows)
            found = []
            for start in range(0, len(names), most):
                part = names[start : start + most]
                found += run_softmax(Bench(engine), np.stack([rows[name] for name in part]), fraction, part)
            return found

        return check

    if not _holds_a_head(design):
        yield Case("longest rows", "random", shaped(1, 0, ""), skip=NO_HEAD)
        return
    longest = design.knobs.max_tokens
    wide, fine = min(bits - 6, EXP_POSITION_BITS), min(bits - 2, EXP_POSITION_BITS)
    yield Case("longest rows, random scores", "random", shaped(longest, wide, "random"))
    yield Case("longest rows, scores of -32 to 32", "extreme", shaped(longest, wide, ""))
    yield Case("longest rows, finest scores", "extreme", shaped(longest, fine, ""))
    for keys in (1, 2, design.knobs.out_parallel - 1, design.knobs.out_parallel + 1, 2 * design.knobs.in_parallel + 5):
        yield Case(f"rows of {keys}", "extreme", shaped(keys, wide, ""))


def run_attention(
    bench: Bench, query: Integers, key: Integers, value: Integers, fractions: tuple[int, int, int, int], passes: int = 1
) -> list[Deviation]:
    """Attention of heads [heads, tokens, width], all in the memories at once, each in so many passes of rows.

    `fractions`: of queries, keys, values, scores; results have the values' range. What keys and values have beyond the
    range of theirs must saturate. The scores are compared with the products
    (`product_bound`), the results with softmax(the engine's own scores) @ values (`attention_bound`), so that each
    stage answers for its own error only.
    """
    design, k = bench.design, bench.design.knobs
    heads, tokens, width = query.shape
    keys = key.shape[1]
    padded = design.out_tiles(width) * k.out_parallel
    words = design.words(padded)
    stride = 2 * heads * words
    places = {
        "query": Place("query", heads * padded, bench.form(fractions[0]), heads * words),
        "key": Place("cache", heads * padded, Format(design.cache_bits, fractions[1]), stride),
        "value": Place("cache", heads * padded, Format(design.cache_bits, fractions[2]), stride, heads * words),
    }
    exact = {}
    for name, integers in (("query", query), ("key", key), ("value", value)):
        rows = np.pad(integers, ((0, 0), (0, 0), (0, padded - width)))
        flat = rows.transpose(1, 0, 2).reshape(rows.shape[1], heads * padded)
        loaded = ref.clip(bench.load(places[name], flat), places[name].form)
        exact[name] = loaded.reshape(-1, heads, padded)[:, :, :width].transpose(1, 0, 2)
    scores = bench.builder.place("hidden", keys, bench.form(fractions[3]))
    rows_a_pass = bench.builder.blocks(ceil_div(tokens, passes)) * k.tokens_parallel
    room = design.memory_depths["hidden"] // scores.stride * k.tokens_parallel
    rows_a_pass = min(rows_a_pass, room)
    result_form = bench.form(fractions[2] + k.activation_bits - design.cache_bits)
    for head in range(heads):
        k_place = Place("cache", padded, places["key"].form, stride, head * words)
        v_place = Place("cache", padded, places["value"].form, stride, (heads + head) * words)
        for start in range(0, tokens, rows_a_pass):
            block, count = start // k.tokens_parallel, min(rows_a_pass, tokens - start)
            q_place = Place("query", padded, places["query"].form, heads * words, head * words, block)
            result = Place("query", padded, result_form, heads * words, head * words, block)
            bench.builder.scores(q_place, k_place, scores, count, keys)
            bench.store(f"scores.{head}.{start}", scores, count)
            bench.builder.values(scores, v_place, result, count, keys)
    bench.store("y", Place("query", heads * padded, result_form, heads * words), tokens)
    bench.run()
    results = bench.values("y").reshape(tokens, heads, padded)[:, :, :width]
    found = []
    for head in range(heads):
        wanted = ref.clip(exact["query"][head] @ exact["key"][head].T, scores.form)
        starts = range(0, tokens, rows_a_pass)
        got = np.concatenate([bench.values(f"scores.{head}.{start}") for start in starts])
        found.append(compare(f"scores of head {head}", got, wanted, ref.product_bound(design, scores.form)))
        wanted = ref.clip(ref.softmax(got) @ exact["value"][head], result_form)
        bound = ref.attention_bound(design, got, exact["value"][head], result_form)
        found.append(compare(f"y of head {head}", results[:, head], wanted, bound))
    return found


def attention_cases(design: Design) -> Iterator[Case]:
    """Heads of several sizes, rows in several passes, numbers of keys that are no multiples of a tile."""
    k = design.knobs
    near = k.activation_bits - 4
    wide = min(k.activation_bits - 6, EXP_POSITION_BITS)

    def shaped(heads: int, tokens: int, keys: int, width: int, passes: int = 1, fill: str = "random") -> Check:
        tokens, keys = min(tokens, k.max_tokens), min(keys, k.max_tokens)
        most = min(k.max_query, _cache_columns(design, keys) // 2) // k.out_parallel * k.out_parallel
        width = min(width, most)
        heads = max(min(heads, most // (design.out_tiles(max(width, 1)) * k.out_parallel)), 1)

        def check(engine: Engine, rng: np.random.Generator) -> list[Deviation]:
            bench = Bench(engine)
            forms = bench.form(near), bench.cache_form(near), bench.cache_form(near)
            fractions = (near, forms[1].fraction, forms[2].fraction, wide)
            shapes = ((heads, tokens, width), (heads, keys, width), (heads, keys, width))
            if fill == "random":
                # Scores get a spread of about 4, as base-2 logarithms.
                spread = 2.0 / width**0.25
                parts = [
                    random_values(rng, h * t, w, form, spread).reshape(h, t, w)
                    for form, (h, t, w) in zip(forms, shapes, strict=True)
                ]
            else:
                widths = [k.activation_bits if fill == "beyond" else form.bits for form in forms]
                parts = [_tiled(extreme_rows(w, widths[i]), h, t, i) for i, (h, t, w) in enumerate(shapes)]
            return run_attention(bench, parts[0], parts[1], parts[2], fractions, passes)

        return check

    if not _holds_a_head(design):
        yield Case("all tokens", "random", shaped(1, 1, 1, 1), skip=NO_HEAD)
        return
    t, o = k.tokens_parallel, k.out_parallel
    yield Case("all tokens, two heads of 64", "random", shaped(2, k.max_tokens, k.max_tokens, 64))
    yield Case("three heads of 5", "random", shaped(3, 2 * o + 1, 2 * o + 1, 5))
    yield Case("one head, one more than a tile", "random", shaped(1, t + 1, o + 1, o + 1))
    yield Case("three passes of rows", "random", shaped(2, 61, 61, o, passes=3))
    yield Case("one token", "random", shaped(1, 1, 1, 8))
    yield Case("fewer rows than keys", "random", shaped(1, 3, 3 * o - 1, 17))
    yield Case("extreme queries, keys and values", "extreme", shaped(1, 43, 3 * o + 3, 24, fill="extreme"))
    if design.cache_bits < k.activation_bits:
        yield Case("keys and values that saturate", "extreme", shaped(1, 43, 3 * o + 3, 24, fill="beyond"))
    yield Case("extreme, narrow head", "extreme", shaped(2, 11, 2 * o - 1, 2, passes=2, fill="extreme"))


def _holds_a_head(design: Design) -> bool:
    return design.cache_words >= 2 * design.out_words


def _cache_columns(design: Design, keys: int) -> int:
    blocks = ceil_div(keys, design.knobs.cache_lanes)
    return design.memory_depths["cache"] // blocks * design.knobs.in_parallel


def _tiled(rows: Integers, heads: int, tokens: int, shift: int) -> Integers:
    """Extreme rows repeated for all tokens, in another order for every head and operand, so that all of them meet."""
    order = np.arange(tokens)
    # Values change faster than keys, keys than queries: every pair of neighbours differs somewhere.
    picked = [rows[(order // (shift + 1) + 3 * shift + head) % len(rows)] for head in range(heads)]
    return np.stack(picked)
