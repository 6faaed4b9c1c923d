"""Conclusions from an implementation's timing: clock met or not, fastest clock, clock for a retry, in words.

The engine's clock is the one with the most setup endpoints: the engine is nearly the whole design.
"""

from __future__ import annotations

import math

from edgemoe_gen.base.errors import TimingError
from edgemoe_gen.flow.reports.collect import ImplementationFacts, routed
from edgemoe_gen.flow.reports.timing import Clock, Timing, TimingPath

# The processing system makes PL clocks from a PLL with two dividers of six bits each in a row (UG1085, chapter
# "Clock Subsystem"; UG1087, register PL0_REF_CTRL of CRL_APB: DIVISOR0, DIVISOR1). Board presets run the IOPLL at
# 1500 MHz: 33.333 MHz x 90 / 2.
PLL_MHZ = 1500.0
DIVIDER = 63
_NAME_CHARACTERS = 72  # of an instance's path in a sentence
_SAME = 1e-3  # relative: clocks that differ by less are the same; 299.997 MHz is what a preset makes of 300
_ROUNDING = 1e-6  # of what was computed from figures of three decimals


def meets_timing(facts: ImplementationFacts) -> bool | None:
    """Whether the routed design meets all its timing constraints; None where the report does not tell.

    True needs both the report's own sentence and slacks that agree; a single negative slack is enough for False.
    """
    timing = facts.timing
    if timing is None or not routed(facts):
        return None
    slacks = [check.worst_ns for check in (timing.setup, timing.hold, timing.pulse)]
    if timing.met is False or any(slack is not None and slack < 0 for slack in slacks):
        return False
    if timing.met is None or timing.setup.worst_ns is None or timing.hold.worst_ns is None:
        return None
    return True


def engine_clock(facts: ImplementationFacts) -> Clock | None:
    """The clock with the most endpoints; the only clock where endpoints are not reported; else None."""
    clocks = facts.timing.clocks if facts.timing else ()
    counted = [clock for clock in clocks if clock.setup.endpoints]
    if counted:
        return max(counted, key=lambda clock: clock.setup.endpoints or 0)
    return clocks[0] if len(clocks) == 1 else None


def clock_mhz(facts: ImplementationFacts) -> float | None:
    """The clock that the routed design was timed at, MHz."""
    clock = engine_clock(facts)
    if clock is None:
        return None
    return clock.mhz if clock.mhz else 1000 / clock.period_ns if clock.period_ns else None


def achievable_clock_mhz(facts: ImplementationFacts) -> float | None:
    """The fastest clock that this placement and routing could run at, MHz.

    A path with the slack s under the requirement r needs r - s. All requirements within one clock scale with its
    period p, so the worst path allows the period p (r - s) / r; r is p unless the path takes another share of the
    period. So the clock is 1000 / (p - WNS) MHz with p and WNS in ns, of the engine's
    clock, recovery paths within it included.
    """
    clock = engine_clock(facts)
    if facts.timing is None or not routed(facts) or clock is None or not clock.period_ns:
        return None
    slack = _slack_within(facts.timing, clock)
    if slack is None:
        return None
    period = clock.period_ns * (1 - slack / _requirement(facts.timing, clock, slack))
    return 1000 / period if period > 0 else None


def _slack_within(timing: Timing, clock: Clock) -> float | None:
    slacks = [clock.setup.worst_ns]
    slacks += [c.setup.worst_ns for c in timing.crossings if c.source == c.destination == clock.name]
    known = [slack for slack in slacks if slack is not None]
    return min(known) if known and clock.setup.worst_ns is not None else None


def _requirement(timing: Timing, clock: Clock, slack: float) -> float:
    """Requirement of the path with this slack where the report shows it, else the clock's period."""
    path, period = timing.worst, clock.period_ns or math.nan
    if path and path.slack_ns == slack and path.source_clock == path.destination_clock == clock.name:
        return path.requirement_ns if path.requirement_ns and path.requirement_ns > 0 else period
    return period


