"""One process against its own source: random elements through the native function, then through the module.

`native_program` makes a C++ program that calls the function with streams that make up elements, and writes what came
and went. `bench_program` makes one that offers the same to the module, with gaps and back-pressure, and compares all.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgemoe_gen.rtl.compile import Kernels
from edgemoe_gen.rtl.library import sources_for
from edgemoe_gen.rtl.process import Process
from edgemoe_gen.rtl.shapes import Shape
from edgemoe_gen.rtl.trace import Port
from edgemoe_gen.rtl.verilator import build_program, lint
from edgemoe_gen.scheduling.compiler import shims
from edgemoe_gen.scheduling.sources import PORT
from edgemoe_gen.sim.compiler import find_compiler

HERE = Path(__file__).parent / "process"
UNKNOWN_DEPTH = 1024
REQUEST_BITS = 128
FLOWS = ((100, 100), (60, 60), (10, 100), (100, 10))  # percents of cycles in which inputs come and outputs may go


@dataclass(frozen=True)
class Case:
    """A process and its contract.

    Attributes:
        name: of the function.
        header: file of the kernels that it stands in.
        operation: C++ in front of each test; fills `op` and `following`, each an operation_t of zeros.
        elements: by FIFO or AXI port, C++ that corrects a random element `e`; of an AXI port, that of beat `index`.
        memories: by memory, C++ that corrects a random word `e` at address `a`.
        state: C++ in front of all tests.
        tests: how many.
    """

    name: str
    header: str
    operation: str
    elements: Mapping[str, str] = field(default_factory=dict)
    memories: Mapping[str, str] = field(default_factory=dict)
    state: str = ""
    tests: int = 60


@dataclass(frozen=True)
class Outcome:
    """What a run compared; `idle` are ports that nothing crossed."""

    outputs: int
    bad: int
    cycles: int
    log: str
    idle: tuple[str, ...]


def _leaves(shape: Shape) -> str:
    rows = ", ".join(
        f"{{{leaf.offset}, {leaf.container}, {leaf.bits}, {str(leaf.signed).lower()}}}" for leaf in shape.leaves
    )
    return f"{{{rows}}}"


def _table(name: str, shape: Shape) -> str:
    table = f"static const leaf_t table_{name}[] = {_leaves(shape)};"
    return f"{table}\nstatic const leaves_t leaves_{name} = {{table_{name}, {len(shape.leaves)}}};"


def _memories(shapes: Mapping[str, Shape]) -> list[tuple[str, str, Shape]]:
    """Every memory: name of its ports, expression in C++, shape."""
    found = []
    for name, shape in shapes.items():
        if shape.kind == "memory":
            found.append((name, name, shape))
        elif shape.kind == "memories" and shape.members is not None:
            found += [(f"{name}_{member}", f"{name}.{member}", inner) for member, inner in shape.members.values()]
    return found


def native_program(kernels: Kernels, case: Case) -> str:
    """Text of the native program: arguments are the number of tests and the file to write."""
    function = kernels.function(case.name)
    shapes = {name.lstrip("%"): shape for name, shape in kernels.parameters(function).items()}
    tables, objects, setup, before, after = [], [], [], [], []
    arguments = []
    for name, shape in shapes.items():
        wrapped = {"memory": f"any_array_t{{{name}}}", "fifo": f"any_fifo_t<{shape.type}, {shape.count}>{{{name}}}"}
        arguments.append(wrapped.get(shape.kind, name))
        if shape.kind == "fifo":
            tables.append(_table(name, shape))
            objects.append(f"static fifo<{shape.type}> {name}[{shape.count}];")
            for one in [f"{name}[{k}]" for k in range(shape.count)]:
                setup.append(f"{one}.came.clear(); {one}.went.clear(); {one}.leaves = leaves_{name};")
                fix = case.elements.get(name, "")
                setup.append(f"{one}.make = []({shape.type} &e) {{ (void)e; {fix} }};")
                after += [f"put_all({one}.came);", f"put_all({one}.went);"]
        elif shape.kind in ("axi_read", "axi_write"):
            tables.append(_table(name, shape))
            objects.append(f"static {shape.kind}_t {name};")
            setup.append(f"{name}.clear(); {name}.leaves = leaves_{name};")
            fix = case.elements.get(name, "")
            setup.append(f"{name}.make = [](beat_t &e, std::int64_t index) {{ (void)e; (void)index; {fix} }};")
            after += [f"put_all({name}.came);", f"put_all({name}.went);"]
            after += ["put_word_count(0);", f"put_all({name}.asked);"]
        elif shape.kind == "value":
            tables.append(_table(name, shape))
            objects.append(f"static {shape.type} {name};")
            setup.append(f"std::memset(static_cast<void *>(&{name}), 0, sizeof {name});")
            before.append(f"put_word(&{name}, leaves_{name});")
        elif shape.kind == "memory":
            banks = f"[{shape.banks}]" if shape.banks > 1 else ""
            objects.append(f"static {shape.type} {name}[{shape.depth or UNKNOWN_DEPTH}]{banks};")
        elif shape.kind == "memories":
            objects.append(f"static {shape.type} {name};")
        else:
            raise ValueError(f"the bench makes no parameter of kind {shape.kind}: {name}")
    for name, cpp, shape in _memories(shapes):
        tables.append(_table(name, shape))
        depth = shape.depth or UNKNOWN_DEPTH
        word = f"reinterpret_cast<{shape.type} *>({cpp})[a * {shape.banks} + b]"
        loop = f"for (int b = 0; b < {shape.banks}; ++b) for (int a = 0; a < {depth}; ++a)"
        fix = case.memories.get(name, "")
        setup.append(f"{loop} {{ auto &e = {word}; randomise(&e, leaves_{name}); {fix} }}")
        dump = f"{loop} put_word(&{word}, leaves_{name});"
        before.append(dump)
        after.append(dump)
    parts = [
        '#include <cstdio>\n#include <cstdlib>\n#include "port.h"\n'
        + f'#include "{case.header}"\n#include "contract.h"\n#include "parameters.h"\nusing namespace edgemoe;',
        "static std::FILE *out;",
        "static void put_word(const void *value, const leaves_t &leaves) {",
        "  static elements_t one; one.clear(); one.add(value, leaves); std::fwrite(one.words, 4, one.size, out); }",
        "static void put_word_count(std::uint32_t count) { std::fwrite(&count, 4, 1, out); }",
        "static void put_all(const elements_t &all) {",
        "  std::fwrite(&all.count, 4, 1, out); std::fwrite(all.words, 4, all.size, out); }",
        *tables,
        *objects,
        case.state,
        "int main(int, char **argv) {",
        '  const int tests = std::atoi(argv[1]); out = std::fopen(argv[2], "wb");',
        "  for (int test = 0; test < tests; ++test) {",
        *setup,
        case.operation,
        *before,
        f"edgemoe::{case.name}({', '.join(arguments)});",
        *after,
        "  }",
        "  std::fclose(out);",
        "}",
    ]
    return "\n".join(parts) + "\n"


def bench_program(kernels: Kernels, case: Case, process: Process) -> str:
    """Text of the bench: arguments are the vectors, the number of tests, and percents of cycles in which inputs come
    and outputs may go."""
    function = kernels.function(case.name)
    shapes = {name.lstrip("%"): shape for name, shape in kernels.parameters(function).items()}
    ports = {port.name: (port, kinds) for port, kinds in process.ports.items()}
    load, offer, move, finish = list[str](), list[str](), list[str](), list[str]()
    for name, shape in shapes.items():
        if shape.kind == "value":
            given = f"put(top.{name}, value_{name});" if name in process.parameters else ""
            load.append(f"const word_t value_{name} = in.word({shape.bits}); {given}")
    banked = [
        (f"{name}_{b}" if shape.banks > 1 else name, shape)
        for name, _, shape in _memories(shapes)
        for b in range(shape.banks)
    ]
    for name, shape in banked:
        load.append(f"memory_t m_{name}; m_{name}.bits = {shape.bits};")
        load.append(f"m_{name}.words = in.words({shape.bits}, {shape.depth or UNKNOWN_DEPTH});")
    for one, bits in _queues(shapes):
        for way in ("came", "went"):
            load.append(f"queue_t {way}_{one}; {way}_{one}.elements = in.words({bits}, in.number());")
        if one in ports:
            _fifo(one, bits, ports[one][1], offer, move)
        finish.append(f'if (came_{one}.at != came_{one}.elements.size()) score.fault("{one}: not all was read");')
        finish.append(f'if (went_{one}.at != went_{one}.elements.size()) score.fault("{one}: not all was written");')
    for name, shape in shapes.items():
        if shape.kind == "axi_read":
            load.append(f"came_{name}.asked = 0;")
            move.append(f"if (top.{name}_request_write) came_{name}.asked += beats_of(top.{name}_request_din);")
    for name, shape in banked:
        load.append(f"m_{name}.expected = in.words({shape.bits}, {shape.depth or UNKNOWN_DEPTH});")
        if name in ports:
            whole = any(signal.name == f"{name}_write_enable" and signal.bits == 1 for signal in process.signals)
            _memory(name, *ports[name], whole, load, move)
        finish.append(f"score.compared += {int(name in ports and 'store' in ports[name][1])} * m_{name}.words.size();")
        finish.append(f'if (m_{name}.words != m_{name}.expected) score.fault("{name}: the memory differs");')
    settle = [
        f"if (q_{name}) put(top.{name}_read_data, m_{name}.stages.back());"
        for name, (port, kinds) in ports.items()
        if "load" in kinds
    ]
    text = (HERE / "bench.cpp").read_text(encoding="utf-8")
    counted = [f'score.crossed["{name}"];' for name in ports]
    places = {"LOAD": load, "OFFER": offer, "MOVE": move, "SETTLE": settle, "FINISH": finish, "PORTS": counted}
    for key, lines in places.items():
        text = text.replace(f"// @{key}@", "\n".join(lines))
    return text


def _queues(shapes: Mapping[str, Shape]) -> Iterator[tuple[str, int]]:
    """What passes elements, and bits of each: FIFOs, beats of AXI ports, requests of these."""
    for name, shape in shapes.items():
        if shape.kind == "fifo":
            yield from ((f"{name}_{k}" if shape.count > 1 else name, shape.bits) for k in range(shape.count))
        elif shape.kind in ("axi_read", "axi_write"):
            yield name, shape.bits
            yield f"{name}_request", REQUEST_BITS


def _fifo(name: str, bits: int, kinds: frozenset[str], offer: list[str], move: list[str]) -> None:
    if "read" in kinds:
        offer.append(f"offer(came_{name}, into, {bits}, top.{name}_dout, top.{name}_empty_n);")
        move.append(f'if (top.{name}_read) accept(came_{name}, score, "{name}");')
    else:
        offer.append(f"top.{name}_full_n = has_room(went_{name}, out);")
        move.append(f'if (top.{name}_write) compare(went_{name}, take(top.{name}_din, {bits}), score, "{name}");')


def _memory(name: str, port: Port, kinds: frozenset[str], whole: bool, load: list[str], move: list[str]) -> None:
    writes = "store" in kinds
    if "load" in kinds:
        load.append(f"m_{name}.stages.assign({port.latency}, noise({port.bits})); bool q_{name} = true;")
        wrote = f"top.{name}_write_enable != 0, top.{name}_write_address" if writes else "false, 0"
        move.append(f"m_{name}.read(top.{name}_read_address, top.{name}_read_enable, {wrote});")
        move.append(f'score.crossed["{name}"] += top.{name}_read_enable & 1;')
    if writes:
        lanes = ", ".join(str(bits) for bits in port.lanes)
        move.append(
            f"write(m_{name}, top.{name}_write_address, take(top.{name}_write_data, {port.bits}), "
            f'top.{name}_write_enable, {{{lanes}}}, {str(whole).lower()}, score, "{name}");'
        )


class Bench:
    """A process with both programs built. `folder` is where they lie."""

    def __init__(self, kernels: Kernels, case: Case, process: Process, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        files = sources_for([process.text]) | {f"{process.name}.sv": process.text}
        self.lint = lint(files, process.name, _made(folder / "lint"))
        self.bench = build_program(
            files, process.name, bench_program(kernels, case, process), {"ports.h": (HERE / "ports.h").read_text()}
        )
        self._folder = folder
        self._native = _native(kernels, native_program(kernels, case), _made(folder / "native"))

    def vectors(self, tests: int) -> Path:
        """What the native function does in so many tests."""
        path = self._folder / "vectors"
        subprocess.run([str(self._native), str(tests), str(path)], check=True, timeout=300)
        return path

    def run(self, vectors: Path, tests: int, into: int, out: int) -> Outcome:
        """The module's side; `into` and `out` are percents of cycles in which inputs come and outputs may go."""
        done = subprocess.run(
            [str(self.bench), str(vectors), str(tests), str(into), str(out)], capture_output=True, text=True,
            timeout=300, check=False,
        )  # fmt: skip
        last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""
        fields = dict(part.split("=") for part in last.split() if "=" in part)
        if not {"outputs", "bad", "cycles"} <= set(fields):
            raise AssertionError(f"the bench ended with {done.returncode}: {done.stdout[-1000:]}{done.stderr[-1000:]}")
        idle = tuple(line.split()[1] for line in done.stdout.splitlines() if line.startswith("idle "))
        return Outcome(int(fields["outputs"]), int(fields["bad"]), int(fields["cycles"]), done.stdout, idle)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _native(kernels: Kernels, text: str, folder: Path) -> Path:
    own = {
        f"shim/{name}": (HERE / name).read_text() for name in ("hls_stream.h", "port.h", "contract.h", "parameters.h")
    }
    files = dict(kernels.prepared.texts) | shims() | own | {PORT: '#pragma once\n#include "../shim/port.h"\n'}
    files["native.cpp"] = text
    for path, body in files.items():
        _made((folder / path).parent)
        (folder / path).write_text(body, encoding="utf-8")
    zig = [sys.executable, "-m", "ziglang", "c++", "-target", "x86_64-linux-gnu", "-std=c++20", "-O1", "-w"]
    flags = [
        "-fno-sanitize=all",
        "-fno-exceptions",
        "-fno-rtti",
        "-Ishim",
        "-Isrc",
        "-c",
        "native.cpp",
        "-o",
        "native.o",
    ]
    # Only compiled by it: its own C++ library would have to be built first.
    for command in ([*zig, *flags], [find_compiler(), "native.o", "-o", "native"]):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            raise AssertionError(done.stderr[:3000])
    return folder / "native"
