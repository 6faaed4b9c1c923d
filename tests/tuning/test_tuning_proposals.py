"""What a search proposes keeps the rules, is the same for the same seed, and differs in as little as rules ask for."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemoe_gen.base.errors import KnobError
from edgemoe_gen.tuning import Limit, Point
from edgemoe_gen.tuning.runner import LocalRunner
from edgemoe_gen.tuning.search import run_search
from edgemoe_gen.tuning.space import default_space
from edgemoe_gen.tuning.trial import ESTIMATE, RULES
from tests.tuning.small_searches import OBJECTIVES, SPACE, small_evaluator

pytest.importorskip("optuna")
from edgemoe_gen.tuning.proposals import Proposals, nearest
from edgemoe_gen.tuning.state import Plan

EVALUATOR = small_evaluator()
WHOLE = default_space(EVALUATOR.knobs(Point(())), EVALUATOR.board, {})  # most of its points break a rule


@cache
def keeps_rules(point: Point) -> bool:
    return EVALUATOR.outcome(point, RULES).feasible


PROPOSALS = Proposals(WHOLE, 0, keeps_rules, ())
DEFAULT = nearest(WHOLE, EVALUATOR.default_point([dimension.name for dimension in WHOLE.dimensions]))
ANY = st.builds(
    lambda values: Point.of(dict(values)),
    st.tuples(*(st.tuples(st.just(d.name), st.sampled_from(d.values)) for d in WHOLE.dimensions)),
)


@given(point=ANY, seed=st.integers(0, 9))
@settings(max_examples=20, deadline=None)
def test_a_repaired_point_keeps_the_rules_and_what_no_rule_is_about(point: Point, seed: int) -> None:
    found = PROPOSALS.repaired(point, (), DEFAULT, np.random.default_rng(seed))
    assert found is not None
    assert keeps_rules(found)
    changed = [name for name, value in found.values if point.as_dict()[name] != value]
    assert bool(changed) != keeps_rules(point)
    reason = EVALUATOR.outcome(point, RULES).reason
    if "board" not in reason and "limit" not in reason:  # no rule is about tables
        assert not [name for name in changed if name.endswith("_segments")]


@pytest.mark.slow
def test_the_star_and_neighbours_keep_the_rules_and_the_value_that_they_are_for() -> None:
    star = list(PROPOSALS.star(DEFAULT))
    assert star[0] == DEFAULT
    assert all(map(keeps_rules, star))
    tried = {(name, value) for point in star for name, value in point.values}
    possible = {(d.name, value) for d in WHOLE.dimensions for value in d.values}
    assert len(tried) > 0.9 * len(possible), "values that another one must go with are tried with it"
    assert all(map(keeps_rules, PROPOSALS.neighbours(DEFAULT)))


@pytest.mark.slow
def test_a_search_of_the_default_space_proposes_nothing_that_a_rule_refuses(tmp_path: Path) -> None:
    plan = Plan(OBJECTIVES, trials=24, tier=ESTIMATE, confirm=0)
    state = run_search(EVALUATOR, WHOLE, plan, LocalRunner(EVALUATOR), tmp_path / "search.journal")
    assert state.feasible >= 24
    assert not state.rejected


def test_where_no_point_keeps_the_rules_the_reasons_are_still_counted(tmp_path: Path) -> None:
    evaluator = small_evaluator(Limit("dsp", 5.0))
    plan = Plan(OBJECTIVES, trials=24, tier=ESTIMATE, confirm=0)
    with pytest.raises(
        KnobError, match=r"no point of the space is feasible: \d+ of [\d,]+ tried, .*limit dsp=5 \(\d+\)"
    ):
        run_search(evaluator, SPACE, plan, LocalRunner(evaluator), tmp_path / "search.journal")
