"""Cases of the router and of the experts: choice, scores, queues, gathering, and results scattered to their tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgemoe_gen.design import Design
from edgemoe_gen.design.sizes import TERM_BITS
from edgemoe_gen.hardware.memories import HIDDEN, NORMED, QUERY, RESIDUAL
from edgemoe_gen.numerics.fixed import Format, Integers, dequantise
from edgemoe_gen.numerics.lower import Linear
from edgemoe_gen.numerics.tables import EXP_POSITION_BITS
from edgemoe_gen.program.places import Gathering, Rows
from edgemoe_gen.program.product import Finish, Weights
from edgemoe_gen.sim import references as ref
from edgemoe_gen.sim.cases_dense import Layer, linear_reference
from edgemoe_gen.sim.checks import Bench, Case, Check, Deviation, Values, compare, compare_exactly
from edgemoe_gen.sim.engine import Engine
from edgemoe_gen.sim.kernel_inputs import extreme_rows, memory_columns, random_linear, random_values

OF_EXPERTS = ("router", "moe")  # the kernels whose cases stand here
TURNS = (0, 0, 0, 1, 0, 1, 1, 2, 0, 1, 2, 0, 3, 1, 2, 0, 3, 3, 2)  # experts of one token after another
SCATTER_GUARD = 4  # a scaled result keeps so many bits above its format before the score shrinks it


@dataclass(frozen=True)
class Gate:
    """How tokens choose: window of experts, experts a token, gate type, score up to which an expert is pruned."""

    experts: range
    top_k: int
    after_top_k: bool = False
    threshold: float = 0.0


def check_routes(
    design: Design, logits: Integers, form: Format, gate: Gate, chosen: Integers, scores: Values
) -> list[Deviation]:
    """Compares routes with NumPy's on the same logits: experts exactly, scores within `route_score_bound`.

    A score that lies within its bound of the threshold may be pruned or not.
    """
    wanted = ref.choose(logits, gate.experts, gate.top_k)
    exact = ref.route_scores(dequantise(logits, form), wanted, gate.experts, gate.after_top_k)
    bound = ref.route_score_bound(design, exact, len(gate.experts))
    pruned = np.where(exact > gate.threshold, exact, 0.0)
    close = np.abs(exact - gate.threshold) <= bound
    undecided = close & ((scores == 0.0) | (np.abs(scores - exact) <= bound))
    return [
        compare_exactly("expert of token", chosen, wanted),
        compare("score of token", np.where(undecided, pruned, scores), pruned, bound),
    ]


def run_router(bench: Bench, logits: Integers, fraction: int, gate: Gate) -> list[Deviation]:
    """Routes of given logits [tokens, experts]."""
    place = bench.place(HIDDEN, logits.shape[1], fraction)
    bench.load(place, logits)
    bench.builder.route(place, Rows(logits.shape[0]), gate.experts, gate.top_k, gate.after_top_k, gate.threshold)
    bench.store_routes("routes", logits.shape[0], gate.top_k)
    bench.run()
    return check_routes(bench.design, logits, place.form, gate, *bench.routes("routes"))


def run_whole_router(
    bench: Bench, x: Integers, fraction: int, linear: Linear, weight_form: Format, out_fraction: int, gate: Gate
) -> list[Deviation]:
    """Logits of tokens, and routes of those logits.

    Logits are compared with W x + b, routes with NumPy's choice from the engine's logits; and with the choice from
    exact logits for every token whose chosen experts lead by more than twice the bound of a logit.
    """
    layer = Layer(NORMED, HIDDEN, fraction, out_fraction)
    source = bench.place(NORMED, x.shape[1], fraction)
    place = bench.place(HIDDEN, linear.weight.shape[0], out_fraction)
    values = bench.load(source, x)
    bench.builder.linear(Weights(linear, weight_form), source, place, x.shape[0])
    bench.builder.route(place, Rows(x.shape[0]), gate.experts, gate.top_k, gate.after_top_k, gate.threshold)
    bench.store("logits", place, x.shape[0])
    bench.store_routes("routes", x.shape[0], gate.top_k)
    bench.run()
    exact, bound = linear_reference(bench.design, layer, values, linear, weight_form, place.form)
    chosen, scores = bench.routes("routes")
    found = [compare("logits", bench.values("logits"), exact, bound)]
    found += check_routes(bench.design, bench.integers("logits"), place.form, gate, chosen, scores)
    window = exact[:, gate.experts.start : gate.experts.stop]
    order = np.argsort(-window, axis=1, kind="stable")
    ranked = np.take_along_axis(window, order, axis=1)[:, : gate.top_k + 1]
    clear = (-np.diff(ranked, axis=1) > 2 * bound).all(axis=1)
    wanted = order[:, : gate.top_k] + gate.experts.start
    found.append(compare_exactly("expert of token with clear logits", chosen[clear], wanted[clear]))
    return found


def router_cases(design: Design) -> Iterator[Case]:
    """Both gate types, every top-k, windows of experts, thresholds, ties, extreme logits, groups of tokens.

    The router works on groups of `design.choose_tokens` tokens, word after word: token counts around whole groups,
    experts of one word, of several, and with the last word hardly filled.
    """
    k = design.knobs
    wide = min(k.activation_bits - 6, EXP_POSITION_BITS)
    most = k.max_experts
    tokens = min(k.max_tokens, 67)

    def random(experts: int, gate: Gate, spread: float = 2.0, rows: int = tokens) -> Check:
        def check(engine: Engine, rng: np.random.Generator) -> list[Deviation]:
            bench = Bench(engine)
            logits = random_values(rng, rows, experts, bench.form(wide), spread)
            return run_router(bench, logits, wide, gate)

        return check

    def ties(gate: Gate) -> Check:
        def check(engine: Engine, rng: np.random.Generator) -> list[Deviation]:
            # Logits of three values: most are equal, within a word and across words. The first token's are all equal.
            logits = rng.integers(-1, 2, (tokens, gate.experts.stop)).astype(np.int64)
            logits[0] = 0
            return run_router(Bench(engine), logits, wide, gate)

        return check

    def extreme(gate: Gate, fraction: int) -> Check:
        def check(engine: Engine, rng: np.random.Generator) -> list[Deviation]:  # noqa: ARG001
            rows = extreme_rows(gate.experts.stop, k.activation_bits)
            steps = np.arange(gate.experts.stop, dtype=np.int64)
            rows = np.concatenate([rows, [steps, -steps, steps // 2, -(steps // 3)]])[: k.max_tokens]
            return run_router(Bench(engine), rows, fraction, gate)

        return check

    def whole(engine: Engine, rng: np.random.Generator) -> list[Deviation]:
        bench = Bench(engine)
        near = k.activation_bits - 4
        x = random_values(rng, min(k.max_tokens, 129), k.max_dim, bench.form(near), 1.0)
        experts = min(most, 16)
        linear, form = random_linear(rng, design, k.max_dim, experts, gain=2.0)
        gate = Gate(range(experts), min(2, k.max_top_k, experts))
        return run_whole_router(bench, x, near, linear, form, wide, gate)

    for top_k in range(1, min(k.max_top_k, most) + 1):
        for after in (False, True):
            kind = "softmax after" if after else "softmax before"
            gate = Gate(range(most), top_k, after)
            yield Case(f"{most} experts, top {top_k}, {kind}", "random", random(most, gate))
    few = min(most, 5)
    yield Case(f"{few} experts, all of them", "random", random(few, Gate(range(few), min(few, k.max_top_k))))
    yield Case("one expert", "random", random(1, Gate(range(1), 1)))
    yield Case("all tokens", "random", random(few, Gate(range(few), 1, True), rows=k.max_tokens))
    if most >= 4:
        two = min(2, k.max_top_k)
        for first, stop in ((most // 2, most), (1, most - 1), (most // 4, most // 4 + two)):
            yield Case(f"experts {first} to {stop - 1}", "random", random(most, Gate(range(first, stop), two)))
        yield Case("threshold", "random", random(few, Gate(range(few), two, threshold=0.25)))
        yield Case("threshold after top-k", "random", random(few, Gate(range(few), two, True, 0.4), spread=0.5))
    group = design.choose_tokens
    widest = Gate(range(most), min(most, k.max_top_k), True)
    for rows in (1, 2, group - 1, group, group + 1, 2 * group, 2 * group + 1):
        if 0 < rows <= k.max_tokens:
            yield Case(f"{rows} tokens, groups of {group}", "random", random(most, widest, rows=rows))
    for experts in (k.in_parallel, k.in_parallel + 1, 2 * k.in_parallel + 1):
        if experts <= most:
            words = design.words(experts)
            gate = Gate(range(1, experts), min(experts - 1, k.max_top_k))
            yield Case(f"experts 1 to {experts - 1} in {words} words", "random", random(experts, gate))
            yield Case(f"ties in {words} words", "extreme", ties(gate))
            last = Gate(range(experts - 1, experts), 1, True)
            yield Case(f"only the last expert of {words} words", "random", random(experts, last))
    yield Case("ties: the lower number wins", "extreme", ties(Gate(range(most), min(most, k.max_top_k))))
    yield Case("ties in a window", "extreme", ties(Gate(range(most // 2, most), 1)))
    for fraction in (wide, min(k.activation_bits - 2, EXP_POSITION_BITS)):
        gate = Gate(range(most), min(most, k.max_top_k))
        yield Case(f"extreme logits, {fraction} fractional bits", "extreme", extreme(gate, fraction))
    yield Case("router of a whole layer", "random", whole)


@dataclass(frozen=True)
class Experts:
    """The experts of one layer, and the fractional bits of its tensors."""

    mlp: Sequence[tuple[Linear, Linear]]
    weight_forms: Sequence[tuple[Format, Format]]
    source_fraction: int
    hidden_fraction: int
    out_fraction: int


def run_experts(
    bench: Bench, x: Integers, old: Integers, logits: Integers, logit_fraction: int, gate: Gate, experts: Experts
) -> list[Deviation]:
    """A mixture-of-experts layer: routes of given logits, then expert after expert.

    Every stage is compared on what the engine computed before it: routes; each expert's queue (gathered tokens,
    exactly: those that chose it, in ascending order); its hidden features (`gelu_bound`); and the residual. A scattered
    result costs half a step of the residual, and half a step of its term, which keeps TERM_BITS - activation_bits -
    SCATTER_GUARD bits more, times the score.
    """
    design, tokens = bench.design, x.shape[0]
    dim, hidden = experts.mlp[0][1].weight.shape
    source = bench.place(NORMED, dim, experts.source_fraction)
    residual = bench.place(RESIDUAL, dim, experts.out_fraction)
    router = bench.place(HIDDEN, logits.shape[1], logit_fraction)
    gathered = bench.place(QUERY, dim, experts.source_fraction)
    middle = bench.place(HIDDEN, hidden, experts.hidden_fraction)
    values, total = bench.load(source, x), bench.load(residual, old)
    bench.load(router, logits)
    bench.builder.route(router, Rows(tokens), gate.experts, gate.top_k, gate.after_top_k, gate.threshold)
    bench.store_routes("routes", tokens, gate.top_k)
    # Which tokens an expert gets is known beforehand: equal logits choose equal experts.
    chosen = ref.choose(logits, gate.experts, gate.top_k)
    queues = {expert: np.argwhere(chosen == expert) for expert in gate.experts}
    for expert, queue in queues.items():
        (up, down), (up_form, down_form) = experts.mlp[expert], experts.weight_forms[expert]
        b = bench.builder
        b.gather(Gathering(expert, source, gathered))
        scattered = Finish(added_to=residual.form, scatter=True)
        b.linear(Weights(up, up_form), gathered, middle, tokens, Finish(gelu=True), expert)
        b.linear(Weights(down, down_form), middle, residual, tokens, scattered, expert)
        if len(queue):
            bench.store(f"gathered.{expert}", gathered, len(queue))
            bench.store(f"hidden.{expert}", middle, len(queue))
    bench.store("x", residual, tokens)
    bench.run()
    found = check_routes(design, logits, router.form, gate, *bench.routes("routes"))
    _, scores = bench.routes("routes")
    bound = np.zeros((tokens, 1))
    for expert, queue in queues.items():
        if not len(queue):
            continue
        (up, down), (up_form, down_form) = experts.mlp[expert], experts.weight_forms[expert]
        rows, places = queue[:, 0], queue[:, 1]
        found.append(
            compare_exactly(f"gathered tokens of expert {expert}", bench.integers(f"gathered.{expert}"), x[rows])
        )
        layer = Layer(QUERY, HIDDEN, experts.source_fraction, experts.hidden_fraction, gelu=True)
        wanted, limit = linear_reference(design, layer, values[rows], up, up_form, middle.form)
        features = bench.values(f"hidden.{expert}")
        found.append(compare(f"hidden features of expert {expert}", features, wanted, limit))
        score = scores[rows, places][:, None]
        # Before its score, a result saturates at 2^SCATTER_GUARD times what its format holds.
        bits = design.knobs.activation_bits
        room = Format(bits + SCATTER_GUARD, experts.out_fraction)
        fine = ref.residual_form(design, residual.form)
        result = ref.clip(features @ down.weight.T + (0.0 if down.bias is None else down.bias), room)
        total[rows] = ref.clip(total[rows] + ref.clip(result * score, fine), fine)
        kept = 2.0 ** -(TERM_BITS - bits - SCATTER_GUARD)
        bias = ref.bias_bound(down.bias, experts.hidden_fraction + down_form.fraction)
        bound[rows] += fine.step / 2 + residual.form.step / 2 * score * kept + bias
    found.append(compare("x", bench.values("x"), total, bound))
    return found


def expert_cases(design: Design) -> Iterator[Case]:
    """Queues of all lengths: empty ones, all tokens in one, every top-k; windows, thresholds, saturation."""
    k = design.knobs
    near = k.activation_bits - 4
    wide = min(k.activation_bits - 6, EXP_POSITION_BITS)

    def shaped(
        tokens: int,
        dim: int,
        hidden: int,
        experts: int,
        gate: Gate,
        favourite: float = 0.0,
        extreme: bool = False,
        turns: Sequence[int] = (),
    ) -> Check:
        tokens, dim = min(tokens, k.max_tokens), min(dim, k.max_dim)
        hidden = min(hidden, memory_columns(design, HIDDEN, tokens))

        def check(engine: Engine, rng: np.random.Generator) -> list[Deviation]:
            bench = Bench(engine)
            x = random_values(rng, tokens, dim, bench.form(near), 1.5)
            old = random_values(rng, tokens, dim, bench.form(near), 2.0)
            if extreme:
                x = np.resize(extreme_rows(dim, k.activation_bits), (tokens, dim))
                old = np.resize(extreme_rows(dim, k.activation_bits)[::-1], (tokens, dim))
            logits = random_values(rng, tokens, experts, bench.form(wide), 1.5)
            logits[:, gate.experts.stop // 2] += int(favourite * 2**wide)
            if turns:
                rows = np.arange(tokens)
                logits[rows, np.resize(turns, tokens)] = 20 << wide
            gain = 8.0 if extreme else 1.0
            bits = design.knobs.widths.experts
            layers = [
                tuple(
                    random_linear(rng, design, *shape, gain=gain, bits=bits) for shape in ((dim, hidden), (hidden, dim))
                )
                for _ in range(experts)
            ]
            mlp = [(up[0], down[0]) for up, down in layers]
            forms = [(up[1], down[1]) for up, down in layers]
            # Hidden features and the residual cover -8 to 8 and -16 to 16.
            return run_experts(bench, x, old, logits, wide, gate, Experts(mlp, forms, near, near, near - 1))

        return check

    most = min(k.max_experts, 6)
    i, o = k.in_parallel, k.out_parallel
    for top_k in sorted({1, min(2, most, k.max_top_k), min(most, k.max_top_k)}):
        gate = Gate(range(most), top_k)
        yield Case(f"{most} experts, top {top_k}", "random", shaped(41, 2 * i + 3, o + 5, most, gate))
    two = min(2, most, k.max_top_k)
    yield Case(
        "all tokens, full width", "random", shaped(k.max_tokens, k.max_dim, 3 * o + 1, most, Gate(range(most), two))
    )
    yield Case("softmax after top-k", "random", shaped(23, i + 1, o, most, Gate(range(most), two, True)))
    yield Case("threshold", "random", shaped(23, i, o + 1, most, Gate(range(most), two, threshold=0.3)))
    yield Case(
        "all tokens to one expert", "random", shaped(37, i + 1, o + 1, most, Gate(range(most), 1), favourite=20.0)
    )
    # An expert's routes follow one another at every distance that its counter is forwarded over, and beyond it.
    yield Case(
        "experts in turns", "random", shaped(41, i, o, most, Gate(range(most), 1), turns=[e % most for e in TURNS])
    )
    yield Case("more experts than tokens", "random", shaped(min(3, most), i, o, most, Gate(range(most), 1)))
    yield Case("one token", "random", shaped(1, i, o, most, Gate(range(most), two)))
    if most >= 4:
        yield Case("window of experts", "random", shaped(29, i + 2, o + 2, most, Gate(range(1, most - 1), two)))
    yield Case("extreme tokens", "extreme", shaped(31, i + 5, o + 3, most, Gate(range(most), two), extreme=True))
