"""What lies beside the tensors: honest values of training are read over, calls are refused, nothing is executed."""

from __future__ import annotations

import argparse
import collections
import datetime
import enum
import functools
import os
import pathlib
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemoe_gen.base.errors import CheckpointError, SpecError
from edgemoe_gen.model import load_checkpoint, load_model
from tests.factory import make_state, options, save_state, write_checkpoint

torch = pytest.importorskip("torch")


class Meter:
    """A class of somebody's training code."""

    def __init__(self) -> None:
        self.values = [1.0, 2.0]


class Config(dict[str, Any]):
    """A dict with attributes, as configuration packages have them."""

    def __init__(self, **values: Any) -> None:
        super().__init__(values)
        vars(self).update(values)


class Scheme(enum.Enum):
    """Pickles as a call of its class, as releases of Python do that do not take `getattr`."""

    POLY = "poly"

    def __reduce_ex__(self, _: object) -> tuple[type[Scheme], tuple[str]]:
        return Scheme, (self.value,)


HONEST: dict[str, Any] = {
    "paths": argparse.Namespace(data=pathlib.Path("a/b"), win=pathlib.PureWindowsPath("c:/d"), lr=0.1),
    "device": [torch.device("cuda:0"), torch.float16, torch.Size([2, 3])],
    "dates": [datetime.datetime(2022, 1, 2, tzinfo=datetime.timezone.utc), datetime.timedelta(seconds=3)],
    "containers": [collections.deque([1, 2], 5), frozenset([3]), slice(1, 2), range(4), {1, 2}, bytearray(b"z")],
    "random states": [random.getstate(), np.random.get_state(), torch.get_rng_state()],
    "generators": [np.random.default_rng(0), np.random.RandomState(3), np.random.default_rng(1).bit_generator.state],
    "numpy": {"a": {"mIoU": np.float64(0.4), "list": [np.float32(1), np.ones((2, 2))], "name": np.str_("x")}},
    "an object": Meter(),
    "a dict with attributes": Config(lr=0.1, nested=Config(a=1)),
    "a class": Meter,
    "a function with arguments": functools.partial(int, base=2),
}


def state_dict() -> dict[str, Any]:
    return {f"module.{name}": torch.from_numpy(values) for name, values in make_state().items()}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("name", HONEST)
def test_honest_values_beside_the_tensors_are_read_over(name: str, legacy: bool, tmp_path: Path) -> None:
    state = state_dict()
    path = tmp_path / "m.pth.tar"
    content = {"optimizer": {"state": {0: HONEST[name]}}, "state_dict": state, "best_result": HONEST[name]}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    model = load_model(path, options=options())
    for tensor in ("pos_embed", "blocks.1.mlp.experts.h4toh.weight"):
        np.testing.assert_array_equal(model.backbone[tensor], state[f"module.backbone.{tensor}"].numpy())


def refused(path: Path, *parts: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    for part in (path.name, *parts):
        assert part in caught.value.message, caught.value.message
    assert caught.value.hint


def test_a_call_of_a_foreign_class_is_refused_by_its_name(tmp_path: Path) -> None:
    torch.save({"state_dict": state_dict(), "scheme": Scheme.POLY}, tmp_path / "m.pth")
    refused(tmp_path / "m.pth", "refused", "Scheme")


def test_a_call_hidden_in_a_foreign_objects_state_is_refused(tmp_path: Path) -> None:
    class Hidden:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "ran"),)

    meter = Meter()
    meter.values = [Hidden()]  # type: ignore[list-item]
    torch.save({"state_dict": state_dict(), "meter": meter}, tmp_path / "m.pth")
    refused(tmp_path / "m.pth", "refused", "mkdir")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [Meter(), {"state_dict": Meter()}])
def test_an_object_in_place_of_the_state_dict_is_named(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "m.pth")
    refused(tmp_path / "m.pth", "refused", "Meter")


def test_an_array_of_objects_is_read_over(tmp_path: Path) -> None:
    torch.save({"state_dict": state_dict(), "x": np.array([1, "a"], object)}, tmp_path / "m.pth")
    assert load_model(tmp_path / "m.pth", options=options()).spec.dim == 32


@pytest.mark.parametrize("protocol", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("legacy", [False, True])
def test_every_pickle_protocol_is_read(protocol: int, legacy: bool, tmp_path: Path) -> None:
    state = state_dict()
    content = {"state_dict": collections.OrderedDict(state), "epoch": 3, "rate": 0.5, "name": "x", "text": "a\n\u00e9"}
    torch.save(content, tmp_path / "m.pth", pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy)
    loaded = load_checkpoint(tmp_path / "m.pth")
    for name, values in state.items():
        if name.startswith("module.backbone."):
            np.testing.assert_array_equal(loaded.backbone[name.removeprefix("module.backbone.")], values.numpy())


def test_shards_of_a_model_without_experts_hold_nothing_beyond_rank_0(tmp_path: Path) -> None:
    state = make_state(router="none")
    model = load_model(save_state(tmp_path / "m.pth.tar", state, shards=2), options=options(router="none"))
    assert model.spec.router.kind == "none" and set(model.decoders) == {"semseg", "depth"}


def test_a_tasks_feature_without_a_gate_is_read_over(tmp_path: Path) -> None:
    # With one block the authors' network has no gate, but makes the feature's MLP all the same.
    path = write_checkpoint(tmp_path / "m.pth", router="task_conditioned", depth=1)
    model = load_model(path, options=options(router="none", depth=1))
    assert model.spec.router.kind == "none" and not any("represent" in name for name in model.backbone)
    assert any("gate_task_represent" in note for note in model.notes)


def test_the_second_token_that_the_authors_network_never_reads_is_left_out(tmp_path: Path) -> None:
    state = make_state() | {"backbone.dist_token": np.ones((1, 1, 32), np.float32)}
    model = load_model(save_state(tmp_path / "m.pth", state), options=options())
    assert model.spec.class_token and "dist_token" not in model.backbone
    assert any("dist_token" in note for note in model.notes)
    plain = make_state(router="none", head_classes=5) | {"dist_token": np.ones((1, 1, 32), np.float32)}
    with pytest.raises(SpecError, match="distillation token"):
        load_model(save_state(tmp_path / "deit.pth", plain), options=options(router="none"))
