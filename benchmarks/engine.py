"""How fast the engine is: one table of frames in timed simulation, beside what is published, and what makes it so.

Runs M3ViT-tiny at 129 and at 197 tokens and M3ViT-small at 1,025 tokens, each on the default design for the board; then
two tasks in turn, twice as many experts, and every technique of the engine switched off, one at a time.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from engine_parts.ablation import TECHNIQUES, ablate
from engine_parts.cases import Case, little, small, tiny, tiny_square
from engine_parts.growth import time_experts, time_switch
from engine_parts.peers import PEERS
from engine_parts.runs import Frame, time_frame
from engine_parts.tables import (
    Table,
    ablation_table,
    experts_table,
    frames_table,
    peers_table,
    switch_table,
    write_markdown,
)

from edgemoe_gen.base.errors import EdgeMoEError

CASES: dict[str, Callable[[], Case]] = {"tiny": tiny, "tiny224": tiny_square, "small": small}
PARTS = ("frames", "ablation", "switch", "experts")
EXPERTS = (16, 32)


class Clock:
    """Says on the terminal's error stream what is being done, and since when."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    def say(self, what: str) -> None:
        """Prints one line."""
        print(f"{time.perf_counter() - self._start:5.0f} s  {what}", file=sys.stderr, flush=True)


def parser() -> argparse.ArgumentParser:
    """Options of the script."""
    made = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    made.add_argument("--only", choices=CASES, action="append", help="this network only; repeatable")
    made.add_argument("--part", choices=PARTS, action="append", help="this part only; repeatable")
    known = [technique.key for technique in TECHNIQUES]
    made.add_argument("--technique", choices=known, action="append", help="switch off this one only; repeatable")
    made.add_argument("--small", action="store_true", help="two blocks on a small unit in place of all: a trial")
    made.add_argument(
        "--full", action="store_true", help="all blocks in the ablation of M3ViT-small, not the first two"
    )
    made.add_argument("--jobs", type=int, default=2, help="runs side by side (default: 2)")
    made.add_argument("--json", type=Path, metavar="FILE", help="write all figures as JSON; - prints them only")
    made.add_argument(
        "--markdown", type=Path, metavar="FILE", help="write the tables as Markdown, between marks if it has them"
    )
    return made


def main(words: Sequence[str] | None = None) -> None:
    """Measures, prints and writes."""
    options = parser().parse_args(words)
    try:
        tables, facts = measure(options)
    except EdgeMoEError as error:
        raise SystemExit(f"error: {error.message}\n{error.hint}".rstrip()) from error
    text = json.dumps(facts, indent=1) + "\n"
    if options.json == Path("-"):
        print(text, end="")
    else:
        for table in tables:
            table.show()
        if options.json:
            options.json.write_text(text, encoding="utf-8")
    if options.markdown:
        write_markdown(options.markdown, tables)


def measure(options: argparse.Namespace) -> tuple[list[Table], dict[str, Any]]:
    """Tables and figures of the parts and networks that the options ask for."""
    clock = Clock()
    parts = options.part or PARTS
    cases = open_cases(options, clock)
    tables: list[Table] = []
    facts: dict[str, Any] = {}
    with ThreadPoolExecutor(max(1, options.jobs)) as pool:

        def parallel(jobs: Sequence[Callable[[], Any]]) -> list[Any]:
            return list(pool.map(lambda job: job(), jobs))

        if "frames" in parts:
            clock.say("frames: " + ", ".join(case.title for case in cases))
            frames: list[Frame] = parallel([lambda case=case: time_frame(case) for case in cases])  # type: ignore[misc]
            board = cases[0].board
            ddr = f"{board.ddr_gb_per_s:g} GB/s x {board.ddr_efficiency:g}"
            tables += [frames_table(frames, board.title, ddr), peers_table(frames, board.title.removeprefix("AMD "))]
            facts["frames"] = [frame_facts(frame) for frame in frames]
            facts["published"] = [asdict(peer) for peer in PEERS]
        if "switch" in parts:
            clock.say(f"switching the task: {cases[0].title}")
            switch = time_switch(cases[0], parallel)
            tables.append(switch_table(switch))
            facts["switch"] = {**asdict(switch), "extra": switch.extra, "extra_alike": switch.extra_alike}
        if "experts" in parts:
            clock.say(f"numbers of experts: {cases[0].title}")
            experts = time_experts(cases[0], EXPERTS)
            tables.append(experts_table(experts, cases[0].title))
            facts["experts"] = [asdict(row) for row in experts]
        if "ablation" in parts:
            ablations = []
            techniques = [row for row in TECHNIQUES if row.key in (options.technique or [row.key])]
            for case in cases:
                clock.say(f"ablation: {case.title}")
                ablations.append(ablate(case, parallel, techniques))
            tables.append(ablation_table(ablations))
            facts["ablation"] = [asdict(ablation) for ablation in ablations]
    clock.say("done")
    return tables, facts


def open_cases(options: argparse.Namespace, clock: Clock) -> list[Case]:
    """The networks that the options name, calibrated."""
    chosen = [little] if options.small else [CASES[key] for key in dict.fromkeys(options.only or CASES)]
    cases = []
    for make in chosen:
        case = replace(make(), ablated_blocks=None) if options.full else make()
        clock.say(f"calibrating {case.title}: {case.weights}")
        _ = case.network
        cases.append(case)
    return cases


def frame_facts(frame: Frame) -> dict[str, Any]:
    """A frame's figures for JSON, with their tiers."""
    found = asdict(frame)
    found["tiers"] = {"time": "timed simulation", "traffic": "timed simulation", "resources": "estimate"}
    found |= {"bound_ratio": frame.bound_ratio, "ddr_ratio": frame.ddr_ratio, "macs_per_cycle": frame.multipliers}
    for target, row in zip(frame.targets, found["targets"], strict=True):
        row["holds"] = target.holds
    for use, row in zip(frame.resources, found["resources"], strict=True):
        row["share"] = use.share
    return found


if __name__ == "__main__":
    main()
