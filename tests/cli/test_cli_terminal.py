"""What a real terminal shows: lines and bars share it, and lines break between words."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemoe_gen.cli import output
from edgemoe_gen.cli.help import folded

pyte = pytest.importorskip("pyte")

# Stage lines on stdout while bars are drawn on stderr, then an error: what `build` does.
PROGRAM = """
import time
from edgemoe_gen.cli import output
with output.progress() as show:
    for done in range(130):
        show("checking kernels", done, 1 if done == 0 else 129)
        if done % 43 == 1:
            time.sleep(0.12)
            output.line(f"stage{done:<4} {'0.5 s':>8}  {'word ' * 18}end", indent=10)
    show("compiling: engine", 0, 0)
    output.note("a note " + "of some length " * 8)
output.failure("there is no knob named " + "tokens_paralel " * 6, "did you mean tokens_parallel?")
"""


@pytest.mark.parametrize("columns", [80, 100, 120])
def test_lines_and_bars_do_not_mix(columns: int, tmp_path: Path) -> None:
    shown = screen_of(PROGRAM, columns, tmp_path)
    assert not [row for row in shown if "━" in row or "checking" in row]  # bars leave nothing behind
    words = " ".join(row.strip() for row in shown)
    for done in (1, 44, 87):
        assert f"stage{done:<4}    0.5 s  " + " ".join(["word"] * 18) + " end" in words
    assert words.count("of some length") == 8
    assert "did you mean tokens_parallel?" in words
    assert all(row[:1] != " " or row.startswith(("  ", " " * 10)) for row in shown)


def test_counts_on_a_bar_are_whole(tmp_path: Path) -> None:
    seen: list[str] = []
    screen_of(PROGRAM, 80, tmp_path, seen)
    assert any("/129" in row for row in seen)
    assert not any("129/1 " in row or "44/1 " in row for row in seen)


def screen_of(program: str, columns: int, folder: Path, seen: list[str] | None = None) -> list[str]:
    """Rows that a terminal shows when a program has ended; `seen` gets the rows of bars on the way."""
    screen = pyte.HistoryScreen(columns, 60)
    stream = pyte.ByteStream(screen)
    main, other = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "LINES": "60", "TERM": "xterm-256color"}
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdin=other, stdout=other, stderr=other, env=environment, cwd=folder
    )
    os.close(other)
    while True:
        try:
            got = os.read(main, 4096)
        except OSError:  # the other end is closed
            break
        if not got:
            break
        stream.feed(got)
        if seen is not None:
            seen.extend(row for row in screen.display if "━" in row)
    os.close(main)
    assert child.wait() == 0
    return [row.rstrip() for row in screen.display if row.strip()]


def test_a_table_breaks_no_number_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    output.table("all", [">a long header"] * 20 + ["text"], [[f"{183_655:,}"] * 20 + ["some words " * 30]])
    rows = capsys.readouterr().out.splitlines()
    assert sum(row.count("183,655") for row in rows) == 20
    assert max(row.count("a long header") for row in rows) == 20


WORD = st.text("abcdefg", min_size=1, max_size=12)
WORDS = st.lists(WORD, min_size=1, max_size=5).map(" ".join)
NUMBERS = st.integers(0, 10**9).map("{:,}".format)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]], output.Fit | None]:
    """Some columns of text and of numbers, and none, some or all of those that may go."""
    kinds = draw(st.lists(st.booleans(), min_size=1, max_size=9))
    heads = [f"{draw(WORDS)} {place}" for place in range(len(kinds))]
    count = draw(st.integers(1, 3))
    rows = [[draw(NUMBERS if number else WORDS) for number in kinds] for _ in range(count)]
    going = draw(st.none() | st.lists(st.sampled_from(heads), unique=True))
    texts = [head for number, head in zip(kinds, heads, strict=True) if not number]
    fit = None if going is None else output.Fit(going, wraps=draw(st.sampled_from(["", *texts])), least=12)
    return [">" * number + head for number, head in zip(kinds, heads, strict=True)], rows, fit


@settings(max_examples=60)
@given(tables(), st.sampled_from([60, 80, 100, 120]))
def test_no_line_of_a_table_is_longer_than_the_terminal_and_none_of_its_words_broken(
    made: tuple[list[str], list[list[str]], output.Fit | None], width: int
) -> None:
    columns, rows, fit = made
    stream = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(stream):
        patch.setenv("COLUMNS", str(width))
        patch.setattr(stream, "isatty", lambda: True)
        gone = output.table("some title " * 9, columns, rows, fit=fit)
    text = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())
    assert all(len(line.rstrip()) <= width for line in text.splitlines()), text
    words = Counter(re.split(r"[\s:,]+(?!\d)|\s", text))
    shown = [place for place, column in enumerate(columns) if column.lstrip(">") not in gone]
    assert len(shown) == len(columns) or fit is not None
    wanted = Counter(word for row in rows for place in shown for word in row[place].split())
    assert all(words[word] >= count for word, count in wanted.items()), text


@given(st.lists(WORD, min_size=1, max_size=20).map(" ".join), st.sampled_from(["", "   (a remark of some words)"]))
def test_a_long_example_of_help_can_still_be_copied(said: str, remark: str) -> None:
    lines = folded(f"    edgemoe-gen {said}{remark}", 40)
    assert all(len(line) <= 40 for line in lines)
    words = " ".join(lines).replace(" \\", "").split()
    assert words == f"edgemoe-gen {said}{remark}".split()
    of_command = [line for line in lines if "remark" not in line and "words)" not in line] or lines
    assert all(line.endswith(" \\") for line in of_command[:-1]) and not of_command[-1].endswith("\\")


@pytest.mark.parametrize("columns", [80, 100, 120])
def test_a_table_breaks_no_number_on_a_terminal(columns: int, tmp_path: Path) -> None:
    program = """
from edgemoe_gen.cli import output
output.table("all", ["name", ">used", ">there", "text"], [["residual", "183,655", "1,234,567,890", "words " * 40]])
"""
    shown = " ".join(screen_of(program, columns, tmp_path))
    assert "183,655" in shown
    assert "1,234,567,890" in shown
    assert shown.count("words") == 40
