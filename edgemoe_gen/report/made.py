"""Date and sources of a report's results, and next steps.

The date is that of the results, not of the writing: a page that is written again from the same results says the same.
SOURCE_DATE_EPOCH (reproducible-builds.org) stands in for it where it is set.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_BLOCK = 1 << 20


def made_facts(results: Iterable[Path], checkpoint: Path, command: str | None) -> dict[str, Any]:
    """What the head of the page shows.

    Args:
        results: files of the stages, the newest of which dates the page; those that are missing do not count.
        checkpoint: file of the network; of a folder no hash is told.
        command: that made them; None of the Python API.
    """
    return {
        "date": _date(results),
        "command": command,
        "checkpoint_sha256": _sha256(checkpoint) if checkpoint.is_file() else None,
    }


def _date(results: Iterable[Path]) -> str | None:
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    times = [float(epoch)] if epoch.isdecimal() else [path.stat().st_mtime for path in results if path.is_file()]
    if not times:
        return None
    return datetime.fromtimestamp(max(times), UTC).strftime("%Y-%m-%d %H:%M UTC")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def next_steps(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Next steps after this build: words, and a command ("" without one)."""
    vendor, stopped = document.get("implementation"), document["stopped_before"]
    timing = vendor and vendor.get("timing")
    steps: list[tuple[str, str]] = []
    if document.get("failed_stage"):
        steps.append(
            (f"mend what stopped stage {document['failed_stage']}, then go on where it was", "edgemoe-gen build")
        )
    elif timing and timing["met"] is False:
        steps.append(("implement again at the clock that is met", "edgemoe-gen build --retry-clock"))
    elif stopped:
        steps.append(("go on where the vendor’s tools are on this machine", "edgemoe-gen build"))
        steps.append(("or take the vendor’s stages to another machine", "edgemoe-gen build --export kit"))
        steps.append(("run the host’s code on a simulated board meanwhile", "edgemoe-gen sim-board SCRIPT"))
    else:
        steps.append(
            ("copy overlay/ to the board, and check there that it gives these results", "edgemoe-gen selftest")
        )
        steps.append(("measure frames a second there", "edgemoe-gen bench"))
    steps.append(("see layer by layer where errors come from", "edgemoe-gen trace"))
    steps.append(("look for a faster or smaller design", "edgemoe-gen tune"))
    return steps
