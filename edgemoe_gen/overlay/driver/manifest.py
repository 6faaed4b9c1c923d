"""`manifest.json` of an overlay, and its files. Every file is checked against its checksum whenever it is read.

In: the folder of an overlay. Out: frozen facts; all offsets and sizes in bytes.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import json
import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from .decoder import DecoderFacts
from .errors import OverlayError
from .layouts import ImageLayout, Pass, ProgramLayout, ResultLayout, Slice, Task, Weights, operations_of
from .manifest_rules import check_manifest
from .maps import MapLayout

MANIFEST = "manifest.json"
SCHEMA = 5
_LARGEST = 2 << 30  # bytes of a file; no board has more memory to put it into
BUILD_AGAIN = "install the overlay again, or build it again"


@dataclass(frozen=True)
class Manifest:
    """Facts of an overlay.

    Attributes:
        folder: folder of its files.
        name, version: those of the package.
        identity: identity of the design, 64 bits.
        clock_mhz: clock that the bitstream was built for.
        bitstream, handoff: names of the .bit and the .hwh.
        has_bitstream: False for a preview, whose .bit is empty: only the simulated board runs it.
        engine, identity_block: instances in the block design.
        statuses: possible ends of the engine: name and meaning, 0 is success.
        image: layout of the input.
        weights: the weight file.
        layout: layout of the programs.
        decoders: file of the decoders' tensors, or None.
        decoder_facts: facts of the network for decoders.
        selftest_image: packed picture with a known answer.
        shares_backbone: no gate depends on the task, so a frame's tokens are the same for all tasks.
        tasks: tasks by name.
        checksums: SHA-256 of every file, by name.
    """

    folder: Path
    name: str
    version: str
    identity: int
    clock_mhz: float
    bitstream: str
    handoff: str
    has_bitstream: bool
    engine: str
    identity_block: str
    statuses: tuple[tuple[str, str], ...]
    image: ImageLayout
    weights: Weights
    layout: ProgramLayout
    decoders: str | None
    decoder_facts: DecoderFacts
    selftest_image: str
    shares_backbone: bool
    tasks: dict[str, Task]
    checksums: dict[str, str]

    def steps(self, tasks: tuple[str, ...]) -> list[tuple[str, ...]]:
        """Tasks of a frame by start of the engine: all in one where they share the backbone, else one by one."""
        if self.shares_backbone and len(set(tasks)) == len(tasks):
            return [tasks]
        return [(task,) for task in tasks]

    def read(self, name: str) -> bytes:
        """Contents of a file of the overlay.

        Raises:
            OverlayError: the file is missing, or is not the packaged one.
        """
        if name not in self.checksums:
            raise OverlayError(f"{self.folder / MANIFEST} has no checksum of {name}", BUILD_AGAIN)
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise OverlayError(f"{self.folder / MANIFEST} names {name}, which lies outside of the overlay", BUILD_AGAIN)
        path = self.folder / name
        try:
            data = read_file(path)
        except OSError as error:
            raise OverlayError(f"{path} can't be read: {error.strerror}", BUILD_AGAIN) from error
        if hashlib.sha256(data).hexdigest() != self.checksums[name]:
            raise OverlayError(f"{path} is damaged: its checksum is not the manifest's", BUILD_AGAIN)
        return data


def read_file(path: Path) -> bytes:
    """Contents of a regular file; a pipe would wait for another program, and a device might never end.

    Raises:
        OSError: the file can't be read, or is not regular.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
        facts = os.fstat(stream.fileno())
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > _LARGEST:
            raise OSError(errno.EINVAL, "it is no regular file, or too large", str(path))
        return stream.read()


