"""How an extra is added to an installation, by where that came from."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterator

import pytest

from edgemoe_gen.base.extras import installing
from edgemoe_gen.base.installed import PACKAGE


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    installing.cache_clear()
    yield
    installing.cache_clear()


@pytest.mark.parametrize(
    ("origin", "wanted"),
    [
        (None, 'pip install "edgemoe-gen[tune]"'),
        ({"url": "file:///a/my%20tree", "dir_info": {"editable": True}}, 'pip install -e "/a/my tree[tune]"'),
        ({"url": "file:///a/tree", "dir_info": {}}, 'pip install "/a/tree[tune]"'),
        (
            {"url": "https://host/x.git", "vcs_info": {"vcs": "git", "commit_id": "0"}},
            'pip install "edgemoe-gen[tune] @ git+https://host/x.git"',
        ),
    ],
)
def test_the_command_is_of_the_kind_that_installed_it(
    origin: object, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Found:
        def read_text(self, name: str) -> str | None:
            assert name == "direct_url.json"
            return None if origin is None else json.dumps(origin)

    monkeypatch.setattr(importlib.metadata, "distribution", lambda _: Found())
    assert installing("tune") == wanted


def test_sources_that_are_not_installed_are_added_by_their_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    assert installing("tune") == f'pip install -e "{PACKAGE.parent}[tune]"'
