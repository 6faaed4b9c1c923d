"""Published accelerators of this model, as their authors give them: facts with their sources, nothing measured here.

None of them is for the board, the widths and the number of tokens of another, so each row states all three, and a ratio
is taken only between equal numbers of tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

FOR_BOARD = "authors' figure for the board"
PAPERS_ESTIMATE = "paper's estimate"
DERIVED = "estimate from its public sources"
UNKNOWN = "not stated"


@dataclass(frozen=True)
class Peer:
    """One published design on one network.

    Attributes:
        name, source: of the accelerator.
        network: as published.
        tokens: of a frame.
        tokens_from: where the number of tokens comes from.
        device, clock_mhz: where it runs.
        widths: bits of activations x weights.
        milliseconds: a frame.
        tier: kind of the figure.
        dsp, bram36, uram, watts, memory_mib, ddr_mb: as published, None where not found. The last is MB a frame.
        alike: whether it does what ours does, so that a ratio says something.
    """

    name: str
    source: str
    network: str
    tokens: int
    tokens_from: str
    device: str
    clock_mhz: int
    widths: str
    milliseconds: float
    tier: str
    dsp: int | None = None
    bram36: int | None = None
    uram: int | None = None
    watts: float | None = None
    memory_mib: float | None = None
    ddr_mb: float | None = None
    alike: bool = True


# 2.50 GOP a frame is what 197 tokens take: 1.25 G multiply-accumulates.
_BY_OPERATIONS = "from the 2.50 GOP a frame that it quotes"
_BY_PICTURE = "from the size of the pictures"

PEERS = (
    Peer(
        "Edge-MoE", "ICCAD 2023, arXiv 2305.18691", "M3ViT-tiny", 197, _BY_OPERATIONS, "ZCU102", 300, "32 x 16",
        34.64, FOR_BOARD, watts=14.54,
    ),
    Peer(
        "UbiMoE", "ISCAS 2025, arXiv 2502.05602", "M3ViT-tiny", 197, _BY_OPERATIONS, "ZCU102", 300, "32 x 16",
        25.76, FOR_BOARD, dsp=1850, bram36=458, uram=0, watts=11.50,
    ),
    Peer(
        "CoQMoE", "arXiv 2506.08496", "M3ViT-tiny", 197, _BY_OPERATIONS, "ZCU102", 300, "8 x 8, attention 4",
        6.47, FOR_BOARD, dsp=1754, bram36=383, uram=0, watts=9.83,
    ),
    Peer(
        "Edge-MoE, public sources", "github.com/sharc-lab/Edge-MoE", "M3ViT-tiny", 129, "from the sources", "ZCU102",
        300, "32 x 16", 21.0, f"{DERIVED}: II = 1, no stalls", ddr_mb=155.4,
    ),
    Peer(
        "M3ViT paper, PASCAL", "arXiv 2210.14793", "M3ViT-small", 1025, _BY_PICTURE, "ZCU104", 300, UNKNOWN,
        69.0, PAPERS_ESTIMATE, watts=10.0, memory_mib=4.840,
    ),
    Peer(
        "M3ViT paper, NYUD", "arXiv 2210.14793", "M3ViT-small", 1201, _BY_PICTURE, "ZCU104", 300, UNKNOWN,
        84.5, PAPERS_ESTIMATE, watts=10.0,
    ),
    Peer(
        "M3ViT paper, PASCAL, experts not reordered", "arXiv 2210.14793", "M3ViT-small", 1025, _BY_PICTURE, "ZCU104",
        300, UNKNOWN, 637.5, PAPERS_ESTIMATE, watts=10.0, memory_mib=11.610, alike=False,
    ),
)  # fmt: skip
