"""The engine's AXI master ports and how they reach memory: rendered into pragmas and scripts, counted by the estimate.

A port's traffic goes through the adapter of its bundle. An adapter buffers every burst that may be outstanding (UG1399,
m_axi interfaces).

`AXI_LATENCY`: cycles for which C synthesis schedules between a request and its data. "If this figure is too low, the
design will be ready too soon and may stall waiting for the bus. If this figure is too high, bus access may be granted
but the bus may stall waiting on the design" (UG1399, "Controlling AXI4 Burst Behavior"). Our processes at the ports
only move beats to FIFOs, so a stall costs no more than the wait itself. Cycles that are scheduled beyond the memory's
own latency would be added to every burst. So the figure lies below the memory's latency at any clock above 210 MHz: 180
ns (`timing/families`) are 38 cycles there, which is this figure and the other states of a request.
"""

from __future__ import annotations

from dataclasses import dataclass

AXI_BURST = 16  # longest burst: the processing system's ports speak AXI3 inside (UG1085)
AXI_OUTSTANDING = 16  # requests of a port that are on their way at once; they hide the latency of DDR
AXI_LATENCY = 32  # cycles from a request to its data that the tool schedules for
ADAPTER_BEATS = AXI_BURST * AXI_OUTSTANDING
READ, WRITE = "read", "write"


@dataclass(frozen=True)
class AxiPort:
    """One pointer of the engine.

    Attributes:
        name: name of the argument.
        buffer: name of its buffer in DDR; the weight ports share one.
        bundle: bundle of the ports that share an AXI master.
        direction: `READ` or `WRITE`.
        meaning: contents of the buffer.
    """

    name: str
    buffer: str
    bundle: str
    direction: str
    meaning: str


WEIGHTS = "weights"  # the buffer of all weight ports
_PROGRAM_TEXT = "a header of OPERATION_WORDS words, then as many an operation (`operation.h`)"
_PROGRAM = AxiPort("program", "program", "gmem_program", READ, _PROGRAM_TEXT)
_OTHERS = (
    AxiPort("constants", "constants", "gmem_input", READ, "position embeddings"),
    AxiPort("image", "image", "gmem_input", READ, "patches, 16 bits a value, row after row"),
    AxiPort("result", "result", "gmem_result", WRITE, "stored matrices, 32 bits a value"),
)
OTHER_ADAPTERS = len({port.bundle for port in (_PROGRAM, *_OTHERS)})  # beside those of the weight ports


def axi_ports(weight_ports: int) -> tuple[AxiPort, ...]:
    """All ports, in the order of the engine's arguments."""
    share = "its share of the weights, beat after beat in the order of use"
    names = [f"{WEIGHTS}_{port}" for port in range(weight_ports)]
    return (_PROGRAM, *(AxiPort(name, WEIGHTS, f"gmem_{name}", READ, share) for name in names), *_OTHERS)


def bundles(weight_ports: int) -> tuple[str, ...]:
    """The bundles, in the order of the ports: each is one AXI master."""
    return tuple(dict.fromkeys(port.bundle for port in axi_ports(weight_ports)))


def weight_bundles(weight_ports: int) -> tuple[str, ...]:
    """The bundles of the weight ports."""
    return tuple(port.bundle for port in axi_ports(weight_ports) if port.buffer == WEIGHTS)


# Signals of a master as Vitis HLS exports them, those of both directions whatever a bundle does: name, and bits, or
# DATA or STROBES.
ADDRESS_BITS = 64
DATA, STROBES = 0, -1
_ADDRESS = (("VALID", 1), ("READY", 1), ("ADDR", ADDRESS_BITS), ("ID", 1), ("LEN", 8), ("SIZE", 3), ("BURST", 2),
            ("LOCK", 2), ("CACHE", 4), ("PROT", 3), ("QOS", 4), ("REGION", 4), ("USER", 1))  # fmt: skip
MASTER = (
    *((f"AW{name}", bits) for name, bits in _ADDRESS),
    ("WVALID", 1), ("WREADY", 1), ("WDATA", DATA), ("WSTRB", STROBES), ("WLAST", 1), ("WID", 1), ("WUSER", 1),
    *((f"AR{name}", bits) for name, bits in _ADDRESS),
    ("RVALID", 1), ("RREADY", 1), ("RDATA", DATA), ("RLAST", 1), ("RID", 1), ("RUSER", 1), ("RRESP", 2),
    ("BVALID", 1), ("BREADY", 1), ("BRESP", 2), ("BID", 1), ("BUSER", 1),
)  # fmt: skip
# Those of a bus of registers, driven by the master but for its answers; ADDRESS stands for the width of its addresses.
ADDRESS = -2
LITE = (
    ("AWADDR", ADDRESS), ("AWVALID", 1), ("AWREADY", 1), ("WDATA", DATA), ("WSTRB", STROBES), ("WVALID", 1),
    ("WREADY", 1), ("BRESP", 2), ("BVALID", 1), ("BREADY", 1), ("ARADDR", ADDRESS), ("ARVALID", 1), ("ARREADY", 1),
    ("RDATA", DATA), ("RRESP", 2), ("RVALID", 1), ("RREADY", 1),
)  # fmt: skip


def is_answer(signal: str) -> bool:
    """Whether a signal comes from the slave."""
    return signal in ("AWREADY", "WREADY", "ARREADY") or (signal[0] in "RB" and signal not in ("RREADY", "BREADY"))


def signal_bits(bits: int, data: int, address: int = ADDRESS_BITS) -> int:
    """Width of a signal on a bus with these widths of data and addresses."""
    return {DATA: data, STROBES: data // 8, ADDRESS: address}.get(bits, bits)
