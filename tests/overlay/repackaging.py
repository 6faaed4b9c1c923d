"""Changes files of an overlay so that its checksums still hold: what a wrong build, not a bad copy, would leave."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path


def rewrite(overlay: Path, folder: Path, changes: Mapping[str, Callable[[bytes], bytes]]) -> Path:
    """A copy of an overlay in `folder`, with some files changed and the manifest's checksums brought up to date."""
    copy = folder / overlay.name
    shutil.copytree(overlay, copy)
    manifest = json.loads((copy / "manifest.json").read_text(encoding="utf-8"))
    for name, change in changes.items():
        data = change((copy / name).read_bytes())
        (copy / name).write_bytes(data)
        manifest["files"][name] = hashlib.sha256(data).hexdigest()
    (copy / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return copy
