"""Rules of a manifest: one table for its entries, and rules between entries.

In: a manifest as JSON. Out: nothing, or an error that names the entry, its value and the rule. Entries that the driver
does not read are not checked.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any, NamedTuple

MOST = 1 << 40  # of a size in bytes or a number; far beyond any board
LONGEST = 200  # characters of a name


class Kind(NamedTuple):
    """A kind of value: its meaning in words, and the test of a value."""

    words: str
    holds: Callable[[Any], bool]


class Rows(NamedTuple):
    """A list, each entry by one rule."""

    rule: Rule
    least: int = 0
    most: int = 1 << 20


class Named(NamedTuple):
    """A table with names of any kind, each value by one rule."""

    rule: Rule


class Maybe(NamedTuple):
    """A value by the rule, or null; or missing, where `absent` is set."""

    rule: Rule
    absent: bool = False


Rule = Any  # one of these four, or a table of rules by key; boards' Python knows no union of types at run time


def whole(least: int, most: int = MOST) -> Kind:
    """Whole numbers of a range."""
    return Kind(
        f"a whole number from {least} to {most}",
        lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most,
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < MOST  # NaN is not


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST and (value.isprintable() or not value)


def _is_file(value: Any) -> bool:
    if not _is_text(value) or not value or "\\" in value:
        return False
    path = PurePosixPath(value)
    return not path.is_absolute() and ".." not in path.parts and path.as_posix() == value != "."


def _is_identity(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 16 and all(c in "0123456789abcdef" for c in value)


TEXT = Kind("a line of text", _is_text)
FILE = Kind("the name of a file inside of the overlay", _is_file)
FLAG = Kind("true or false", lambda value: isinstance(value, bool))
NUMBER = Kind("a finite number", _is_number)
POSITIVE = Kind("a number above 0", lambda value: _is_number(value) and value > 0)
NOT_ZERO = Kind("a number other than 0", lambda value: _is_number(value) and value != 0)
IDENTITY = Kind("16 hexadecimal digits", _is_identity)
COUNT, SIZE = whole(0), whole(1)
CHECKSUM = Kind("a SHA-256", lambda value: isinstance(value, str) and len(value) == 64 and _is_identity(value[:16]))
RESIZE = Kind('"error" or "bilinear"', lambda value: value in ("error", "bilinear"))
DECODER = Kind('"up_head" or "head"', lambda value: value in ("up_head", "head"))

OPERATIONS: Rule = {
    "total": whole(1, 1 << 20), "image": Rows(COUNT), "result": Rows(COUNT), "parts": Named(TEXT),
    "backbone": whole(1, 1 << 20), "frames": whole(1, 64),
}  # fmt: skip
WHERE = Kind('"engine", "logits", "host" or ""', lambda value: value in ("engine", "logits", "host", ""))
REASON = Kind("a sentence", lambda value: isinstance(value, str) and len(value) <= 2000)
MAP_KIND = Kind('"classes", "values" or "logits"', lambda value: value in ("classes", "values", "logits"))
RESULT: Rule = {
    "first": COUNT, "row_bytes": SIZE, "tokens": whole(1, 1 << 15), "dim": whole(1, 1 << 16),
    "fraction": whole(-64, 64), "size": SIZE,
}  # fmt: skip
MAP: Rule = Maybe({
    "kind": MAP_KIND, "first": COUNT, "row_bytes": whole(1, 1 << 28), "pixel_bytes": whole(1, 1 << 18),
    "height": whole(1, 1 << 15), "width": whole(1, 1 << 15), "channels": whole(1, 1 << 16), "fraction": whole(-64, 64),
})  # fmt: skip
RULES: Rule = {
    "name": TEXT,
    "version": TEXT,
    "design": {"identity": IDENTITY},
    "clock_mhz": POSITIVE,
    "bitstream": Maybe(TEXT, absent=True),
    "hardware": {"bitstream": FILE, "handoff": FILE, "engine": TEXT, "identity_block": TEXT},
    "statuses": Rows(Rows(TEXT, 2, 2), 1, 64),
    "network": {"grid": Rows(whole(1, 4096), 2, 2), "shares_backbone": FLAG},
    "image": {
        "height": whole(1, 1 << 15), "width": whole(1, 1 << 15), "scale": POSITIVE, "mean": Rows(NUMBER, 3, 3),
        "std": Rows(NOT_ZERO, 3, 3), "resize": RESIZE, "patch": whole(1, 1 << 12), "class_token": FLAG,
        "extra_tokens": whole(0, 1 << 12), "tokens": whole(1, 1 << 15), "bits": whole(2, 32),
        "fraction": whole(-64, 64), "size": SIZE,
        "slices": Rows({"first": COUNT, "row_bytes": SIZE, "start": COUNT, "stop": SIZE}, 1),
    },
    "weights": {
        "file": FILE, "header_bytes": COUNT, "ports": whole(1, 64), "port_bytes": COUNT, "constant_bytes": COUNT,
    },
    "program": {
        "header_words": whole(1, 1024), "operation_words": whole(1, 1024), "operations_word": whole(0, 1023),
        "frames_word": whole(0, 1023), "checksum_word": whole(0, 1023), "transfer_word": whole(0, 1023),
        "beat_bytes": whole(1, 1024), "most_operations": whole(1, 1 << 24),
    },
    "decoders": {"file": Maybe(FILE), "norm_eps": NUMBER, "align_corners": FLAG},
    "selftest_image": FILE,
    "tasks": Rows(
        {
            "name": TEXT, "classes": Maybe(whole(1, 1 << 16)), "class_names": Rows(TEXT), "program": FILE,
            "operations": OPERATIONS, "pass": Maybe({"program": FILE, "operations": OPERATIONS}),
            "where": WHERE, "reason": REASON, "decoder": Maybe(DECODER), "decoder_tensors": TEXT, "expected": FILE,
            "result": RESULT, "map": MAP,
            "variants": Named({"program": FILE, "operations": OPERATIONS, "result": RESULT, "map": MAP}),
        },
        1, 256,
    ),
    "files": Named(CHECKSUM),
}  # fmt: skip


def check_manifest(content: Any) -> None:
    """Checks a manifest against the table, and its entries against each other.

    Raises:
        ValueError: names the first entry that is wrong.
    """
    _check(content, RULES, "")
    _check_image(content["image"], content["network"]["grid"])
    if len({task["name"] for task in content["tasks"]}) < len(content["tasks"]):
        raise ValueError("two tasks have one name")
    for number, task in enumerate(content["tasks"]):
        for own in (task, *task["variants"].values()):
            _check_result(number, own)
        for operations in (own["operations"] for own in (task, task["pass"] or task, *task["variants"].values())):
            last = max([*operations["image"], *operations["result"], operations["backbone"] - 1])
            if last >= operations["total"]:
                raise ValueError(f"tasks.{number} names operations beyond its {operations['total']}")
    if content["network"]["shares_backbone"]:
        _check_backbones([own for task in content["tasks"] for own in (task, *task["variants"].values())])


def _check_result(number: int, task: dict[str, Any]) -> None:
    """Tokens and map lie within the result buffer, and a pixel within its row."""
    result, layout = task["result"], task["map"]
    size = result["size"]
    if result["dim"] * 4 > result["row_bytes"] or not _fits(result, result["tokens"], size):
        raise ValueError(f"tasks.{number}.result does not fit its size of {size} bytes")
    if layout is None:
        return
    value = {"classes": 1, "values": 2, "logits": 4}[layout["kind"]]
    pixel, row = layout["pixel_bytes"], layout["row_bytes"]
    if layout["channels"] * value > pixel or pixel % value or row % pixel or layout["width"] * pixel > row:
        raise ValueError(f"tasks.{number}.map has rows of {row} bytes, which its pixels do not fit")
    if layout["first"] % value or not _fits(layout, layout["height"], size):
        raise ValueError(f"tasks.{number}.map does not fit its size of {size} bytes")


def _check_backbones(programs: list[dict[str, Any]]) -> None:
    """Tasks that share the backbone have the same backbone and tokens, followed only by a map."""
    first = programs[0]
    for own in programs:
        same = all(own["result"][key] == first["result"][key] for key in own["result"] if key != "size")
        tokens, layout = own["result"], own["map"]
        end = tokens["first"] + tokens["tokens"] * tokens["row_bytes"]
        if not same or own["operations"]["backbone"] != first["operations"]["backbone"]:
            raise ValueError("network.shares_backbone is true, but the tasks' backbones or tokens differ")
        if layout is not None and layout["first"] < end:
            raise ValueError("network.shares_backbone is true, but a map lies before the end of the tokens")


def _check_image(image: dict[str, Any], grid: list[int]) -> None:
    patches = grid[0] * grid[1]
    if [grid[0] * image["patch"], grid[1] * image["patch"]] != [image["height"], image["width"]]:
        raise ValueError(f"network.grid is {grid}, which patches of {image['patch']} pixels do not make of the image")
    if image["tokens"] != patches + image["class_token"] + image["extra_tokens"]:
        raise ValueError(f"image.tokens is {image['tokens']}, but there are {patches} patches")
    for number, part in enumerate(image["slices"]):
        columns = part["stop"] - part["start"]
        if columns < 1 or part["stop"] > 3 * image["patch"] ** 2 or columns * 2 > part["row_bytes"]:
            raise ValueError(f"image.slices.{number} is no piece of a patch")
        if not _fits(part, image["tokens"], image["size"]):
            raise ValueError(f"image.slices.{number} does not fit image.size, {image['size']} bytes")


def _fits(rows: dict[str, Any], count: int, size: int) -> bool:
    return bool(rows["first"] + count * rows["row_bytes"] <= size)


def _check(value: Any, rule: Rule, where: str) -> None:
    if isinstance(rule, Maybe):
        if value is not None:
            _check(value, rule.rule, where)
    elif isinstance(rule, Kind):
        if not rule.holds(value):
            raise ValueError(f"{where} is {_shown(value)}, which is not {rule.words}")
    elif isinstance(rule, Rows):
        if not isinstance(value, list) or not rule.least <= len(value) <= rule.most:
            many = f"of {rule.least} to {rule.most} entries" if rule.least != rule.most else f"of {rule.least} entries"
            raise ValueError(f"{where} is {_shown(value)}, which is not a list {many}")
        for number, entry in enumerate(value):
            _check(entry, rule.rule, f"{where}.{number}")
    elif not isinstance(value, dict):
        raise ValueError(f"{where or 'it'} is {_shown(value)}, which is not a table")
    elif isinstance(rule, Named):
        for key, entry in value.items():
            _check(key, TEXT, f"a name in {where}")
            _check(entry, rule.rule, f"{where}.{key}")
    else:
        for key, inner in rule.items():
            if key not in value and not (isinstance(inner, Maybe) and inner.absent):
                raise ValueError(f"{where + '.' if where else ''}{key} is missing")
            _check(value.get(key), inner, f"{where + '.' if where else ''}{key}")


def _shown(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."