def find_overlay(where: str | Path) -> Path:
    """Folder of an overlay, by path or by the name of an installed one.

    Raises:
        OverlayError: there is none.
    """
    path = Path(where)
    if (path / MANIFEST).is_file():
        return path.resolve()
    name = str(where)
    if name.isidentifier():
        found = importlib.util.find_spec(name)
        for folder in (found.submodule_search_locations or []) if found else []:
            if (Path(folder) / MANIFEST).is_file():
                return Path(folder).resolve()
    raise OverlayError(
        f"'{where}' is neither an installed overlay nor a folder with a {MANIFEST}",
        "install the overlay's wheel with pip, or give the path of its folder",
    )


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an overlay.

    Raises:
        OverlayError: the manifest is missing, damaged, or of another version of the format.
    """
    path = folder / MANIFEST
    try:
        content = json.loads(read_file(path).decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise OverlayError(f"{path} can't be read: {error}", BUILD_AGAIN) from error
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        raise _other_schema(path, schema, content)
    try:
        check_manifest(content)
        return _manifest(folder, content)
    except (KeyError, TypeError, ValueError) as error:
        raise OverlayError(f"{path} is damaged: {error}", BUILD_AGAIN) from error


def _other_schema(path: Path, schema: object, content: Any) -> OverlayError:
    """The error for a manifest that this driver can't read: older, newer, or without a version."""
    if not isinstance(schema, int) or isinstance(schema, bool):
        return OverlayError(f"{path} is damaged: it does not say its schema", BUILD_AGAIN)
    maker = content.get("generator", "another version of edgemoe-gen")
    message = f"{path} has the schema {schema}, made by {maker}, but this driver reads {SCHEMA}"
    if schema < SCHEMA:
        return OverlayError(message, "build the overlay again with this version of edgemoe-gen, and install that wheel")
    return OverlayError(message, f"update edgemoe-gen here: {maker} or newer reads it")


def _manifest(folder: Path, content: dict[str, Any]) -> Manifest:
    image = dict(content["image"])
    image["slices"] = tuple(Slice(**part) for part in image["slices"])
    image["mean"], image["std"] = tuple(image["mean"]), tuple(image["std"])
    tasks = {task["name"]: _task(task) for task in content["tasks"]}
    hardware = content["hardware"]
    return Manifest(
        folder=folder,
        name=content["name"],
        version=content["version"],
        identity=int(content["design"]["identity"], 16),
        clock_mhz=float(content["clock_mhz"]),
        bitstream=hardware["bitstream"],
        handoff=hardware["handoff"],
        has_bitstream="bitstream" not in content,
        engine=hardware["engine"],
        identity_block=hardware["identity_block"],
        statuses=tuple((str(name), str(meaning)) for name, meaning in content["statuses"]),
        image=ImageLayout(**image),
        weights=Weights(**content["weights"]),
        layout=ProgramLayout(**content["program"]),
        decoders=content["decoders"]["file"],
        decoder_facts=_decoder_facts(content),
        selftest_image=content["selftest_image"],
        shares_backbone=bool(content["network"]["shares_backbone"]),
        tasks=tasks,
        checksums=dict(content["files"]),
    )


def _task(content: dict[str, Any]) -> Task:
    shared, layout = content["pass"], content["map"]
    task = Task(
        name=content["name"],
        classes=content["classes"],
        class_names=tuple(content["class_names"]),
        program=content["program"],
        operations=operations_of(content["operations"]),
        result=ResultLayout(**content["result"]),
        expected=content["expected"],
        decoder=content["decoder"],
        decoder_tensors=content["decoder_tensors"],
        where=content["where"],
        reason=content["reason"],
        shared=None if shared is None else Pass(str(shared["program"]), operations_of(shared["operations"])),
        map=None if layout is None else MapLayout(**layout),
    )
    return replace(task, variants={name: _variant(task, other) for name, other in content["variants"].items()})


def _variant(task: Task, content: dict[str, Any]) -> Task:
    layout = content["map"]
    return replace(
        task,
        program=content["program"],
        operations=operations_of(content["operations"]),
        result=ResultLayout(**content["result"]),
        map=None if layout is None else MapLayout(**layout),
        shared=None,
    )


def _decoder_facts(content: dict[str, Any]) -> DecoderFacts:
    decoders, image, network = content["decoders"], content["image"], content["network"]
    rows, columns = network["grid"]
    return DecoderFacts(
        grid=(int(rows), int(columns)),
        image=(int(image["height"]), int(image["width"])),
        class_token=bool(image["class_token"]),
        norm_eps=float(decoders["norm_eps"]),
        align_corners=bool(decoders["align_corners"]),
        extra_tokens=int(image.get("extra_tokens", 0)),
    )
