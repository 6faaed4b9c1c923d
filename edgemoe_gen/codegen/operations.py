"""Operations for the templates: names and predicates of `operation.h`, and the arrays of `operate`.

In: a design, and the tables of `hardware`. Out: names for the templates, which compute nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgemoe_gen.design import Design
from edgemoe_gen.design.storage import shared_depths
from edgemoe_gen.hardware import descriptor
from edgemoe_gen.hardware.kinds import FLAGS, KINDS, OPERANDS, kinds_that
from edgemoe_gen.hardware.memories import (
    CACHE,
    DECODER_PATHS,
    GATHERED,
    GATHERING_PATH,
    MEMORIES,
    PATHS,
    ROUTER_SOURCE,
    SCORES_PATH,
    TAILED,
    VALUES_PATH,
    ActivationMemory,
    parameters,
    rest_of,
    tail_of,
)
from edgemoe_gen.hardware.parts import DECODERS

MAXIMA = "maxima"
QUEUE = ("queue.by_expert", "queue.places")


def operations_context(design: Design) -> dict[str, Any]:
    """Names that the templates of operations and of the engine use."""
    parts = design.parts
    return {
        "kinds": {name: kind.meaning for name, kind in KINDS.items()},
        "operands": {name: operand.meaning for name, operand in OPERANDS.items()},
        "flags": FLAGS,
        "statuses": descriptor.STATUSES,
        "fields": descriptor.field_places(parts),
        "run_time_fields": descriptor.run_time_fields(parts),
        "predicates": _predicates(parts),
        "paths": [_path(design, *path) for path in PATHS if DECODERS in parts or path not in DECODER_PATHS],
        "memories": _memories(design),
        "parameters": parameters(parts),
        "router_source": ROUTER_SOURCE,
    }


def _predicates(parts: frozenset[str]) -> list[dict[str, str]]:
    """Functions of `operation.h` that say whether an operation's kind or path has a property."""
    tailed = {name for name, memory in MEMORIES.items() if memory.tail}
    operands = {name for name, memory in MEMORIES.items() if memory.operands}
    rows = [
        ("is_from_residual", "its source keeps a tail", _paths(lambda source, _: source in tailed)),
        ("is_to_residual", "its destination keeps a tail", _paths(lambda _, destination: destination in tailed)),
        (
            "is_to_cache",
            "its destination holds keys and values",
            _paths(lambda _, destination: destination in operands),
        ),
        ("moves_words", "it moves words past the compute unit", _kinds("moves", parts)),
        ("loads_values", "its values come from DDR", _kinds("loads", parts)),
        ("stores_results", "its results go to DDR", _kinds("stores", parts)),
    ]
    return [{"name": name, "meaning": meaning, "test": test} for name, meaning, test in rows]


def _kinds(fact: str, parts: frozenset[str]) -> str:
    return " || ".join(f"op.kind == KIND_{name}" for name in kinds_that(fact, parts))


def _paths(holds: Callable[[str, str], bool]) -> str:
    return " || ".join(f"op.path == {_path_name(*path)}" for path in PATHS if holds(*path))


def _path_name(source: str, destination: str) -> str:
    return f"PATH_{source.upper()}_TO_{destination.upper()}"


def _memories(design: Design) -> list[dict[str, Any]]:
    """All arrays of `execute` that have lanes: the memories, and what stands in where an operation has none.

    Memories that `operate` takes by one parameter have one depth where that costs nothing.
    With stand-ins, two arguments of a call are never the same array. A stand-in has the layout of the array that it
    replaces, since one instance of `operate` has one set of ports.
    """
    storage = design.storage.primitive
    shared = shared_depths(design.storage, design.memories)
    rows = []
    for memory in MEMORIES.values():
        first, last = shared.get(memory.name, (False, False))
        depth = "FIRST_DEPTH" if first else _depth(memory)
        rows.append(_array(memory.name, memory.row, depth, memory.meaning, storage[memory.name]))
        if memory.name in design.storage.split:
            depth = "REST_DEPTH" if last else f"{_depth(memory)} - SPLIT_DEPTH"
            rows.append(_array(rest_of(memory.name), memory.row, depth, "its last addresses", "bram"))
    for memory in MEMORIES.values():
        if memory.tail:
            name, meaning = tail_of(memory.name), "what it keeps below an activation's binary point"
            rows.append(_array(name, "tail_row_t", _depth(memory), meaning, storage[name]))
    # Rows of maxima are numbers; all others are structures, of which a word keeps every value.
    rows.append(_array(MAXIMA, "maxima_row_t", "SCORE_BLOCKS", "largest score of every row", "lutram", False))
    rows += [
        _array(p.absent, p.row, "STAND_IN_DEPTH", "never used", "lutram", p.structures)
        for p in parameters(design.parts)
        if p.stand_in
    ]
    return rows


def _array(name: str, row: str, depth: str, meaning: str, storage: str, structures: bool = True) -> dict[str, Any]:
    return {
        "name": name,
        "type": row,
        "depth": depth,
        "meaning": meaning,
        "storage": storage,
        "latency": 2 if structures else 1,
        "aggregate": structures,
    }


def _depth(memory: ActivationMemory) -> str:
    return f"{memory.name.upper()}_DEPTH"


def _path(design: Design, source: str, destination: str) -> dict[str, Any]:
    """Arguments of `operate` for an operation from one memory to another, in groups."""
    to_operands, experts = MEMORIES[destination].operands, design.has_experts
    given = {"source": source}
    _give_rest(design, given, "source", source)
    if source in TAILED:
        given["source_tail"] = tail_of(source)
    if to_operands:
        given["cache_after"] = destination
    else:
        given |= {"destination": destination, "cache_before": CACHE}
        _give_rest(design, given, "destination", destination)
        if destination in TAILED:
            given["destination_tail"] = tail_of(destination)
    if (source, destination) == GATHERING_PATH and experts:
        for parameter, memory in zip(("gather_source", "gather_destination"), GATHERED, strict=True):
            given[parameter] = memory
            _give_rest(design, given, parameter, memory)
    if (source, destination) == VALUES_PATH:
        given["maxima_before"] = MAXIMA
    if (source, destination) == SCORES_PATH:
        given["maxima_after"] = MAXIMA
    arguments = {p.name: given.get(p.name, p.absent) for p in parameters(design.parts)}
    groups = (
        ("source", "source_rest", "source_tail"),
        ("destination", "destination_rest", "destination_tail"),
        ("cache_before", "cache_after"),
        *(
            [("gather_source", "gather_source_rest", "gather_destination", "gather_destination_rest")]
            if experts
            else []
        ),
    )
    maxima = [arguments["maxima_before"], arguments["maxima_after"]]
    last = [*QUEUE, *maxima] if experts else maxima
    return {
        "name": _path_name(source, destination),
        "arguments": [*([arguments[name] for name in group] for group in groups), last],
    }


def _give_rest(design: Design, given: dict[str, str], parameter: str, memory: str) -> None:
    if memory in design.storage.split:
        given[f"{parameter}_rest"] = rest_of(memory)
