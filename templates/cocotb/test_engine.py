"""The engine behind its buses: whole runs give the bytes of C simulation, whatever the memory and the driver do.

`run.py` runs these tests; README.md says how. What is random follows the seed, so a run can be repeated.
"""

from __future__ import annotations

import os
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles
from engine import FACTS, QUIET_CYCLES, Engine
from memory import DECERR, SLVERR, Weather, cycle

PROMPT = Weather()
FAR = Weather(latency=(200, 200))
VARYING = Weather(latency=(4, 200), moves=0.7)
# Bursts of all ports one at a time, in random order; long pauses, as other masters make them; slow channels.
BUSY = Weather(latency=(20, 120), moves=0.6, stands=(900, 300), is_shared=True)
IS_OWN = os.environ.get("EDGEMOE_BUS_ERRORS", "1") == "1"  # RTL of edgemoe-gen: it promises more than Vitis HLS does


@cocotb.test()
async def registers_after_reset(dut: Any) -> None:
    """The engine is idle and quiet; what enables interrupts can be written and read."""
    engine = Engine(dut)
    await engine.begin()
    bits = FACTS["registers"]["CTRL"]["bits"]
    assert await engine.read("CTRL") == 1 << bits["AP_IDLE"]
    for name, value in (("GIER", 1), ("IP_IER", 3), ("IP_IER", 0), ("GIER", 0)):
        await engine.write(name, value)
        assert await engine.read(name) == value, f"{name} does not keep {value}"
    assert not dut.interrupt.value and not engine.memory.bursts


@cocotb.test()
async def polling(dut: Any) -> None:
    """One run in a prompt memory. Reading the control register shows its end once; then the engine is idle."""
    engine = Engine(dut, PROMPT)
    await engine.begin()
    await engine.start()
    await engine.poll()
    assert await engine.bit("CTRL", "AP_IDLE") and not await engine.bit("CTRL", "AP_DONE")
    assert await engine.status() == "DONE"
    assert await engine.read("progress") == engine.operations
    assert not dut.interrupt.value, "an interrupt that nobody has enabled"
    engine.compare(engine.result)


@cocotb.test()
async def back_to_back(dut: Any) -> None:
    """Runs that start at the interrupt of the one before, at random latencies, with gaps and back-pressure everywhere.

    Each writes a buffer of its own, and the result of the one before is compared while it runs.
    """
    engine = Engine(dut, VARYING)
    await engine.begin()
    await engine.write("GIER", 1)
    await engine.write("IP_IER", 1)
    await engine.start()
    await engine.interrupt()
    first, second = engine.result, await engine.new_result()
    await engine.write("IP_ISR", 1)
    await engine.start()
    assert await engine.status() == "DONE"
    engine.compare(first)
    await engine.interrupt()
    assert await engine.status() == "DONE"
    engine.compare(second)
    await interrupt_toggles(engine)


async def interrupt_toggles(engine: Engine) -> None:
    """Writing 1 toggles the status of an interrupt; the line follows it, and the global enable."""
    line = engine.dut.interrupt
    for held in (0, 1, 0):
        await engine.write("IP_ISR", 1)
        await ClockCycles(engine.dut.ap_clk, 2)
        assert await engine.read("IP_ISR") == held and bool(line.value) == bool(held)
        if held:
            for enabled in (0, 1):
                await engine.write("GIER", enabled)
                await ClockCycles(engine.dut.ap_clk, 2)
                assert bool(line.value) == bool(enabled), "the line does not follow the global enable"


@cocotb.test()
async def far_memory(dut: Any) -> None:
    """A memory that answers each burst after 200 cycles."""
    engine = Engine(dut, FAR)
    await engine.begin()
    await engine.write("GIER", 1)
    await engine.write("IP_IER", 1)
    await engine.start()
    await engine.interrupt()
    assert await engine.status() == "DONE"
    engine.compare(engine.result)


@cocotb.test()
async def busy_memory(dut: Any) -> None:
    """One slow memory behind all ports, in random order: many bursts are on their way, and none keeps others back."""
    engine = Engine(dut, BUSY)
    await engine.begin()
    await engine.start()
    await engine.poll()
    assert await engine.status() == "DONE"
    engine.compare(engine.result)
    weights = {port["bundle"] for port in FACTS["ports"] if port["name"].startswith("weights")}
    held = engine.memory.outstanding
    assert all(held[bundle] > 1 for bundle in weights), f"one burst after the other: {held}"


