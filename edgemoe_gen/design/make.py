"""Makes a design of knobs, a board and depths of FIFOs, and checks every rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edgemoe_gen.base.errors import KnobError
from edgemoe_gen.design.design import Design
from edgemoe_gen.design.fifos import fifo_rules
from edgemoe_gen.design.knobs import Knobs
from edgemoe_gen.design.rules import Rule, rules
from edgemoe_gen.hardware.boards import Board


def make_design(knobs: Knobs, board: Board, fifo_depths: Mapping[str, int] | None = None) -> Design:
    """A design whose knobs fit each other and the board's ports.

    `estimate` says whether the design fits the board's resources.

    Raises:
        KnobError: names the knobs or FIFOs, their values, and the rule that they break.
    """
    design = Design(knobs, board, dict(fifo_depths or {}))
    for broken, message, hint in _rules(design):
        if broken:
            raise KnobError(message, hint)
    return design


def _rules(design: Design) -> Iterator[Rule]:
    """All rules; those of FIFOs rely on the others."""
    yield from rules(design)
    yield from fifo_rules(design.knobs, design.fifos, design.fifo_depths)
