"""Options made of the arguments of the API's verbs, and the help with a separate section for the network's options.

A command names the TypedDict that its verb unpacks; every key becomes an option by the facts of its field.
"""

from __future__ import annotations

import functools
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import click

from edgemoe_gen.base.arguments import REPEATED, Argument, arguments_of, keywords_of
from edgemoe_gen.base.errors import KnobError, SpecError
from edgemoe_gen.cli.basics import PATH
from edgemoe_gen.design.knobs import parse_knob
from edgemoe_gen.model import SpecOptions, option_name
from edgemoe_gen.model.normalisation import NORMALISATIONS
from edgemoe_gen.model.spec import option_fields
from edgemoe_gen.model.specfile import IMAGE_KEYS, KEYS
from edgemoe_gen.project.arguments import PROJECT
from edgemoe_gen.simulated.engine import KINDS

F = TypeVar("F", bound=Callable[..., Any])
K = TypeVar("K")
P = ParamSpec("P")

_ENGINE = "edgemoe_gen.engine"  # of the context's notes
_RENAMED = {"gate_input_ahead": "input_ahead", "height": "image_height", "width": "image_width"}
_MEANINGS: Mapping[str, str] = {
    **{_RENAMED.get(key, key): comment for key, _, comment in (*KEYS, *IMAGE_KEYS)},
    "image_height": "height of the picture it takes, pixels",
    "image_width": "width of the picture it takes, pixels",
    "mlp_ratio": "hidden size of the dense blocks' MLP as a multiple of dim",
    "expert_ratio": "hidden size of an expert as a multiple of dim",
    "decoder_block": "block whose output the decoders read",
    "tasks": "all tasks of the network, in the order of training",
}
_METAVARS = {"ints": "N[,N...]", "names": "A[,B...]", "numbers": "R,G,B", "normalise": "|".join(NORMALISATIONS)}
NETWORK = "Network, where neither the checkpoint nor --spec tells"


