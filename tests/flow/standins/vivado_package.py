"""The IP packager's part that reads Verilog: infers buses, checks a core against its top module, writes component.xml.

vivado_package.py infer|check|write MODEL, MODEL as vivado_ipx.tcl writes it. An error text becomes a vendor error.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

Json = dict[str, Any]

SPACES = (
    'xmlns:xilinx="http://www.xilinx.com" xmlns:spirit="http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)
PORT = re.compile(r"\b(input|output|inout)\s+(?:wire|logic|reg)?\s*(?:\[\s*(\d+)\s*:\s*0\s*\])?\s*(\w+)\s*(?=[,)])")
MODULE = re.compile(r"^\s*module\s+(\w+)", re.MULTILINE)
INSTANCE = re.compile(r"^\s*(\w+)(?:\s+#\(.*?\))?\s+(\w+)\s*\(\s*\.", re.MULTILINE | re.DOTALL)
# Signals of the abstraction aximm_rtl: those of a master that are driven by the slave, and all (UG1037).
ANSWERS = {"AWREADY", "WREADY", "ARREADY", "RVALID", "RDATA", "RLAST", "RID", "RUSER", "RRESP"}
ANSWERS |= {"BVALID", "BRESP", "BID", "BUSER"}
ADDRESS = ("ID", "ADDR", "LEN", "SIZE", "BURST", "LOCK", "CACHE", "PROT", "QOS", "REGION", "USER", "VALID", "READY")
SIGNALS = {f"{way}{name}" for way in ("AW", "AR") for name in ADDRESS} | ANSWERS
SIGNALS |= {"WDATA", "WSTRB", "WLAST", "WUSER", "WVALID", "BREADY", "RREADY", "WID"}
LITE = {"AWADDR", "AWVALID", "AWREADY", "WDATA", "WSTRB", "WVALID", "WREADY", "BRESP", "BVALID", "BREADY"}
LITE |= {"ARADDR", "ARVALID", "ARREADY", "RDATA", "RRESP", "RVALID", "RREADY"}
FIXED_BITS = {"LEN": 8, "SIZE": 3, "BURST": 2, "LOCK": 1, "CACHE": 4, "PROT": 3, "QOS": 4, "REGION": 4, "RESP": 2}
SIGNAL_PORT = {"clock": ("CLK", "input"), "reset": ("RST", "input"), "interrupt": ("INTERRUPT", "output")}
PARAMETERS = {
    "aximm": {
        "PROTOCOL", "DATA_WIDTH", "ADDR_WIDTH", "MAX_BURST_LENGTH", "NUM_READ_OUTSTANDING", "NUM_WRITE_OUTSTANDING",
        "SUPPORTS_NARROW_BURST", "READ_WRITE_MODE", "HAS_BURST",
    },
    "clock": {"ASSOCIATED_BUSIF", "ASSOCIATED_RESET", "FREQ_HZ"},
    "reset": {"POLARITY"},
    "interrupt": {"SENSITIVITY"},
}  # fmt: skip
SIZES = {"G": 30, "T": 40, "E": 60}


class RefusedError(Exception):
    """What the packager would say."""


class Core:
    """What the script has said, and the Verilog that it is of."""

    def __init__(self, model: Json) -> None:
        self.model = model
        self.objects: dict[str, Json] = model["objects"]
        self.root = Path(model["root"])
        self.texts: dict[str, tuple[Path, str]] = {}
        for name in model["sources"]:
            path = Path(name)
            if not path.is_relative_to(self.root):
                raise RefusedError(f"File '{path}' lies outside of the IP's folder")
            text = re.sub(r"//[^\n]*", "", path.read_text(encoding="utf-8"))
            for module in MODULE.findall(text) if path.suffix in (".v", ".sv") else ():
                if module in self.texts:
                    raise RefusedError(f"module '{module}' is defined twice: {path.name}")
                self.texts[module] = (path, text)
        self.top = model["top"]
        if self.top not in self.texts:
            raise RefusedError(f"Top module '{self.top}' is in no source file")
        self.file, self.text = self.texts[self.top]
        if self.file.suffix != ".v":
            raise RefusedError(f"The top of an IP must be Verilog or VHDL, not SystemVerilog: '{self.file.name}'")
        self.ports = ports_of(self.text, self.top)

    def below(self, kind: str, parent: str = "core") -> dict[str, tuple[str, Json]]:
        """Objects of a kind directly below another: path and properties by name."""
        start = f"ipx/{kind}/{parent}/"
        return {
            key[len(start) :]: (f"{parent}/{key[len(start) :]}", facts)
            for key, facts in self.objects.items()
            if key.startswith(start) and "/" not in key[len(start) :]
        }


def ports_of(text: str, module: str) -> dict[str, tuple[str, int]]:
    """Direction and bits of each port of a module in ANSI style."""
    head = text.split(f"module {module}", 1)[1].split(");", 1)[0] + ")"
    return {name: (way, int(high or 0) + 1) for way, high, name in PORT.findall(head)}


def infer(core: Core) -> None:
    """Prints what the tool would infer, as pairs of kind and name: buses by prefixes, clocks and resets by names."""
    found: dict[str, str] = {}
    for name in core.ports:
        prefix = re.match(r"(\w+)_(?:AWADDR|ARADDR)$", name)
        if prefix:
            found[prefix[1]] = "map" if prefix[1].startswith("s_") else "space"
    words = [f"bus {name} {kind} {name}" for name, kind in found.items()]
    print(" ".join([*words, *(f"bus {name}" for name in core.ports if re.search(r"clk$|rst_?n$", name))]))


def check(core: Core) -> None:
    """Refuses what does not hold together."""
    check_instances(core)
    mapped: dict[str, str] = {}
    buses = core.below("bus")
    for name, (path, bus) in buses.items():
        kind = check_types(name, bus)
        maps = {logical: facts["physical_name"] for logical, (_, facts) in core.below("portmap", path).items()}
        for logical, physical in maps.items():
            if physical not in core.ports:
                raise RefusedError(f"Bus interface '{name}': the port '{physical}' of '{logical}' does not exist")
            if physical in mapped:
                raise RefusedError(f"Port '{physical}' belongs to '{mapped[physical]}' and '{name}'")
            mapped[physical] = name
        parameters = {key: facts["value"] for key, (_, facts) in core.below("parameter", path).items()}
        unknown = set(parameters) - PARAMETERS[kind]
        if unknown:
            raise RefusedError(f"Bus interface '{name}' knows no parameter '{sorted(unknown)[0]}'")
        if kind == "aximm":
            check_memory_mapped(core, name, bus, maps, parameters)
        else:
            logical, way = SIGNAL_PORT[kind]
            if list(maps) != [logical] or core.ports[maps[logical]][0] != way:
                raise RefusedError(f"Bus interface '{name}' maps {sorted(maps)}, but is a {kind}")
        if kind == "clock":
            wrong = [each for each in parameters["ASSOCIATED_BUSIF"].split(":") if each not in buses]
            if wrong or parameters["ASSOCIATED_RESET"] not in core.ports:
                raise RefusedError(f"Clock '{name}' is associated with {wrong or parameters['ASSOCIATED_RESET']}")
    loose = [port for port in core.ports if port not in mapped]
    if loose:
        raise RefusedError(f"Port '{loose[0]}' belongs to no bus interface")
    unused = set(core.below("space")) - {bus["master_address_space_ref"] for _, bus in buses.values()}
    if unused:
        raise RefusedError(f"Address space '{sorted(unused)[0]}' belongs to no bus interface")
    for name, (path, _) in core.below("map").items():
        check_map(core, name, path)
    for name in core.model["used_in"]:
        if not (core.root / "constraints" / name).is_file():
            raise RefusedError(f"There is no file '{name}' in the core")


def check_types(name: str, bus: Json) -> str:
    """Kind of a bus by its type."""
    match = re.fullmatch(r"xilinx\.com:(interface|signal):(\w+):1\.0", bus["bus_type_vlnv"])
    kind = match[2] if match else ""
    if kind not in PARAMETERS or (kind == "aximm") != (match is not None and match[1] == "interface"):
        raise RefusedError(f"Bus interface '{name}' has no known type: '{bus['bus_type_vlnv']}'")
    if bus["abstraction_type_vlnv"] != bus["bus_type_vlnv"].replace(f"{kind}:", f"{kind}_rtl:"):
        raise RefusedError(f"Bus interface '{name}' has no known abstraction: '{bus['abstraction_type_vlnv']}'")
    if bus["interface_mode"] not in ("master", "slave"):
        raise RefusedError(f"Bus interface '{name}' has no mode '{bus['interface_mode']}'")
    return kind


def check_memory_mapped(core: Core, name: str, bus: Json, maps: dict[str, str], parameters: dict[str, str]) -> None:
    """A bus of AXI4 or AXI4-Lite: its signals, their directions and widths, its address space or memory map."""
    lite = parameters.get("PROTOCOL") == "AXI4LITE"
    if not lite and parameters.get("PROTOCOL") != "AXI4":
        raise RefusedError(f"Bus interface '{name}' has no protocol '{parameters.get('PROTOCOL')}'")
    known = LITE if lite else SIGNALS - {"WID"}
    if set(maps) - known or LITE - set(maps):
        raise RefusedError(
            f"Bus interface '{name}' maps {sorted(set(maps) - known)}, and not {sorted(LITE - set(maps))}"
        )
    data, address = int(parameters["DATA_WIDTH"]), int(parameters["ADDR_WIDTH"])
    master = bus["interface_mode"] == "master"
    for logical, physical in maps.items():
        way, bits = core.ports[physical]
        if (way == "input") != ((logical in ANSWERS) == master):
            raise RefusedError(f"Bus interface '{name}': port '{physical}' has the wrong direction for '{logical}'")
        part = logical[2:] if logical[:2] in ("AW", "AR") else logical[1:]
        wanted = {"ADDR": address, "DATA": data, "STRB": data // 8, **FIXED_BITS}.get(part, 1)
        if bits != wanted:
            raise RefusedError(
                f"Bus interface '{name}': port '{physical}' has {bits} bits, but '{logical}' has {wanted}"
            )
    reference = bus["master_address_space_ref" if master else "slave_memory_map_ref"]
    if reference not in core.below("space" if master else "map"):
        raise RefusedError(f"Bus interface '{name}' refers to no address space or memory map: '{reference}'")


def check_map(core: Core, name: str, path: str) -> None:
    """A memory map: registers within their block, none over another, fields within their register."""
    for block, (inner, facts) in core.below("block", path).items():
        taken: set[int] = set()
        for register, (deep, said) in core.below("register", inner).items():
            offset, size = int(said["address_offset"], 0), int(said["size"])
            places = set(range(offset, offset + size // 8))
            if size % 8 or taken & places or offset + size // 8 > amount(facts["range"]):
                raise RefusedError(f"Register '{register}' of '{name}/{block}' lies over another, or outside")
            taken |= places
            for field, (_, bits) in core.below("field", deep).items():
                if int(bits["bit_offset"]) + int(bits["bit_width"]) > size:
                    raise RefusedError(f"Field '{field}' of register '{register}' has bits outside of it")
        if not taken:
            raise RefusedError(f"Address block '{name}/{block}' has no register")


def amount(text: str) -> int:
    """Bytes as the packager takes them: a number, or one with a unit."""
    return int(text[:-1]) << SIZES[text[-1]] if text[-1] in SIZES else int(text, 0)


def check_instances(core: Core) -> None:
    """Every module that the top starts must be there, with just these ports."""
    body = core.text.split(");", 1)[1]
    for module, name in INSTANCE.findall(body):
        if module not in core.texts:
            raise RefusedError(f"[Synth 8-439] module '{module}' of instance '{name}' not found")
        there = ports_of(core.texts[module][1], module)
        named = re.findall(r"\.(\w+)\s*\(", body)
        wrong = set(there) ^ set(named)
        if wrong:
            raise RefusedError(
                f"[Synth 8-448] instance '{name}' of '{module}' and its ports differ in '{sorted(wrong)[0]}'"
            )


def fields(around: str = "", **values: object) -> list[str]:
    """Elements with texts, inside another one where that is named."""
    lines = [f"<spirit:{name}>{escape(str(value))}</spirit:{name}>" for name, value in values.items()]
    return [f"<spirit:{around}>", *lines, f"</spirit:{around}>"] if around else lines


def write(core: Core) -> None:
    """component.xml, as it stands in the IP's folder."""
    check(core)
    facts = core.objects["ipx/core/core"]
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<spirit:component {SPACES}>"]
    lines += fields(**{key: facts[key] for key in ("vendor", "library", "name", "version")})
    lines.append("<spirit:busInterfaces>")
    for name, (path, bus) in core.below("bus").items():
        lines += bus_lines(core, name, path, bus)
    lines += ["</spirit:busInterfaces>", "<spirit:addressSpaces>"]
    for name, (_, space) in core.below("space").items():
        lines += fields("addressSpace", name=name, range=space["range"], width=space["width"])
    lines += ["</spirit:addressSpaces>", "<spirit:memoryMaps>"]
    for name, (path, _) in core.below("map").items():
        lines += ["<spirit:memoryMap>", *fields(name=name), *map_lines(core, path), "</spirit:memoryMap>"]
    lines += ["</spirit:memoryMaps>", "<spirit:model>", "<spirit:ports>"]
    for name, (way, bits) in core.ports.items():
        lines += ["<spirit:port>", *fields(name=name), "<spirit:wire>"]
        lines += fields(direction={"input": "in", "output": "out"}[way])
        lines += fields("vector", left=bits - 1, right=0) if bits > 1 else []
        lines += ["</spirit:wire>", "</spirit:port>"]
    lines += ["</spirit:ports>", "</spirit:model>", "<spirit:fileSets>", "<spirit:fileSet>"]
    for name in core.model["sources"]:
        lines += ["<spirit:file>", *fields(name=Path(name).relative_to(core.root).as_posix())]
        used = core.model["used_in"].get(Path(name).name, "")
        lines += [f"<spirit:userFileType>USED_IN_{each}</spirit:userFileType>" for each in used.split()]
        lines.append("</spirit:file>")
    lines += ["</spirit:fileSet>", "</spirit:fileSets>", *fields(description=facts["description"])]
    lines.append("</spirit:component>")
    (core.root / "component.xml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def bus_lines(core: Core, name: str, path: str, bus: Json) -> list[str]:
    """A bus of component.xml."""
    _, library, kind, _ = bus["bus_type_vlnv"].split(":")
    reference = f'spirit:vendor="xilinx.com" spirit:library="{library}" spirit:name="{kind}" spirit:version="1.0"'
    lines = ["<spirit:busInterface>", *fields(name=name), f"<spirit:busType {reference}/>"]
    space, memory = bus["master_address_space_ref"], bus["slave_memory_map_ref"]
    inner = f'<spirit:addressSpaceRef spirit:addressSpaceRef="{space}"/>' if space else ""
    inner += f'<spirit:memoryMapRef spirit:memoryMapRef="{memory}"/>' if memory else ""
    mode = bus["interface_mode"]
    lines += [f"<spirit:{mode}>{inner}</spirit:{mode}>", "<spirit:portMaps>"]
    for logical, (_, facts) in core.below("portmap", path).items():
        lines += ["<spirit:portMap>", *fields("logicalPort", name=logical)]
        lines += [*fields("physicalPort", name=facts["physical_name"]), "</spirit:portMap>"]
    lines += ["</spirit:portMaps>", "<spirit:parameters>"]
    for key, (_, facts) in core.below("parameter", path).items():
        lines += fields("parameter", name=key, value=facts["value"])
    return [*lines, "</spirit:parameters>", "</spirit:busInterface>"]


def map_lines(core: Core, path: str) -> list[str]:
    """Blocks of a memory map."""
    lines = []
    for name, (inner, facts) in core.below("block", path).items():
        lines += ["<spirit:addressBlock>", *fields(name=name, range=facts["range"], width=facts["width"])]
        for register, (deep, said) in core.below("register", inner).items():
            lines += ["<spirit:register>", *fields(name=register, description=said["description"])]
            lines += fields(addressOffset=said["address_offset"], size=said["size"], access=said["access"])
            for field, (_, bits) in core.below("field", deep).items():
                lines += fields("field", name=field, bitOffset=bits["bit_offset"], bitWidth=bits["bit_width"])
            lines.append("</spirit:register>")
        lines.append("</spirit:addressBlock>")
    return lines


if __name__ == "__main__":
    try:
        {"infer": infer, "check": check, "write": write}[sys.argv[1]](
            Core(json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")))
        )
    except RefusedError as refused:
        print(refused)
        raise SystemExit(1) from None
