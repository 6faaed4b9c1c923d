"""The results as tables: one shape for the terminal and for Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from setting import NOTHING, show

from engine_parts.ablation import Ablation
from engine_parts.growth import Experts, Switch
from engine_parts.peers import PEERS
from engine_parts.runs import ESTIMATE, TIMED, Frame, ResourceUse

SHOWN = ("DSP", "BRAM36", "URAM")
BEGIN, END = "<!-- engine.py writes from here -->", "<!-- to here -->"


@dataclass(frozen=True)
class Table:
    """A table: title, heads, rows of texts, and sentences below it."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def show(self) -> None:
        """Prints it."""
        show(self.title, self.heads, self.rows)
        for note in self.notes:
            print(f"  {note}")

    def markdown(self) -> str:
        """The same in Markdown."""
        lines = [f"#### {self.title}", "", _row(self.heads), _row(["---"] * len(self.heads)), *map(_row, self.rows)]
        if self.notes:
            lines += ["", *(f"{note}  " for note in self.notes[:-1]), self.notes[-1]]
        return "\n".join(lines) + "\n"


def write_markdown(path: Path, tables: Sequence[Table]) -> None:
    """Writes tables to a file: between the two marks where it has them, else as all of it."""
    text = f"As of {date.today().isoformat()}.\n\n" + "\n".join(table.markdown() for table in tables)
    old = path.read_text(encoding="utf-8") if path.is_file() else ""
    part = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    if part.search(old):
        text = part.sub(lambda _: f"{BEGIN}\n{text}{END}", old)
    path.write_text(text, encoding="utf-8")


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def frames_table(frames: Sequence[Frame], board: str, ddr: str) -> Table:
    """The main table: a row a network."""
    heads = (
        "network", "tokens", "MACs", "unit (MACs a cycle)", "ms", "x bound", "bound by", "DDR bytes", "x needed",
        "DSP", "BRAM36", "URAM", "targets",
    )  # fmt: skip
    rows = []
    for frame in frames:
        use = {row.name: row for row in frame.resources}
        unit = " x ".join(str(size) for size in frame.unit)
        rows.append(
            (frame.title, f"{frame.tokens:,}", f"{frame.macs / 1e9:.3f} G", f"{unit} ({frame.multipliers:,})",
             f"{frame.milliseconds:.3f}", f"{frame.bound_ratio:.3f}", frame.limit, f"{frame.ddr_bytes:,}",
             f"{frame.ddr_ratio:.3f}", *(_used(use[name]) for name in SHOWN), _targets(frame))
        )  # fmt: skip
    clocks = ", ".join(sorted({f"{frame.clock_mhz:g} MHz" for frame in frames}))
    widths = ", ".join(sorted({f"{frame.widths[0]} x {frame.widths[1]} bits" for frame in frames}))
    notes = [
        f"{board} at {clocks}, DDR {ddr}, {widths}. ms and bytes: {TIMED}; DSP, BRAM36 and URAM: {ESTIMATE}.",
        "Bound: max(MACs / MACs a cycle, weight bytes / bandwidth). Needed bytes: weights + image + result.",
    ]
    for frame in frames:
        notes.append(
            f"{frame.title}: {frame.weights}{_routes(frame)}; on-chip memory {frame.memory_mib:.2f} MiB; tokens keep "
            f"{frame.tail_bits} finer bits between layers."
        )
    return Table("One frame on the default design", heads, tuple(rows), tuple(notes))


def _used(use: ResourceUse) -> str:
    return f"{use.used:,} ({use.share:.0%})"


def _targets(frame: Frame) -> str:
    texts = []
    for target in frame.targets:
        sign = "holds" if target.holds else f"MISSED: {target.found:.4g}"
        limit = "15% free" if target.what.startswith("share") else f"<= {target.at_most:g} {target.what}"
        texts.append(f"{limit}: {sign}")
    return "; ".join(texts) or NOTHING


def _routes(frame: Frame) -> str:
    if frame.routes is None:
        return ""
    least, mean, largest, deviation = frame.routes
    return f"; tokens an expert {least} to {largest}, {mean:.1f} on average, standard deviation {deviation:.1f}"


def peers_table(frames: Sequence[Frame], device: str) -> Table:
    """Ours and the published ones, side by side where the number of tokens is the same."""
    heads = (
        "accelerator", "network", "tokens", "device, clock", "bits (activations x weights)", "ms", "ours faster by",
        "DSP", "BRAM36", "URAM", "on chip MiB", "DDR MB", "W", "tier",
    )  # fmt: skip
    rows: list[tuple[str, ...]] = []
    by_tokens = {frame.tokens: frame for frame in frames}
    for frame in frames:
        use = {row.name: row for row in frame.resources}
        rows.append(
            ("this project", frame.title, f"{frame.tokens:,}", f"{device}, {frame.clock_mhz:g} MHz",
             f"{frame.widths[0]} x {frame.widths[1]}", f"{frame.milliseconds:.3f}", NOTHING,
             *(f"{use[name].used:,}" for name in SHOWN), f"{frame.memory_mib:.2f}", f"{frame.ddr_bytes / 1e6:.1f}",
             NOTHING, f"{TIMED}; resources {ESTIMATE}")
        )  # fmt: skip
    for peer in PEERS:
        ours = by_tokens.get(peer.tokens) if peer.alike else None
        ratio = f"{peer.milliseconds / ours.milliseconds:.2f} x" if ours else NOTHING
        counts = [_known(number) for number in (peer.dsp, peer.bram36, peer.uram)]
        others = [_known(number) for number in (peer.memory_mib, peer.ddr_mb, peer.watts)]
        rows.append(
            (peer.name, peer.network, f"{peer.tokens:,}", f"{peer.device}, {peer.clock_mhz} MHz", peer.widths,
             f"{peer.milliseconds:g}", ratio, *counts, *others, peer.tier)
        )  # fmt: skip
    notes = [
        "Faster by: only between equal numbers of tokens; it compares a simulation with what others published, on the "
        "boards and at the widths of each row. The ZCU102 has 2,520 DSP and 912 BRAM36, the ZCU104 1,728 and 312.",
        _sources(),
    ]
    return Table("Beside what is published", heads, tuple(rows), tuple(notes))


