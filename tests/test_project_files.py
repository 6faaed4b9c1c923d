"""Files for those who carry on: they parse, and all of them call the same commands."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from edgemoe_gen.base.installed import PACKAGE

ROOT = PACKAGE.parent
SCRIPT = (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_both_services_run_the_same_scripts() -> None:
    gitlab = yaml.safe_load((ROOT / ".gitlab-ci.yml").read_text(encoding="utf-8"))
    for job in ("run", "nightly"):
        (workflow,) = [path for path in _workflows() if f"bash .ci/{job}" in path.read_text(encoding="utf-8")]
        steps = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"]["run"]["steps"]
        assert {"run": f"bash .ci/{job}"} in steps
        assert gitlab[job]["script"] == [f"bash .ci/{job}"]
        assert (ROOT / ".ci" / job).is_file()


def test_commits_sessions_and_pushes_check_the_same() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    session = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    for hook in hooks:
        tool = hook["entry"].split()[0]
        assert re.search(rf"^{tool}\b", SCRIPT, re.MULTILINE), tool
        assert f'"{tool}' in session or f"{tool} " in session, tool
    files = re.compile(next(hook["files"] for hook in hooks if hook["id"] == "clang-format"))
    for pattern in re.findall(r"hls/\S+", SCRIPT):
        found = [path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern) if path.is_file()]
        assert found and all(files.match(name) for name in found), pattern
        assert pattern in session


def test_templates_of_issues_parse() -> None:
    for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"):
        form = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert form["name"] and form["description"] and all("type" in part for part in form["body"])


def test_files_that_recipes_name_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:edgemoe_gen|templates|tests|boards|docs|hls|examples|benchmarks)/[\w./-]+)`", text))
    missing = [name for name in named if "NAME" not in name and not (ROOT / name).exists()]
    assert named and not missing


def _workflows() -> list[Path]:
    return sorted((ROOT / ".github" / "workflows").glob("*.yml"))
