"""Control registers beside those of the simulated board."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster

from edgemoe_gen.simulated.registers import AUTO_RESTART, DONE, IDLE, INTERRUPT, READY, START, ControlBlock
from tests.rtl.bench import KINDS, REGISTERS

OFFSETS = {register.name: register.offset for register in REGISTERS}
STATUS = (OFFSETS["status"] - 0x10) // 4  # its word


class Engine:
    """The registers' other side, by hand: starts are counted, ends are given."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.starts = 0
        self.clock = dut.control_ap_clk
        self.bus = AxiLiteMaster(
            AxiLiteBus.from_prefix(dut, "control_s_axi_control"), self.clock, dut.control_ap_rst_n,
            reset_active_level=False,
        )  # fmt: skip

    async def start(self) -> None:
        """Clock and reset."""
        dut = self.dut
        for name, value in (("ap_done", 0), ("ap_ready", 0), ("ap_idle", 1), ("values", 0), ("values_valid", 0)):
            getattr(dut, f"control_{name}").value = value
        dut.control_ap_rst_n.value = 0
        Clock(self.clock, 10, unit="ns").start()
        await self.wait(4)
        dut.control_ap_rst_n.value = 1
        await self.wait(3)

    async def wait(self, cycles: int) -> None:
        """Some cycles."""
        for _ in range(cycles):
            await RisingEdge(self.clock)

    async def read(self, offset: int) -> int:
        """What a processor reads."""
        return int.from_bytes((await self.bus.read(offset, 4)).data, "little")

    async def write(self, offset: int, value: int) -> None:
        """What a processor writes."""
        await self.bus.write(offset, value.to_bytes(4, "little"))

    async def pulse(self, *names: str, idle: int = 1) -> None:
        """One cycle of some signals."""
        for name in names:
            getattr(self.dut, f"control_{name}").value = 1
        self.dut.control_ap_idle.value = idle
        await RisingEdge(self.clock)
        for name in names:
            getattr(self.dut, f"control_{name}").value = 0
        await self.wait(3)

    def argument(self, name: str) -> int:
        """A 64-bit argument, as the engine sees it."""
        return int(self.dut.control_arguments.value) >> 8 * (OFFSETS[f"{name}_1"] - 0x10) & (1 << 64) - 1


@cocotb.test()
async def like_the_simulated_board(dut: Any) -> None:
    """Random reads and writes of all registers and some holes, and runs of the engine: both give the same."""
    chance = random.Random(random.random())
    engine = Engine(dut)
    await engine.start()
    board = ControlBlock(OFFSETS, lambda: None, lambda: None)
    running = False
    places = [*OFFSETS.values(), 0, 0, 0, 4, 8, 12, 12, 0x18, 0xFC]
    seen = 0
    for _ in range(450):
        action = chance.random()
        if action < 0.45:
            offset = chance.choice(places)
            found, expected = await engine.read(offset), board.read(offset)
            assert found == expected, f"{offset:#x} reads {found:#x} instead of {expected:#x}"
            seen += 1
        elif action < 0.85:
            offset = chance.choice(places)
            value = chance.getrandbits(32) if offset >= 16 else chance.randrange(4) & (1 if offset == 0 else 3)
            await engine.write(offset, value)
            board.write(offset, value)
            if offset == 0 and value & START and not running:
                running = True
                dut.control_ap_idle.value = 0
                await engine.wait(3)
        elif action < 0.93:
            number = chance.getrandbits(32)
            which, word = chance.choice((("status", STATUS), ("progress", STATUS + 4)))
            dut.control_values.value = number << 32 * word
            dut.control_values_valid.value = 1 << word
            await RisingEdge(engine.clock)
            dut.control_values_valid.value = 0
            board.output(which, number)
        elif running:
            assert int(dut.control_ap_start.value)
            await engine.pulse("ap_done", "ap_ready")
            board.finish()
            running = False
        await engine.wait(2)
        assert bool(dut.control_interrupt.value) == board.line
        assert bool(dut.control_ap_start.value) == running
        for name in ("program", "weights_0", "weights_3", "result"):
            assert engine.argument(name) == board.argument(name), f"the engine has another {name}"
    assert seen > 150


@cocotb.test()
async def bytes_and_channels(dut: Any) -> None:
    """Single bytes are written alone, at random pauses of all channels."""
    chance = random.Random(random.random())
    engine = Engine(dut)
    await engine.start()
    write, read = engine.bus.write_if, engine.bus.read_if
    for channel in (write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel):
        channel.set_pause_generator(iter(lambda: chance.random() < 0.5, None))
    arguments = [0x10 + 4 * word for word, kind in enumerate(KINDS) if kind == 1]
    held = bytearray(0x100)
    for _ in range(150):
        offset = chance.choice(arguments) + chance.randrange(4)
        held[offset] = chance.randrange(256)
        await engine.bus.write(offset, bytes([held[offset]]))
        place = chance.choice(arguments)
        assert (await engine.bus.read(place, 4)).data == held[place : place + 4], f"word at {place:#x}"


@cocotb.test()
async def done_is_never_lost(dut: Any) -> None:
    """An end in the very cycle in which the processor reads the control register is shown by the next read."""
    engine = Engine(dut)
    for delay in range(6):
        await engine.start()
        await engine.write(0, START)
        reading = cocotb.start_soon(engine.read(0))
        await engine.wait(delay)
        await engine.pulse("ap_done", "ap_ready")
        await reading
        both = int(reading.result()) | await engine.read(0)
        assert both & DONE and both & READY, f"an end {delay} cycles after a read began is lost"
        assert await engine.read(0) == IDLE, "reading does not clear ap_done and ap_ready"


@cocotb.test()
async def restarting(dut: Any) -> None:
    """Under auto_restart the start stays, and only the last run's end is shown."""
    engine = Engine(dut)
    await engine.start()
    await engine.write(0, START | AUTO_RESTART)
    await engine.pulse(idle=0)
    for _ in range(2):
        await engine.pulse("ap_done", "ap_ready", idle=0)
        assert int(dut.control_ap_start.value)
        assert await engine.read(0) == START | AUTO_RESTART
    await engine.write(0, 0)
    assert int(dut.control_ap_start.value), "writing 0 takes a start back"
    await engine.pulse("ap_done", "ap_ready", idle=1)
    assert not int(dut.control_ap_start.value)
    assert await engine.read(0) == DONE | IDLE | READY


@cocotb.test()
async def interrupts(dut: Any) -> None:
    """Only what is enabled sets its bit; a bit goes by writing 1 and comes back so; the line follows the enable."""
    engine = Engine(dut)
    await engine.start()
    await engine.write(4, 1)
    await engine.pulse("ap_done", "ap_ready")
    assert await engine.read(12) == 0 and not int(dut.control_interrupt.value)
    for bit, name in ((1, "ap_done"), (2, "ap_ready")):
        await engine.write(8, bit)
        await engine.pulse("ap_done", "ap_ready")
        assert await engine.read(12) == bit, f"the interrupt of {name}"
        assert int(dut.control_interrupt.value) and await engine.read(0) & INTERRUPT
        await engine.write(4, 0)
        await engine.wait(2)
        assert not int(dut.control_interrupt.value)
        await engine.write(4, 1)
        await engine.write(12, 3)
        assert await engine.read(12) == 3 - bit, "writing toggles"
        await engine.write(12, 3 - bit)
        await engine.wait(2)
        assert await engine.read(12) == 0 and not int(dut.control_interrupt.value)