def retry_clock_mhz(fmax: float) -> float:
    """The fastest clock at or below `fmax` that the processing system can make, MHz: 1500 / n, n a product of two
    numbers up to 63.

    Raises:
        TimingError: `fmax` is not a positive number, or below the slowest clock.
    """
    if math.isfinite(fmax) and fmax > 0:
        for divider in _dividers():
            if PLL_MHZ / divider <= fmax * (1 + _ROUNDING):
                return PLL_MHZ / divider
    raise TimingError(
        f"the processing system cannot make a clock at or below {fmax:g} MHz",
        "lower tokens_parallel, out_parallel or in_parallel, so that paths become shorter",
    )


def _dividers() -> list[int]:
    return sorted({a * b for a in range(1, DIVIDER + 1) for b in range(a, DIVIDER + 1)})


def timing_sentence(facts: ImplementationFacts, requested_mhz: float) -> str:
    """The verdict in one sentence: slack, clock, worst path, and the clock to try again.

    Args:
        facts: of a routed design.
        requested_mhz: clock that the build asked for; named where the design was timed at another one.
    """
    met, timing = meets_timing(facts), facts.timing
    if timing is None or met is None:
        reasons = [
            w for w in facts.warnings if w.split(":")[0] in ("timing_summary.rpt", timing.file if timing else "")
        ]
        deciding = sorted(reasons, key=lambda reason: "no timing verdict" not in reason)
        return "timing is not known" + (f": {deciding[0]}" if deciding else "")
    at = _at(clock_mhz(facts), requested_mhz)
    slack = timing.setup.worst_ns
    if met:
        return f"timing met {at}, +{slack:.3f} ns"
    said = []
    if slack is not None and slack < 0:
        said.append(f"timing failed by {-slack:.3f} ns {at}{_path(timing.worst)}{_remedy(facts, slack)}")
    for check, name, remedy in (
        (timing.hold, "hold", "a slower clock does not mend that"),
        (timing.pulse, "pulse width", "a clock this fast is not allowed on a primitive"),
    ):
        if check.worst_ns is not None and check.worst_ns < 0:
            said.append(f"{name} failed by {-check.worst_ns:.3f} ns {at}: {remedy}")
    return "; ".join(said) or f"timing failed {at}: the report does not say by how much"


def _at(timed: float | None, requested: float) -> str:
    if timed is None or abs(timed - requested) <= _SAME * requested:
        return f"at {requested:.4g} MHz"
    return f"at {timed:.4g} MHz ({requested:.4g} MHz was asked for)"


def _path(path: TimingPath | None) -> str:
    if path is None or path.source is None or path.destination is None:
        return ""
    facts = [] if path.levels is None else [f"{path.levels} logic level{'s' if path.levels != 1 else ''}"]
    if path.route_percent is not None:
        facts.append(f"{path.route_percent:.0f}% routing")
    about = f" ({', '.join(facts)})" if facts else ""
    return f": worst path from {short_name(path.source)} to {short_name(path.destination)}{about}"


def _remedy(facts: ImplementationFacts, slack: float) -> str:
    """The remedy: another clock helps only where the failing path lies within the engine's clock."""
    fastest, clock = achievable_clock_mhz(facts), engine_clock(facts)
    if fastest is None or clock is None or facts.timing is None or _slack_within(facts.timing, clock) != slack:
        return ""
    try:
        return f"; {retry_clock_mhz(fastest):.4g} MHz would meet it"
    except TimingError:
        return ""


def short_name(name: str) -> str:
    """An instance's path, its first parts left out where it is long."""
    if len(name) <= _NAME_CHARACTERS:
        return name
    parts = name.split("/")
    while len(parts) > 1 and len("/".join(parts)) > _NAME_CHARACTERS:
        parts.pop(0)
    return "…/" + "/".join(parts)
