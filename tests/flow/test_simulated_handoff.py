"""The handoff that is made without Vivado says what the one of the block design's own script says."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest

from edgemoe_gen.base.errors import OverlayError
from edgemoe_gen.design import Knobs, make_design
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.overlay.block_design import IOPLL_MHZ, clock_divisors
from edgemoe_gen.overlay.generated_hwh import write_hwh
from edgemoe_gen.overlay.handoff import read_handoff
from tests.flow.vivado_kits import built, make

SHARED = Path(__file__).parents[2] / "../shared/data"
BUS = ("BUSNAME", "TYPE", "DATAWIDTH")
BOARDS = ("zcu104", "zcu102")


def trees(board: str, folder: Path) -> tuple[Element, Element]:
    """Ours, and the one of the script under the stand-in."""
    path = folder / "ours.hwh"
    write_hwh(make(board), path)
    return root_of(path), root_of(built(board, "2023.2").bitstream / "edgemoe.hwh")


def root_of(path: Path) -> Element:
    return ElementTree.parse(path).getroot()


def registers(root: Element) -> dict[tuple[str, str], tuple[str | None, ...]]:
    """Offset and access by instance and register, and the fields with their places."""
    found: dict[tuple[str, str], tuple[str | None, ...]] = {}
    for module in root.iter("MODULE"):
        for register in module.iter("REGISTER"):
            facts = {p.get("NAME", ""): p.get("VALUE") for p in register.findall("PROPERTY")}
            fields = [
                f"{field.get('NAME')} {[p.get('VALUE') for p in field if p.get('NAME') in ('BIT_OFFSET', 'BIT_WIDTH')]}"
                for field in register.iter("FIELD")
            ]
            key = (module.get("INSTANCE", ""), register.get("NAME", ""))
            found[key] = (facts["ADDRESS_OFFSET"], facts["ACCESS"], facts["SIZE"], *fields)
    return found


def connections(root: Element) -> set[tuple[str, ...]]:
    return {
        (module.get("INSTANCE", ""), port.get("NAME", ""), port.get("DIR", ""), port.get("SIGNAME", ""),
         end.get("INSTANCE", ""), end.get("PORT", ""))
        for module in root.iter("MODULE") for port in module.iter("PORT") for end in port.iter("CONNECTION")
    }  # fmt: skip


def ranges(root: Element) -> list[dict[str, str]]:
    """Without the part of DDR above 4 GiB: PYNQ allocates below it, and boards do not say how large theirs is."""
    places = (dict(place.attrib) for place in root.iter("MEMRANGE"))
    return sorted((p for p in places if not p["ADDRESSBLOCK"].endswith("_DDR_HIGH")), key=str)


def kinds(root: Element) -> dict[str, str]:
    return {m.get("INSTANCE", ""): m.get("VLNV", "").rpartition(":")[0] for m in root.iter("MODULE")}


def buses(root: Element) -> dict[tuple[str, str], tuple[str, ...]]:
    return {
        (module.get("INSTANCE", ""), bus.get("NAME", "")): tuple(map(str, map(bus.get, BUS)))
        for module in root.iter("MODULE") for bus in module.iter("BUSINTERFACE")
    }  # fmt: skip


@pytest.mark.parametrize("board", BOARDS)
def test_instances_registers_addresses_and_wires_are_those_of_the_script(board: str, tmp_path: Path) -> None:
    ours, script = trees(board, tmp_path)
    assert kinds(ours) == kinds(script)
    assert registers(ours) == registers(script)
    assert len(registers(ours)) > 30
    assert ranges(ours) == ranges(script)
    assert connections(ours) == connections(script)
    assert buses(ours) == buses(script)


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("clock_mhz", [None, 150.0])
def test_it_is_accepted_as_the_handoff_of_its_design(board: str, clock_mhz: float | None, tmp_path: Path) -> None:
    design = make(board)
    write_hwh(design, tmp_path / "a.hwh", clock_mhz)
    wanted = clock_mhz or design.knobs.clock_mhz
    handoff = read_handoff(tmp_path / "a.hwh", design, wanted)
    assert handoff.name == "edgemoe" and design.board.part.startswith(handoff.part)
    assert 0.9 * wanted <= handoff.clock_mhz <= wanted
    assert len(handoff.masters) == 3 + design.knobs.weight_ports


def test_the_same_design_gives_the_same_bytes_and_another_does_not(tmp_path: Path) -> None:
    for name, ports in (("a", 2), ("b", 2), ("c", 3)):
        write_hwh(make_design(Knobs(weight_ports=ports), load_board("zcu104")), tmp_path / name)
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b and a != c


@pytest.mark.parametrize("clock_mhz", [300.0, 299.9, 250.0, 187.5, 100.0, 33.0, 5.0])
def test_divisors_never_clock_faster_than_asked_for(clock_mhz: float) -> None:
    first, second = clock_divisors(clock_mhz)
    assert 1 <= first <= 63 and 1 <= second <= 63
    # The PLL gives 1,499.85 MHz where 1,500 are meant: a hundredth of a step is forgiven.
    assert IOPLL_MHZ / (first * second) <= clock_mhz * (1 + 0.01 / (first * second - 0.01))


@pytest.mark.parametrize("name", ["edge_moe_zcu102", "skynet_zcu104"])
def test_the_layout_is_that_of_vivados_own_files(name: str, tmp_path: Path) -> None:
    path = SHARED / f"{name}.hwh"
    if not path.is_file():
        pytest.skip(f"the shared data has no {name}.hwh")
    real = root_of(path)
    write_hwh(make("zcu104"), tmp_path / "ours.hwh")
    ours = root_of(tmp_path / "ours.hwh")
    for tag in ("EDKSYSTEM", "SYSTEMINFO", "MEMRANGE", "PORTMAP", "CONNECTION", "PARAMETER", "PROPERTY", "REGISTER"):
        known = {key for element in real.iter(tag) for key in element.attrib}
        used = {key for element in ours.iter(tag) for key in element.attrib}
        assert used and used <= known, tag
    engine = next(m for m in real.iter("MODULE") if ":hls:" in m.get("VLNV", ""))
    mine = next(m for m in ours.iter("MODULE") if ":hls:" in m.get("VLNV", ""))
    assert [part.tag for part in mine if part.tag != "DOCUMENTS"] == [
        part.tag for part in engine if part.tag != "DOCUMENTS"
    ]
    assert set(mine.attrib) <= set(engine.attrib)
    names = {r.get("NAME") for r in engine.iter("REGISTER")}
    assert {"CTRL", "GIER", "IP_IER", "IP_ISR"} <= names


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_handoff_that_hides_its_document_type_is_refused(encoding: str, tmp_path: Path) -> None:
    """In UTF-16 the bytes of "<!DOCTYPE" stand apart, though XML parsers read it."""
    path = tmp_path / "a.hwh"
    path.write_bytes('<!DOCTYPE EDKSYSTEM [<!ENTITY a "b">]><EDKSYSTEM>&a;</EDKSYSTEM>'.encode(encoding))
    with pytest.raises(OverlayError, match=r"a\.hwh holds NUL bytes"):
        read_handoff(path, make("zcu104"), 300.0)


def test_a_clock_in_other_digits_than_decimal_ones_is_refused(tmp_path: Path) -> None:
    design = make("zcu104")
    path = tmp_path / "a.hwh"
    write_hwh(design, path)
    text, count = re.subn(r'CLKFREQUENCY="\d+"', 'CLKFREQUENCY="3\u00b2"', path.read_text(encoding="utf-8"))
    assert count
    path.write_text(text, encoding="utf-8")
    with pytest.raises(OverlayError, match="has no clock frequency"):
        read_handoff(path, design, design.knobs.clock_mhz)
