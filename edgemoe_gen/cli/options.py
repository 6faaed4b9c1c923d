"""Options that several commands share, and the help that shows those of the network apart from the others."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from edgemoe_gen.base.errors import SpecError
from edgemoe_gen.cli.basics import PATH
from edgemoe_gen.design.knobs import parse_knob
from edgemoe_gen.model import SpecOptions, option_name
from edgemoe_gen.model.normalisation import NORMALISATIONS
from edgemoe_gen.model.spec import option_fields
from edgemoe_gen.model.specfile import IMAGE_KEYS, KEYS

F = TypeVar("F", bound=Callable[..., Any])

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
    """A command whose help lists the network's options in a section of their own."""

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


def network_options(function: F) -> F:
    """--spec and one option for every field of `SpecOptions`; `spec_options` collects them."""
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
    return click.option("--spec", type=PATH, help="Spec file: our .toml, or the authors' .yml.")(function)


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
    said: dict[str, Any] = {}
    for field in option_fields():
        value = given.pop(f"network_{field.name}", None)
        if value is not None:
            said[field.name] = _parsed(field.name, _kind(hints[field.name]), value)
    return SpecOptions(**said).said_by("the command line")


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


def config_option(function: F) -> F:
    """--config."""
    return click.option("--config", type=PATH, help="Project file [default: ./edgemoe.toml where there is one].")(
        function
    )


def design_options(function: F) -> F:
    """--board and --knob."""
    function = click.option(
        "--knob", "knobs", multiple=True, metavar="NAME=VALUE",
        help="Turn a knob, such as tokens_parallel=6; repeatable. `edgemoe-gen init` writes all, with their meaning.",
    )(function)  # fmt: skip
    return click.option("--board", help="Board: a name of `edgemoe-gen boards`, or a board file [default: zcu104].")(
        function
    )


def image_options(function: F) -> F:
    """--image, --calibrate, --labels, --task and --class-names, each but --labels repeatable."""
    function = click.option(
        "--class-names", multiple=True, metavar="TASK=A,B,...", callback=_class_names,
        help="Names of a task's classes in the order of their numbers, for the report; repeatable.",
    )(function)  # fmt: skip
    function = click.option("--task", multiple=True, help="Task to build for; repeatable [default: all].")(function)
    function = click.option(
        "--labels",
        type=PATH,
        help="Folder of ground truth NAME.npz [default: beside the pictures].",
    )(function)
    function = click.option(
        "--calibrate", multiple=True, type=PATH,
        help="Picture or folder that binary points are chosen from [default: up to 8 of --image]; repeatable.",
    )(function)  # fmt: skip
    return click.option("--image", multiple=True, type=PATH, help="Picture or folder to simulate; repeatable.")(
        function
    )


def _class_names(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    pairs = [text.partition("=") for text in texts]
    for task, equals, names in pairs:
        if not (task and equals and names):
            raise click.BadParameter("must be of the form TASK=A,B,...")
    return {task: tuple(name.strip() for name in names.split(",")) for task, _, names in pairs}


def force_option(function: F) -> F:
    """--force."""
    return click.option(
        "--force",
        is_flag=True,
        help="Where files of a result were changed or added by hand, move it to NAME.edited-N and go on.",
    )(function)


def knob_values(texts: tuple[str, ...]) -> dict[str, int | float]:
    """Knobs by name from `name=value` texts.

    Raises:
        KnobError: a text is not of this form.
    """
    return dict(parse_knob(text) for text in texts)
