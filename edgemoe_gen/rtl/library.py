"""The library of SystemVerilog modules, `hls/rtl`: names, parameters and ports, as their own sources declare them.

In: the sources. Out: facts for instances of the modules, so that no second list of them can be wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.base.installed import resource_folder
from edgemoe_gen.hardware.registers import Register

PREFIX = "edgemoe_"  # of all modules: a block design is one name space
FIRST_ARGUMENT = 0x10  # byte offset of the first word behind the control registers
NONE, ARGUMENT, VALUE, VALID = range(4)  # kinds of such a word, as in axilite.sv

_PARAMETER = re.compile(
    r"^ +parameter (?:(?:int|bit|logic)(?: \[[^\]]+\])? )?(\w+) = ([^/]+?),?(?: +//.*)?$", re.MULTILINE
)
_PORT = re.compile(r"^ +(input|output) logic (?:\[(.+):0\] )?(\w+),?(?: +//.*)?$", re.MULTILINE)
_INSTANCE = re.compile(rf"^ +{PREFIX}(\w+) #\($", re.MULTILINE)


@dataclass(frozen=True)
class Port:
    """One port; `width` is an expression of the module's parameters, "1" for a single wire."""

    name: str
    is_input: bool
    width: str


@dataclass(frozen=True)
class Module:
    """One module.

    Attributes:
        name: with the prefix.
        file: within `hls/rtl`.
        text: its source.
        parameters: their defaults, as the source has them.
        ports: in the source's order.
        needs: files of the modules that it instantiates itself.
    """

    name: str
    file: str
    text: str
    parameters: Mapping[str, str]
    ports: tuple[Port, ...]
    needs: tuple[str, ...]

    def instance(self, name: str, parameters: Mapping[str, object], nets: Mapping[str, str]) -> str:
        """An instance as SystemVerilog, with every port named.

        Args:
            name: of the instance.
            parameters: those that are not left at their defaults; texts in quotes where they are strings.
            nets: what each port is connected to; "" for an output that is left open.

        Raises:
            ConfigError: a parameter is unknown, or a port is unknown or forgotten.
        """
        ports = [port.name for port in self.ports]
        wrong = sorted({*parameters} - {*self.parameters}) + sorted({*nets} ^ {*ports})
        if wrong:
            raise ConfigError(
                f"the instance {name} of {self.name} names unknown parameters or ports, or leaves ports out: "
                + ", ".join(wrong),
                f"compare it with hls/rtl/{self.file}",
            )
        given = ",\n".join(f"    .{key}({value})" for key, value in parameters.items())
        connected = ",\n".join(f"    .{port}({nets[port]})" for port in ports)
        return f"{self.name} #(\n{given}\n) {name} (\n{connected}\n);\n"


@cache
def library() -> Mapping[str, Module]:
    """All modules by their names without prefix."""
    files = sorted((resource_folder("hls") / "rtl").glob("*.sv"))
    return {file.stem: _parsed(file.stem, file.read_text(encoding="utf-8")) for file in files}


def sources(names: Iterable[str]) -> dict[str, str]:
    """Texts of these modules and of all that they instantiate, by file name."""
    found: dict[str, str] = {}
    waiting = list(names)
    while waiting:
        module = library()[waiting.pop()]
        if module.file not in found:
            found[module.file] = module.text
            waiting += module.needs
    return dict(sorted(found.items()))


def sources_for(texts: Iterable[str]) -> dict[str, str]:
    """Texts of all modules that these texts instantiate, by file name."""
    whole = "\n".join(texts)
    return sources(name for name, module in library().items() if f"{module.name} #(" in whole)


def argument_kinds(registers: Sequence[Register]) -> tuple[int, ...]:
    """What each word from 0x10 on is: NONE, ARGUMENT, VALUE or VALID; registers as `engine_registers` gives them."""
    arguments = [register for register in registers if register.offset >= FIRST_ARGUMENT]
    end = max((register.offset for register in arguments), default=FIRST_ARGUMENT - 4) + 4
    kinds = [NONE] * ((end - FIRST_ARGUMENT) // 4)
    for register in arguments:
        written = register.access == "write-only"
        kinds[(register.offset - FIRST_ARGUMENT) // 4] = ARGUMENT if written else VALID if register.fields else VALUE
    return tuple(kinds)


def axilite_parameters(registers: Sequence[Register]) -> dict[str, object]:
    """Parameters of `axilite` for these registers."""
    kinds = argument_kinds(registers)
    number = sum(kind << 2 * place for place, kind in enumerate(kinds))
    bits = 2 * len(kinds)
    return {
        "ADDRESS_BITS": (FIRST_ARGUMENT + 4 * len(kinds) - 1).bit_length(),
        "WORDS": len(kinds),
        "KINDS": f"{bits}'h{number:x}",
    }


def _parsed(stem: str, text: str) -> Module:
    head = text.partition(f"module {PREFIX}{stem} #(")[2].partition("\n);")[0]
    parameters, _, ports = head.partition("\n) (")
    return Module(
        f"{PREFIX}{stem}",
        f"{stem}.sv",
        text,
        dict(_PARAMETER.findall(parameters)),
        tuple(Port(name, way == "input", _width(high)) for way, high, name in _PORT.findall(ports)),
        tuple(sorted(set(_INSTANCE.findall(text)))),
    )


def _width(high: str) -> str:
    """Bits of a port by its highest one."""
    if high.isdigit():
        return str(int(high) + 1)
    return high.removesuffix("-1") or "1"
