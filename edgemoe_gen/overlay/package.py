"""The stage `package`: from a build and its bitstream to the overlay that a board's user installs.

Out: a folder that is an importable Python package, and the same as a wheel. The same input gives the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import keyword
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgemoe_gen.base.documents import json_text
from edgemoe_gen.base.errors import OverlayError
from edgemoe_gen.base.reading import read_bytes
from edgemoe_gen.base.version import __version__
from edgemoe_gen.hardware.boards import Board
from edgemoe_gen.hardware.names import BITSTREAM, HANDOFF
from edgemoe_gen.overlay.bitfile import check_bitstream
from edgemoe_gen.overlay.decoders import ARCHIVE, archive, decoder_kind
from edgemoe_gen.overlay.driver.manifest import MANIFEST
from edgemoe_gen.overlay.facts import OverlayFacts
from edgemoe_gen.overlay.handoff import read_handoff
from edgemoe_gen.overlay.manifest import make_manifest
from edgemoe_gen.overlay.programs import TaskProgram, split_passes, split_tasks, split_variants
from edgemoe_gen.overlay.texts import Texts
from edgemoe_gen.overlay.wheel import write_wheel
from edgemoe_gen.program.compile import Program
from edgemoe_gen.program.file import program_bytes, weight_bytes

__all__ = ["OverlayFacts", "WrittenOverlay", "check_name", "default_name", "write_overlay"]

DRIVER = Path(__file__).resolve().parent / "driver"
_TAKEN = ("edgemoe_gen", "numpy", "pynq", "driver", "notebooks")


@dataclass(frozen=True)
class WrittenOverlay:
    """Result of `write_overlay`: the package's folder, its wheel, its version."""

    folder: Path
    wheel: Path
    version: str


LONGEST_NAME = 64  # it becomes part of names of files
_ENDINGS = re.compile(r"(\.(tar|pth|pt|safetensors))+$", re.IGNORECASE)
_SAYS_NOTHING = frozenset({
    "best", "checkpoint", "checkpoints", "ckpt", "ckpts", "dict", "epoch", "final", "last", "latest", "model", "models",
    "network", "pytorch", "state", "weights",
})  # fmt: skip


