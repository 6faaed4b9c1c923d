"""The errors that this package raises on purpose: one small family.

Every error is a sentence for the user: what is wrong, where (file, key, value), and a hint that says what to do.
The command line prints message and hint and exits with `exit_code`; it shows a traceback only when asked.
"""

from __future__ import annotations

from pathlib import Path

from edgemoe_gen.base.reading import escaped

_LONGEST = 4000  # characters of a message, whatever a file has put into it


class EdgeMoEError(Exception):
    """Base of all errors that a user can cause or fix.

    Args:
        message: one sentence that names the file, key and value at fault.
        hint: one sentence that says what to do about it, or "".

    Attributes:
        stage: stage of the build in which the error was raised, or "".
    """

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        # What a file says may stand in a message, but a terminal must not obey it.
        message, hint = (escaped(text[:_LONGEST], kept="\n\t") for text in (message, hint))
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.stage = ""


class SpecError(EdgeMoEError):
    """The architecture spec is unreadable, incomplete, or contradicts the checkpoint."""


class CheckpointError(EdgeMoEError):
    """The checkpoint is missing, truncated, unsafe, or does not hold the tensors that its model needs."""


class ImageError(EdgeMoEError):
    """An input image is unreadable or does not fit the spec."""


class BoardError(EdgeMoEError):
    """A board is unknown or its file is malformed."""


class KnobError(EdgeMoEError):
    """A knob breaks a rule, alone or together with others or with the board."""


class CapacityError(EdgeMoEError):
    """A network does not fit the largest network that a design can hold."""


class ConfigError(EdgeMoEError):
    """`edgemoe.toml` is malformed, or a command lacks what it needs: a folder's sources, a package."""


class BusyError(ConfigError):
    """Another build or search is at work in the folder, or on the database."""


class ProgramError(EdgeMoEError):
    """A program or weight file is damaged or was made for another design."""


class SimulationError(EdgeMoEError):
    """C simulation could not be compiled or run, or gave a result outside its bound."""

    exit_code = 1


class SurroundingsError(SimulationError):
    """C simulation lacks something outside the design: a compiler, a writable cache, disk space."""

    exit_code = 2


class LintError(EdgeMoEError):
    """The rendered C++ breaks a rule of Vitis HLS."""

    exit_code = 1


class TimingError(EdgeMoEError):
    """An implemented design misses its clock."""

    exit_code = 1


class OverlayError(EdgeMoEError):
    """An overlay's files are missing, damaged, or do not belong together."""


class ToolError(EdgeMoEError):
    """A vendor tool failed: no licence, a crash, a full disk, or no result.

    Args:
        message: one sentence that says why, and names the log.
        hint: what to do about it.
        log: file with the whole output of the tool, or None.
        lines: the tool's own error lines, in their order.
    """

    exit_code = 3

    def __init__(self, message: str, hint: str = "", log: Path | None = None, lines: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint)
        self.log = log
        self.lines = lines
