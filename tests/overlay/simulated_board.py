"""A board without hardware: a PYNQ device whose logic is the C simulation of a design.

It knows no more of an overlay than a chip does: the registers' addresses (from the .hwh), DDR, and its design. What the
driver writes to the registers, it runs. Tests turn `identity`, `hang`, `memory`, `status` and `pll_multiplier` to make
it fail.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pynq.buffer import PynqBuffer
from pynq.pl_server.device import Device
from pynq.ps import Clocks
from pynqmetadata.frontends import Metadata

from edgemoe_gen.program.file import WeightFile
from edgemoe_gen.sim.engine import Engine

try:  # PYNQ 4.0
    from pynqmetadata.views.runtime import RuntimeMetadataParser
except ImportError:  # PYNQ 3.1
    from pynq.metadata.runtime_metadata_parser import RuntimeMetadataParser

ENGINE, IDENTITY = "edgemoe_engine", "design_id"
START, DONE, IDLE, READY = 1, 2, 4, 8
DDR_BASE = 0x10000000
PAGE = 4096


class SimulatedBuffer(PynqBuffer):
    """A buffer in simulated DDR; PYNQ's own gives memory back in ways that only a board has."""

    def freebuffer(self) -> None:
        if self.device is not None and self.base is self.device.allocated.get(self.device_address):
            self.device.allocated.pop(self.device_address)


class SimulatedDevice(Device):
    """One board. `loads` counts bitstreams loaded; `allocated` are the buffers in use by address."""

    _probe_priority_ = 20

    @classmethod
    def _probe_(cls) -> list[Device]:
        return []

    def __init__(self, engine: Engine, identity: int | None = None, memory: int = 1 << 28) -> None:
        super().__init__("simulated")
        self.name = "simulated"
        self.arch = "aarch64"
        self.capabilities = {"REGISTER_RW": True}
        self.engine = engine
        self.identity = engine.design.identity if identity is None else identity
        self.memory = memory
        self.hang = False
        self.takes_done = False
        self.status: int | None = None
        self.loads = 0
        self.runs = 0
        self.allocated: dict[int, np.ndarray[Any, Any]] = {}
        self.bitfile_name = self.timestamp = ""
        self._next = DDR_BASE
        self._addresses: dict[str, int] = {}  # of registers, by name
        self._words: dict[int, int] = {}
        self.pll_multiplier = 45

    @property
    def pll_multiplier(self) -> int:
        """What IOPLL and RPLL make of the reference clock."""
        return self._words[0xFF5E0020] >> 8 & 0x7F

    @pll_multiplier.setter
    def pll_multiplier(self, value: int) -> None:
        self._words |= dict.fromkeys((0xFF5E0020, 0xFF5E0030), 2 * value << 8 | 1 << 16)

    def plug_in(self) -> None:
        """Makes this the only board that PYNQ finds. PYNQ keeps the clocks of the first one it saw."""
        Device._devices = [self]
        Device.active_device = self
        if hasattr(Clocks, "_real_instance"):
            del Clocks._real_instance

    # What PYNQ asks of a device

    def get_bitfile_metadata(self, bitfile_name: str, **_: Any) -> Any:
        parser = RuntimeMetadataParser(Metadata(input=bitfile_name.replace(".bit", ".hwh")))
        parser.bin_data = parser.xclbin_data = parser.dtbo_data = None
        parser.refresh_hierarchy_dict()
        for instance in (ENGINE, IDENTITY):
            block = parser.ip_dict.get(instance, {"registers": {}})
            for name, register in block["registers"].items():
                self._addresses[f"{instance}.{name}"] = block["phys_addr"] + register["address_offset"]
        return parser

    def download(self, bitstream: Any, parser: Any = None) -> None:
        self.loads += 1
        self._words = {address: value for address, value in self._words.items() if address >= 0xF0000000}
        self._set("CTRL", IDLE)
        self._words[self._addresses[f"{IDENTITY}.GPIO_DATA"]] = self.identity & 0xFFFFFFFF
        self._words[self._addresses[f"{IDENTITY}.GPIO2_DATA"]] = self.identity >> 32
        self.post_download(bitstream, parser)

    def allocate(self, shape: Any, dtype: Any, **_: Any) -> PynqBuffer:
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if sum(memory.nbytes for memory in self.allocated.values()) + size > self.memory:
            raise RuntimeError("Allocate failed: no memory")
        memory = np.full(size, 0xA5, np.uint8)  # DDR holds whatever was there before
        address = self._next
        self._next += -(-size // PAGE) * PAGE
        self.allocated[address] = memory
        return SimulatedBuffer(shape, dtype, buffer=memory, device=self, device_address=address, coherent=False)

    def flush(self, *_: Any) -> None:
        pass

    def invalidate(self, *_: Any) -> None:
        pass

    def read_registers(self, address: int, length: int) -> bytes:
        value = self._words.get(address, 0)
        if address == self._addresses.get(f"{ENGINE}.CTRL"):
            self._words[address] = value & ~DONE  # clear on read
        return value.to_bytes(4, "little")[:length]

    def write_registers(self, address: int, data: Any) -> None:
        value = int.from_bytes(bytes(data)[:4], "little")
        if address == self._addresses.get(f"{ENGINE}.CTRL"):
            if value & START:
                self._run()
        else:
            self._words[address] = value

    # The engine

    def _get(self, name: str) -> int:
        return self._words.get(self._addresses[f"{ENGINE}.{name}"], 0)

    def _set(self, name: str, value: int) -> None:
        self._words[self._addresses[f"{ENGINE}.{name}"]] = value

    def _pointed(self, name: str) -> np.ndarray[Any, Any]:
        return self.allocated[self._get(f"{name}_1") | self._get(f"{name}_2") << 32]

    def _run(self) -> None:
        self.runs += 1
        if self.hang:
            self._set("CTRL", START)
            return
        design = self.engine.design
        if self.status is None:
            weights = [self._pointed(f"weights_{i}") for i in range(design.knobs.weight_ports)]
            result = self._pointed("result")
            run = self.engine.run(
                self._pointed("program").view("<u4"),
                WeightFile(
                    np.stack(weights).reshape(len(weights), -1, design.beat_bytes),
                    self._pointed("constants").reshape(-1, design.beat_bytes),
                ),
                self._pointed("image").reshape(-1, design.beat_bytes),
                result.nbytes // design.beat_bytes,
            )
            result[:] = run.result.reshape(-1)
        self._set("status", self.status or 0)
        self._set("CTRL", IDLE | READY | (0 if self.takes_done else DONE))
