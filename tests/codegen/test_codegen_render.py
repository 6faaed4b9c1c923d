"""Rendering: the same bytes whenever and wherever, and nothing that ties a design to this machine."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edgemoe_gen.base.installed import resource_folder
from edgemoe_gen.codegen import render_sources, write_sources
from edgemoe_gen.codegen.context import RESOLVED_KNOBS
from edgemoe_gen.codegen.headers import OF_PARTS, decided
from edgemoe_gen.design import Design, Knobs, knob_fields, make_design
from edgemoe_gen.design.knobs import NARROW_KNOBS, meaning
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.hardware.parts import DECODERS

DESIGNS = {
    "default": Knobs(),
    "one port": Knobs(weight_ports=1, tokens_parallel=1, out_parallel=8, in_parallel=8),
    "six ports, odd": Knobs(weight_ports=6, tokens_parallel=3, out_parallel=24, in_parallel=8, weight_bits=12),
    "decoders": Knobs(max_map_width=64, max_map_channels=64),
    "no router": Knobs(max_experts=0, max_top_k=0),
    "decoders, no router": Knobs(max_map_width=64, max_map_channels=64, max_experts=0, max_top_k=0),
}
PRINT_DIGESTS = """
import hashlib
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Knobs, make_design
sources = render_sources(make_design(Knobs(), load_board("zcu104")))
print(sorted((name, hashlib.sha256(text.encode()).hexdigest()) for name, text in sources.items()))
"""


def make(name: str) -> Design:
    return make_design(DESIGNS[name], load_board("zcu104"))


@pytest.mark.parametrize("name", DESIGNS)
def test_rendering_twice_gives_the_same_bytes(name: str) -> None:
    assert render_sources(make(name)) == render_sources(make(name))


def test_another_process_in_another_place_gives_the_same_bytes(tmp_path: Path) -> None:
    root = str(resource_folder("templates").parent)
    environment = os.environ | {"PYTHONHASHSEED": "4711", "PYTHONPATH": root, "LC_ALL": "C", "TZ": "Asia/Tokyo"}
    done = subprocess.run(
        [sys.executable, "-c", PRINT_DIGESTS], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    sources = render_sources(make("default"))
    assert done.stdout.strip() == str(
        sorted((name, hashlib.sha256(text.encode()).hexdigest()) for name, text in sources.items())
    )


@pytest.mark.parametrize("name", DESIGNS)
def test_sources_hold_no_path_of_this_machine_and_no_template_left_over(name: str) -> None:
    for path, rendered in render_sources(make(name)).items():
        text = rendered.removeprefix("#!/usr/bin/env bash\n")
        assert not re.search(r"(?<![\w.])/(home|root|tmp|work|opt|usr|var)/", text), path
        assert str(Path.home()) not in text
        assert "{{" not in text and "{%" not in text and "{#" not in text, path
        assert text.endswith("\n") and not text.endswith("\n\n"), path
        assert "\t" not in text and "\r" not in text and " \n" not in text, path
        assert not Path(path).is_absolute() and ".." not in Path(path).parts


def test_every_header_and_template_ends_up_in_a_project() -> None:
    names = set(render_sources(make("decoders")))
    assert {f"src/{path.name}" for path in resource_folder("hls").glob("*.h")} <= names
    assert {"src/config.h", "src/engine.cpp", "sim/simulate.cpp", "testbench/main.cpp", "README.md"} <= names
    scripts = {
        "flow/hls.tcl",
        "flow/cosim.tcl",
        "flow/ip.tcl",
        "flow/bitstream.tcl",
        "flow/options.tcl",
        "hls.cfg",
        "run.sh",
    }
    assert scripts <= names
    templates = resource_folder("templates")
    rendered = [path for folder in (templates, templates / "flow") for path in folder.glob("*.j2")]
    rendered.remove(templates / "timed.cpp.j2")  # of the timed build, which is compiled and never written
    rendered.remove(templates / "flow/kit.md.j2")  # the README of an exported kit
    assert len(names) == len(list(resource_folder("hls").glob("*.h"))) + len(rendered)


def test_the_readme_says_what_makes_the_data_that_its_command_reads() -> None:
    text = render_sources(make("default"))["README.md"]
    simulate = text.split("## Simulate")[1].split("##")[0]
    assert "./csim data" in simulate and "`edgemoe-gen build CHECKPOINT --image PICTURE --until csim` makes" in simulate


@pytest.mark.parametrize("name", DESIGNS)
def test_every_knob_that_shapes_hardware_stands_in_the_sizes_with_its_value_and_meaning(name: str) -> None:
    config = render_sources(make(name))["src/config.h"]
    for knob in knob_fields():
        if knob.type == "int" and knob.name not in RESOLVED_KNOBS:
            line = f"// {knob.name}: {meaning(knob)}\n"
            assert line in config
            following = config.split(line)[1].split("\n")[0]
            assert re.fullmatch(rf"constexpr int [A-Z_]+ = {getattr(DESIGNS[name], knob.name)};", following)


def test_one_engine_serves_whatever_kinds_of_weights_are_narrow() -> None:
    engines = [render_sources(make_design(Knobs(**{name: 8}), load_board("zcu104"))) for name in NARROW_KNOBS]
    assert engines[0] == engines[1] == engines[2]
    assert "constexpr int NARROW_BITS = 8;" in engines[0]["src/config.h"]
    assert "constexpr int NARROW_BITS = 16;" in render_sources(make("default"))["src/config.h"]


@pytest.mark.parametrize("ports", [1, 2, 6])
def test_the_engine_has_a_bundle_for_every_weight_port(ports: int) -> None:
    sources = render_sources(make_design(Knobs(weight_ports=ports), load_board("zcu104")))
    for port in range(ports):
        assert f"gmem_weights_{port}" in sources["src/engine.cpp"]
        assert f"`gmem_weights_{port}`" in sources["README.md"]
    assert f"weights_{ports}" not in sources["src/engine.cpp"]


def test_other_knobs_change_what_they_say_and_leave_the_headers_alone() -> None:
    first, second = (render_sources(make(name)) for name in ("default", "six ports, odd"))
    changed = {name for name in first if first[name] != second[name]}
    assert {"src/config.h", "src/engine.cpp"} <= changed
    assert not changed & {f"src/{path.name}" for path in resource_folder("hls").glob("*.h")}


def test_a_design_without_decoders_has_none_of_their_lines() -> None:
    plain, mapped = (render_sources(make(name)) for name in ("default", "decoders"))
    assert set(mapped) - set(plain) == {f"src/{name}" for name, part in OF_PARTS.items() if part == DECODERS}
    for name, text in plain.items():
        assert "EDGEMOE_DECODERS" not in text and "EDGEMOE_DECODERS" not in mapped[name]
        if name.endswith((".h", ".cpp")) and name not in ("src/operation.h", "src/config.h"):
            assert not re.search(r"KIND_(STORE_)?RESIZE|FLAG_(SHIFTED|RELU|CLASSES)|QUERY_TO_NORMED|source_lane", text)
    assert "tap_words" in mapped["src/operation.h"] and "tap_words" not in plain["src/operation.h"]
    orders = [make(name).fifos["orders"].width for name in ("default", "decoders")]
    assert orders[1] == orders[0] + 9 * 16


@pytest.mark.parametrize("name", ["no router", "decoders, no router"])
def test_a_design_without_experts_has_none_of_their_lines(name: str) -> None:
    """Neither processes, FIFOs, memories and parameters nor fields of an operation."""
    with_router = render_sources(make("decoders" if "decoders" in name else "default"))
    without = render_sources(make(name))
    assert set(with_router) - set(without) == {"src/queue.h", "src/route.h"}
    for file, text in without.items():
        assert "EDGEMOE_EXPERTS" not in text and "EDGEMOE_EXPERTS" not in with_router.get(file, "")
        if file.endswith((".h", ".cpp")) and file != "src/operation.h":
            code = re.sub(r"//.*", "", text)
            assert not re.search(r"KIND_(\w*ROUTES?|GATHER)|FLAG_SCATTER|gather|route|queue|destinations|scales", code)
    assert "gather_expert" in with_router["src/operation.h"] and "gather_expert" not in without["src/operation.h"]


def test_lines_of_other_conditions_stay_as_they_are() -> None:
    inner = "#ifdef EDGEMOE_DECODERS\nc\n#ifdef Y\nd\n#else\ne\n#endif\n#else\nf\n#endif\n"
    text = f"a\n#ifdef X\nb\n{inner}#else\ng\n#endif\n"
    assert (
        decided(text, frozenset({DECODERS})) == "a\n#ifdef X\nb\nc\n#ifdef Y\nd\n#else\ne\n#endif\n#else\ng\n#endif\n"
    )
    assert decided(text, frozenset()) == "a\n#ifdef X\nb\nf\n#else\ng\n#endif\n"


def test_files_that_are_right_already_are_left_alone(tmp_path: Path) -> None:
    design = make("default")
    paths = write_sources(design, tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in paths} == set(render_sources(design))
    stamp = 1_000_000_000
    for path in paths:
        os.utime(path, (stamp, stamp))
    (tmp_path / "src" / "config.h").write_text("spoilt", encoding="utf-8")
    write_sources(design, tmp_path)
    touched = {path.name for path in paths if path.stat().st_mtime != stamp}
    assert touched == {"config.h"}
    assert (tmp_path / "src" / "config.h").read_text(encoding="utf-8") == render_sources(design)["src/config.h"]
    assert not list(tmp_path.rglob("*.partial"))