def _known(number: float | None) -> str:
    return NOTHING if number is None else f"{number:,}"


def _sources() -> str:
    """Where numbers of tokens come from, and where the figures do."""
    tokens: dict[str, list[str]] = {}
    for peer in PEERS:
        tokens.setdefault(peer.tokens_from, []).append(peer.name)
    kinds = "; ".join(f"{', '.join(names)}: {why}" for why, names in tokens.items())
    named = dict.fromkeys(f"{peer.name.split(',')[0]} {peer.source}" for peer in PEERS)
    return f"Tokens: {kinds}. Sources: {'; '.join(named)}."


def ablation_table(ablations: Sequence[Ablation]) -> Table:
    """A row a technique, for each network its time and how much longer that is."""
    heads = ["switched off"]
    for ablation in ablations:
        heads += [f"{ablation.title}{_part(ablation)}: ms", "change"]
    texts = {row.key: row.off for ablation in ablations for row in ablation.rows}
    rows = [("nothing", *(cell for ablation in ablations for cell in (f"{ablation.milliseconds:.3f}", NOTHING)), TIMED)]
    notes = []
    for key, off in texts.items():
        cells = []
        tiers = set()
        for ablation in ablations:
            row = next((row for row in ablation.rows if row.key == key), None)
            if row is None or row.milliseconds is None or row.change is None:
                cells += [NOTHING, NOTHING]
                if row is not None:
                    notes.append(f"{off}, {ablation.title}: {row.why}.")
            else:
                cells += [f"{row.milliseconds:.3f}", f"{row.change:+.1%}"]
                tiers.add(row.tier)
        rows.append((off, *cells, ", ".join(sorted(tiers)) or NOTHING))
    if "queues" in texts:
        notes.append("Every token through every expert: top-k is the number of experts, so its search is longer too.")
    if "reordering" in texts:
        notes.append(
            "Tokens in order: DDR's time for these weights alone, from a formula; the frame would take longer."
        )
    return Table("Ablation: one technique off at a time", (*heads, "tier"), tuple(rows), tuple(notes))


def _part(ablation: Ablation) -> str:
    return "" if ablation.blocks == ablation.of_blocks else f", first {ablation.blocks} of {ablation.of_blocks} blocks"


def switch_table(switch: Switch) -> Table:
    """Cycles of programs of one and two frames."""
    a, b = switch.tasks
    rows = [
        ((f"{a}",), switch.one, "", ""),
        ((a, a), switch.same, "", ""),
        ((b, b), switch.other, "", ""),
        ((a, b), switch.there, "", ""),
        ((b, a), switch.back, f"{switch.extra:+g}", "routers of each task's own, which route differently"),
        ((a, a), switch.alike_same, "", f"{b} has the router weights of {a}"),
        ((a, b), switch.alike_there, f"{switch.extra_alike:+d}", f"{b} has the router weights of {a}"),
    ]
    texts = tuple(
        (" then ".join(frames), f"{cycles:,}", extra or NOTHING, why or NOTHING, TIMED)
        for frames, cycles, extra, why in rows
    )
    notes = (
        f"Cycles a switch: ({a} then {b}) + ({b} then {a}) - two frames of {a} - two of {b}, over two; with equal "
        "router weights, where nothing but the switch differs, one program less the other.",
    )
    heads = ("frames", "cycles", "extra cycles of a switch", "routers", "tier")
    return Table(f"Switching the task, {switch.title}", heads, texts, notes)


def experts_table(rows: Sequence[Experts], title: str) -> Table:
    """A row a number of experts."""
    heads = (
        "experts a layer", "ms", "bytes of weights", "DDR's time for them, ms", "BRAM36", "URAM", "on chip MiB",
        "design", "tier",
    )  # fmt: skip
    texts = []
    for row in rows:
        use = {part.name: part for part in row.resources}
        texts.append(
            (str(row.experts), f"{row.milliseconds:.3f}", f"{row.weight_bytes:,}", f"{row.weight_milliseconds:.3f}",
             f"{use['BRAM36'].used}", f"{use['URAM'].used}", f"{row.memory_mib:.2f}",
             "the same" if row.same_design else "another by default", f"{TIMED}; memory {ESTIMATE}")
        )  # fmt: skip
    first, last = rows[0], rows[-1]
    notes = (
        f"From {first.experts} to {last.experts} experts: {last.milliseconds - first.milliseconds:+.3f} ms, of which "
        f"DDR needs {last.weight_milliseconds - first.weight_milliseconds:+.3f} ms more for weights; weights "
        f"{last.weight_bytes / first.weight_bytes:.2f} x, time {last.cycles / first.cycles:.2f} x.",
        f"All run on the design for {first.experts}; memories are those of the default design for each number. "
        "Random weights, balanced routers, equal top-k.",
    )
    return Table(f"Experts, {title}", heads, tuple(texts), notes)
