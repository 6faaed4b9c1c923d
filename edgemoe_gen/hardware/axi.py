"""The engine's AXI master ports and how they reach memory: rendered into pragmas and scripts, counted by the estimate.

A port's traffic goes through the adapter of its bundle. An adapter buffers every burst that may be outstanding (UG1399,
m_axi interfaces).
"""

from __future__ import annotations

from dataclasses import dataclass

BURST_BEATS = 16  # longest burst: the processing system's ports speak AXI3 inside (UG1085)
OUTSTANDING = 16  # requests of a port that are on their way at once; they hide the latency of DDR
LATENCY = 64  # cycles from a request to its data that the tool schedules for
ADAPTER_BEATS = BURST_BEATS * OUTSTANDING
READ, WRITE = "read", "write"
# Ports beside those of the weights: name, name of the bundle, direction.
_BEFORE = (("program", "program", READ),)
_BEHIND = (("constants", "input", READ), ("image", "input", READ), ("result", "result", WRITE))
OTHER_ADAPTERS = len({bundle for _, bundle, _ in _BEFORE + _BEHIND})  # beside those of the weight ports
WEIGHTS = "weights"  # what all weight ports are called together


@dataclass(frozen=True)
class AxiPort:
    """One pointer of the engine: its name, what its buffer is called, its bundle, and `READ` or `WRITE`."""

    name: str
    buffer: str
    bundle: str
    direction: str


def axi_ports(weight_ports: int) -> tuple[AxiPort, ...]:
    """All ports, in the order of the engine's arguments."""

    def others(rows: tuple[tuple[str, str, str], ...]) -> tuple[AxiPort, ...]:
        return tuple(AxiPort(name, name, _bundle(bundle), direction) for name, bundle, direction in rows)

    names = [f"{WEIGHTS}_{port}" for port in range(weight_ports)]
    weights = tuple(AxiPort(name, WEIGHTS, _bundle(name), READ) for name in names)
    return (*others(_BEFORE), *weights, *others(_BEHIND))


def bundles(weight_ports: int) -> tuple[str, ...]:
    """The bundles, in the order of the ports: each is one AXI master."""
    return tuple(dict.fromkeys(port.bundle for port in axi_ports(weight_ports)))


def weight_bundles(weight_ports: int) -> tuple[str, ...]:
    """The bundles of the weight ports."""
    return tuple(port.bundle for port in axi_ports(weight_ports) if port.buffer == WEIGHTS)


def _bundle(name: str) -> str:
    return f"gmem_{name}"
