"""The activation memories of the engine, which operations read and write, and the paths between them.

All other modules take names, order and shape of the memories from here. The number of words in each follows from the
knobs, see `design.sizes`.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgemoe_gen.hardware.parts import EVERY, EXPERTS, has

RESIDUAL, NORMED, QUERY, HIDDEN, CACHE = "residual", "normed", "query", "hidden", "cache"
# Addresses of an array that stands in where an operation has nothing to read or to write; up to four elements would
# become registers.
STAND_IN_DEPTH = 8


@dataclass(frozen=True)
class ActivationMemory:
    """One memory. An address holds the same word of neighbouring tokens, one token in each lane.

    Attributes:
        name: name of the array in the sources and in error messages.
        meaning: its contents.
        words: the size of a design (`design.sizes`) that gives the words of a token.
        operands: it holds keys and values. Such a memory has its own lanes, width and parameters of `operate`; all
            others share their parameters, and can be split.
        tail: it keeps bits below an activation's last, in an array beside it.
        scores: it also holds rows of scores, which have a least number.
    """

    name: str
    meaning: str
    words: str
    operands: bool = False
    tail: bool = False
    scores: bool = False

    @property
    def splittable(self) -> bool:
        """Whether its last addresses can lie in a second array."""
        return not self.operands

    @property
    def row(self) -> str:
        """C++ type of the contents of an address."""
        return "cache_row_t" if self.operands else "memory_row_t"


MEMORIES = {
    memory.name: memory
    for memory in (
        ActivationMemory(RESIDUAL, "tokens between layers", "dim_words", tail=True),
        ActivationMemory(NORMED, "LayerNorm of tokens", "dim_words"),
        ActivationMemory(QUERY, "queries, attention, gathered tokens", "query_words"),
        ActivationMemory(HIDDEN, "hidden features, scores, patches, logits", "hidden_words", scores=True),
        ActivationMemory(CACHE, "keys and values", "cache_words", operands=True),
    )
}
SPLITTABLE = tuple(memory.name for memory in MEMORIES.values() if memory.splittable)
TAILED = tuple(memory.name for memory in MEMORIES.values() if memory.tail)

# Source and destination memory of an operation. A product with keys or values has the cache as a third.
PATHS = (
    (RESIDUAL, NORMED),
    (RESIDUAL, HIDDEN),
    (NORMED, QUERY),
    (NORMED, HIDDEN),
    (NORMED, CACHE),
    (QUERY, HIDDEN),
    (QUERY, RESIDUAL),
    (HIDDEN, QUERY),
    (HIDDEN, RESIDUAL),
    (QUERY, NORMED),
)
DECODER_PATHS = ((QUERY, NORMED),)  # that only designs with decoders have: none of a network's other layers takes them
CONVOLUTION_PATHS = ((HIDDEN, QUERY), (NORMED, QUERY))
RESIZING_PATHS = ((QUERY, HIDDEN), (QUERY, NORMED))  # from results of a convolution to sources of the next one
NORMALISING_PATH = (RESIDUAL, NORMED)
SCORES_PATH = (QUERY, HIDDEN)  # of a product with keys
VALUES_PATH = (HIDDEN, QUERY)  # of a product with values, which takes the scores that lie in its source
EXPERT_PATH = (QUERY, HIDDEN)  # of an expert's first layer, from the gathered tokens
# The only path that leaves both memories free between which tokens are gathered.
GATHERING_PATH = (HIDDEN, RESIDUAL)
GATHERED = (NORMED, QUERY)  # from where to where tokens are gathered
ROUTER_SOURCE = HIDDEN  # holds the logits


@dataclass(frozen=True)
class Parameter:
    """A parameter of `operate` that is an array.

    Attributes:
        name: its name in the sources.
        row: C++ type of an element.
        stand_in: some path has no array for it, so a stand-in is passed.
        structures: elements are structures, and a word keeps every value of them.
        lanes: an element is an array of lanes, which lie side by side.
        part: only designs with this part have the parameter.
    """

    name: str
    row: str
    stand_in: bool = True
    structures: bool = True
    lanes: bool = True
    part: str = EVERY

    @property
    def absent(self) -> str:
        """Name of the stand-in."""
        return f"no_{self.name}"


_MEMORY, _TAIL, _CACHE, _MAXIMA = "memory_row_t", "tail_row_t", "cache_row_t", "maxima_row_t"
PARAMETERS = (
    Parameter("source", _MEMORY, stand_in=False),
    Parameter("source_rest", _MEMORY),
    Parameter("source_tail", _TAIL),
    Parameter("destination", _MEMORY),
    Parameter("destination_rest", _MEMORY),
    Parameter("destination_tail", _TAIL),
    Parameter("cache_before", _CACHE),
    Parameter("cache_after", _CACHE),
    Parameter("gather_source", _MEMORY, part=EXPERTS),
    Parameter("gather_source_rest", _MEMORY, part=EXPERTS),
    Parameter("gather_destination", _MEMORY, part=EXPERTS),
    Parameter("gather_destination_rest", _MEMORY, part=EXPERTS),
    Parameter("maxima_before", _MAXIMA, structures=False),
    Parameter("maxima_after", _MAXIMA, structures=False),
    Parameter("ring", "ring_row_t", stand_in=False),
    Parameter("bias_ring", "biases_t", stand_in=False, lanes=False),
)


def parameters(parts: frozenset[str]) -> tuple[Parameter, ...]:
    """Parameters of a design with these parts."""
    return tuple(parameter for parameter in PARAMETERS if has(parts, parameter.part))


def rest_of(memory: str) -> str:
    """Name of the array that holds a split memory's last addresses."""
    return f"{memory}_rest"


def tail_of(memory: str) -> str:
    """Name of the array that keeps a memory's bits below an activation's last."""
    return f"{memory}_tail"


def path_number(source: str, destination: str) -> int:
    """Value of a path by its memories."""
    return PATHS.index((source, destination))


def path_from(memory: str) -> int:
    """A path whose source is `memory`."""
    return next(i for i, (source, _) in enumerate(PATHS) if source == memory)


def path_to(memory: str) -> int:
    """A path whose destination is `memory`."""
    return next(i for i, (_, destination) in enumerate(PATHS) if destination == memory)
