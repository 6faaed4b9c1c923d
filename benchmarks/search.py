"""What the default search finds, and how soon: its best confirmed design against the one that a build would take.

The simulations compile into an empty cache, as on the first day; `--budget` and `--jobs` are those of `tune`.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import numpy as np
from setting import EXAMPLE, NOTHING, open_setting, parser, said_options, show

from edgemoe_gen import tune
from edgemoe_gen.design.knobs import parse_knob
from edgemoe_gen.tuning.trial import Outcome


def figure(outcome: Outcome | None, name: str) -> tuple[float, str]:
    """Value and tier; not a number where it is not known."""
    found = None if outcome is None else outcome.figures.get(name)
    return (float("nan"), NOTHING) if found is None else (found.value, found.tier)


def main() -> None:
    """Searches and prints."""
    options = parser(__doc__.split("\n")[0])
    options.add_argument("--budget", default="2m", help="wall time of the search")
    options.add_argument("--jobs", type=int, default=1, help="worker processes")
    options.add_argument("--seed", type=int, default=0, help="of the sampler")
    setting = open_setting(options.parse_args())
    given = setting.arguments
    example = given.checkpoint is None
    turned = dict(parse_knob(text) for text in given.knob)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EDGEMOE_CACHE"] = str(Path(folder) / "cache")
        pictures = []
        for number, image in enumerate(setting.images):
            pictures.append(Path(folder) / f"{number}.npy")
            np.save(pictures[-1], image)
        begun = time.perf_counter()
        result = tune(
            EXAMPLE / "checkpoint.pth.tar" if example else given.checkpoint,
            spec=given.spec or (EXAMPLE / "spec.toml" if example else None),
            options=said_options(given),
            board=given.board, knobs={name: [value] for name, value in turned.items()}, image=pictures,
            budget=given.budget, jobs=given.jobs, seed=given.seed, output=Path(folder) / "tune",
        )  # fmt: skip
        seconds = time.perf_counter() - begun
    best = result.document["best"]
    chosen = None if best is None else result.front[best - 1]
    rows = []
    for title, name, digits in (("latency, ms", "latency_ms", ".3f"), ("MSE of the final tokens", "error", ".2e")):
        (before, tier), (after, own) = figure(result.default, name), figure(chosen, name)
        rows.append((title, format(before, digits), format(after, digits), f"{before / after:.3f} x", own or tier))
    show("Default design and best confirmed one", ["", "default", "found", "ratio", "tier"], rows)
    knobs = "" if chosen is None else ", ".join(
        f"{name}={value:g}" for name, value in chosen.point.values
        if result.default is None or result.default.knobs.get(name) != value
    )  # fmt: skip
    print(f"\nfound: {knobs or 'nothing better than the default design'}")
    confirmed = sum(outcome.tier == chosen.tier for outcome in result.front) if chosen else 0
    print(
        f"front of {len(result.front)}, {confirmed} confirmed; {len(result.state.outcomes)} points tried, "
        f"{result.state.feasible} feasible; {seconds:.0f} s of wall time, {os.cpu_count()} processors, load "
        f"{os.getloadavg()[0]:.1f} at the end"
    )


if __name__ == "__main__":
    main()
