"""Conditions are what their truth tables say."""

from __future__ import annotations

from itertools import product

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgemoe_gen.scheduling.conditions import ALWAYS, NEVER, Conditions

# A busy machine is no fault of what is tested.
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
ATOMS = 4
TABLES = st.lists(st.booleans(), min_size=1 << ATOMS, max_size=1 << ATOMS)
WORLDS = list(product((False, True), repeat=ATOMS))


def made(conditions: Conditions, table: list[bool]) -> int:
    """The condition of a truth table, as a sum of products."""
    result = NEVER
    for world, holds in zip(WORLDS, table, strict=True):
        if holds:
            term = ALWAYS
            for atom, value in enumerate(world):
                one = conditions.atom(atom)
                term = conditions.both(term, one if value else conditions.inverse(one))
            result = conditions.either(result, term)
    return result


def holds(conditions: Conditions, condition: int, world: tuple[bool, ...]) -> bool:
    while condition not in (NEVER, ALWAYS):
        atom, no, yes = conditions.parts(condition)
        condition = yes if world[atom] else no
    return condition == ALWAYS


@CALM
@given(TABLES, TABLES)
def test_operations_follow_the_truth_tables(a: list[bool], b: list[bool]) -> None:
    conditions = Conditions()
    x, y = made(conditions, a), made(conditions, b)
    for world, p, q in zip(WORLDS, a, b, strict=True):
        assert holds(conditions, conditions.both(x, y), world) == (p and q)
        assert holds(conditions, conditions.either(x, y), world) == (p or q)
        assert holds(conditions, conditions.inverse(x), world) != p
    assert (x == y) == (a == b)


@CALM
@given(TABLES, TABLES)
def test_a_simpler_condition_is_equal_where_it_counts(a: list[bool], b: list[bool]) -> None:
    conditions = Conditions()
    x, care = made(conditions, a), made(conditions, b)
    simpler = conditions.within(x, care)
    assert all(holds(conditions, simpler, w) == p for w, p, q in zip(WORLDS, a, b, strict=True) if q)


@CALM
@given(TABLES)
def test_atoms_are_those_that_can_change_the_outcome(table: list[bool]) -> None:
    conditions = Conditions()
    outcome = dict(zip(WORLDS, table, strict=True))
    changing = {
        atom for atom in range(ATOMS) for w in WORLDS if outcome[w] != outcome[(*w[:atom], not w[atom], *w[atom + 1 :])]
    }
    assert conditions.atoms(made(conditions, table)) == changing
