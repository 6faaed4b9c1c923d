"""Follows the rows of a decoder through the memories of a program: whoever reads a row that is not there is told.

Every operation of a decoder marks the addresses that it writes with its layer and the row of that layer's map, and
holds the marks of what it reads against the rows that its fields ask for. Where the tokens are stored their addresses
are marked; all else is forgotten when the next decoder begins. Nothing is computed.
"""

from __future__ import annotations

import re
from collections import defaultdict

import numpy as np

from edgemoe_gen.base.arithmetic import ceil_div
from edgemoe_gen.hardware.descriptor import Operation
from edgemoe_gen.hardware.kinds import SHIFTED, number
from edgemoe_gen.hardware.memories import PATHS
from edgemoe_gen.program.compile import Program

_LAYER = re.compile(r"decoders\.(\w+)\.(norm|ones|conv|resize|logits|result)_?(\d*)")
_TOKENS = ("tokens", 0, 0)


class StaleRowError(AssertionError):
    """An operation reads a row that is not there."""


class _Rows:
    def __init__(self, program: Program) -> None:
        self.lanes = program.design.knobs.tokens_parallel
        self.out_words = program.design.out_words
        self.marks = {name: np.full(depth, None, object) for name, depth in program.design.memory_depths.items()}
        self.next: dict[str, int] = defaultdict(int)  # row that a layer makes next

    def run(self, program: Program) -> None:
        begins = True
        for place, (op, layer) in enumerate(zip(program.operations, program.layers, strict=True)):
            found = _LAYER.fullmatch(layer)
            if found is None:
                if op.kind == number("STORE"):
                    self._tokens(op, PATHS[op.path][0])
                begins = True
                continue
            if found[2] == "ones" and begins:
                self._forget()
            begins = found[2] != "ones"
            self.at = f"operation {place} ({layer})"
            kind, level = found[2], int(found[3] or 0)
            source, destination = PATHS[op.path]
            getattr(self, f"_{kind}")(op, level, source, destination)

    def _read(self, memory: str, addresses: np.ndarray, wanted: tuple[str, int, int]) -> None:
        marks = self.marks[memory][addresses]
        wrong = [mark for mark in marks.reshape(-1) if mark != wanted]
        if wrong:
            raise StaleRowError(f"{self.at} wants row {wanted} in {memory}, but finds {wrong[0]}")

    def _write(self, memory: str, addresses: np.ndarray, mark: tuple[str, int, int]) -> None:
        for address in addresses.reshape(-1):
            self.marks[memory][address] = mark

    def _pixels(self, first: int, stride: int, blocks: int, words: int) -> np.ndarray:
        return first + np.arange(blocks)[:, None] * stride + np.arange(words)

    def _made(self, layer: str, rows: int = 1) -> range:
        first = self.next[layer]
        self.next[layer] = first + rows
        return range(first, first + rows)

    def _tokens(self, op: Operation, memory: str) -> None:
        self._forget(tokens=True)
        self._write(memory, self._token_places(op), _TOKENS)

    def _token_places(self, op: Operation) -> np.ndarray:
        blocks = ceil_div(op.source_lane + op.tokens, self.lanes)
        first = op.source_word + op.source_block * op.source_stride
        return self._pixels(first, op.source_stride, blocks, op.in_words)

    def _forget(self, tokens: bool = False) -> None:
        """A decoder begins, and finds nothing but tokens; or other tokens."""
        for marks in self.marks.values():
            marks[[tokens or mark != _TOKENS for mark in marks]] = None
        self.next.clear()

    def _norm(self, op: Operation, _: int, source: str, destination: str) -> None:
        (row,) = self._made("norm")
        self._read(source, self._token_places(op), _TOKENS)
        to = self._pixels(op.destination_word, op.destination_stride, ceil_div(op.tokens, self.lanes), op.in_words)
        self._write(destination, to, ("x", 0, row))

    def _ones(self, op: Operation, _: int, __: str, destination: str) -> None:
        to = self._pixels(op.destination_word, op.destination_stride, ceil_div(op.tokens, self.lanes), 1)
        self._write(destination, to, ("ones", 0, 0))

    def _conv(self, op: Operation, level: int, source: str, destination: str) -> None:
        assert op.flags & SHIFTED
        rows = op.blocks // op.row_blocks
        made = self._made(f"conv_{level}", rows)
        assert made.start == op.row
        slots = op.ring_last // op.row_words + 1
        for y in range(max(op.row - 1, 0), min(op.row + rows, op.height - 1) + 1):
            at = op.source_word + y % slots * op.row_words
            plain = op.tap_words - (1 if level == 0 else 0)
            self._read(source, self._pixels(at, op.source_stride, op.row_blocks, plain), ("x", level, y))
            if level == 0:
                ones = self._pixels(at + plain, op.source_stride, op.row_blocks, 1)
                self._read(source, ones, ("ones", 0, 0))
        self._product(op, destination, ("y", level), made, op.row_blocks)
        self.row_blocks = op.row_blocks

    def _product(self, op: Operation, memory: str, name: tuple[str, int], rows: range, row_blocks: int) -> None:
        for place, row in enumerate(rows):
            first = op.destination_word + place * row_blocks * op.destination_stride
            to = self._pixels(first, op.destination_stride, row_blocks, op.out_tiles * self.out_words)
            self._write(memory, to, (*name, row))

    def _logits(self, op: Operation, _: int, source: str, destination: str) -> None:
        row_blocks = self.row_blocks  # of the convolution just before
        made = self._made("logits", op.blocks // row_blocks)
        for place, row in enumerate(made):
            first = op.source_word + place * row_blocks * op.source_stride
            self._read(source, self._pixels(first, op.source_stride, row_blocks, op.in_words), ("y", 3, row))
        self._product(op, destination, ("logits", 0), made, row_blocks)

    def _resize(self, op: Operation, level: int, source: str, destination: str) -> None:
        (row,) = self._made(f"resize_{level}")
        self._doubled(op, source, ("y", level - 1), row)
        to = self._pixels(op.destination_word, op.destination_stride, ceil_div(op.tokens, self.lanes), op.in_words)
        self._write(destination, to, ("x", level, row))

    def _doubled(self, op: Operation, source: str, name: tuple[str, int], row: int) -> None:
        """Both rows of the smaller map; at the border there is one."""
        blocks, nearer = ceil_div(op.width, self.lanes), row // 2
        other = nearer + (1 if row % 2 else -1) if op.row_words else nearer
        for at, y in ((op.source_word, nearer), (op.source_word + op.row_words, other)):
            self._read(source, self._pixels(at, op.source_stride, blocks, op.in_words), (*name, y))

    def _result(self, op: Operation, _: int, source: str, __: str) -> None:
        if op.kind == number("STORE_RESIZED"):
            (row,) = self._made("result")
            self._doubled(op, source, ("logits", 0), row)
            return
        blocks = ceil_div(op.tokens, self.lanes)
        for place, row in enumerate(self._made("result", blocks // self.row_blocks)):
            first = op.source_word + place * self.row_blocks * op.source_stride
            self._read(source, self._pixels(first, op.source_stride, self.row_blocks, op.in_words), ("logits", 0, row))


def check_rows(program: Program) -> None:
    """Raises StaleRowError for the first operation that reads a row which another has replaced, or none has made."""
    _Rows(program).run(program)
