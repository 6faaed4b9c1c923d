"""Changes of a file's bytes, of the kinds by which files break or are made to break a reader."""

from __future__ import annotations

import random
import re

_TOKENS = (
    b"\0", b"\xff" * 4, b"-1", b"1e999", b"NaN", b"9" * 40, b"0x" + b"f" * 400, b"<", b">", b"&", b'"', b"'", b"{",
    b"}", b"[", b"]", b"\n", b"\r", b"|", b"+", b"-----", b"\xe2\x80\xae", b"\xed\xa0\x80", b"null", b"true", b"*a",
    b"&a ", b"<<: ", b".", b"R", b"b", b"t", b"(", b"\x85", b"\x81", b"Q", b"h\0", b"\x1b[31m", b"\x7f\xff\xff\xff",
    b"\x80\0\0\0",
)  # fmt: skip
_NUMBERS = (b"-1", b"0", b"1e400", b"9" * 30, b"nan", b"inf", b"3.5", b"99999999", b"18446744073709551616")


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The bytes with one to eight changes: bits, tokens, cuts, repetitions, numbers; mostly where structure is."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        place = rng.randrange(len(changed) + 1)
        if len(changed) > 4000 and rng.random() < 0.6:
            place = rng.choice((rng.randrange(400), len(changed) - 1 - rng.randrange(400)))
        _change(changed, place, rng)
    return bytes(changed)


def _change(changed: bytearray, place: int, rng: random.Random) -> None:
    token = rng.choice(_TOKENS)
    kind = rng.randrange(8)
    if kind == 0 and changed:
        changed[place % len(changed)] ^= 1 << rng.randrange(8)
    elif kind == 1:
        changed[place:place] = token
    elif kind == 2:
        changed[place : place + len(token)] = token
    elif kind == 3:
        del changed[place : place + rng.randrange(1, 40)]
    elif kind == 4:
        end = place + rng.randrange(1, 200)
        changed[place:place] = changed[place:end] * rng.choice((1, 2, 50))
    elif kind == 5:
        value = rng.choice((0, 1, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 1 << 24))
        changed[place : place + 4] = value.to_bytes(4, "little")
    elif kind == 6 and rng.random() < 0.5:
        del changed[rng.randrange(len(changed) + 1) :]
    elif numbers := list(re.finditer(rb"\d+", bytes(changed[:5000]))):
        found = rng.choice(numbers)
        changed[found.start() : found.end()] = rng.choice(_NUMBERS)
