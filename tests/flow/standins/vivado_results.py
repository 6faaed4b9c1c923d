"""What the stand-in of Vivado leaves: bitstream, hardware platform and reports, all from its model of the project.

vivado_results.py bit MODEL OUT
vivado_results.py xsa MODEL OUT BIT HWH
vivado_results.py report_utilization|report_timing_summary|report_power MODEL OUT HIERARCHICAL SLACK
"""

from __future__ import annotations

import hashlib
import json
import struct
import sys
from pathlib import Path
from typing import Any

from vivado_tables import power, timing_summary, utilization, utilization_by_hierarchy

Json = dict[str, Any]
SYNC_WORD = bytes.fromhex("ffffffffffffffff000000bb11220044ffffffffffffffffaa995566")
DATA_BYTES = 4096


def bitstream(model: Json) -> bytes:
    """A `.bit`: the real header (fields a to e), then bytes that depend on the whole project and on nothing else."""
    project = model["project"]
    title = f"{model['design']}_wrapper;UserID=0XFFFFFFFF;Version={model['release']}"
    header = bytes.fromhex("00090ff00ff00ff00ff0000001")
    for key, value in zip("abcd", (title, project["part"], "2024/01/01", "00:00:00"), strict=True):
        data = value.encode() + b"\0"
        header += key.encode() + struct.pack(">H", len(data)) + data
    digest = hashlib.sha256(json.dumps(without_paths(model), sort_keys=True).encode()).digest()
    payload = SYNC_WORD + b"".join(
        hashlib.sha256(digest + struct.pack(">I", block)).digest() for block in range(DATA_BYTES // len(digest))
    )
    return header + b"e" + struct.pack(">I", len(payload)) + payload


def without_paths(model: Json) -> Json:
    """The model without where the project stands, so that two folders give the same bytes."""
    project = {key: value for key, value in model["project"].items() if key != "ip_repo_paths"}
    cells = [{key: value for key, value in cell.items() if key != "component"} for cell in model["cells"]]
    return model | {"project": project, "cells": cells}


def platform(path: Path, bit: Path, hwh: Path, model: Json) -> None:
    """A hardware platform: a zip of bitstream, hardware description and an index, with fixed times."""
    import zipfile  # here, since it takes longer to load than all else and most results need none

    name = model["design"]
    index = f'<?xml version="1.0"?>\n<Project Version="1" Minor="0">\n  <File Type="HW_HANDOFF" Name="{name}.hwh"/>\n'
    index += f'  <File Type="BIT" Name="{name}.bit"/>\n</Project>\n'
    with zipfile.ZipFile(path, "w") as archive:
        for member, data in (
            ("sysdef.xml", index.encode()),
            (f"{name}.hwh", hwh.read_bytes()),
            (f"{name}.bit", bit.read_bytes()),
        ):
            archive.writestr(zipfile.ZipInfo(member, (2024, 1, 1, 0, 0, 0)), data)


def main(kind: str, model_path: Path, path: Path, *more: str) -> None:
    """Writes one result."""
    model = json.loads(model_path.read_text(encoding="utf-8"))
    if kind == "bit":
        path.write_bytes(bitstream(model))
    elif kind == "xsa":
        platform(path, Path(more[0]), Path(more[1]), model)
    else:
        hierarchical, slack = more[0] == "1", float(more[1])
        if kind == "report_utilization":
            text = utilization_by_hierarchy(model, path) if hierarchical else utilization(model, path)
        elif kind == "report_timing_summary":
            text = timing_summary(model, path, slack)
        else:
            text = power(model, path)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:])
