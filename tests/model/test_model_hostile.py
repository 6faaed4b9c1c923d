"""Checkpoints that are made to harm: nothing of a pickle acts, no size is believed, and damage is found."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemoe_gen.base.errors import CheckpointError
from edgemoe_gen.model import load_checkpoint, load_model
from edgemoe_gen.model.harmless import Harmless
from edgemoe_gen.model.pickled import Budget, PickleError, read_pickle
from tests.factory import make_state, options, save_state, write_checkpoint

NAME = "backbone.blocks.0.norm1.weight"
FOUR = np.arange(4, dtype="<f4").tobytes()
SECONDS = 20.0


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def whole(value: int) -> bytes:
    return b"\x8a" + bytes([len(pickle.encode_long(value))]) + pickle.encode_long(value)


def named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def several(*values: bytes) -> bytes:
    return b"(" + b"".join(values) + b"t"


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + several(*arguments) + b"R"


def table(**values: bytes) -> bytes:
    return b"}" + b"".join(text(name) + value + b"s" for name, value in values.items())


def storage(numel: int = 4, key: str = "0", kind: str = "FloatStorage") -> bytes:
    return several(text("storage"), named("torch", kind), text(key), text("cpu"), whole(numel)) + b"Q"


def tensor(size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0, stored: bytes | None = None) -> bytes:
    sizes = (several(*map(whole, numbers)) for numbers in (size, stride))
    made = storage() if stored is None else stored
    return call(named("torch._utils", "_rebuild_tensor_v2"), made, whole(offset), *sizes, b"\x89", b"}")


def archive(path: Path, value: bytes, compress: bool = False, **storages: bytes) -> Path:
    kind = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as target:
        target.writestr("a/data.pkl", b"\x80\x02" + value + b".")
        for key, data in ({"0": FOUR} if not storages else {name[1:]: data for name, data in storages.items()}).items():
            target.writestr(f"a/data/{key}", data)
    return path


def refused(path: Path, *parts: str) -> CheckpointError:
    start = time.process_time()
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    assert time.process_time() - start < SECONDS
    message = caught.value.message
    assert path.name in message and message.endswith(".") and message.isprintable() and len(message) < 600, message
    for part in parts:
        assert part in message, message
    return caught.value


def dtype(size: int, flags: int) -> bytes:
    """A NumPy type whose size and flags a pickle sets: with flag 4, values are taken for addresses."""
    made = call(named("numpy", "dtype"), text("S1"), b"\x89", b"\x88")
    return made + several(whole(3), text("|"), b"N", b"N", b"N", whole(size), whole(1), whole(flags)) + b"b"


@pytest.mark.parametrize("flags", [0, 1, 2, 4, 63, 127])
@pytest.mark.parametrize("size", [-8, 64, 1 << 28])
def test_numpy_values_are_read_over_and_never_built(size: int, flags: int, tmp_path: Path) -> None:
    scalar = call(named("numpy._core.multiarray", "scalar"), dtype(size, flags), text("AAAAAAAA"))
    state = table(**{NAME: tensor((4,), (1,))})
    loaded = load_checkpoint(archive(tmp_path / "m.pth", table(best=scalar, state_dict=state)))
    np.testing.assert_array_equal(loaded.backbone["blocks.0.norm1.weight"], np.arange(4, dtype=np.float32))


@pytest.mark.parametrize(
    ("size", "stride", "offset"),
    [
        ((1 << 40,), (0,), 0),
        ((2, 4), (0, 1), 0),
        ((5,), (1,), 0),
        ((4,), (1,), 1),
        ((2,), (4,), 0),
        ((4,), (-1,), 3),
        ((-4,), (1,), 0),
        ((1 << 62, 1 << 62), (1, 1), 0),
        ((0, 1 << 40), (1, 1), 0),
        ((1,) * 70, (1,) * 70, 0),
        ((4,), (1,), 1 << 70),
        ((4,), (1, 1), 0),
    ],
)
def test_a_tensor_beyond_its_storage_is_refused(
    size: tuple[int, ...], stride: tuple[int, ...], offset: int, tmp_path: Path
) -> None:
    refused(archive(tmp_path / "m.pth", table(**{NAME: tensor(size, stride, offset)})))


@pytest.mark.parametrize("numel", [5, 1 << 40, -4])
def test_a_storage_of_another_size_than_its_bytes_is_refused(numel: int, tmp_path: Path) -> None:
    value = tensor((4,), (1,), stored=storage(numel))
    refused(archive(tmp_path / "m.pth", table(**{NAME: value})))


def test_many_names_of_one_storage_do_not_fill_the_memory(tmp_path: Path) -> None:
    names = ["patch_embed.proj.weight", *(f"blocks.{i}.norm1.weight" for i in range(300))]
    state = {f"backbone.{name}": tensor((100_000,), (1,), stored=storage(100_000)) for name in names}
    refused(archive(tmp_path / "m.pth", table(**state), _0=bytes(400_000)), "together larger")


def test_tied_and_strided_tensors_are_read(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    state = {name: torch.from_numpy(values) for name, values in make_state().items()}
    weight = "backbone.blocks.0.attn.proj.weight"
    flat = torch.cat([torch.zeros(7), state[weight].t().contiguous().reshape(-1), torch.zeros(3)])
    before = state[weight].numpy().copy()
    state[weight] = flat[7:-3].reshape(before.shape[::-1]).t()
    state["backbone.blocks.0.norm2.weight"] = state["backbone.blocks.0.norm1.weight"]
    torch.save(state, tmp_path / "m.pth")
    model = load_model(tmp_path / "m.pth", options=options())
    np.testing.assert_array_equal(model.backbone["blocks.0.attn.proj.weight"], before)
    one, other = (model.backbone[f"blocks.0.{norm}.weight"] for norm in ("norm1", "norm2"))
    np.testing.assert_array_equal(one, other)


BOMBS: dict[str, Callable[[], bytes]] = {
    "deep tuple": lambda: b")" + b"\x85" * 3_000_000,
    "deep key": lambda: b"}" + b")" + b"\x85" * 900_000 + b"Ns",
    "doubling key": lambda: (
        b"}" + b")" + b"".join(b"q" + bytes([i]) + b"h" + bytes([i]) + b"\x86" for i in range(64)) + b"Ns"
    ),
    "marks": lambda: b"(" * 3_000_000,
    "many numbers": lambda: b"(" + b"K\1" * 3_000_000 + b"t",
    "memo": lambda: b"]q\0" + b"h\0" * 3_000_000,
    "huge text": lambda: b"X" + struct.pack("<I", 0xFFFFFFFF) + b"a",
    "huge line": lambda: b"c" + b"a" * 3_000_000,
    "huge number": lambda: b"\x8b" + struct.pack("<I", 3_000_000) + b"\xff" * 3_000_000,
    "huge decimal": lambda: b"I" + b"9" * 900 + b"\n",
    "long key": lambda: b"}" + text("x" * 100_000) + b"Ns",
    "doubled key": lambda: b"}" + (text("a") + b"Ns") * 2,
    "itself": lambda: b"}q\0" + text("state_dict") + b"h\0s",
    "underflow": lambda: b"000",
    "unknown opcode": lambda: b"\xff",
    "extension": lambda: b"\x82\1",
    "no stop": lambda: b"}" * 10,
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_pickle_that_grows_or_breaks_is_refused_in_bounded_time(bomb: str, tmp_path: Path) -> None:
    refused(archive(tmp_path / "m.pth", BOMBS[bomb]()))


CALLS = [
    ("os", "system"),
    ("posix", "system"),
    ("builtins", "eval"),
    ("builtins", "getattr"),
    ("torch", "load"),
    ("torch.storage", "_load_from_bytes"),
    ("numpy.testing._private.utils", "runstring"),
    ("evil", "f\x1b[31mred[/red]"),
    ("evil", "x" * 900),
]


@pytest.mark.parametrize(("module", "name"), CALLS, ids=range(len(CALLS)))
@pytest.mark.parametrize("how", ["call", "obj", "inst", "stacked", "in a tensor"])
def test_a_call_is_refused_by_name_however_it_is_written(module: str, name: str, how: str, tmp_path: Path) -> None:
    argument = text(f"touch {tmp_path}/ran")
    made = {
        "call": call(named(module, name), argument),
        "obj": b"(" + named(module, name) + argument + b"o",
        "inst": b"(" + argument + b"i" + named(module, name)[1:],
        "stacked": text(module) + text(name) + b"\x93" + several(argument) + b"R",
        "in a tensor": call(
            named("torch._tensor", "_rebuild_from_type_v2"), named(module, name), b"N", several(argument), b"}"
        ),
    }[how]
    state = table(**{NAME: tensor((4,), (1,))})
    assert "\x1b" not in refused(archive(tmp_path / "m.pth", table(state_dict=state, x=made)), "asks for").hint
    assert not (tmp_path / "ran").exists()


def test_a_mention_without_a_call_does_nothing(tmp_path: Path) -> None:
    partial = (
        call(named("functools", "partial"), named("builtins", "int")) + several(named("os", "system"), b"N") + b"b"
    )
    value = table(state_dict=table(**{NAME: tensor((4,), (1,))}), x=partial, y=named("no.such.module", "Kind"))
    assert load_checkpoint(archive(tmp_path / "m.pth", value)).backbone


def test_values_are_plain_whatever_the_pickle_says() -> None:
    """All that comes out is of a few types, so that nothing in it can act later."""
    data = pickle.dumps({"a": [1, (2.5, None, True)], 3: b"x", "s": {1, 2}, (1,): 4, "c": 1 + 2j}, 2)
    budget = Budget()
    value, end = read_pickle(memoryview(data), Harmless(budget), 0, budget)
    kinds, left = set(), [value]
    while left:
        one = left.pop()
        kinds.add(type(one).__name__)
        left += [*one.keys(), *one.values()] if isinstance(one, dict) else one if isinstance(one, (list, tuple)) else []
    assert end == len(data) and kinds <= {"dict", "list", "tuple", "str", "int", "bool", "NoneType", "Ignored"}
    assert set(value) == {"a", 3, "s", "c"}
    with pytest.raises(PickleError):
        read_pickle(memoryview(data[:-1]), Harmless(budget), 0, budget)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_flipped_bit_of_a_weight_is_found(share: float, tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "m.pth")
    with zipfile.ZipFile(path) as source:
        entries = [e for e in source.infolist() if "/data/" in e.filename and e.file_size > 256]
    entry = entries[int(len(entries) * share)]
    data = bytearray(path.read_bytes())
    header = entry.header_offset
    place = header + 30 + sum(struct.unpack("<HH", data[header + 26 : header + 30])) + entry.file_size // 2
    data[place] ^= 1
    path.write_bytes(data)
    refused(path, "checksum")


def test_a_view_of_a_damaged_storage_is_refused_though_its_own_bytes_are_whole(tmp_path: Path) -> None:
    value = table(**{NAME: tensor((2,), (1,))})
    path = archive(tmp_path / "m.pth", value)
    data = bytearray(path.read_bytes())
    data[data.index(FOUR) + 15] ^= 1
    path.write_bytes(data)
    refused(path, "checksum")


@pytest.mark.parametrize("change", ["compressed", "doubled", "two", "before", "behind", "order", "foreign root"])
def test_an_archive_that_torch_never_writes_is_refused(change: str, tmp_path: Path) -> None:
    value, path = table(**{NAME: tensor((4,), (1,))}), tmp_path / "m.pth"
    archive(path, value, compress=change == "compressed")
    added = {"doubled": "a/data.pkl", "two": "b/data.pkl", "order": "a/byteorder", "foreign root": "../a/data.pkl"}
    if change in added:
        with zipfile.ZipFile(path, "a") as target, pytest.warns() if change == "doubled" else memoryview(b""):
            target.writestr(added[change], b"middle")
    if change == "before":
        path.write_bytes(b"PK..." + path.read_bytes())
    if change == "behind":
        path.write_bytes(path.read_bytes() + b"junk")
    if change == "foreign root":  # no place for a pickle, and no harm
        assert load_checkpoint(path).backbone
    else:
        refused(path)


@pytest.mark.parametrize("damage", ["no storages", "fewer bytes", "more bytes", "another size", "unknown key"])
def test_a_legacy_file_whose_storages_are_not_all_there_is_refused(damage: str, tmp_path: Path) -> None:
    made = io.BytesIO()
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    for value in (0x1950A86A20F9469CFC6C, 1001, system):
        pickle.dump(value, made, 2)
    stored = several(text("storage"), named("torch", "FloatStorage"), text("0"), text("cpu"), whole(4), b"N") + b"Q"
    made.write(b"\x80\x02" + table(**{NAME: tensor((4,), (1,), stored=stored)}) + b".")
    head = made.getvalue()

    def content(keys: list[str], data: bytes) -> bytes:
        return head + pickle.dumps(keys, 2) + data

    right = struct.pack("<q", 4) + FOUR
    path = tmp_path / "m.pth"
    path.write_bytes(content(["0"], right))
    assert load_checkpoint(path).backbone
    path.write_bytes(
        {
            "no storages": content([], b""),
            "fewer bytes": content(["0"], right[:-1]),
            "more bytes": content(["0"], right + b"x"),
            "another size": content(["0"], struct.pack("<q", 1 << 40) + FOUR),
            "unknown key": content(["z"], right),
        }[damage]
    )
    refused(path)


def safetensors(path: Path, header: str, data: bytes) -> Path:
    path.write_bytes(struct.pack("<Q", len(header.encode())) + header.encode() + data)
    return path


def entry(shape: Any = (4,), begin: int = 0, end: int = 16, dtype: str = "F32") -> str:
    return json.dumps({"dtype": dtype, "shape": shape, "data_offsets": [begin, end]})


@pytest.mark.parametrize(
    ("header", "size"),
    [
        (f'{{"{NAME}":{entry()},"b":{entry(begin=8, end=24)}}}', 24),
        (f'{{"{NAME}":{entry(begin=4, end=20)}}}', 20),
        (f'{{"{NAME}":{entry()}}}', 20),
        (f'{{"{NAME}":{entry()},"{NAME}":{entry(begin=16, end=32)}}}', 32),
        (f'{{"{NAME}":{entry([4.0])}}}', 16),
        (f'{{"{NAME}":{entry([True, 4])}}}', 16),
        (f'{{"{NAME}":{entry(["4"])}}}', 16),
        (f'{{"{NAME}":{entry([0, 1 << 62, 1 << 62], end=0)}}}', 0),
        (f'{{"{NAME}":{entry([9] * 40)}}}', 16),
        (f'{{"{NAME}":{entry()[:-1]},"x":{"9" * 5000}}}}}', 16),
        (f'{{"{NAME}":{entry().replace("4", "NaN")}}}', 16),
        ("[" * 100_000, 0),
        ("[]", 0),
    ],
    ids=range(13),
)
def test_safetensors_that_break_their_own_format_are_refused(header: str, size: int, tmp_path: Path) -> None:
    refused(safetensors(tmp_path / "m.safetensors", header, bytes(size)))


def test_a_sparse_file_is_refused_by_its_facts(tmp_path: Path) -> None:
    size = 8 << 30
    path = safetensors(tmp_path / "m.safetensors", f'{{"{NAME}":{entry([size // 4], end=size)}}}', b"")
    os.truncate(path, path.stat().st_size + size)
    refused(path, "never written")


@pytest.mark.parametrize("name", ["99999999999.pth", "00.pth", "\u0663.pth"])
def test_odd_rank_numbers_are_refused(name: str, tmp_path: Path) -> None:
    folder = save_state(tmp_path / "m", make_state(), shards=2)
    (folder / name).write_bytes((folder / "1.pth").read_bytes())
    with pytest.raises(CheckpointError):
        load_checkpoint(folder)


def test_a_block_number_of_eleven_digits_is_refused(tmp_path: Path) -> None:
    state = make_state() | {"backbone.blocks.99999999999.norm1.weight": np.ones(32, np.float32)}
    with pytest.raises(CheckpointError, match=r"blocks\.99999999999\.norm1\.weight is unexpected"):
        load_model(save_state(tmp_path / "m.pth", state), options=options())