@cocotb.test()
async def ends_of_pages(dut: Any) -> None:
    """Buffers that begin at the last beat of a page, then 3 beats before its end: none crosses."""
    engine = Engine(dut, VARYING)
    await engine.begin()
    for beat in (-1, -3):
        await engine.point_all(beat)
        await engine.start()
        await engine.poll()
        assert await engine.status() == "DONE"
        engine.compare(engine.result)


@cocotb.test(skip=not IS_OWN)
async def unaligned_addresses(dut: Any) -> None:
    """Addresses within a beat mean the beat: no burst begins anywhere else."""
    engine = Engine(dut)
    await engine.begin()
    await engine.point_all(within=engine.chance.randrange(1, FACTS["port_bits"] // 8))
    await engine.start()
    await engine.poll()
    assert await engine.status() == "DONE"
    engine.compare(engine.result)


@cocotb.test()
async def reset_in_a_run(dut: Any) -> None:
    """A reset while bursts are on their way, of what is read and of what is written; then a run is right."""
    engine = Engine(dut, Weather(latency=(4, 40), moves=0.7))
    await engine.begin()
    first, last = (next(port["bundle"] for port in FACTS["ports"] if port["direction"] == d) for d in ("read", "write"))
    for bundle, burst in ((first, 1), (first, 4), (last, 1)):
        await engine.start()
        while engine.memory.bursts.get(bundle, 0) < burst:
            await ClockCycles(dut.ap_clk, 1)
            assert cycle() - engine.started < QUIET_CYCLES, f"burst {burst} of {bundle} does not come"
        await ClockCycles(dut.ap_clk, engine.chance.randrange(8))
        await engine.reset()
        idle = 1 << FACTS["registers"]["CTRL"]["bits"]["AP_IDLE"]
        assert await engine.read("CTRL") == idle, "a reset does not end the run"
        assert await engine.read("program_1") == 0 and not dut.interrupt.value
        engine.memory.forget()
        await ClockCycles(dut.ap_clk, 100)
        assert not engine.memory.bursts, "something is asked for after a reset"
        await engine.point_all()
    await engine.start()
    await engine.poll()
    assert await engine.status() == "DONE"
    engine.compare(engine.result)


@cocotb.test()
async def program_of_another_design(dut: Any) -> None:
    """Nothing runs: no weight is read, nothing is written."""
    engine = Engine(dut)
    await engine.begin()
    program = bytearray(engine.content["program"])
    program[4 * FACTS["identity_word"]] ^= 1
    await engine.point("program", engine.buffer(bytes(program)))
    await engine.start()
    await engine.poll()
    assert await engine.status() == "WRONG_DESIGN"
    assert set(engine.memory.bursts) == {"gmem_program"}


@cocotb.test(skip=not IS_OWN)
async def bad_answers(dut: Any) -> None:
    """A bad answer to any burst of any master ends the run and is said; the run after it is as any other."""
    engine = Engine(dut, Weather(latency=(4, 40)))
    await engine.begin()
    await engine.start()
    await engine.poll()
    assert await engine.status() == "DONE"
    bursts = dict(engine.memory.bursts)
    assert set(bursts) == {port["bundle"] for port in FACTS["ports"]}
    for bundle, last in bursts.items():
        for number, response in ((1, SLVERR), (engine.chance.randint(1, last), DECERR), (last, SLVERR)):
            engine.memory.forget()
            engine.memory.errors[bundle, number] = response
            await engine.start()
            await engine.poll()
            assert await engine.status() == "BUS_ERROR", f"a bad answer to burst {number} of {last} of {bundle} is lost"
    engine.memory.forget()
    result = await engine.new_result()
    await engine.start()
    await engine.poll()
    assert await engine.status() == "DONE"
    engine.compare(result)
    # The result lies elsewhere now, so that its bursts may end at other pages; all else is read as before.
    reads = {port["bundle"] for port in FACTS["ports"] if port["direction"] == "read"}
    counts = {name: (bursts[name], engine.memory.bursts.get(name)) for name in reads}
    assert all(first == again for first, again in counts.values()), f"bursts of the first and of this run: {counts}"
