"""Program and weight files: little-endian, checksummed, each with the identity of the design that it was made for.

`program.bin`   header of 32 32-bit words, then 32 words an operation (`descriptor.field_places`).
`weights.bin`   header of 16 32-bit words, then the region of every weight port, then the constants.

Words of the program's header: 0 magic, 1 version, 2-3 design identity, 4 operations, 5 frames, 8 CRC-32 of the whole
file with this word as 0, 9 CRC-32 of the weight file's contents. Words of the weight file's header
(`descriptor.WEIGHT_HEADER`): magic, version, design identity, ports, beats a port, beats of constants, bytes of a beat,
CRC-32 of everything behind the header, CRC-32 of the header with this word as 0.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.base.errors import ProgramError
from edgemoe_gen.base.reading import read_bytes
from edgemoe_gen.design import Design
from edgemoe_gen.hardware import descriptor as d
from edgemoe_gen.program.compile import Program
from edgemoe_gen.program.pack import Bytes
from edgemoe_gen.program.verify import Room, verify_program

WEIGHT_CHECKSUM_WORD = 9

Words = NDArray[np.uint32]


@dataclass(frozen=True)
class WeightFile:
    """Contents of a weight file: `weights` [ports, beats, bytes of a beat], `constants` [beats, bytes of a beat]."""

    weights: Bytes
    constants: Bytes


def program_words(program: Program) -> Words:
    """The words of a program for the engine, header included."""
    operations = np.zeros((len(program.operations), d.OPERATION_WORDS), np.uint32)
    for place in d.field_places():
        values = np.array([getattr(operation, place.name) for operation in program.operations], np.int64)
        limit = 1 << (place.bits - 1)
        if values.size and not -limit <= values.min() <= values.max() < limit:
            raise ProgramError(
                f"an operation's field '{place.name}' is {values[np.abs(values).argmax()]}, "
                f"beyond its {place.bits} bits",
                "the network is too large for one program",
            )
        operations[:, place.word] |= ((values & ((1 << place.bits) - 1)) << place.low).astype(np.uint32)
    header = np.zeros(d.OPERATION_WORDS, np.uint32)
    header[d.HEADER_MAGIC] = d.MAGIC
    header[d.HEADER_VERSION] = d.VERSION
    header[d.HEADER_DESIGN : d.HEADER_DESIGN + 2] = _identity(program.design)
    header[d.HEADER_OPERATIONS] = len(program.operations)
    header[d.HEADER_FRAMES] = len(program.pictures)
    header[WEIGHT_CHECKSUM_WORD] = _weight_checksum(program.weights, program.constants)
    words = np.concatenate([header, operations.reshape(-1)])
    words[d.HEADER_CHECKSUM] = _program_checksum(words)
    return words


def program_bytes(program: Program) -> bytes:
    """`program.bin`."""
    return program_words(program).astype("<u4").tobytes()


def weight_bytes(program: Program) -> bytes:
    """`weights.bin`."""
    header = np.zeros(d.WEIGHT_HEADER_WORDS, np.uint32)
    ports, beats, beat_bytes = program.weights.shape
    said = {
        "MAGIC": d.WEIGHT_MAGIC, "VERSION": d.VERSION, "PORTS": ports, "BEATS": beats,
        "CONSTANTS": program.constants.shape[0], "BEAT_BYTES": beat_bytes,
        "CONTENTS": _weight_checksum(program.weights, program.constants),
    }  # fmt: skip
    for name, value in said.items():
        header[d.WEIGHT_HEADER[name]] = value
    header[d.WEIGHT_HEADER["DESIGN"] :][:2] = _identity(program.design)
    header[d.WEIGHT_HEADER["HEADER"]] = _header_checksum(header)
    return header.astype("<u4").tobytes() + program.weights.tobytes() + program.constants.tobytes()


def read_program(path: Path, design: Design) -> Words:
    """Words of a program file.

    Raises:
        ProgramError: the file is missing, damaged, made for another design, or no valid program; names the file.
    """
    data = _read(path)
    words = np.frombuffer(data[: len(data) // 4 * 4], "<u4")
    if words.size < d.OPERATION_WORDS or words[d.HEADER_MAGIC] != d.MAGIC:
        raise ProgramError(f"{path} is not a program of edgemoe-gen", "give program.bin of a build")
    _check_version(path, int(words[d.HEADER_VERSION]))
    _check_identity(path, words[d.HEADER_DESIGN : d.HEADER_DESIGN + 2], design)
    operations = int(words[d.HEADER_OPERATIONS])
    if len(data) != 4 * d.OPERATION_WORDS * (1 + operations):
        raise ProgramError(f"{path} has {len(data)} bytes, but its {operations} operations need "
                           f"{4 * d.OPERATION_WORDS * (1 + operations)}", "build it again")  # fmt: skip
    if _program_checksum(words) != words[d.HEADER_CHECKSUM]:
        raise ProgramError(f"{path} is damaged: its checksum does not match", "build it again")
    _verify(path, words, design, Room())
    return words.astype(np.uint32)


def program_in(buffer: Bytes, design: Design) -> Words | None:
    """The program in a buffer of DDR; None if it belongs to another design, which the engine finds out by itself.

    Raises:
        ProgramError: the buffer ends before the program does.
    """
    data = np.ascontiguousarray(buffer).reshape(-1).view(np.uint8)
    words = data[: data.size // 4 * 4].view("<u4")
    header = words[: d.OPERATION_WORDS]
    if header.size < d.OPERATION_WORDS or header[d.HEADER_MAGIC] != d.MAGIC:
        return None
    if tuple(int(word) for word in header[d.HEADER_DESIGN : d.HEADER_DESIGN + 2]) != _identity(design):
        return None
    operations = int(header[d.HEADER_OPERATIONS])
    size = d.OPERATION_WORDS * (1 + operations)
    if size > words.size:
        raise ProgramError(f"a program of {operations} operations does not fit its buffer of {data.size} bytes")
    return words[:size]


def read_weights(path: Path, design: Design, program: Words | None = None) -> WeightFile:
    """Contents of a weight file; with `program`, checks that both belong together.

    Raises:
        ProgramError: the file is missing, damaged, or made for another design or program, or too short for it;
            names the file.
    """
    data = _read(path)
    size = 4 * d.WEIGHT_HEADER_WORDS
    header = np.frombuffer(data[:size], "<u4") if len(data) >= size else np.zeros(d.WEIGHT_HEADER_WORDS, np.uint32)
    said = {name: int(header[word]) for name, word in d.WEIGHT_HEADER.items()}
    if said["MAGIC"] != d.WEIGHT_MAGIC:
        raise ProgramError(f"{path} is not a weight file of edgemoe-gen", "give weights.bin of a build")
    _check_version(path, said["VERSION"])
    _check_identity(path, header[d.WEIGHT_HEADER["DESIGN"] :][:2], design)
    ports, beats, constants, beat_bytes = (said[name] for name in ("PORTS", "BEATS", "CONSTANTS", "BEAT_BYTES"))
    needed = size + (ports * beats + constants) * beat_bytes
    if len(data) != needed:
        raise ProgramError(f"{path} has {len(data)} bytes, but its header asks for {needed}", "build it again")
    body = np.frombuffer(data[size:], np.uint8)
    if zlib.crc32(body.data) != said["CONTENTS"] or _header_checksum(header) != said["HEADER"]:
        raise ProgramError(f"{path} is damaged: its checksum does not match", "build it again")
    if program is not None and program[WEIGHT_CHECKSUM_WORD] != said["CONTENTS"]:
        raise ProgramError(f"{path} holds the weights of another program", "use the files of one build together")
    if program is not None:
        _verify(path, program, design, Room(weights=beats, constants=constants))
    split = ports * beats * beat_bytes
    return WeightFile(body[:split].reshape(ports, beats, beat_bytes), body[split:].reshape(constants, beat_bytes))


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path)
    except OSError as error:
        raise ProgramError(f"{path} can't be read: {error.strerror}") from error


def _verify(path: Path, words: Words, design: Design, room: Room) -> None:
    try:
        verify_program(words, design, room)
    except ProgramError as error:
        raise ProgramError(
            f"{path} holds no valid program, or one of other files: {error.message}", error.hint
        ) from error


def _identity(design: Design) -> tuple[int, int]:
    return design.identity & 0xFFFFFFFF, design.identity >> 32


def _check_version(path: Path, found: int) -> None:
    if found != d.VERSION:
        raise ProgramError(
            f"{path} has version {found} of the format, but this version of edgemoe-gen reads {d.VERSION}",
            "build the project again with this version of edgemoe-gen"
            if found < d.VERSION
            else "take the version of edgemoe-gen that made it, or build the project again",
        )


def _check_identity(path: Path, words: Words, design: Design) -> None:
    found = int(words[0]) | int(words[1]) << 32
    if found != design.identity:
        raise ProgramError(
            f"{path} was made for design {found:016x}, but this is design {design.identity:016x}",
            "build it again for this design",
        )


def _program_checksum(words: Words) -> int:
    return _checksum_without(words, d.HEADER_CHECKSUM)


def _header_checksum(header: Words) -> int:
    return _checksum_without(header, d.WEIGHT_HEADER["HEADER"])


def _checksum_without(words: Words, place: int) -> int:
    """CRC-32 of words, with the word of the checksum taken as 0."""
    whole = words.astype("<u4")
    whole[place] = 0
    return zlib.crc32(whole.data)


def _weight_checksum(weights: Bytes, constants: Bytes) -> int:
    return zlib.crc32(constants.tobytes(), zlib.crc32(weights.tobytes()))
