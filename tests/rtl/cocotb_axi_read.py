"""AXI masters that read."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiRamRead, AxiReadBus

from tests.rtl.axi_partner import BASE, ReadPartner, Request, Traffic, boundary_requests, content
from tests.rtl.bench import READS

NAMES = [instance.name for instance in READS]
WEATHER = {
    "prompt": Traffic(),
    "far": Traffic(latency=(200, 200)),
    "varying": Traffic(latency=(4, 200), kernel=0.6, channels=0.7),
    "slow kernel": Traffic(latency=(20, 60), kernel=0.25),
}


@cocotb.test()
@cocotb.parametrize(name=NAMES, weather=list(WEATHER))
async def limits_of_bursts(dut: Any, name: str, weather: str) -> None:
    """Every width in every weather: all beats of all requests, right and in order."""
    partner = ReadPartner(dut, name, WEATHER[weather])
    await partner.start()
    requests = boundary_requests(partner.data_bits, partner.limit, random.Random(random.random()))
    cocotb.start_soon(partner.ask(requests))
    expected = partner.addresses(requests)
    found = await partner.take(len(expected))
    wrong = [n for n, (a, v) in enumerate(zip(expected, found, strict=True)) if content(a, partner.data_bits) != v]
    assert not wrong, f"{len(wrong)} of {len(found)} beats are wrong, the first is number {wrong[0]}"
    for _ in range(8):
        await RisingEdge(partner.clock)
    assert partner.port("idle").value and not partner.port("beat_empty_n").value and partner.port("error").value == 0
    partner.count_up("beats read", len(found))


@cocotb.test()
async def a_beat_every_cycle(dut: Any) -> None:
    """At a latency that the bursts on their way cover, beats come without gaps; and no more bursts than may be are."""
    partner = ReadPartner(dut, "r128", Traffic(latency=(200, 200)))
    await partner.start()
    requests = [Request(0, 700), Request(1000, 500)]
    cocotb.start_soon(partner.ask(requests))
    began = partner.cycle
    await partner.take(1200)
    assert partner.cycle - began < 200 + 1200 + 40, f"1200 beats took {partner.cycle - began} cycles"
    far = ReadPartner(dut, "r32", Traffic(latency=(150, 150)))
    await far.start()
    cocotb.start_soon(far.ask([Request(0, 256)]))
    await far.take(256)
    assert far.most_open == far.outstanding


@cocotb.test()
async def a_kernel_that_takes_nothing(dut: Any) -> None:
    """The memory is asked for what the buffer holds and no more; then all comes."""
    for name in NAMES:
        partner = ReadPartner(dut, name, Traffic())
        await partner.start()
        cocotb.start_soon(partner.ask([Request(2, 600)]))
        for _ in range(500):
            await RisingEdge(partner.clock)
        found = await partner.take(600)
        assert found == [content(a, partner.data_bits) for a in partner.addresses([Request(2, 600)])]


@cocotb.test()
async def errors_are_kept(dut: Any) -> None:
    """The first bad response stays until reset; beats come all the same; EXOKAY is none."""
    for name in NAMES:
        partner = ReadPartner(dut, name, Traffic(errors=((1, 1), (2, 3), (3, 2))))
        await partner.start()
        assert partner.port("error").value == 0
        cocotb.start_soon(partner.ask([Request(0, 1)] * 4))
        await partner.take(1)
        assert partner.port("error").value == 0, f"{name}: EXOKAY is an error"
        await partner.take(3)
        assert partner.port("error").value == 3, (
            f"{name}: error {int(partner.port('error').value)} instead of the first"
        )


@cocotb.test()
async def idle_means_nothing_asked(dut: Any) -> None:
    """Idle falls after a request and comes back with the last beat."""
    partner = ReadPartner(dut, "r128", Traffic(latency=(50, 50)))
    await partner.start()
    await partner.ask([Request(0, 20)])
    for _ in range(45):
        await RisingEdge(partner.clock)
        assert not partner.port("idle").value, "idle with bursts on their way"
    await partner.until(lambda: bool(partner.port("idle").value), 200)
    assert partner.open == 0


@cocotb.test()
@cocotb.parametrize(name=NAMES)
async def giving_up(dut: Any, name: str) -> None:
    """At many moments of requests: what is on its way arrives and is dropped, then all is as after reset."""
    partner = ReadPartner(dut, name, Traffic(latency=(4, 60), channels=0.8, errors=((1, 3),)))
    await partner.start()
    for wait in (0, 1, 2, 3, 5, 9, 20, 40, 70, 100):
        asking = cocotb.start_soon(partner.ask([Request(3, 700), Request(0, 90), Request(9, 90)]))
        taking = cocotb.start_soon(partner.take(10_000))
        for _ in range(wait):
            await RisingEdge(partner.clock)
        asking.cancel()
        taking.cancel()
        partner.port("beat_read").value = 0
        await partner.give_up()
        assert not partner.port("beat_empty_n").value, f"{name} keeps beats that were given up"
    requests = [Request(1, partner.limit * partner.outstanding + 3), Request(2, 1)]
    cocotb.start_soon(partner.ask(requests))
    found = await partner.take(sum(request.beats for request in requests))
    assert found == [content(address, partner.data_bits) for address in partner.addresses(requests)]


@cocotb.test()
async def a_memory_of_others(dut: Any) -> None:
    """Beats of cocotbext-axi's own memory."""
    partner = ReadPartner(dut, "r128", Traffic())
    ram = AxiRamRead(
        AxiReadBus.from_prefix(dut, "r128_m_axi"), partner.clock, partner.reset, reset_active_level=False, size=1 << 16
    )
    held = bytes(random.Random(random.random()).randrange(256) for _ in range(1 << 16))
    ram.write(0, held)
    partner.port("beat_read").value = 0
    await super(ReadPartner, partner).start()
    requests = [Request(250, 17), Request(0, 300)]
    cocotb.start_soon(partner.ask(requests))
    found = await partner.take(317)
    places = [a % (1 << 16) for a in partner.addresses(requests)]
    assert [int.from_bytes(held[p : p + 16], "little") for p in places] == found
    assert BASE % 16 == 0
