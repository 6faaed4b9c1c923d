"""Keys of a Vitis HLS configuration file, by release (UG1399, "HLS Config File Commands" and its Tcl map).

Most are options of Tcl commands under another name, so that they are read from the table of the Tcl stand-in.
"""

from __future__ import annotations

import re
from pathlib import Path

TABLE = Path(__file__).with_name("vitis_options.tcl")
GENERAL = {"part": "text", "platform": "text", "board": "text", "freqhz": "text", "debug": "bool"}
SECTIONS = ("hls",)
REPEATED = (
    "syn.file",
    "tb.file",
    "syn.file_cflags",
    "syn.file_csimflags",
    "tb.file_cflags",
    "tb.file_csimflags",
    "syn.op",
)
FORMATS = "ip_catalog xo syn_dcp sysgen rtl"
PLAIN = {
    "clock": "text",
    "clock_uncertainty": "text",
    "flow_target": "vivado vitis",
    "syn.top": "text",
    "syn.cflags": "text",
    "syn.csimflags": "text",
    "syn.storage": "text",
    "syn.blackbox.file": "text",
    "tb.cflags": "text",
    "csim.O": "bool",
    "csim.argv": "text",
    "csim.clean": "bool",
    "csim.code_analyzer": "bool",
    "csim.ldflags": "text",
    "package.output.file": "text",
    "package.output.format": FORMATS,
    "package.output.syn": "bool",
    "vivado.flow": "none syn impl",
    "vivado.rtl": "verilog vhdl",
} | dict.fromkeys(REPEATED, "text")
IP = ("vendor", "library", "name", "version", "display_name", "description", "taxonomy")


class KeyProblemError(Exception):
    """A line that a release refuses; the text says why."""


def known_keys(release: str) -> dict[str, str]:
    """Keys below [hls] with their kinds: text, int, bool, or the words that are allowed."""
    found = PLAIN | {f"package.ip.{name}": "text" for name in IP}
    if release < "2025.1":
        found["syn.output.format"] = FORMATS  # the older name
    for command, options in _table().items():
        if command == "cosim_design":
            prefix = "cosim."
        elif command.startswith("config_") and command != "config_storage":
            prefix = f"syn.{command.removeprefix('config_')}."
        else:
            continue
        for option, kind, since in zip(options[::3], options[1::3], options[2::3], strict=True):
            if since <= release:
                found[prefix + option.removeprefix("-")] = "bool" if kind == "flag" else kind
    return found


def read_config(path: Path, release: str) -> list[tuple[int, str, str]]:
    """Line number, key and value of every line that says something.

    Raises:
        KeyProblemError: a section, key or value that this release does not know; names file and line.
    """
    section = ""
    found: list[tuple[int, str, str]] = []
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        where = f"{path.name}({number})"
        if line.startswith("["):
            section = line.strip("[]")
            if section not in SECTIONS:
                raise KeyProblemError(f"unknown section '{line}' in {where}")
            continue
        key, equals, value = (part.strip() for part in line.partition("="))
        known = known_keys(release) if section else GENERAL
        if not equals or key not in known:
            raise KeyProblemError(f"unknown key '{key}' in section '{section}' of {where}")
        if any(key == other for _, other, _ in found) and key not in REPEATED:
            raise KeyProblemError(f"key '{key}' stands twice: {where}")
        if not _fits(value, known[key]):
            raise KeyProblemError(f"illegal value '{value}' of key '{key}' in {where}")
        found.append((number, key, value))
    return found


def _fits(value: str, kind: str) -> bool:
    if kind == "text":
        return bool(value)
    if kind == "int":
        return value.isdigit()
    if kind == "bool":
        return value.lower() in ("0", "1", "true", "false")
    return value in kind.split()


def _table() -> dict[str, list[str]]:
    text = TABLE.read_text(encoding="utf-8")
    body = text[text.index("{") + 1 : text.rindex("}")]
    entries = re.findall(r"^    (\w+)\s*\{((?:[^{}]|\{[^{}]*\})*)\}", body, re.MULTILINE)
    return {
        command: [braced or word for braced, word in re.findall(r"\{([^{}]*)\}|(\S+)", options)]
        for command, options in entries
    }
