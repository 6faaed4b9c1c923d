"""Who makes the RTL of the engine: Vitis HLS, or edgemoe-gen itself. Said once for a project, by `hls`."""

from __future__ import annotations

from collections.abc import Mapping

from edgemoe_gen.base.errors import ConfigError

VITIS, OPEN = "vitis", "open"
CHOICES = (VITIS, OPEN)
OWN = "RTL by edgemoe-gen, not by Vitis HLS"
# What reports, manifests and self-tests say of an engine.
LABELS: Mapping[str, str] = {VITIS: "RTL by Vitis HLS", OPEN: OWN}


def check_choice(choice: str, where: str) -> None:
    """Refuses what is no choice.

    Args:
        choice: what was said.
        where: that says it, for the sentence.

    Raises:
        ConfigError: it is none.
    """
    if choice not in CHOICES:
        raise ConfigError(
            f"{where} is '{choice}', but must be {' or '.join(CHOICES)}",
            f"{VITIS} takes Vitis HLS, {OPEN} the RTL that edgemoe-gen makes itself",
        )
