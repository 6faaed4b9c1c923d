"""Changing values in a TOML text: the table has them afterwards, and nothing else has changed."""

from __future__ import annotations

import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.base.tomltext import toml_value, with_values

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

KEYS = ("a", "b", "tokens_parallel", "clock-mhz", "weight_bits")
NUMBERS = st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False)
# Lines that belong to no key: some look like what is looked for.
IDLE = st.sampled_from(["", "# mine", "#[knobs]", "# [knobs]", '# "quoted', "  # a is 3", "\t"])
# Statements of other tables: brackets, headers and comments inside of values.
OTHERS = (
    "a = 1", "weight_bits = 'its'  # [knobs]", 'b = "[knobs]"', "b = '''\n[knobs]\na = 2\n'''",
    'a = """\n[knobs] \\""" # x\n"""', "b = [\n  [1, 2],  # one [\n['knobs'],\n]", "a = {c = [1]}",
    'b = """""quoted"""""', "tokens_parallel = '#'",
)  # fmt: skip


@st.composite
def tables(draw: st.DrawFn, name: str) -> str:
    """A table that is not looked for, with its comments."""
    chosen = draw(st.lists(st.sampled_from(OTHERS), unique_by=lambda line: line.split(" = ")[0]))
    lines = [part for statement in chosen for part in (draw(IDLE), statement)]
    header = f"[{name}]" if draw(st.booleans()) else f"[[{name}]]"
    return "\n".join([header, *lines, draw(IDLE)]) + "\n"


@st.composite
def own_tables(draw: st.DrawFn) -> str:
    """The table that is looked for, its last line a key's."""
    header = draw(st.sampled_from(["[knobs]", " [ knobs ]  # mine", '["knobs"]', "['knobs']\t"]))
    lines = [header]
    for key in draw(st.lists(st.sampled_from(KEYS), unique=True)):
        form = draw(st.sampled_from(["{} = {}", "  {}={}", '"{}" = {}', "'{}' = {}  # why [", "{} = {}#x"]))
        lines += [draw(IDLE), form.format(key, toml_value(draw(NUMBERS)))]
    return "\n".join(lines) + "\n"


VALUES = st.dictionaries(st.sampled_from(KEYS), NUMBERS, min_size=1)


@given(tables("first"), own_tables(), IDLE, tables("last"), VALUES, st.booleans(), st.booleans())
def test_a_table_gets_its_values_and_all_around_it_stays_byte_for_byte(
    first: str, own: str, comment: str, last: str, values: dict[str, int | float], only: bool, windows: bool
) -> None:
    after = f"{comment}\n{last}"
    if windows:
        first, own, after = (part.replace("\n", "\r\n") for part in (first, own, after))
    text = first + own + after
    found = with_values(text, "knobs", values, only=only)
    assert found.startswith(first)
    assert found.endswith(after)
    before = tomllib.loads(text)["knobs"]
    assert tomllib.loads(found)["knobs"] == {**({} if only else before), **values}
    # Keys that have their value already, and comments, are as they were.
    mine = found[len(first) : len(found) - len(after)].splitlines()
    for line in own.splitlines():
        if line.lstrip().startswith("#") or not line.strip() or "knobs" in line:
            assert line in mine
        if "# why [" in line and (not only or line.split("'")[1] in values):
            assert any(other.endswith("# why [") for other in mine)
    if windows:
        assert found.count("\n") == found.count("\r\n")


@given(tables("first"), VALUES)
@example("", {"a": 1})
def test_a_table_that_is_not_there_is_added_at_the_end(first: str, values: dict[str, int | float]) -> None:
    found = with_values(first, "knobs", values, comment="Mine.")
    assert found.startswith(first)
    assert tomllib.loads(found) == {**tomllib.loads(first), "knobs": values}
    assert "[knobs]\n# Mine.\n" in found


def test_a_line_that_is_set_wins_over_one_that_stands_as_a_comment() -> None:
    text = "[knobs]\n# a = 1  # default\na = 2  # chosen\n# b = 3  # default\n"
    found = with_values(text, "knobs", {"a": 5, "b": 6})
    assert found == "[knobs]\n# a = 1  # default\na = 5  # chosen\nb = 6\n"


def test_values_follow_a_last_line_without_an_end() -> None:
    assert with_values("[knobs]\na = 1", "knobs", {"b": 2}) == "[knobs]\na = 1\nb = 2\n"
    assert with_values("[knobs]", "knobs", {"b": 2}) == "[knobs]\nb = 2\n"


@pytest.mark.parametrize("text", ["knobs = {a = 1}\n", "knobs.a = 1\n", "knobs = 3\n", "[[knobs]]\na = 1\n"])
def test_a_table_in_another_form_is_refused_rather_than_broken(text: str) -> None:
    with pytest.raises(ConfigError, match=r"it is not written as \[knobs\]"):
        with_values(text, "knobs", {"a": 2})