def default_name(board: Board, checkpoint: Path | None = None) -> str:
    """Name of an overlay where the user gives none: its network's and its board's.

    The network's name is that of its checkpoint's file. Where that name says nothing (`checkpoint.pth`,
    `model_best.pth`), it is that of the nearest folder whose name does; without either, `m3vit`.
    """
    network, end = _network(checkpoint), f"_{'_'.join(_words(board.name)) or 'board'}"[: LONGEST_NAME // 2].rstrip("_")
    return network[: LONGEST_NAME - len(end)].rstrip("_") + end


def _network(checkpoint: Path | None) -> str:
    places = [] if checkpoint is None else [checkpoint.absolute(), *checkpoint.absolute().parents]
    for place in places:
        words = _words(_ENDINGS.sub("", place.name))
        if not all(word.isdigit() or word in _SAYS_NOTHING for word in words):
            return "_".join(words if words[0][0].isalpha() else ["net", *words])
    return "m3vit"


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


def check_name(name: str) -> None:
    """Refuses a name that cannot be both a Python package and a normalised distribution name.

    Raises:
        OverlayError: names what is wrong.
    """
    hint = "use a name such as tiny_zcu104: lower-case letters, digits and single underscores, a letter first"
    if len(name) > LONGEST_NAME:
        raise OverlayError(f"the name of the overlay has {len(name)} characters, more than {LONGEST_NAME}", hint)
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or keyword.iskeyword(name):
        raise OverlayError(f"'{name}' cannot be the name of an overlay", hint)
    if name in _TAKEN or name in sys.stdlib_module_names:
        raise OverlayError(f"'{name}' is the name of another Python package", hint)


def write_overlay(name: str, accelerator: Path, bitstream: Path, folder: Path, facts: OverlayFacts) -> WrittenOverlay:
    """Checks that the parts belong together, and packages them.

    Args:
        name: of the overlay: its package, its .bit and .hwh.
        accelerator: the build's folder with `data/`: program.bin, weights.bin, image.bin (one picture for every
            frame) and expected.bin.
        bitstream: folder with edgemoe.bit and edgemoe.hwh.
        folder: folder for `<name>/` and the wheel, made if missing; it must hold neither yet.
        facts: all other facts.

    Raises:
        OverlayError: a part is missing, damaged, or of another design, board or build; nothing has been written.
    """
    check_name(name)
    if (folder / name).exists():
        raise OverlayError(f"{folder / name} exists already", "remove it, or choose another folder")
    check_bitstream(bitstream / BITSTREAM, facts.design.board.part)
    handoff = read_handoff(bitstream / HANDOFF, facts.design, facts.clock_mhz)
    tasks = split_tasks(facts.program)
    passes = () if facts.passes is None else split_passes(facts.passes, tasks)
    variants = {} if facts.variants is None else split_variants(facts.variants, tasks)
    names = _file_names([part.task for part in tasks])
    data = {
        f"{name}.bit": read_bytes(bitstream / BITSTREAM),
        f"{name}.hwh": read_bytes(bitstream / HANDOFF),
        **_network_files(accelerator / "data", facts.program, tasks, names),
        **{f"passes/{names[part.task]}.bin": program_bytes(part.program) for part in passes},
        **_driver_files(),
        "notebooks/picture.npy": _picture(facts),
    }
    for task, others in variants.items():
        data |= {f"variants/{names[task]}.{kind}.bin": program_bytes(part.program) for kind, part in others.items()}
    on_host = facts.host_decoders
    if decoders := archive(facts.spec.task_names, on_host, facts.head):
        data[ARCHIVE] = decoders
    version = f"{__version__}+{_content(name, data)}"
    kinds = {part.task: decoder_kind(part.task, facts.spec.task_names, facts.decoders, facts.head)[0] for part in tasks}
    outputs = {task: kind for task, kind in kinds.items() if kind}
    texts = Texts(name, version, handoff, facts.design, facts.spec, tasks, facts.figures, outputs, variants)
    data |= {path: text.encode() for path, text in texts.files().items()}
    data["README.md"] = texts.readme({path: _sha256(data[path]) for path in sorted(data)}).encode()
    manifest = make_manifest(name, version, facts, handoff, tasks, passes, variants, data, names)
    data[MANIFEST] = (json_text(manifest) + "\n").encode()
    for path, content in data.items():
        target = folder / name / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    wheel = write_wheel(
        name,
        version,
        _metadata(name, version, facts.design.board, data["README.md"].decode()),
        f"[pynq.notebooks]\n{name} = {name}.notebooks\n\n[pynq.overlays]\n{name} = {name}\n",
        {f"{name}/{path}": content for path, content in data.items()},
        folder,
    )
    return WrittenOverlay(folder / name, wheel, version)


def _network_files(
    folder: Path, program: Program, tasks: Sequence[TaskProgram], names: dict[str, str]
) -> dict[str, bytes]:
    """Programs, weights and self-test, after a check that the build's files are those of `program`."""
    for file, wanted in (("program.bin", program_bytes(program)), ("weights.bin", weight_bytes(program))):
        if _read(folder / file) != wanted:
            raise OverlayError(f"{folder / file} is not of this network and design", "build the project again")
    files = {"weights.bin": wanted}
    beat_bytes = program.design.beat_bytes
    image, expected = _read(folder / "image.bin"), _read(folder / "expected.bin")
    for file, content, beats in (
        ("image.bin", image, program.image_beats),
        ("expected.bin", expected, program.result_beats),
    ):
        if len(content) != beats * beat_bytes:
            raise OverlayError(
                f"{folder / file} has {len(content)} bytes, but its program needs {beats * beat_bytes}",
                "build the project again",
            )
    for part in tasks:
        alone = part.program
        files[f"programs/{names[part.task]}.bin"] = program_bytes(alone)
        picture = image[part.first_image * beat_bytes :][: alone.image_beats * beat_bytes]
        if files.setdefault("selftest/image.bin", picture) != picture:
            raise OverlayError(
                f"{folder / 'image.bin'} holds different pictures for its tasks", "write the same one for every frame"
            )
        result = expected[part.first_result * beat_bytes :][: alone.result_beats * beat_bytes]
        files[f"selftest/{names[part.task]}.bin"] = result
    return files


def _driver_files() -> dict[str, bytes]:
    return {f"driver/{path.name}": path.read_bytes() for path in sorted(DRIVER.glob("*.py"))}


def _picture(facts: OverlayFacts) -> bytes:
    image = facts.spec.image
    shape = (image.height, image.width, 3)
    picture = facts.picture
    if picture is None:
        down, across = np.meshgrid(np.linspace(0, 255, shape[0]), np.linspace(0, 255, shape[1]), indexing="ij")
        picture = np.stack([down, across, (down + across) / 2], axis=2).astype(np.uint8)
    if picture.dtype != np.uint8 or picture.shape != shape:
        raise OverlayError(
            f"the notebook's picture is {picture.dtype} {list(picture.shape)}, but must be uint8 {list(shape)}",
            "give it in the network's size",
        )
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(picture))
    return stream.getvalue()


def _file_names(tasks: Sequence[str]) -> dict[str, str]:
    """What each task is called in file names: its own name where that is harmless."""
    plain = all(re.fullmatch(r"[A-Za-z0-9_-]+", task) and task != "image" for task in tasks)
    if plain and len({task.lower() for task in tasks}) == len(tasks):
        return {task: task for task in tasks}
    return {task: f"task_{place}" for place, task in enumerate(tasks)}


def _content(name: str, files: dict[str, bytes]) -> str:
    """Local part of the version: another content is another version, so that pip replaces what is installed."""
    digest = hashlib.sha256(name.encode())
    for path in sorted(files):
        digest.update(path.encode() + b"\0" + hashlib.sha256(files[path]).digest())
    return f"b{digest.hexdigest()[:12]}"


def _metadata(name: str, version: str, board: Board, readme: str) -> str:
    return (
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        f"Summary: M3ViT accelerator for the {board.title}: a PYNQ overlay made by edgemoe-gen\n"
        # pynq is part of the board's image; asking for it here would make pip build it.
        "Requires-Python: >=3.8\nRequires-Dist: numpy\nDescription-Content-Type: text/markdown\n\n" + readme
    )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path)
    except OSError as error:
        raise OverlayError(f"{path} can't be read: {error.strerror}", "run the build's earlier stages") from error
