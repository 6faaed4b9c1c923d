"""Reads a pickle as data: an interpreter of its opcodes that has no way to import, call or build anything foreign.

In: bytes. Out: a value of str, int, bool, None, list, tuple and dict, and objects that `Meaning` makes of names and
calls. Every step has a cost that does not depend on the file's claims. A dict keeps keys of str and int only,
so that nothing foreign is ever hashed or compared. The opcodes are those of pickletools, protocols 1 to 5.
"""

from __future__ import annotations

import gc
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

_STEPS = 1_000_000  # opcodes and items of containers in one file; a checkpoint has 30 a tensor
_TEXT = 64 << 20  # characters of all texts that are kept
_LONG_TEXT = 1 << 16  # bytes of a text beyond which it is no name, and read over
_LINE = 1024  # bytes of an argument that is a line


class PickleError(Exception):
    """The bytes are no pickle, or a pickle that is refused; says why in a few words."""


class CutPickleError(PickleError):
    """The bytes end before the pickle does."""


@dataclass(frozen=True)
class Global:
    """A class or function that a pickle mentions by name. Nothing is imported."""

    name: str


@dataclass(frozen=True)
class Ignored:
    """A skipped value; `of` names its class if the class is foreign."""

    of: str = ""


@dataclass(frozen=True)
class LongText(Ignored):
    """A text that is too long for a name."""

    length: int = 0


class Meaning(Protocol):
    """Meaning of names and calls in a pickle; raises `PickleError` or an error of its own to refuse."""

    def call(self, function: object, arguments: object) -> object:
        """The result of a call, or an instance."""

    def instance(self, kind: object, arguments: object) -> object:
        """A new instance of a class."""

    def persistent(self, key: object) -> object:
        """The object outside the pickle under this key."""


def read_pickle(data: memoryview, meaning: Meaning, start: int = 0, budget: Budget | None = None) -> tuple[Any, int]:
    """The value of the pickle that begins at `start`, and where it ends.

    Raises:
        PickleError: truncated, damaged, or too large.
    """
    reader = _Reader(data, start, meaning, budget or Budget())
    collecting = gc.isenabled()
    gc.disable()  # nearly all that is made stays, and beside PyTorch each look for rubbish takes as long as the file
    try:
        return reader.run()
    except (IndexError, struct.error, ValueError, TypeError, KeyError) as error:
        raise PickleError("damaged") from error
    finally:
        if collecting:
            gc.enable()


class Budget:
    """Steps that are left for one file, over all pickles in it."""

    def __init__(self) -> None:
        self.steps, self.text = _STEPS, _TEXT

    def spend(self, steps: int) -> None:
        """Takes steps off.

        Raises:
            PickleError: too few steps are left.
        """
        self.steps -= steps
        if self.steps < 0:
            raise PickleError(f"a pickle of more than {_STEPS:,} steps")


class _StopError(Exception):
    pass


