"""What MkDocs makes beside the pages that are written: start page, commands, keys of TOML files, Python API, decisions.

Links to files of the repository outside of docs/ are checked and shown as names, since the site does not have them.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from edgemoe_gen import api
from edgemoe_gen.cli.group import COMMANDS, group
from edgemoe_gen.design import Knobs
from edgemoe_gen.hardware.boards import Board
from edgemoe_gen.model.specfile import IMAGE_KEYS
from edgemoe_gen.model.specfile import KEYS as MODEL_KEYS
from edgemoe_gen.project.config import KEYS

DOCS = Path(__file__).parent
ROOT = DOCS.parent
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are made."""
    made = {
        "index.md": _start(),
        "commands.md": _commands(),
        "keys.md": _keys(),
        "api.md": _api(),
        "decisions/index.md": _decisions(),
    }
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Turns links that leave docs/ into names of files, which must be there."""
    folder = (DOCS / page.file.src_uri).parent

    def outside(match: re.Match[str]) -> str:
        text, target = match[1], match[2]
        if re.match(r"[a-z]+:", target):
            return match[0]
        path = (folder / target).resolve()
        if path.is_relative_to(DOCS):
            return match[0]
        if not path.exists():
            raise PluginError(f"{page.file.src_uri} links to {target}, which is not there")
        name = path.relative_to(ROOT).as_posix()
        return f"`{name}`" if text.strip("`") in (target, name, path.name) else f"{text} (`{name}`)"

    return _LINK.sub(outside, markdown)


def _start() -> str:
    """The README, as seen from docs/."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = text.replace("](docs/images/", "](images/").replace("](docs/decisions/)", "](decisions/index.md)")
    text = text.replace("](docs/decisions)", "](decisions/index.md)").replace("](docs/", "](")
    return re.sub(r"\]\((?!https?:|images/|decisions/|[a-z-]+\.md)([^)]+)\)", r"](../\1)", text)


def _commands() -> str:
    lines = ["# Commands", "", "What `edgemoe-gen COMMAND --help` says, command by command.", ""]
    context = click.Context(group, info_name="edgemoe-gen", max_content_width=110, terminal_width=110)
    for name, summary in COMMANDS.items():
        command = group.get_command(context, name)
        assert command is not None
        own = click.Context(command, info_name=name, parent=context, max_content_width=110, terminal_width=110)
        lines += [f"## {name}", "", summary, "", "```text", command.get_help(own), "```", ""]
    return "\n".join(lines)


def _keys() -> str:
    lines = ["# Keys of TOML files", "", "## edgemoe.toml", ""]
    for table in dict.fromkeys(key.table for key in KEYS.values()):
        lines += [
            f"### [{table}]" if table else "### Above all tables",
            "",
            "| key | kind | meaning |",
            "|---|---|---|",
        ]
        lines += [
            f"| `{name}` | {key.kind} | {_cell(key.comment)} |" for name, key in KEYS.items() if key.table == table
        ]
        lines.append("")
    lines += ["### [knobs]", "", "| knob | default | range | meaning |", "|---|---|---|---|"]
    for knob in fields(Knobs):
        about = knob.metadata
        kind = ", a power of two" if about["power_of_two"] else ""
        low_high = f"{about['low']:g} to {about['high']:g}{kind}"
        lines.append(f"| `{knob.name}` | {knob.default:g} | {low_high} | {_cell(about['meaning'])} |")
    lines += ["", "Defaults are those without a network; with one, knobs follow from network and board.", ""]
    for title, keys in (("[model], of edgemoe.toml and of a spec file", MODEL_KEYS), ("[model.image]", IMAGE_KEYS)):
        lines += [f"## {title}", "", "| key | kind | meaning |", "|---|---|---|"]
        lines += [f"| `{name}` | {kind} | {_cell(text)} |" for name, kind, text in keys]
        lines.append("")
    lines += ["## A board file", "", "| key | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {_cell(text)} |" for name, text in _attributes(Board)]
    return "\n".join([*lines, ""])


def _api() -> str:
    lines = [
        "# Python API",
        "",
        "`edgemoe_gen` and `edgemoe_gen.api` have these functions; options are those of the commands.",
        "",
    ]
    functions = [name for name in api.__all__ if inspect.isfunction(getattr(api, name))]
    results = [name for name in api.__all__ if inspect.isclass(getattr(api, name))]
    lines += ["## Verbs", "", *(f"::: edgemoe_gen.api.{name}\n" for name in functions)]
    lines += ["## What they return", "", *(f"::: {_place(getattr(api, name))}\n" for name in results)]
    return "\n".join(lines)


def _place(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _decisions() -> str:
    lines = ["# Decisions", "", "What was decided differently from the first plan, and why.", ""]
    for path in sorted((DOCS / "decisions").glob("[0-9]*.md")):
        title = path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
        lines.append(f"- [{title}]({path.name})")
    return "\n".join([*lines, ""])


def _attributes(kind: type) -> Iterator[tuple[str, str]]:
    """Names and meanings out of the section "Attributes" of a class's docstring, for every field."""
    text = inspect.getdoc(kind) or ""
    section = text.partition("Attributes:\n")[2].partition("\n\n")[0]
    found: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        match = re.match(r"    (\w[\w, ]*): (.*)", line)
        if match:
            names = [name.strip() for name in match[1].split(",")]
            found |= dict.fromkeys(names, match[2])
        elif line.strip():
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
    for each in fields(kind):
        if each.name not in found:
            raise PluginError(f"the docstring of {kind.__name__} does not say what {each.name} means")
        yield each.name, found[each.name]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
