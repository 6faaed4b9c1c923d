"""Reads a packaged IP's component.xml and prints it as a Tcl dictionary, for the stand-in of Vivado.

Takes what Vivado takes: buses with their modes, clocks and address spaces, ports with their widths, parameters.
Registers stay in the file; the writer of hardware descriptions reads them there.
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

SPIRIT = "{http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009}"
MEMORY_MAPPED = "aximm"
KINDS = {"clock": "clk", "reset": "rst", "interrupt": "interrupt"}


def text(element: ElementTree.Element | None, path: str, default: str = "") -> str:
    """Text below an element, or the default."""
    found = None if element is None else element.find("/".join(SPIRIT + step for step in path.split("/")))
    return default if found is None or found.text is None else found.text.strip()


def parameters(element: ElementTree.Element) -> dict[str, str]:
    """Parameters of a bus, by name."""
    path = f"{SPIRIT}parameters/{SPIRIT}parameter"
    return {text(item, "name"): text(item, "value") for item in element.findall(path)}


def model_parameters(root: ElementTree.Element) -> dict[str, str]:
    """Parameters of the component's model and of itself, by upper-case name."""
    found = {}
    for item in root.iter(f"{SPIRIT}modelParameter"):
        found[text(item, "name")] = text(item, "value")
    for item in root.findall(f"{SPIRIT}parameters/{SPIRIT}parameter"):
        found[text(item, "name")] = text(item, "value")
    return found


def ports(root: ElementTree.Element) -> dict[str, tuple[str, int]]:
    """Ports with a direction, by name: direction (I, O) and leftmost bit, -1 for a single one."""
    found = {}
    for port in root.findall(f"{SPIRIT}model/{SPIRIT}ports/{SPIRIT}port"):
        direction = {"in": "I", "out": "O"}.get(text(port, "wire/direction"))
        if direction is None:
            continue
        left = text(port, "wire/vector/left", "-1")
        found[text(port, "name")] = (direction, int(float(left)) if left.lstrip("-").isdigit() else 0)
    return found


def bus_facts(root: ElementTree.Element) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Memory-mapped buses, and pins that are clock, reset or interrupt."""
    model = model_parameters(root)
    wires = ports(root)
    buses: list[dict[str, str]] = []
    pins: dict[str, dict[str, str]] = {}
    clock_of: dict[str, tuple[str, str]] = {}
    interfaces = root.findall(f"{SPIRIT}busInterfaces/{SPIRIT}busInterface")
    for interface in interfaces:
        name = text(interface, "name")
        kind_element = interface.find(f"{SPIRIT}busType")
        kind = "" if kind_element is None else kind_element.get(f"{SPIRIT}name", "")
        said = parameters(interface)
        if kind in KINDS:
            physical = text(interface, "portMaps/portMap/physicalPort/name", name)
            direction, left = wires.get(physical, ("O" if kind == "interrupt" else "I", -1))
            pins[physical] = {"name": physical, "dir": direction, "left": str(left), "kind": KINDS[kind]}
            if kind == "clock":
                for bus in said.get("ASSOCIATED_BUSIF", "").split(":"):
                    clock_of[bus] = (physical, said.get("ASSOCIATED_RESET", ""))
        elif kind == MEMORY_MAPPED:
            master = interface.find(f"{SPIRIT}master")
            reference = None if master is None else master.find(f"{SPIRIT}addressSpaceRef")
            space = "" if reference is None else reference.get(f"{SPIRIT}addressSpaceRef", "")
            prefix = f"C_{name.upper()}_"
            data = said.get("DATA_WIDTH") or model.get(f"{prefix}DATA_WIDTH", "32" if master is None else "")
            if not data.isdigit():
                raise SystemExit(f"component.xml: bus '{name}' has no DATA_WIDTH")
            address = said.get("ADDR_WIDTH") or model.get(f"{prefix}ADDR_WIDTH", "32")
            buses.append(
                {
                    "name": name,
                    "mode": "SLAVE" if master is None else "MASTER",
                    "protocol": said.get("PROTOCOL") or ("AXI4LITE" if master is None else "AXI4"),
                    "data": data,
                    "address": address,
                    "ports": name,
                    "space": space,
                }
            )
    # Where the only clock names no buses, it is that of all of them.
    clocks = [name for name, pin in pins.items() if pin["kind"] == "clk"]
    resets = [name for name, pin in pins.items() if pin["kind"] == "rst"]
    only = (clocks[0], resets[0]) if len(clocks) == len(resets) == 1 and not clock_of.keys() - {""} else None
    for facts in buses:
        clock = clock_of.get(facts["name"], only)
        if clock is None:
            raise SystemExit(f"component.xml: no clock is associated with bus '{facts['name']}'")
        facts["clock"], facts["reset"] = clock
    return buses, list(pins.values())


def tcl(value: object) -> str:
    """A value as a word of Tcl."""
    if isinstance(value, dict):
        return "{" + " ".join(f"{name} {tcl(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "{" + " ".join(tcl(item) for item in value) + "}"
    return "{" + str(value) + "}"


def main(path: Path) -> None:
    """Prints the description of the component at `path`."""
    root = ElementTree.parse(path).getroot()
    names = [text(root, part) for part in ("vendor", "library", "name", "version")]
    if not all(names):
        raise SystemExit("component.xml: vendor, library, name or version is missing")
    buses, pins = bus_facts(root)
    description = {
        "vlnv": ":".join(names),
        "component": str(path.resolve()),
        "parameters": model_parameters(root),
        "buses": buses,
        "pins": pins,
    }
    print(tcl(description)[1:-1])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
