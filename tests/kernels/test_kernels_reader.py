"""The reader of kernels: positions stay, every kernel is read whole, what is not known is refused with its place."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Knobs, make_design
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.kernels import (
    RUNTIME_FILES,
    Kernels,
    Text,
    of_template,
    read_kernels,
    read_pragmas,
    read_source,
)
from edgemoe_gen.kernels.text import KernelError

KERNEL = """#include "fifo.h"
namespace edgemoe {

// Rate: one word an iteration, II = 2; n iterations.
// Copies, "as it is".
inline void walk(const int n, int table[8], fifo<int> &out) {
#pragma HLS ARRAY_PARTITION variable = table complete  // a lane each
  const char mark = '}';

rows:
  for (int row = 0; row < n; ++row) {
#pragma HLS LOOP_TRIPCOUNT max = MAX_ROWS
  words:  // of a row
    for (int i = 0; i < first(n); ++i) {
#pragma HLS PIPELINE II = 2
#pragma HLS DEPENDENCE variable = table inter RAW \\
    distance = 4 true
    lanes:
      for (int l = 0; l < 4; ++l) {
#pragma HLS UNROLL
        for (int bit = 0; bit < 8; ++bit) {
#pragma HLS UNROLL
          out.write(table[l] + bit);
        }
      }
    }
  }
}

template <typename T>
struct pair_t {
 public:
  pair_t() : first(0), second(1) {}
  T sum() const {
#pragma HLS INLINE
    return first + second;
  }
  T &operator[](int i) {
#pragma HLS INLINE
    return i ? first : second;
  }
  T first, second;
};

}  // namespace edgemoe
"""
PIPELINE = "#pragma HLS PIPELINE II = 2\n"


@pytest.fixture(scope="module")
def rendered() -> dict[str, str]:
    return render_sources(make_design(Knobs(), load_board("zcu104")))


@pytest.fixture(scope="module")
def kernels(rendered: dict[str, str]) -> Kernels:
    return read_kernels(rendered)


PIECES = st.sampled_from(
    ['"', "'", "//", "/*", "*/", "\\", "\n", "{", "}", "(", ")", "a", " ", "1'000", "'\"'", '"//"', 'R"x(', ')x"', "#"]
)


@given(st.lists(PIECES, max_size=30).map("".join))
def test_blanking_keeps_every_position_and_line(text: str) -> None:
    read = Text("src/a.h", text)
    for blanked in (read.commentless, read.code, read.statements):
        assert len(blanked) == len(text)
        assert all(new == old or (new == " " and old != "\n") for new, old in zip(blanked, text, strict=True))
    assert [read.line(at) for at in range(len(text))] == [text.count("\n", 0, at) + 1 for at in range(len(text))]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a // b\nc", "a     \nc"),
        ('f("// { \\" }"); g', "f(           ); g"),
        ("x = '\"'; y = '\\''; {", "x =    ; y =     ; {"),
        ("n = 1'000'000; c = 'a';", "n = 1'000'000; c =    ;"),
        ('s = R"d(" // )d"; t', "s =             ; t"),
        ("/* \n */ k", "   \n    k"),
    ],
)
def test_what_is_no_code_is_blanked(text: str, code: str) -> None:
    assert Text("src/a.h", text).code == code


def test_every_rendered_kernel_is_read_whole(rendered: dict[str, str], kernels: Kernels) -> None:
    files = {name for name in rendered if re.fullmatch(r"src/\w+\.(h|cpp)", name)}
    assert set(kernels.sources) == files - set(RUNTIME_FILES) and len(files) > 15
    for name, source in kernels.sources.items():
        text = rendered[name]
        assert len(source.pragmas) == len(re.findall(r"^#pragma HLS ", text, re.MULTILINE))
        assert len(source.loops) == len(re.findall(r"^ *for \(", text, re.MULTILINE))
        for pragma in source.pragmas:
            assert text[pragma.start : pragma.end].startswith("#pragma HLS ")
            assert text.splitlines()[pragma.line - 1] == text[pragma.start : pragma.end].split("\n")[0]
            assert source.function_at(pragma.start) is not None
        for loop in source.loops:
            assert text[loop.keyword :].startswith("for (") and loop.function
            assert text[loop.body.start :].startswith(f"{loop.label}:")
        for body in [*(loop.body for loop in source.loops), *(function.body for function in source.functions)]:
            assert text[body.opening] == "{" and text[body.closing] == "}"
    names = [function.name for source in kernels.sources.values() for function in source.functions]
    assert {"operate", "execute", "edgemoe_engine", "multiply", "comes_ahead", "operator[]"} <= set(names)


def test_every_process_says_its_rate(kernels: Kernels) -> None:
    functions = {(f.file, f.name): f for source in kernels.sources.values() for f in source.functions}
    pipelined = {(loop.file, loop.function) for loop in kernels.loops if loop.ii}
    assert [place for place in pipelined if "Rate:" not in functions[place].comment] == []


def test_a_kernel_is_read_with_its_nests_and_places() -> None:
    source = read_source("src/a.h", KERNEL)
    assert [function.name for function in source.functions] == ["walk", "pair_t", "sum", "operator[]"]
    assert source.functions[0].comment == 'Rate: one word an iteration, II = 2; n iterations.\nCopies, "as it is".'
    assert [(loop.label, loop.ii, loop.unrolled, loop.inside, loop.trips) for loop in source.loops] == [
        ("rows", 0, False, (), "MAX_ROWS"),
        ("words", 2, False, ("rows",), ""),
        ("lanes", 0, True, ("rows", "words"), ""),
        ("", 0, True, ("rows", "words", "lanes"), ""),
    ]
    assert [loop.label for loop in source.timed_loops] == ["rows", "words"]
    dependence = next(source.within(source.loops[0].body, "DEPENDENCE"))
    assert source.ruled(dependence) is source.loops[1] and dependence in source.loops[1].body.pragmas
    assert (
        dependence.written == "DEPENDENCE variable = table type = inter direction = RAW distance = 4 dependent = true"
    )
    partition = next(source.of("ARRAY_PARTITION"))
    assert source.ruled(partition) is source.functions[0] and partition.subject == "table"
    assert [pragma.directive for pragma in source.functions[2].body.pragmas] == ["INLINE"]


def test_a_pragma_reads_the_same_however_it_is_written() -> None:
    forms = (
        "#pragma HLS STREAM variable = x depth = N + 1",
        "  # pragma HLS stream  depth=N  +  1 variable=x  // deep",
        "#pragma HLS STREAM variable \\\n = x /* deep */ depth \\\n = N + 1",
    )
    for form in forms:
        (pragma,) = read_pragmas(Text("src/a.h", f"\n{form}\nint x;\n"))
        assert (pragma.directive, pragma.options, pragma.line, pragma.faults) == (
            "STREAM", {"variable": "x", "depth": "N + 1"}, 2, (),
        )  # fmt: skip


def test_pragmas_in_comments_are_none() -> None:
    source = read_source("src/a.h", "#pragma once\n// #pragma HLS DATAFLOW\n/*\n#pragma HLS NOTHING\n*/\n")
    assert source.pragmas == ()


@pytest.mark.parametrize(
    ("old", "new", "said", "line"),
    [
        (PIPELINE, "#pragma HLS PIPELINE_ALL\n", "there is no pragma HLS pipeline_all", 15),
        (PIPELINE, "#pragma AP PIPELINE\n", "'#pragma AP' is not checked", 15),
        (PIPELINE, '_Pragma("HLS PIPELINE")\n', "a pragma in _Pragma is not checked", 15),
        ("table complete", "table wholly", "ARRAY_PARTITION has no option 'wholly'", 7),
        ("RAW \\\n", "RAW \\\n loop ", "DEPENDENCE has no option 'loop'", 16),
        (PIPELINE, "#pragma HLS PIPELINE\n", "PIPELINE is of a form", 15),
        (PIPELINE, "#pragma HLS PIPELINE II = 0\n", "PIPELINE ii = 0 is of a form", 15),
        (PIPELINE, "#pragma HLS PIPELINE II = DEEP\n", "PIPELINE ii = DEEP is of a form", 15),
        (PIPELINE, "#pragma HLS PIPELINE II = 2 style = frp\n", "PIPELINE ii = 2 style = frp is of a form", 15),
        (PIPELINE, "#pragma HLS UNROLL factor = 2\n", "UNROLL factor = 2 leaves a loop", 15),
        ("  const char", PIPELINE + "  const char", "PIPELINE does not stand at the head of a loop", 8),
        ("    lanes:\n", f"    int x;\n{PIPELINE}    lanes:\n", "PIPELINE does not stand at the head of a loop", 19),
        ("  const char", "#pragma HLS LOOP_TRIPCOUNT max = 1\n  const char", "directly in the body of a loop", 8),
        ("    return first", "    if (first) {\n#pragma HLS INLINE\n    }\n    return first", "body of a function", 37),
        ("template", "#pragma HLS INLINE\ntemplate", "INLINE stands outside of all functions", 30),
        ("rows:\n", "", "a loop without label", 10),
        ("lanes:\n      for (int l = 0; l < 4; ++l) {\n#pragma HLS UNROLL\n",
         "lanes:\n      for (int l = 0; l < 4; ++l) {\n", "lanes stands in the pipelined loop words and is not", 19),
        ("lanes:\n      for (int l = 0; l < 4; ++l) {\n", "while (more()) {\n", "a loop without label", 18),
        ("        for (int bit = 0; bit < 8; ++bit) {\n#pragma HLS UNROLL\n",
         "        for (int bit = 0; bit < 8; ++bit) {\n", "a loop without label", 21),
        ("rows:\n  for (int row = 0; row < n; ++row) {", "rows:\n  for (;;) f();\n  {", "loop rows has no braces", 11),
        ("first(n)", "first(n]", "a ] closes nothing", 14),
        ("second(1)", "second{1}", "a member is initialised in braces", 33),
        ("}  // namespace edgemoe", "", "a { is never closed", 2),
    ],
)  # fmt: skip
def test_what_is_not_known_or_misplaced_is_refused_with_its_place(old: str, new: str, said: str, line: int) -> None:
    assert KERNEL.count(old) >= 1
    with pytest.raises(KernelError, match=re.escape(said)) as caught:
        read_source("src/a.h", KERNEL.replace(old, new, 1))
    assert caught.value.message.startswith(f"src/a.h, line {line}: ") and caught.value.hint


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(KERNEL)), PIECES, st.integers(0, 5)), min_size=1, max_size=4))
def test_a_damaged_kernel_is_read_or_refused_with_its_place(changes: list[tuple[int, str, int]]) -> None:
    text = KERNEL
    for place, piece, length in changes:
        text = text[:place] + piece + text[place + length :]
    try:
        source = read_source("src/a.h", text)
    except KernelError as error:
        assert re.match(r"src/a\.h, line \d+: ", error.message)
    else:
        assert all((text[loop.body.opening] == "{" and loop.label) or loop.unrolled for loop in source.loops)


def test_two_loops_of_one_label_are_refused() -> None:
    with pytest.raises(KernelError, match=r"two loops have the label rows: src/a\.h, line 11, and src/b\.h, line 11"):
        read_kernels({"src/a.h": KERNEL, "src/b.h": KERNEL})


def test_constants_are_numbers_and_sums_of_them() -> None:
    text = (
        "constexpr int RECENT = 2;  // constexpr int NONE = 1;\nconstexpr int DISTANCE = RECENT + 1;\n"
        "// constexpr int NONE = 1;\nconstexpr int LONG = 1 << 30;\n/*\nconstexpr int NONE = 1;\n*/\n"
    )
    found = read_kernels({"src/a.h": text, "sim/b.h": "constexpr int OTHER = 1;\n"})
    assert found.constants == {"recent": 2, "distance": 3}


def test_a_template_is_read_without_what_a_design_fills_in() -> None:
    template = (
        KERNEL.replace("int table[8]", "int table[{{ size }}]")
        .replace("rows:\n", "{% if rows %}\n#pragma HLS STREAM variable = {{ name }} depth = 2\n{% endif %}\nrows:\n")
        .replace("#pragma HLS PIPELINE II = 2\n", "{# fast #}\n#pragma HLS PIPELINE II = 2\n")
    )
    plain = of_template(template)
    assert len(plain) == len(template) and plain.count("\n") == template.count("\n")
    loops = read_source("src/a.h", plain).loops
    assert [(loop.label, loop.ii) for loop in loops] == [
        (loop.label, loop.ii) for loop in read_source("src/a.h", KERNEL).loops
    ]
