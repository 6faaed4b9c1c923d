"""Arguments of the verbs: said once, listed in full by signature and docstring, and few where a verb is written."""

from __future__ import annotations

import ast
import inspect
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

import pytest

import edgemoe_gen
from edgemoe_gen import api
from edgemoe_gen.api import arguments as own_arguments
from edgemoe_gen.api import tuning_arguments
from edgemoe_gen.api.building import build, plan
from edgemoe_gen.api.prepare import generate
from edgemoe_gen.api.simulation import run
from edgemoe_gen.api.tuning import tune
from edgemoe_gen.base.arguments import ARGUMENT, REPEATED, arguments_of, keywords_of, split, with_arguments
from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.cli.build_command import command as build_command
from edgemoe_gen.model import SpecOptions
from edgemoe_gen.project.arguments import PROJECT, Names, Paths, PathText, ProjectKeywords, Values, project_arguments
from edgemoe_gen.project.config import KEYS, Config
from edgemoe_gen.project.writing import config_to_toml

ROOM = Path(edgemoe_gen.__file__).parent
MOST = 8
VERBS = [name for name in api.__all__ if inspect.isfunction(getattr(api, name))]
# The type of a keyword by what its field says of it.
TYPES: Mapping[str, object] = {
    "path": PathText | None,
    "paths": Paths,
    "names": Names,
    "str": str | None,
    "int": int | None,
    "knobs": Values | None,
    "class_names": Mapping[str, Sequence[str]] | None,
    "network": SpecOptions | None,
}


def keywords_type(function: Callable[..., object]) -> type | None:
    """The TypedDict that a verb unpacks."""
    plain = inspect.unwrap(function)
    hint = plain.__annotations__.get("keywords")
    if hint is None:
        return None
    name = re.fullmatch(r"Unpack\[(\w+)\]", hint)
    assert name is not None, hint
    found: type = plain.__globals__[name[1]]
    return found


def own_type(keywords: type) -> type | None:
    """The dataclass of a verb's own arguments."""
    name = keywords.__name__.replace("Keywords", "Arguments")
    found: type | None = getattr(own_arguments, name, getattr(tuning_arguments, name, None))
    return found


def unpacking() -> list[str]:
    return [name for name in VERBS if keywords_type(getattr(api, name)) is not None]


