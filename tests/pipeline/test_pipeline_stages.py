"""Stages in a folder: what others have changed or added there is never lost, and notes of earlier runs are read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.pipeline.stages import Stages, open_stages
from edgemoe_gen.pipeline.state import digest_of

FILES = {"a.txt": "one", "src/b.h": "two", "src/deep/c.h": "three"}


def writer(files: dict[str, str]) -> Callable[[Path], str]:
    def write(folder: Path) -> str:
        for name, text in files.items():
            (folder / "things" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "things" / name).write_text(text)
        return "made"

    return write


def run(folder: Path, inputs: str = "1", files: dict[str, str] = FILES, force: bool | None = False) -> Stages:
    with open_stages(folder, lambda _: None, force) as stages:
        stages.run("make", inputs, ["things"], writer(files))
    return stages


def tree(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()}


EDITS = st.dictionaries(st.sampled_from([*FILES, "mine.txt", "src/mine.cpp"]), st.sampled_from(["x", "one", None]))


@settings(max_examples=40, deadline=None)
@given(edits=EDITS, changed=st.booleans())
def test_no_file_that_is_not_a_stages_own_is_ever_lost(
    tmp_path_factory: pytest.TempPathFactory, edits: dict[str, str | None], changed: bool
) -> None:
    """Any set of edits, additions (text) and deletions (None), before a build with the same or with other inputs."""
    folder = tmp_path_factory.mktemp("stages")
    run(folder)
    things = folder / "things"
    for name, text in edits.items():
        if text is None:
            (things / name).unlink(missing_ok=True)
        else:
            (things / name).parent.mkdir(parents=True, exist_ok=True)
            (things / name).write_text(text)
    foreign = {name: text for name, text in edits.items() if text is not None and FILES.get(name) != text}
    before = tree(things)
    after = FILES | {"a.txt": "new"} if changed else FILES
    inputs = "2" if changed else "1"
    if not foreign:
        run(folder, inputs, after)
        assert tree(things) == after
        return
    with pytest.raises(ConfigError) as caught:
        run(folder, inputs, after)
    assert tree(things) == before
    assert sum(name in caught.value.message for name in foreign) >= min(len(foreign), 3), caught.value.message
    assert "things.edited-1" in caught.value.hint
    stages = run(folder, inputs, after, force=True)
    assert tree(things) == after and tree(folder / "things.edited-1") == before
    assert stages.notes == [f"{things} was not as edgemoe-gen had left it: it is now things.edited-1"]
    assert not list(folder.rglob("*partial*"))


def test_the_sentence_names_the_first_files_and_counts_the_rest(tmp_path: Path) -> None:
    run(tmp_path)
    for i in range(5):
        (tmp_path / "things" / f"new_{i}.txt").write_text("mine")
    (tmp_path / "things/src/b.h").write_text("mine")
    with pytest.raises(ConfigError) as caught:
        run(tmp_path)
    said = "holds what edgemoe-gen did not write: src/b.h (changed); new_0.txt, new_1.txt, new_2.txt and 2 more (added)"
    assert said in caught.value.message
    with pytest.raises(ConfigError) as caught:
        run(tmp_path, force=None)
    assert "--force" not in caught.value.hint


def test_each_forced_build_keeps_what_the_one_before_has_kept(tmp_path: Path) -> None:
    run(tmp_path)
    for i in (1, 2):
        (tmp_path / "things/a.txt").write_text(f"mine {i}")
        run(tmp_path, force=True)
    assert [(tmp_path / f"things.edited-{i}/a.txt").read_text() for i in (1, 2)] == ["mine 1", "mine 2"]


def test_a_forced_stage_that_fails_moves_nothing(tmp_path: Path) -> None:
    run(tmp_path)
    (tmp_path / "things/a.txt").write_text("mine")

    def fail(_: Path) -> str:
        raise ConfigError("no", "")

    with open_stages(tmp_path, lambda _: None, True) as stages, pytest.raises(ConfigError, match="no"):
        stages.run("make", "2", ["things"], fail)
    assert (tmp_path / "things/a.txt").read_text() == "mine" and not (tmp_path / "things.edited-1").exists()


def test_files_that_a_later_stage_adds_are_no_edits_unless_they_are_changed(tmp_path: Path) -> None:
    def add(folder: Path) -> str:
        (folder / "things/added.bin").write_text("result")
        return ""

    def both(inputs: str) -> None:
        with open_stages(tmp_path, lambda _: None) as stages:
            stages.run("make", inputs, ["things"], writer(FILES), ignoring="added.bin")
            stages.run("add", "1", ["things/added.bin"], add)

    both("1")
    both("2")
    (tmp_path / "things/added.bin").write_text("mine")
    with pytest.raises(ConfigError, match=r"added\.bin \(changed\)"):
        both("3")


def test_what_python_leaves_beside_a_package_is_no_edit(tmp_path: Path) -> None:
    run(tmp_path)
    before = digest_of([tmp_path / "things"])
    cache = tmp_path / "things/src/__pycache__"
    cache.mkdir()
    (cache / "b.pyc").write_bytes(b"x")
    assert digest_of([tmp_path / "things"]) == before
    run(tmp_path, "2")


def test_a_link_in_a_folder_is_named_and_not_followed(tmp_path: Path) -> None:
    run(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/x").write_text("mine")
    (tmp_path / "things/link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match=r"link \(added\)"):
        run(tmp_path, "2")
    run(tmp_path, "2", force=True)
    assert (tmp_path / "elsewhere/x").read_text() == "mine"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("garbage {", "it is not JSON"),
        ("[]", "it holds no table of stages"),
        ('{"make": 3}', "it holds no table of stage 'make'"),
        ('{"make": {"inputs": 1}}', "of another kind"),
        ('{"make": {"files": {"a": 1}}}', "of another kind"),
    ],
)
def test_damaged_notes_are_said_for_what_they_are_and_force_goes_on(tmp_path: Path, text: str, why: str) -> None:
    run(tmp_path)
    (tmp_path / ".edgemoe/stages.json").write_text(text)
    with pytest.raises(ConfigError) as caught:
        run(tmp_path)
    assert "stages.json is damaged" in caught.value.message and why in caught.value.message
    assert "was not made by edgemoe-gen" not in caught.value.message
    run(tmp_path, force=True)
    assert tree(tmp_path / "things") == FILES == tree(tmp_path / "things.edited-1")


def test_notes_of_an_older_version_are_read_and_only_a_changed_folder_is_refused(tmp_path: Path) -> None:
    run(tmp_path)
    notes = tmp_path / ".edgemoe/stages.json"
    older = json.loads(notes.read_text())
    del older["make"]["files"]
    notes.write_text(json.dumps(older))
    assert run(tmp_path).results[0].skipped
    run(tmp_path, "2")
    shutil.copy(notes, tmp_path / "newer.json")
    notes.write_text(json.dumps(older))
    (tmp_path / "things/a.txt").write_text("mine")
    with pytest.raises(ConfigError, match="older edgemoe-gen"):
        run(tmp_path, "3")


def test_a_run_that_was_killed_while_its_outputs_moved_is_gone_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before or after the folder took its place: both the old files and the new ones are the stage's own."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    run(tmp_path)
    for place in ("_replace", "digest_of"):
        with monkeypatch.context() as patch:
            patch.setattr(f"edgemoe_gen.pipeline.stages.{place}", killed)
            with pytest.raises(KeyboardInterrupt), open_stages(tmp_path, lambda _: None) as stages:
                stages.run("make", place, ["things"], writer(FILES | {"a.txt": place}), anew=True)
        run(tmp_path, f"after {place}")
        assert tree(tmp_path / "things") == FILES
