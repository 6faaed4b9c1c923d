"""The cocotb testbench of a design: Python that is the same for all, and the design's facts as JSON.

In: a design. Out: texts by their paths in the rendered project, in which `render` and `csim` write the buffers.
"""

from __future__ import annotations

from typing import Any

from edgemoe_gen.base.documents import json_text
from edgemoe_gen.base.installed import resource_folder
from edgemoe_gen.base.templating import templates_of
from edgemoe_gen.design import Design
from edgemoe_gen.hardware import descriptor
from edgemoe_gen.hardware.axi import AXI_BURST, axi_ports
from edgemoe_gen.hardware.names import TOP
from edgemoe_gen.hardware.registers import Register, engine_registers

FOLDER = "cocotb"
FACTS = "engine.json"
README = "README.md"


def bench_files(design: Design) -> dict[str, str]:
    """All files of the testbench, path to text."""
    folder = resource_folder("templates") / FOLDER
    files = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py"))}
    files[FACTS] = json_text(bench_facts(design)) + "\n"
    template = templates_of(folder, html=False).get_template(f"{README}.j2")
    files[README] = template.render(top=TOP, board=design.board, identity=f"{design.identity:016x}")
    return {f"{FOLDER}/{name}": text for name, text in files.items()}


def bench_facts(design: Design) -> dict[str, Any]:
    """Facts of a design for the testbench: registers, ports, statuses, layout of the files."""
    knobs = design.knobs
    ports = axi_ports(knobs.weight_ports)
    return {
        "top": TOP,
        "design": f"{design.identity:016x}",
        "port_bits": knobs.port_bits,
        "longest_burst": AXI_BURST,
        "registers": {register.name: _register(register) for register in engine_registers(knobs.weight_ports)},
        "ports": [{"name": port.name, "bundle": port.bundle, "direction": port.direction} for port in ports],
        "statuses": [[name, meaning] for name, meaning in descriptor.STATUSES.items()],
        "identity_word": descriptor.HEADER_DESIGN,
        "operations_word": descriptor.HEADER_OPERATIONS,
        "weight_header": {
            "words": descriptor.WEIGHT_HEADER_WORDS,
            **{name.lower(): descriptor.WEIGHT_HEADER[name] for name in ("PORTS", "BEATS", "CONSTANTS", "BEAT_BYTES")},
        },
    }


def _register(register: Register) -> dict[str, Any]:
    return {"offset": register.offset, "access": register.access, "bits": dict(register.fields)}


__all__ = ["bench_facts", "bench_files"]
