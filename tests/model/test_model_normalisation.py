"""Scale, mean and std: never guessed, said by value or by name, and who said them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgemoe_gen.base.errors import SpecError
from edgemoe_gen.model import SpecOptions, load_model, read_spec_file, spec_to_toml
from edgemoe_gen.model.normalisation import NORMALISATIONS, PARTS, name_of
from edgemoe_gen.project.inspection import inspect
from edgemoe_gen.report.document import normalisation_facts
from tests.factory import options, write_checkpoint

pytest.importorskip("torch")
BARE = replace(options(), scale=None, mean=None, std=None)
VALUES: dict[str, Any] = {"scale": 0.5, "mean": (1.0, 2.0, 3.0), "std": (4.0, 5.0, 6.0)}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("normalisation") / "m.pth")


@pytest.mark.parametrize("missing", PARTS)
def test_each_of_the_three_is_asked_for(missing: str, checkpoint: Path) -> None:
    said = SpecOptions(**{key: value for key, value in VALUES.items() if key != missing}).over(BARE)
    with pytest.raises(SpecError, match=f"does not tell {missing}") as caught:
        load_model(checkpoint, options=said)
    assert f"--{missing}" in caught.value.hint and "--normalise" in caught.value.hint
    found = inspect(checkpoint, said)
    assert found.missing == (missing,) and found.network["normalisation"] is None and not found.complete


def test_heads_are_not_asked_for_with_words_on_normalisation(checkpoint: Path) -> None:
    with pytest.raises(SpecError, match="heads") as caught:
        load_model(checkpoint, options=replace(options(), heads=None))
    assert "normalise" not in caught.value.hint


def test_names_are_what_their_definitions_say() -> None:
    """The ends of a pixel's range, and ImageNet's values as torchvision has them."""
    ends = {
        name: tuple((pixel * it.scale - it.mean[0]) / it.std[0] for pixel in (0, 255))
        for name, it in NORMALISATIONS.items()
    }
    assert ends["unit"] == (0, 1) and ends["none"] == (0, 255) and ends["symmetric"] == (-1, 1)
    assert ends["unit256"] == (0, 255 / 256)
    assert math.isclose(ends["imagenet"][0], -2.1179, abs_tol=1e-4)
    assert NORMALISATIONS["imagenet"].std == (0.229, 0.224, 0.225)


@pytest.mark.parametrize("name", NORMALISATIONS)
def test_a_name_gives_its_values_which_are_found_again_and_written(name: str, checkpoint: Path, tmp_path: Path) -> None:
    spec = load_model(checkpoint, options=SpecOptions(normalise=name).over(BARE)).spec
    assert {part: getattr(spec.image, part) for part in PARTS} == NORMALISATIONS[name].as_dict()
    assert name_of(spec.image.scale, spec.image.mean, spec.image.std) == name
    file = tmp_path / "spec.toml"
    file.write_text(spec_to_toml(spec))
    assert f'# normalise = "{name}"' in file.read_text()
    assert load_model(checkpoint, spec=file).spec == spec


def test_an_unknown_name_lists_the_others(tmp_path: Path) -> None:
    file = tmp_path / "spec.toml"
    file.write_text('[model.image]\nnormalise = "imagnet"\n')
    with pytest.raises(SpecError, match=r"spec.toml: normalise is \"imagnet\"") as caught:
        read_spec_file(file)
    assert all(name in caught.value.hint for name in NORMALISATIONS)


def test_a_name_beside_what_it_stands_for_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "spec.toml"
    file.write_text('[model.image]\nnormalise = "unit"\nmean = [0, 0, 0]\n')
    with pytest.raises(SpecError, match=r"spec.toml: normalise = \"unit\" says scale, mean and std, but mean is said"):
        read_spec_file(file)


def test_options_win_over_a_file_part_by_part(tmp_path: Path) -> None:
    file = tmp_path / "spec.toml"
    file.write_text('[model.image]\nnormalise = "imagenet"\n')
    below = read_spec_file(file)
    mixed = SpecOptions(mean=(0.0, 0.0, 0.0)).said_by("the command line").over(below)
    assert (mixed.scale, mixed.mean, mixed.std) == (1 / 255, (0.0, 0.0, 0.0), (0.229, 0.224, 0.225))
    named = SpecOptions(normalise="unit").over(mixed).spelled_out()
    assert (named.scale, named.mean, named.std) == (1 / 255, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def test_who_said_it_is_told_and_no_difference_between_networks(checkpoint: Path, tmp_path: Path) -> None:
    file = tmp_path / "net.toml"
    file.write_text('[model.image]\nnormalise = "imagenet"\n')
    read = load_model(checkpoint, spec=file, options=BARE).spec
    assert normalisation_facts(read.image)["from"] == "net.toml (normalise: imagenet)"
    mixed = SpecOptions(std=NORMALISATIONS["imagenet"].std).said_by("the command line").over(BARE)
    other = load_model(checkpoint, spec=file, options=mixed).spec
    assert other.image.origin == (
        "scale: net.toml (normalise: imagenet); mean: net.toml (normalise: imagenet); std: the command line"
    )
    assert other == read and repr(other) == repr(read)


@pytest.mark.parametrize(("data", "asked"), [("NYUD", False), ("PASCALContext", False), ("CityScapes", True)])
def test_the_authors_yml_says_it_where_their_code_normalises(
    data: str, asked: bool, checkpoint: Path, tmp_path: Path
) -> None:
    file = tmp_path / "m.yml"
    file.write_text(f"train_db_name: {data}\nbackbone_kwargs:\n  img_size: [32, 64]\n")
    if asked:
        with pytest.raises(SpecError, match="does not tell scale, mean, std"):
            load_model(checkpoint, spec=file, options=BARE)
        return
    image = load_model(checkpoint, spec=file, options=BARE).spec.image
    assert name_of(image.scale, image.mean, image.std) == "imagenet"
    assert image.origin == f"m.yml, by the authors' transforms for {data} (normalise: imagenet)"
