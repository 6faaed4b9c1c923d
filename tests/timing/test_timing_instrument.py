"""The instrumenter times every pragma of the rendered sources, changes nothing else, and refuses unknown forms."""

from __future__ import annotations

import re

import pytest

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Knobs, make_design
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.timing.instrument import RUNTIME_FILES, instrument

LOOP = """
void walk(fifo<int> &out) {
some_steps:
  for (int i = 0; i < 8; ++i) {
#pragma HLS PIPELINE II = 3
    out.write(i);
  }
}
"""
INNER = LOOP.split("{", 1)[1].rsplit("}", 1)[0].replace("some", "inner")
REGION = """
void both(int n) {
#pragma HLS DATAFLOW
  fifo<int> between("between");
#pragma HLS STREAM variable = between depth = 7

  first(n, between);
  second(n,
         between);
}
"""


def rewritten(text: str) -> str:
    return instrument({"src/kernel.h": text}).sources["src/kernel.h"]


def without_macros(text: str) -> str:
    """The text as it was: macros of one line removed, those around an expression unwrapped."""
    while found := re.search(r'EDGEMOE_(PROCESS|MEMORY)\("[\w.]+", ', text):
        depth, at, ends = 0, found.end(), []
        while depth >= 0:
            depth += (text[at] in "([{") - (text[at] in ")]}")
            if depth < 0 or (depth == 0 and text[at] == ","):
                ends.append(at)
            at += 1
        text = text[: found.start()] + text[found.end() : ends[0]] + text[at:]
    text = re.sub(r' EDGEMOE_(ITERATION\(\)|LOOP_END\(\)|REGION\("\w+"\)|OPERATION\(\w+\));', "", text)
    return re.sub(r'EDGEMOE_(LOOP_BEGIN\("\w+", \d+\)|DEPTH\(\w+, \w+\)|JOIN\(\)); ', "", text)


@pytest.fixture(scope="module")
def sources() -> dict[str, str]:
    return render_sources(make_design(Knobs(), load_board("zcu104")))


def test_every_pragma_of_a_rendered_design_is_timed(sources: dict[str, str]) -> None:
    found = instrument(sources)
    text = "\n".join(text for name, text in sources.items() if name.startswith("src/"))
    intervals = [int(n) for n in re.findall(r"^#pragma HLS PIPELINE II = (\d+)", text, re.MULTILINE)]
    assert sorted(site.interval for site in found.loops if site.interval) == sorted(intervals)
    assert len(found.fifos) == len(re.findall(r"^#pragma HLS STREAM ", text, re.MULTILINE))
    assert len(found.regions) == len(re.findall(r"^#pragma HLS DATAFLOW", text, re.MULTILINE))
    assert {site.label for site in found.loops} >= {"operations", "multiply_steps", "program_beats"}
    assert len(intervals) > 20


def test_without_its_macros_a_timed_source_is_the_source(sources: dict[str, str]) -> None:
    found = instrument(sources).sources
    changed = [name for name in sources if found[name] != sources[name]]
    assert {"src/engine.cpp", "src/fetch.h", "src/multiply.h"} <= set(changed)
    assert not set(changed) & set(RUNTIME_FILES)
    for name in sources:
        assert without_macros(found[name]) == sources[name]


def test_a_pipelined_loop_tells_its_iterations() -> None:
    assert (
        rewritten(LOOP)
        == """
void walk(fifo<int> &out) {
EDGEMOE_LOOP_BEGIN("some_steps", 3); some_steps:
  for (int i = 0; i < 8; ++i) { EDGEMOE_ITERATION();
#pragma HLS PIPELINE II = 3
    out.write(i);
  } EDGEMOE_LOOP_END();
}
"""
    )


def test_a_loop_without_pragma_is_a_sequence_of_states() -> None:
    text = rewritten(LOOP.replace("#pragma HLS PIPELINE II = 3\n", ""))
    assert 'EDGEMOE_LOOP_BEGIN("some_steps", 0);' in text


def test_an_unrolled_loop_takes_no_time() -> None:
    text = LOOP.replace("PIPELINE II = 3", "UNROLL")
    assert rewritten(text) == text


def test_a_dataflow_function_starts_its_calls_as_processes() -> None:
    text = rewritten(REGION)
    assert text.splitlines()[1] == 'void both(int n) { EDGEMOE_REGION("both");'
    assert "EDGEMOE_DEPTH(between, 7);" in text
    assert 'EDGEMOE_PROCESS("first", first(n, between), n, between);' in text
    assert text.rstrip().endswith("EDGEMOE_JOIN(); }")
    assert without_macros(text) == REGION
    assert instrument({"src/kernel.h": REGION}).regions == {"both": ("first", "second")}


def test_pragmas_in_comments_are_none() -> None:
    assert instrument({"src/kernel.h": "// #pragma HLS DATAFLOW\n/*\n#pragma HLS PIPELINE II = 1\n*/\n"}).loops == ()


def test_accesses_to_memories_are_named() -> None:
    text = "void f() {\n  const int x = read_word(queue.count, i, lane(2));\n  write_at(next, x, 1);\n}\n"
    assert rewritten(text) == (
        'void f() {\n  const int x = EDGEMOE_MEMORY("queue.count", read_word(queue.count, i, lane(2)));\n'
        '  EDGEMOE_MEMORY("next", write_at(next, x, 1));\n}\n'
    )
    assert without_macros(rewritten(text)) == text


def test_the_operation_that_begins_is_told() -> None:
    assert "*progress = i; EDGEMOE_OPERATION(i);" in rewritten("void f() {\n  *progress = i;\n}\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LOOP.replace(" II = 3", ""), "PIPELINE  is of a form"),
        (LOOP.replace(" II = 3", " II = 3 style = frp"), "of a form that is not known"),
        (LOOP.replace("some_steps:\n", ""), "a loop without label"),
        (LOOP.replace("out.write(i);", "return;"), "left by a return"),
        (LOOP.replace("some_steps:", "if (n > 0)\nsome_steps:"), "branch of a statement"),
        (LOOP.replace("PIPELINE II = 3", "UNROLL factor = 2"), "leaves a loop"),
        (LOOP.replace("    out.write(i);\n", INNER), "inner_steps stands in the pipelined loop some_steps"),
        ("void f() {\n#pragma HLS PIPELINE II = 1\n  g();\n}\n", "1 pragmas PIPELINE, but 0"),
        (LOOP.replace("    out", "    int x;\n#pragma HLS PIPELINE II = 3\n    out"), "2 pragmas PIPELINE, but 1"),
        (REGION.replace("depth = 7", "depth = 7 type = pipo"), "STREAM"),
        (REGION.replace("first(n, between);", "if (n > 0) first(n, between);"), "more than to call processes"),
        (REGION.replace("first(n, between);", "first(n, between) + 1;"), "of a form that is not known"),
        ("int f() {\n  return read_at(a, read_at(b, 1));\n}\n", "another's arguments"),
    ],
)
def test_forms_that_are_not_known_are_refused(text: str, said: str) -> None:
    with pytest.raises(SimulationError, match=re.escape(said)) as caught:
        rewritten(text)
    assert caught.value.hint and "src/kernel.h, line" in caught.value.message


def test_two_loops_of_one_label_are_refused() -> None:
    with pytest.raises(SimulationError, match="two loops have the label some_steps"):
        instrument({"src/a.h": LOOP, "src/b.h": LOOP})
