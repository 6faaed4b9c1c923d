"""Faults of the compiler of processes, one at a time: each changes one function of it.

A fault's process is the cheapest one whose test against its source (`test_rtl_process.py`) finds it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pytest import MonkeyPatch

from edgemoe_gen.rtl import compile as compile_module
from edgemoe_gen.rtl import expressions, plan, process
from edgemoe_gen.rtl.expressions import Expressions
from edgemoe_gen.rtl.pipeline import Pipeline
from edgemoe_gen.rtl.plan import Plan
from edgemoe_gen.rtl.state import State
from edgemoe_gen.rtl.trace import Trace
from edgemoe_gen.scheduling.components import Link


@dataclass(frozen=True)
class Fault:
    """What may be wrong with the compiler.

    Attributes:
        process: whose module must be found wrong by it.
        plant: changes the compiler.
    """

    name: str
    process: str
    plant: Callable[[MonkeyPatch], None]


def _replaced(old: str, new: str) -> Callable[[MonkeyPatch], None]:
    """In what is written, what a pattern finds becomes another text."""
    sound = process.make_process

    def faulty(*arguments: Any) -> process.Process:
        made = sound(*arguments)
        return replace(made, text=re.sub(old, new, made.text))

    return lambda patch: patch.setattr(compile_module, "make_process", faulty)


def _memories_go_on(patch: MonkeyPatch) -> None:
    sound = Pipeline.enables
    patch.setattr(Pipeline, "enables", lambda *arguments: ["1'b1" for _ in sound(*arguments)])


def _a_stage_early(patch: MonkeyPatch) -> None:
    sound = Pipeline.at

    def at(self: Pipeline, number: int, stage: int) -> str:
        return sound(self, number, max(stage - 1, self.plan.cycles[number]))

    patch.setattr(Pipeline, "at", at)


def _does_not_wait(signal: str) -> Callable[[MonkeyPatch], None]:
    sound = Pipeline._flow

    def flow(self: Pipeline) -> None:
        sound(self)
        for access in self.plan.accesses:
            for n, text in enumerate(self.blocked):
                self.blocked[n] = text.replace(f"~{access.port.name}_{signal}", "1'b0")

    return lambda patch: patch.setattr(Pipeline, "_flow", flow)


def _copies_what_waits(patch: MonkeyPatch) -> None:
    sound = Pipeline.text

    def text(self: Pipeline, begins: str) -> list[str]:
        lines = sound(self, begins)
        return [line.partition(" & ")[0] + ";" if "_filled[" in line and " & " in line else line for line in lines]

    patch.setattr(Pipeline, "text", text)


def _without_sign(patch: MonkeyPatch) -> None:
    sound = expressions.extended
    patch.setattr(expressions, "extended", lambda name, at, bits, _: sound(name, at, bits, False))


def _swapped_choice(patch: MonkeyPatch) -> None:
    sound = Expressions.of

    def of(self: Expressions, node: Any, *others: Any) -> str:
        text = sound(self, node, *others)
        if node.op != "select":
            return text
        condition, _, rest = text.partition(" ? ")
        first, _, second = rest.partition(" : ")
        return f"{condition} ? {second} : {first}"

    patch.setattr(Expressions, "of", of)


def _burst_a_beat_short(patch: MonkeyPatch) -> None:
    sound = State.request

    def request(self: State, place: Any, values: Any, condition: int) -> None:
        first, beats = values
        sound(self, place, [first, self._plus(beats, -1)], condition)

    patch.setattr(State, "request", request)


def _read_in_the_cycle_of_a_write(patch: MonkeyPatch) -> None:
    def link(*fields: Any, **named: Any) -> Link:
        made = Link(*fields, **named)
        return replace(made, gap=0) if made.from_start else made

    patch.setattr(plan, "Link", link)


def _without_dependences(patch: MonkeyPatch) -> None:
    patch.setattr(plan, "_distance", lambda *_: 0)


def _way_out_without_condition(patch: MonkeyPatch) -> None:
    sound = plan.plan_region

    def plan_region(*arguments: Any) -> Plan:
        made = sound(*arguments)
        if made.trace.region.is_loop:
            return made
        return replace(made, leaving=(*made.leaving[:-1], made.trace.graph.const(1, 1)))

    patch.setattr(compile_module, "plan_region", plan_region)


def _index_a_place_off(patch: MonkeyPatch) -> None:
    sound = State._places

    def places(self: State, place: Any, width: int, size: int) -> Any:
        found = sound(self, place, width, size)
        offsets = [offset for _, offset in found]
        return [(where, at) for (where, _), at in zip(found, [*offsets[1:], *offsets[:1]], strict=True)]

    patch.setattr(State, "_places", places)


def _last_way_in(patch: MonkeyPatch) -> None:
    sound = Trace.chosen
    patch.setattr(Trace, "chosen", lambda self, ways, condition: sound(self, ways[-1:], condition))


FAULTS = (
    Fault("values are taken a stage early", "dispatch", _a_stage_early),
    Fault("nothing waits for room", "dispatch", _does_not_wait("full_n")),
    Fault("nothing waits for elements", "fetch_weights", _does_not_wait("empty_n")),
    Fault("what waits goes on as well", "fetch_weights", _copies_what_waits),
    Fault("registers move in a stall", "dispatch", _replaced(r"if \(\w+_go\[2\]\) begin", "begin")),
    Fault("memories go on in a stall", "dispatch", _memories_go_on),
    Fault("signs are not extended", "weigh_choices", _without_sign),
    Fault("choices are swapped", "dispatch", _swapped_choice),
    Fault("a burst is a beat short", "fetch_weights", _burst_a_beat_short),
    Fault("distances are ignored", "choose_experts", _without_dependences),
    Fault("a memory is read in the cycle of a write", "choose_experts", _read_in_the_cycle_of_a_write),
    Fault("reset leaves stages filled", "dispatch", _replaced("_filled <= '0", "_filled <= '1")),
    Fault("the next region begins too early", "dispatch", _replaced(r"~\|\w+_valid\b", "1'b1")),
    Fault("a way out is taken without its condition", "dispatch", _way_out_without_condition),
    Fault("an index is a place off", "fetch_weights", _index_a_place_off),
    Fault("a choice between ways takes the last one", "weigh_choices", _last_way_in),
)

__all__ = ["FAULTS", "Fault"]
