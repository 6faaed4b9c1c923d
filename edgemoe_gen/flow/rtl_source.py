"""The maker of the engine's RTL: Vitis HLS, or edgemoe-gen itself. A project sets it by `hls`."""

from __future__ import annotations

from collections.abc import Mapping

from edgemoe_gen.base.errors import ConfigError

VITIS, OPEN = "vitis", "open"
CHOICES = (VITIS, OPEN)
OWN = "RTL by edgemoe-gen, not by Vitis HLS"
# What reports, manifests and self-tests say of an engine.
LABELS: Mapping[str, str] = {VITIS: "RTL by Vitis HLS", OPEN: OWN}


def check_choice(choice: str, where: str) -> None:
    """Refuses an unknown choice.

    Args:
        choice: the given choice.
        where: its place, for the sentence.

    Raises:
        ConfigError: the choice is unknown.
    """
    if choice not in CHOICES:
        raise ConfigError(
            f"{where} is '{choice}', but must be {' or '.join(CHOICES)}",
            f"{VITIS} takes Vitis HLS, {OPEN} the RTL that edgemoe-gen makes itself",
        )