class _Reader:
    def __init__(self, data: memoryview, place: int, meaning: Meaning, budget: Budget) -> None:
        self.data, self.place, self.meaning, self.budget = data, place, meaning, budget
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> tuple[Any, int]:
        data, budget, steps = self.data, self.budget, _STEPS_BY_CODE
        end = len(data)
        while self.place < end:
            step = steps[data[self.place]]
            if step is None:
                raise PickleError(f"opcode {data[self.place]}, which is none that is read")
            self.place += 1
            budget.steps -= 1
            if budget.steps < 0:
                budget.spend(0)
            try:
                step(self)
            except _StopError:
                return self.stack.pop(), self.place
        raise CutPickleError("truncated")

    # Arguments.

    def take(self, count: int) -> memoryview:
        if count < 0 or self.place + count > len(self.data):
            raise CutPickleError("truncated")
        part = self.data[self.place : self.place + count]
        self.place += count
        return part

    def byte(self) -> int:
        self.place += 1
        return self.data[self.place - 1]

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "little")

    def line(self) -> str:
        found = bytes(self.data[self.place : self.place + _LINE]).find(b"\n")
        if found < 0:
            if len(self.data) - self.place < _LINE:
                raise CutPickleError("truncated")
            raise PickleError("a line without an end")
        text = bytes(self.take(found)).decode("utf-8", "backslashreplace")
        self.place += 1
        return text

    def text(self, count: int) -> None:
        part = self.take(count)
        if count > _LONG_TEXT:
            self.stack.append(LongText(length=count))
            return
        self.budget.text -= count
        if self.budget.text < 0:
            raise PickleError("a pickle with too much text")
        self.stack.append(str(part, "utf-8", "backslashreplace"))

    # Values.

    def skip(self, count: int) -> None:
        self.take(count)
        self.stack.append(Ignored())

    def integer(self, count: int) -> None:
        part = self.take(count)
        self.stack.append(int.from_bytes(part, "little", signed=True) if count <= 16 else Ignored())

    def decimal(self) -> None:
        text = self.line().removesuffix("L")
        special = {"00": False, "01": True}
        self.stack.append(special[text] if text in special else int(text) if len(text) <= 40 else Ignored())

    def ignored_line(self) -> None:
        self.line()
        self.stack.append(Ignored())

    # Containers.

    def items(self) -> list[Any]:
        """The values above the last mark; removes them and the mark."""
        place = self.marks.pop()
        found = self.stack[place:]
        del self.stack[place:]
        return found

    def tupled(self, count: int) -> None:
        if count > len(self.stack):
            raise PickleError("damaged")
        self.stack[len(self.stack) - count :] = [tuple(self.stack[len(self.stack) - count :])]

    def items_as_dict(self) -> None:
        items = self.items()
        self.stack.append({})
        self.fill(items)

    def items_ignored(self) -> None:
        self.items()
        self.stack.append(Ignored())

    def fill_one(self) -> None:
        pair = self.stack[-2:]
        del self.stack[-2:]
        self.fill(pair)

    def extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, list):
            target.extend(items)
        elif not isinstance(target, Ignored):
            raise PickleError("damaged")

    def fill(self, items: list[Any]) -> None:
        if len(items) % 2:
            raise PickleError("damaged")
        target = self.stack[-1]
        if isinstance(target, Ignored):
            return
        if type(target) is not dict:
            raise PickleError("damaged")
        put_all(target, zip(items[::2], items[1::2], strict=True))

    def put(self, place: int) -> None:
        self.memo[place] = self.stack[-1]

    def get(self, place: int) -> None:
        self.stack.append(self.memo[place])

    # Names and calls.

    def named(self, module: object, name: object) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise PickleError("damaged")
        self.stack.append(Global(f"{module}.{name}"))

    def named_by_stack(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.named(module, name)

    def call(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        self.stack.append(self.meaning.call(function, arguments))

    def instance(self, named: bool = False) -> None:
        if named:
            self.stack.pop()
        arguments, kind = self.stack.pop(), self.stack.pop()
        self.stack.append(self.meaning.instance(kind, arguments))

    def call_above_mark(self, function: object = None) -> None:
        items = self.items()
        if function is None:
            function = items.pop(0)
        self.stack.append(self.meaning.call(function, tuple(items)))

    def called_by_line(self) -> None:
        module, name = self.line(), self.line()
        self.call_above_mark(Global(f"{module}.{name}"))

    def state(self) -> None:
        del self.stack[-1]
        self.stack[-1]  # it must be there; what the state would change is of no use here

    def stop(self) -> None:
        if len(self.stack) != 1 or self.marks:
            raise PickleError("damaged")
        raise _StopError


def put_all(target: dict[str | int, Any], pairs: Any) -> None:
    """Adds pairs whose keys are texts or small numbers; skips others.

    Raises:
        PickleError: a key comes twice, or is a text too long for a name.
    """
    for key, value in pairs:
        if isinstance(key, LongText):
            raise PickleError(f"a key of {key.length:,} bytes")
        if type(key) is str or (type(key) is int and abs(key) < 1 << 63):
            if key in target:
                raise PickleError("a key that comes twice")
            target[key] = value


def _steps() -> list[Callable[[_Reader], object] | None]:
    """The action of each opcode, by its byte."""
    signed = struct.Struct("<i").unpack
    table: dict[bytes, Callable[[_Reader], object]] = {
        b"\x80": lambda r: r.take(1),  # PROTO
        b"\x95": lambda r: r.take(8),  # FRAME
        b".": _Reader.stop,
        b"(": lambda r: r.marks.append(len(r.stack)),
        b"0": lambda r: r.stack.pop(),
        b"1": _Reader.items,
        b"2": lambda r: r.stack.append(r.stack[-1]),
        # Plain values.
        b"N": lambda r: r.stack.append(None),
        b"\x88": lambda r: r.stack.append(True),
        b"\x89": lambda r: r.stack.append(False),
        b"I": _Reader.decimal,
        b"L": _Reader.decimal,
        b"J": lambda r: r.stack.append(signed(r.take(4))[0]),
        b"K": lambda r: r.stack.append(r.byte()),
        b"M": lambda r: r.stack.append(r.number(2)),
        b"\x8a": lambda r: r.integer(r.byte()),
        b"\x8b": lambda r: r.integer(r.number(4)),
        b"F": _Reader.ignored_line,
        b"G": lambda r: r.skip(8),
        b"S": _Reader.ignored_line,
        b"V": _Reader.ignored_line,
        b"T": lambda r: r.text(r.number(4)),
        b"U": lambda r: r.text(r.byte()),
        b"X": lambda r: r.text(r.number(4)),
        b"\x8c": lambda r: r.text(r.byte()),
        b"\x8d": lambda r: r.text(r.number(8)),
        b"B": lambda r: r.skip(r.number(4)),
        b"C": lambda r: r.skip(r.byte()),
        b"\x8e": lambda r: r.skip(r.number(8)),
        b"\x96": lambda r: r.skip(r.number(8)),
        # Containers; sets are read over.
        b"]": lambda r: r.stack.append([]),
        b"}": lambda r: r.stack.append({}),
        b")": lambda r: r.stack.append(()),
        b"\x8f": lambda r: r.stack.append(Ignored()),
        b"t": lambda r: r.stack.append(tuple(r.items())),
        b"l": lambda r: r.stack.append(r.items()),
        b"d": _Reader.items_as_dict,
        b"\x91": _Reader.items_ignored,
        b"\x85": lambda r: r.tupled(1),
        b"\x86": lambda r: r.tupled(2),
        b"\x87": lambda r: r.tupled(3),
        b"a": lambda r: r.extend([r.stack.pop()]),
        b"e": lambda r: r.extend(r.items()),
        b"\x90": lambda r: r.extend(r.items()),
        b"s": _Reader.fill_one,
        b"u": lambda r: r.fill(r.items()),
        # The memo.
        b"p": lambda r: r.put(int(r.line()[:20])),
        b"q": lambda r: r.put(r.byte()),
        b"r": lambda r: r.put(r.number(4)),
        b"\x94": lambda r: r.put(len(r.memo)),
        b"g": lambda r: r.get(int(r.line()[:20])),
        b"h": lambda r: r.get(r.byte()),
        b"j": lambda r: r.get(r.number(4)),
        # Names, calls and what lies outside.
        b"c": lambda r: r.named(r.line(), r.line()),
        b"\x93": _Reader.named_by_stack,
        b"R": _Reader.call,
        b"\x81": _Reader.instance,
        b"\x92": lambda r: r.instance(named=True),
        b"o": _Reader.call_above_mark,
        b"i": _Reader.called_by_line,
        b"b": _Reader.state,
        b"Q": lambda r: r.stack.append(r.meaning.persistent(r.stack.pop())),
    }
    return [table.get(bytes([code])) for code in range(256)]


_STEPS_BY_CODE = _steps()
