"""Facts of the hardware stand once: what is rendered, counted and compiled follows from the tables of `hardware`."""

from __future__ import annotations

import re

import pytest

from edgemoe_gen.base.installed import resource_folder
from edgemoe_gen.codegen import context, render_sources, synthesis
from edgemoe_gen.design import Design, Knobs, make_design
from edgemoe_gen.hardware import axi, descriptor
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.hardware.kinds import KINDS, SOURCE, USES, kinds_of, kinds_that
from edgemoe_gen.hardware.memories import MEMORIES, PARAMETERS, PATHS
from edgemoe_gen.hardware.parts import DECODERS, EXPERTS, PARTS
from edgemoe_gen.timing.table import load_timing

BOARD = load_board("zcu104")


@pytest.fixture(scope="module")
def design() -> Design:
    return make_design(Knobs(), BOARD)


@pytest.fixture(scope="module")
def sources(design: Design) -> dict[str, str]:
    return render_sources(design)


def test_no_header_states_what_the_sizes_state(sources: dict[str, str]) -> None:
    sizes = set(re.findall(r"constexpr \w+ (\w+) =", sources["src/config.h"]))
    assert {"OPEN_TILES", "RING_DISTANCE", "FIRST_DEPTH", "REST_DEPTH", "STAND_IN_DEPTH"} <= sizes
    for path in resource_folder("hls").glob("*.h"):
        assert not sizes & set(re.findall(r"constexpr \w+ (\w+) =", path.read_text(encoding="utf-8"))), path


def test_the_settings_of_the_axi_ports_reach_pragmas_and_scripts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (context, synthesis):
        monkeypatch.setattr(module, "AXI_LATENCY", 77)
        monkeypatch.setattr(module, "AXI_OUTSTANDING", 8)
        monkeypatch.setattr(module, "AXI_BURST", 32)
    sources = render_sources(make_design(Knobs(weight_ports=3), BOARD))
    pragmas = re.findall(r"INTERFACE m_axi (.*)\\\n(.*)\\\n", sources["src/engine.cpp"])
    assert len(pragmas) == len(axi.axi_ports(3)) == 7
    for pragma in pragmas:
        assert re.search(r"latency = 77 num_(read|write)_outstanding = 8 max_\1_burst_length = 32 ", "".join(pragma)), (
            pragma
        )
    script = sources["flow/hls.tcl"]
    for option, value in (("latency", 77), ("num_read_outstanding", 8), ("max_write_burst_length", 32)):
        assert f"-m_axi_{option} {value}" in script


def test_the_clocked_simulation_asks_for_as_many_bursts_as_the_ports_do(
    design: Design, sources: dict[str, str]
) -> None:
    timing = load_timing(design, sources)
    assert (timing.axi_outstanding, timing.axi_burst) == (axi.AXI_OUTSTANDING, axi.AXI_BURST)
    adapters = next(memory for memory in design.memories if memory.name == "adapters")
    assert (adapters.depth, adapters.copies) == (16 * 16, len(axi.bundles(design.knobs.weight_ports)))


def test_an_operation_in_flight_has_every_field_of_the_descriptor(design: Design) -> None:
    for parts in (frozenset({EXPERTS}), PARTS):
        fields = sum(place.bits for place in descriptor.field_places(parts))
        assert descriptor.operation_bits(10, parts) == fields + 10 * len(descriptor.RUN_TIME_FIELDS)
    for parts in (frozenset(), frozenset({DECODERS})):
        fields = sum(place.bits for place in descriptor.field_places(parts))
        assert descriptor.operation_bits(10, parts) == fields
    assert design.fifos["orders"].width == descriptor.operation_bits(design.route_bits, frozenset({EXPERTS}))
    last = descriptor.field_places()[-1]
    assert last.word < descriptor.OPERATION_WORDS


@pytest.mark.parametrize("name", ["OPEN_TILES", "RING_DISTANCE", "VERSION"])
def test_what_programs_rely_on_is_part_of_a_designs_identity(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    before = make_design(Knobs(), BOARD).identity
    monkeypatch.setattr(descriptor, name, 99)
    assert make_design(Knobs(), BOARD).identity != before


def test_the_facts_of_a_kind_agree_with_the_fields_that_it_uses() -> None:
    for name, kind in KINDS.items():
        if kind.use is None:
            continue
        used = set(kind.use.fields)
        assert used <= {place.name for place in descriptor.field_places()}
        assert kind.reads == ({"path", *SOURCE} <= used), name
        assert kind.writes == ({"destination_block", "destination_stride", "destination_word"} <= used), name
        assert (kind.loads or kind.stores) == ({"transfer_first", "transfer_beats"} <= used), name
        assert bool(kind.use.paths) == ("path" in used), name
        assert bool(kind.use.flags) == ("flags" in used), name
    assert kinds_that("stores", frozenset({EXPERTS})) == ("STORE", "STORE_ROUTES")
    assert kinds_that("stores", frozenset({DECODERS})) == ("STORE", "STORE_RESIZED")
    assert kinds_that("moves") == ("LOAD", "STORE", "NORMALISE")
    assert kinds_of(DECODERS) == ("RESIZE", "STORE_RESIZED")
    assert kinds_of(EXPERTS) == ("GATHER", "ROUTE", "STORE_ROUTES")
    assert set(KINDS) - {"PRODUCT", "END"} <= set(USES)


def test_the_predicates_of_operations_name_the_kinds_and_paths_of_the_tables(sources: dict[str, str]) -> None:
    header = sources["src/operation.h"]

    def tested(name: str) -> set[str]:
        return set(re.findall(r"(?:KIND|PATH)_(\w+)", header.split(f"bool {name}(")[1].split("}")[0]))

    assert tested("moves_words") == {"LOAD", "STORE", "NORMALISE"}
    assert tested("loads_values") == {"LOAD"}
    assert tested("stores_results") == {"STORE", "STORE_ROUTES"}
    for name, side, fact in (
        ("is_from_residual", 0, "tail"), ("is_to_residual", 1, "tail"), ("is_to_cache", 1, "operands"),
    ):  # fmt: skip
        paths = (path for path in PATHS if getattr(MEMORIES[path[side]], fact))
        assert tested(name) == {"_TO_".join(path).upper() for path in paths}


def test_the_parameters_of_the_region_are_those_of_the_table(sources: dict[str, str]) -> None:
    signature = sources["src/engine.cpp"].split("void operate(")[1].split(")")[0]
    arrays = re.findall(r"(\w+) (\w+)\[\w+\]", signature)
    assert [row for row in arrays if row[1] not in ("queue", "places")] == [(p.row, p.name) for p in PARAMETERS]