@pytest.mark.parametrize("room", ["api", "cli", "project"])
def test_no_function_takes_more_than_eight_arguments(room: str) -> None:
    many = [
        f"{path.name}: {node.name} takes {count}"
        for path in sorted((ROOM / room).glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and (count := _count(node.args)) > MOST
    ]
    assert not many


def _count(arguments: ast.arguments) -> int:
    listed = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return sum(each is not None and each.arg != "self" for each in listed)


@pytest.mark.parametrize("name", VERBS)
def test_signature_lists_every_keyword_as_it_is_written(name: str) -> None:
    function = getattr(api, name)
    signature = inspect.signature(function)
    assert not {p.kind for p in signature.parameters.values()} & {
        inspect.Parameter.VAR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    }
    for unreadable in ("Unpack", "ForwardRef", "keywords"):
        assert unreadable not in str(signature)
    keywords = keywords_type(function)
    if keywords is not None:
        listed = {
            parameter
            for parameter in inspect.signature(inspect.unwrap(function), follow_wrapped=False).parameters
            if parameter != "keywords"
        }
        assert signature.parameters.keys() == listed | keywords.__annotations__.keys()


@pytest.mark.parametrize("name", VERBS)
def test_docstring_lists_every_argument_once(name: str) -> None:
    function = getattr(api, name)
    text = inspect.getdoc(function)
    assert text is not None
    section = re.search(r"^Args:\n((?:    .*\n?)+)", text, re.MULTILINE)
    listed = (
        []
        if section is None
        else [
            word.strip()
            for names in re.findall(r"^    (\w[\w, ]*):", section[1], re.MULTILINE)
            for word in names.split(",")
        ]
    )
    assert sorted(listed) == sorted(inspect.signature(function).parameters)


@pytest.mark.parametrize("name", unpacking())
def test_types_of_keywords_are_those_of_their_fields(name: str) -> None:
    keywords = keywords_type(getattr(api, name))
    assert keywords is not None
    hints, own = typing.get_type_hints(keywords), own_type(keywords)
    own_hints = {} if own is None else typing.get_type_hints(own)
    assert own_hints.keys() <= hints.keys()
    for each in keywords_of(keywords, *PROJECT, *([] if own is None else [own])):
        wanted = own_hints.get(each.keyword, TYPES.get(each.kind))
        if each.kind in REPEATED:
            wanted = TYPES[each.kind]  # a caller may give one alone, which a verb reads as several
        assert hints[each.keyword] == wanted, each.keyword


@pytest.mark.parametrize("name", unpacking())
def test_defaults_of_keywords_are_those_of_their_fields(name: str) -> None:
    function = getattr(api, name)
    keywords = keywords_type(function)
    assert keywords is not None
    own = own_type(keywords)
    if own is not None:
        for each in fields(own):
            assert inspect.signature(function).parameters[each.name].default == each.default


def test_every_argument_of_a_project_is_a_keyword_an_option_and_a_key() -> None:
    said = {keyword for keyword in arguments_of(*PROJECT) if keyword != "checkpoint"}
    assert said == set(ProjectKeywords.__annotations__)
    options = {name for parameter in build_command.params for name in parameter.opts}
    assert {f"--{keyword.replace('_', '-')}" for keyword in said - {"options", "knobs"}} | {"--knob"} <= options
    text = config_to_toml(Config(class_names={"semseg": ("road",)}), Path())
    for each in fields(Config):
        if ARGUMENT in each.metadata and each.name != "model":  # [model] is written where there is a network
            assert re.search(rf"^{each.name} = |^\[(\w+\.)?{each.name}\]", text, re.MULTILINE), each.name
    assert all(key.comment for key in KEYS.values())


def test_what_a_caller_says_is_a_config() -> None:
    said = project_arguments(
        {
            "spec": "net.yml",
            "config": Path("p.toml"),
            "board": "kv260",
            "knobs": {"weight_bits": 8},
            "image": ["a.png", Path("b")],
            "task": ("depth",),
            "class_names": {"semseg": ["road"]},
            "labels": None,
            "output": "out",
        },
        "c.pth",
    )
    assert said.spec_file == Path("net.yml") and said.project_file == Path("p.toml")
    assert said.config == Config(
        checkpoint=Path("c.pth"),
        board="kv260",
        knobs={"weight_bits": 8},
        images=(Path("a.png"), Path("b")),
        tasks=("depth",),
        class_names={"semseg": ("road",)},
        output=Path("out"),
    )


def test_keywords_at_their_defaults_say_nothing() -> None:
    defaults = {keyword: each.default for keyword, each in arguments_of(*PROJECT).items() if keyword != "checkpoint"}
    assert project_arguments(defaults).config == Config() == project_arguments({}).config


@pytest.mark.parametrize("keyword", ["name", "output"])
def test_empty_texts_are_refused(keyword: str) -> None:
    with pytest.raises(ConfigError, match=f"--{keyword} is empty"):
        project_arguments({keyword: ""})


@pytest.mark.parametrize(
    ("function", "given", "words"),
    [
        (build, {"boards": "kv260"}, r"build\(\) got an unexpected keyword argument 'boards'"),
        (plan, {"progress": print}, r"plan\(\) got an unexpected keyword argument 'progress'"),
        (generate, {"image": ["a.png"]}, r"generate\(\) got an unexpected keyword argument 'image'"),
        (run, {}, r"run\(\) missing a required.* argument: 'image'"),
        (tune, {"name": "x"}, r"tune\(\) got an unexpected keyword argument 'name'"),
    ],
)
def test_keywords_that_a_verb_does_not_take_are_refused_as_python_does(
    function: Callable[..., object], given: dict[str, object], words: str
) -> None:
    with pytest.raises(TypeError, match=words):
        function(**given)


def test_an_argument_of_a_keyword_that_no_field_describes_is_a_fault() -> None:
    class Keywords(typing.TypedDict, total=False):
        shape: str

    with pytest.raises(TypeError, match="Keywords has keys that are no arguments: shape"):
        keywords_of(Keywords, *PROJECT)


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ("Does.", "Does.||Args:|    b: two|    c: three"),
        ("Does.||Args:|    a, b: one.|        More.", "Does.||Args:|    a, b: one.|        More.|    c: three"),
        ("Does.||Raises:|    E: it.", "Does.||Args:|    b: two|    c: three||Raises:|    E: it."),
        ("Does.||Args:|    c: own.||Raises:|    E: it.", "Does.||Args:|    c: own.|    b: two||Raises:|    E: it."),
    ],
)
def test_docstrings_are_completed(lines: str, wanted: str) -> None:
    text = lines.replace("|", "\n    ")
    assert with_arguments(text, {"b": "two", "c": "three"}) == wanted.replace("|", "\n")


def test_one_path_and_one_name_may_stand_alone() -> None:
    said = project_arguments({"image": "city.png", "calibrate": Path("a"), "task": "semseg"}).config
    assert (said.images, said.calibrate, said.tasks) == ((Path("city.png"),), (Path("a"),), ("semseg",))
    bench, _ = split(own_arguments.BenchArguments, {"image": "city.png", "task": "depth"})
    assert (bench.image, bench.task) == (("city.png",), ("depth",))


@pytest.mark.parametrize(
    ("keyword", "value", "hint"),
    [
        ("spec", {"heads": 3}, "options=SpecOptions"),
        ("options", {"heads": 3}, "SpecOptions(heads=3)"),
        ("image", 7, "a list of paths"),
        ("task", [1], "a list of names"),
        ("augment", "many", "a whole number, 0 or more"),
        ("augment", -1, "a whole number, 0 or more"),
        ("knobs", 6, "a dictionary of values by name"),
        ("board", 104, "a text"),
        ("class_names", ["road"], "names by task"),
        ("output", b"build", "pathlib.Path"),
    ],
)
def test_a_value_of_another_type_is_our_error(keyword: str, value: object, hint: str) -> None:
    with pytest.raises(ConfigError, match=f"^{keyword} is .*, of type {type(value).__name__}$") as raised:
        project_arguments({keyword: value})
    assert hint in raised.value.hint


@pytest.mark.parametrize("name", VERBS)
def test_help_shows_no_addresses(name: str) -> None:
    assert " at 0x" not in str(inspect.signature(getattr(api, name)))
