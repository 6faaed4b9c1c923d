"""`edgemoe-gen lint`, its API, and what they do without libclang."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edgemoe_gen.base.errors import ConfigError, LintError
from edgemoe_gen.base.extras import installing
from edgemoe_gen.cli import main
from edgemoe_gen.cli.lint_command import command
from edgemoe_gen.linting import RULES, Finding, LintResult, libclang_missing, lint, refuse_findings
from edgemoe_gen.linting.run import lint_folder, lint_project
from edgemoe_gen.project.arguments import ProjectArguments
from tests.linting.lint_sources import small

pytest.importorskip("clang.cindex")
DOCS = Path(__file__).parents[2] / "docs" / "lint.md"


def write(folder: Path, sources: dict[str, str]) -> Path:
    for name, text in sources.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_a_folder_without_findings_passes(tmp_path: Path) -> None:
    done = run(write(tmp_path, small()))
    assert done.exit_code == 0
    assert done.output.startswith(f"no findings: {len(RULES)} rules, ")
    assert "7 functions reachable from edgemoe_engine" in done.output


def test_a_finding_is_a_row_and_exit_code_1(tmp_path: Path) -> None:
    done = run(write(tmp_path, small({"variable = words depth = 4": "variable = words depth = 0"})))
    assert done.exit_code == 1
    assert "pragma-value" in done.output and "src/engine.cpp:" in done.output and "UG1399" in done.output


def test_json_holds_the_result(tmp_path: Path) -> None:
    done = run(write(tmp_path, small({"variable = words depth = 4": "variable = words length = 4"})), "--json")
    assert done.exit_code == 1
    value = json.loads(done.output)
    assert value["findings"][0].keys() == {"rule", "file", "line", "message", "source"}
    assert (value["rules"], value["streams"]) == (len(RULES), 2)


def test_rules_are_listed_with_their_sources() -> None:
    value = json.loads(run("--rules", "--json").output)
    assert [rule["name"] for rule in value] == [rule.name for rule in RULES]
    text = run("--rules").output
    assert all(rule.name in text for rule in RULES)


def test_a_board_and_knobs_are_rendered_and_linted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("--board", "kv260", "--knob", "tokens_parallel=2")
    assert done.exit_code == 0, done.output
    assert list(tmp_path.iterdir()) == []


def test_the_project_file_says_board_and_knobs(tmp_path: Path) -> None:
    file = tmp_path / "edgemoe.toml"
    file.write_text('board = "nowhere"\n', encoding="utf-8")
    with pytest.raises(Exception, match="nowhere"):
        lint_project(ProjectArguments(project_file=file))


def test_a_folder_and_knobs_together_are_refused(tmp_path: Path) -> None:
    done = run(write(tmp_path, small()), "--board", "kv260")
    assert done.exit_code == 2
    assert "leave out --board" in done.output


@pytest.mark.parametrize("inside", ["", "accelerator", "accelerator/src", "src"])
def test_a_folder_may_be_the_output_the_accelerator_or_its_sources(tmp_path: Path, inside: str) -> None:
    home = tmp_path if inside in ("", "src") else tmp_path / "accelerator"
    write(home, small())
    assert lint_folder(tmp_path / inside).findings == ()


def test_a_folder_without_sources_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no rendered sources") as caught:
        lint_folder(tmp_path)
    assert caught.value.hint
    assert main(["lint", str(tmp_path / "nothere")]) == 2


def test_a_source_that_is_no_text_is_refused(tmp_path: Path) -> None:
    write(tmp_path, small())
    (tmp_path / "src/picture.h").write_bytes(b"\x89PNG\xff")
    with pytest.raises(ConfigError, match=r"picture\.h can't be read as text"):
        lint_folder(tmp_path)


def test_sources_without_the_top_function_are_refused() -> None:
    with pytest.raises(ConfigError, match="no source below src/ defines the top function 'other'"):
        lint(small(), top="other")


def test_refuse_findings_names_the_first_and_counts_the_rest() -> None:
    first = Finding("goto", "src/a.h", 7, "'goto' leaves the structure of loops", "UG1399, Canonical Body")
    refuse_findings(LintResult((), 1, 1, 1, 1, 1))
    with pytest.raises(LintError) as caught:
        refuse_findings(LintResult((first, first, first), 1, 1, 1, 1, 1))
    assert caught.value.message == "src/a.h:7 breaks rule 'goto': 'goto' leaves the structure of loops (and 2 more)"
    assert "UG1399, Canonical Body" in caught.value.hint
    assert caught.value.exit_code == 1


def test_without_libclang_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert libclang_missing() == ""
    monkeypatch.setitem(sys.modules, "clang.cindex", None)
    assert "clang" in libclang_missing()
    with pytest.raises(ConfigError, match="needs libclang") as caught:
        lint(small())
    assert caught.value.hint == installing("lint")


def test_the_documentation_lists_the_rules_as_they_are() -> None:
    rows = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert rows == [f"| `{rule.name}` | {rule.meaning} | {rule.source} |" for rule in RULES]
