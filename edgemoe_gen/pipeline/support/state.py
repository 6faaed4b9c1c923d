"""Notes of a build on its stages in `.edgemoe/stages.json`, and the hashes that it compares.

In: files and folders. Out: one hash for all inputs or outputs of a stage, and one hash for each file, which shows files
that were changed or added by hand.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from edgemoe_gen.base.parsing import read_json

# Python leaves these wherever it imports from, so in an overlay too; nobody misses them.
_OWN_OF_PYTHON = "__pycache__"


@dataclass(frozen=True)
class State:
    """Notes on one stage.

    Attributes:
        inputs: hash of all its inputs; "" while its outputs move to their places.
        outputs: hash of its outputs.
        detail: the few words on its result.
        files: hash of every file that it has written, by path below the output folder; None of an older version.
        before: those of the run before, while outputs move.
    """

    inputs: str = ""
    outputs: str = ""
    detail: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    before: Mapping[str, str] = field(default_factory=dict)
    is_older: bool = False


def read_state(path: Path) -> dict[str, State]:
    """Notes on all stages; empty where no build has run. Notes of older versions, without files, are read too.

    Raises:
        ValueError: says in a few words why the notes can't be read.
    """
    try:
        document = read_json(path)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ValueError(error.strerror or type(error).__name__) from error
    except ValueError as error:
        raise ValueError("it is not JSON") from error
    if not isinstance(document, dict):
        raise ValueError("it holds no table of stages")
    return {name: _state(name, known) for name, known in document.items()}


def _state(name: str, known: object) -> State:
    if not isinstance(known, dict):
        raise ValueError(f"it holds no table of stage '{name}'")
    inputs, outputs, detail = (known.get(key, "") for key in ("inputs", "outputs", "detail"))
    files, before = (known.get(key, {}) for key in ("files", "before"))
    texts = [inputs, outputs, detail]
    for noted in (files, before):
        texts += noted.values() if isinstance(noted, dict) else [None]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(f"what it holds of stage '{name}' is of another kind")
    return State(inputs, outputs, detail, files, before, is_older="files" not in known)


def write_state(path: Path, stages: Mapping[str, State]) -> None:
    """Writes `path` whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    noted = {
        name: {key: value for key, value in asdict(state).items() if key != "is_older" and (value or key != "before")}
        for name, state in stages.items()
    }
    for name, state in stages.items():
        if state.is_older:
            del noted[name]["files"]
    partial.write_text(json.dumps(noted, indent=2), encoding="utf-8")
    partial.replace(path)


def files_below(folder: Path, outputs: Sequence[str]) -> dict[str, str]:
    """Hash of every file of `outputs` by its path below `folder`, sorted."""
    found = {}
    for output in outputs:
        for file in _files(folder / output):
            digest = hashlib.sha256()
            _add(digest, file)
            found[file.relative_to(folder).as_posix()] = digest.hexdigest()
    return found


def digest_of(paths: Iterable[Path], ignoring: str = "") -> str:
    """Hash of files and folders by relative name and content, without files called `ignoring`; "" if one is missing."""
    digest = hashlib.sha256()
    for path in paths:
        if not path.exists():
            return ""
        for file in _files(path):
            if file.name == ignoring:
                continue
            name = file.relative_to(path) if path.is_dir() else Path(path.name)
            digest.update(f"{name}\0{file.lstat().st_size}\0".encode())
            _add(digest, file)
    return digest.hexdigest()


def digest_files(files: Mapping[str, str | bytes]) -> str:
    """Hash of texts by their names, such as those that are about to be written."""
    digest = hashlib.sha256()
    for name, text in sorted(files.items()):
        data = text.encode() if isinstance(text, str) else text
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()


def digest_text(*parts: object) -> str:
    """Hash of values by their text."""
    return hashlib.sha256("\n".join(str(part) for part in parts).encode()).hexdigest()


def _files(path: Path) -> Iterator[Path]:
    """A file itself, or all below a folder, in a fixed order."""
    if not path.is_dir():
        if path.exists() or path.is_symlink():
            yield path
        return
    yield from sorted(
        p for p in path.rglob("*")
        if (p.is_file() or p.is_symlink()) and _OWN_OF_PYTHON not in p.relative_to(path).parts
    )  # fmt: skip


def _add(digest: hashlib._Hash, file: Path) -> None:
    if file.is_symlink():  # no stage makes one
        digest.update(f"link to {file.readlink()}".encode())
        return
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