class HelpfulCommand(click.Command):
    """A command whose help lists the network's options in a separate section."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the sections."""
        network = {option_name(f.name).lstrip("-").replace("-", "_") for f in option_fields()}
        sections: dict[str, list[tuple[str, str]]] = {"Options": [], NETWORK: []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                is_network = parameter.name is not None and parameter.name.removeprefix("network_") in network
                sections[NETWORK if is_network and str(parameter.name).startswith("network_") else "Options"].append(
                    record
                )
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


def keyword_options(
    keywords: type[K], *kinds: type, texts: Mapping[str, str] | None = None
) -> Callable[[Callable[Concatenate[K, P], None]], Callable[..., None]]:
    """Options for every keyword that a verb of the API unpacks; the command gets them as its first argument.

    Args:
        keywords: the TypedDict that the verb unpacks.
        kinds: dataclasses of the verb's own arguments, beside those of a project.
        texts: lines of help by keyword, where the command's differ from those of the fields.
    """
    arguments = keywords_of(keywords, *PROJECT, *kinds)

    def decorate(function: Callable[Concatenate[K, P], None]) -> Callable[..., None]:
        @functools.wraps(function)
        def call(*positional: Any, **given: Any) -> None:
            function(cast(K, collect(arguments, given)), *positional, **given)

        command: Callable[..., None] = call
        for each in reversed(arguments):
            command = argument_option(replace(each, help=(texts or {}).get(each.keyword, each.help)))(command)
        return command

    return decorate


def project_option(keyword: str) -> Callable[[F], F]:
    """The option of one argument of a project; the command gets it by its keyword, as click reads it."""
    return argument_option(arguments_of(*PROJECT)[keyword])


def engine_option() -> Callable[[F], F]:
    """Which engine the simulated board has; `chosen_engine` says it, not an argument of the command."""

    def note(context: click.Context, _: click.Parameter, engine: str | None) -> None:
        context.meta[_ENGINE] = engine

    return click.option(
        "--engine",
        type=click.Choice(KINDS),
        expose_value=False,
        callback=note,
        help="Engine of the simulated board, which it implies: C simulation, or the design in RTL under Verilator with "
        "its own registers, interrupt and AXI buses (needs [rtl]; some 20,000 cycles a second) [default: csim].",
    )


def chosen_engine() -> str | None:
    """The engine that the command line names; None: none."""
    found: str | None = click.get_current_context().meta[_ENGINE]
    return found


def argument_option(argument: Argument) -> Callable[[F], F]:
    """The option of an argument; what click reads of it, `collect` makes the API's."""
    if argument.kind == "network":
        return _network_options
    default: Any = argument.default
    repeated = argument.kind in _REPEATED
    unsaid: dict[str, Any] = {"flag_value": argument.unsaid} if argument.unsaid else {}
    return click.option(
        argument.option or "--" + argument.keyword.replace("_", "-"),
        argument.keyword,
        type=_TYPES.get(argument.kind, str),
        is_flag=argument.kind == "flag",
        **unsaid,
        multiple=repeated,
        default=None if repeated else ",".join(default) if argument.kind == "commas" else default,
        callback=_class_names if argument.kind == "class_names" else None,
        metavar=argument.metavar,
        show_default=argument.show_default,
        help=argument.help,
    )


def collect(arguments: Sequence[Argument], given: dict[str, Any]) -> dict[str, Any]:
    """Takes a verb's arguments out of what click has read.

    Raises:
        SpecError, KnobError: a text is not of its kind.
    """
    found = {}
    for each in arguments:
        if each.kind == "network":
            found[each.keyword] = spec_options(given)
        elif each.kind in _READERS:
            found[each.keyword] = _READERS[each.kind](given.pop(each.keyword))
        else:
            found[each.keyword] = given.pop(each.keyword)
    return found


def _network_options(function: F) -> F:
    """One option for every field of `SpecOptions`; `spec_options` collects them."""
    hints = typing.get_type_hints(SpecOptions)
    for field in reversed(option_fields()):
        if field.name == "class_names":  # a mapping; --class-names is its own option
            continue
        name, kind = option_name(field.name), _kind(hints[field.name])
        declaration = f"{name}/--no-{name[2:]}" if kind == "bool" else name
        function = click.option(
            declaration,
            f"network_{field.name}",
            default=None,
            type={"int": int, "float": float, "bool": bool}.get(kind, str),
            metavar=_METAVARS.get(field.name, _METAVARS.get(kind)),
            help=_MEANINGS.get(field.name, ""),
        )(function)
    return function


def _kind(hint: Any) -> str:
    parts = [part for part in typing.get_args(hint) if part is not type(None)] or [hint]
    for part in parts:
        arguments = typing.get_args(part)
        if arguments:
            return "names" if arguments[0] is str else "numbers" if arguments[0] is float else "ints"
    return str(parts[0].__name__)


def spec_options(given: dict[str, Any]) -> SpecOptions:
    """Takes the network's options out of a command's arguments.

    Raises:
        SpecError: a list is not of the wanted kind.
    """
    hints = typing.get_type_hints(SpecOptions)
    found: dict[str, Any] = {}
    for field in option_fields():
        value = given.pop(f"network_{field.name}", None)
        if value is not None:
            found[field.name] = _parsed(field.name, _kind(hints[field.name]), value)
    return SpecOptions(**found).said_by("the command line")


def _parsed(name: str, kind: str, value: Any) -> Any:
    if kind not in ("ints", "names", "numbers"):
        return value
    parts = tuple(part.strip() for part in str(value).split(","))
    if kind == "names":
        return parts
    try:
        numbers: tuple[Any, ...] = tuple((int if kind == "ints" else float)(part) for part in parts)
    except ValueError:
        raise SpecError(
            f"{option_name(name)} is '{value}', which is not a list of numbers", "separate them by commas"
        ) from None
    if kind == "numbers" and len(numbers) != 3:
        raise SpecError(f"{option_name(name)} is '{value}', but must be three numbers", "for red, green and blue")
    single = name in ("experts", "hidden", "expert_hidden") and len(numbers) == 1
    return numbers[0] if single else numbers


def checkpoint_argument(required: bool = False) -> Callable[[F], F]:
    """The CHECKPOINT argument."""
    return click.argument("checkpoint", required=required, type=PATH)


def _class_names(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    pairs = [text.partition("=") for text in texts]
    for task, equals, names in pairs:
        if not (task and equals and names):
            raise click.BadParameter("must be of the form TASK=A,B,...")
    return {task: tuple(name.strip() for name in names.split(",")) for task, _, names in pairs}


def knob_values(texts: tuple[str, ...]) -> dict[str, int | float]:
    """Knobs by name from `name=value` texts.

    Raises:
        KnobError: a text is not of this form.
    """
    return dict(parse_knob(text) for text in texts)


def choices(texts: Sequence[str]) -> dict[str, tuple[int | float, ...]]:
    """Values by knob from `name=a,b` texts.

    Raises:
        KnobError: a text is not of this form, or a knob is given twice.
    """
    from edgemoe_gen.tuning.space import parse_dimension

    found: dict[str, tuple[int | float, ...]] = {}
    for text in texts:
        dimension = parse_dimension(text)
        if dimension.name in found:
            raise KnobError(f"the knob '{dimension.name}' is given twice", "give all its values at once")
        found[dimension.name] = dimension.values
    return found


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


# By kind of argument: click's type, whether it is given several times, and what makes the API's value of click's.
_TYPES: Mapping[str, Any] = {"path": PATH, "paths": PATH, "int": int, "float": float, "flag": bool}
_REPEATED = (*REPEATED, "knobs", "choices", "class_names")
_READERS: Mapping[str, Callable[[Any], Any]] = {"knobs": knob_values, "choices": choices, "commas": _names}
