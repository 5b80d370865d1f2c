"""Hostile weights: every class of attack is refused for its own reason, before it costs much."""

import json
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from serpent_cli.errors import ModelError, SerpentError
from serpent_cli.model.block import Block
from serpent_cli.model.config import ModelConfig
from serpent_cli.model.unet import build_model
from serpent_cli.zoo import checkpoint, header, load
from serpent_cli.zoo.checkpoint import read_weights, shapes_of
from serpent_cli.zoo.load import load_model

MakeWeights = Callable[..., Path]
Record = dict[str, Any]
NAME = "b.0.norm.weight"


class Hostile:
    """A sound file without a card, to be changed: its header, the numbers behind it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        data = path.read_bytes()
        length = int.from_bytes(data[:8], "little")
        self.header: Record = json.loads(data[8 : 8 + length])
        self.numbers = data[8 + length :]

    @property
    def entry(self) -> Record:
        return self.header[NAME]

    def config(self, **changes: object) -> None:
        config = json.loads(self.header["__metadata__"]["serpent"])
        self.header["__metadata__"]["serpent"] = json.dumps({**config, **changes})

    def write(self, text: str | None = None) -> None:
        head = (json.dumps(self.header) if text is None else text).encode()
        self.path.write_bytes(struct.pack("<Q", len(head)) + head + self.numbers)

    def refused(self, words: str) -> ModelError:
        with pytest.raises(ModelError, match=words) as caught:
            load_model(str(self.path), torch.device("cpu"))
        error = caught.value
        assert str(self.path) in error.message
        assert error.message.isprintable(), "one line, and nothing that steers a terminal"
        assert len(error.message) < 500
        assert error.hint
        return error


@pytest.fixture
def hostile(make_weights: MakeWeights) -> Hostile:
    return Hostile(make_weights(card=False))


def test_what_is_written_again_unchanged_is_loaded(hostile: Hostile) -> None:
    hostile.write()
    load_model(str(hostile.path), torch.device("cpu"))


@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 10**9])
def test_a_header_longer_than_the_file(length: int, hostile: Hostile) -> None:
    data = hostile.path.read_bytes()
    hostile.path.write_bytes(struct.pack("<Q", length) + data[8:])
    hostile.refused(f"said to have {length} bytes, the file has {len(data)}")


def test_a_header_of_megabytes_is_not_even_read(
    hostile: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(header, "strict_json", lambda text: pytest.fail("it was parsed"))
    hostile.write(json.dumps(hostile.header) + " " * 2**20)
    tracemalloc.start()
    hostile.refused(r"its header has \d+ bytes, more than 1048576")
    assert tracemalloc.get_traced_memory()[1] < 2**19
    tracemalloc.stop()


@pytest.mark.parametrize("text", ["[]", "7", '"x"', "", "null"])
def test_a_header_that_is_no_object(text: str, hostile: Hostile) -> None:
    hostile.write(text)
    hostile.refused("its header is no JSON object")


def test_a_header_that_is_no_utf_8(hostile: Hostile) -> None:
    hostile.path.write_bytes(struct.pack("<Q", 4) + b'{"\xff"')
    hostile.refused("no UTF-8 at byte 2")


@pytest.mark.parametrize("deep", ["[" * 200_000, '{"a":' * 100_000])
def test_deep_nesting(deep: str, hostile: Hostile) -> None:
    hostile.write('{"deep": ' + deep)
    hostile.refused("nests too deeply")


def test_a_name_twice(hostile: Hostile) -> None:
    text = json.dumps(hostile.header)
    hostile.write(f'{{"{NAME}": {json.dumps(hostile.entry)}, {text[1:]}')
    hostile.refused("names something twice")


@pytest.mark.parametrize("dtype", ["F64", "I64", "BOOL", "F8_E4M3", "f32", 7, None, ["F32"]])
def test_other_types(dtype: object, hostile: Hostile) -> None:
    hostile.entry["dtype"] = dtype
    hostile.write()
    hostile.refused("must be F32, F16, BF16, not ")


@pytest.mark.parametrize(
    "shape",
    [[-16], [-4, -4], [16.0], [True], ["16"], [[16]], [0], [0, 2**62], [1] * 15 + [16], 16, None],
)
def test_shapes_that_are_none(shape: object, hostile: Hostile) -> None:
    hostile.entry["shape"] = shape
    hostile.write()
    hostile.refused(rf"shape of {NAME} must be at most 8 positive whole numbers")


@pytest.mark.parametrize("shape", [[15], [2**62], [2**32, 2**32], [2**63, 2], [2**64 + 16], []])
def test_shapes_that_are_not_those_of_the_bytes(shape: list[int], hostile: Hostile) -> None:
    hostile.entry["shape"] = shape
    hostile.write()
    hostile.refused(rf"shape of {NAME} does not go with its offsets")


@pytest.mark.parametrize("offsets", [[0], [64, 0], [-64, 0], [0.0, 64.0], [False, 64], None, {}])
def test_offsets_that_are_none(offsets: object, hostile: Hostile) -> None:
    hostile.entry["data_offsets"] = offsets
    hostile.write()
    hostile.refused(rf"offsets of {NAME} must be two whole numbers that rise")


@pytest.mark.parametrize("far", [4, 2**40, 2**63, 10**1000], ids=["4", "2^40", "2^63", "10^1000"])
def test_numbers_behind_the_end(far: int, hostile: Hostile) -> None:
    end = len(hostile.numbers) + far
    hostile.entry["data_offsets"] = [end - 64, end]
    hostile.write()
    hostile.refused("go on behind the end of the file")


def test_overlaps_and_gaps(hostile: Hostile) -> None:
    begin, end = hostile.entry["data_offsets"]
    hostile.entry["data_offsets"] = [begin - 4, end - 4]
    hostile.write()
    hostile.refused("overlap|leave a gap")
    hostile.entry["data_offsets"] = [begin, end]
    hostile.header["again"] = hostile.entry
    hostile.write()
    hostile.refused("those before them overlap")


@pytest.mark.parametrize("more", [b"x", bytes(4096)])
def test_bytes_that_belong_to_nothing(more: bytes, hostile: Hostile) -> None:
    room = len(hostile.numbers)
    hostile.numbers += more
    hostile.write()
    hostile.refused(f"its tensors have {room} bytes, and {room + len(more)} follow")


def test_metadata_that_is_no_text(hostile: Hostile) -> None:
    for metadata in ([], "x", {"serpent": {}}, {"format": 1}):
        hostile.header["__metadata__"] = metadata
        hostile.write()
        hostile.refused("metadata is no table of text")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_not_finite(value: float, hostile: Hostile) -> None:
    begin = hostile.entry["data_offsets"][0]
    bad = struct.pack("<f", value)
    hostile.numbers = hostile.numbers[: begin + 4] + bad + hostile.numbers[begin + 8 :]
    hostile.write()
    hostile.refused(f"{NAME} is not finite")


CONFIGS: dict[str, tuple[Record, str]] = {
    "wide": ({"widths": [8192] * 4}, "has the shape"),
    "wider": ({"widths": [10**30] * 4}, "widths at most 8192"),
    "deep": ({"depths_up": [32] * 3}, r"u1\.blocks\.1\.mixer\.conv\.bias is missing"),
    "deeper": ({"depth_bottleneck": 33}, "depths at most 32"),
    "states": ({"state_size": 10**18}, "out of range"),
    "no channels": ({"expand": 1e-300}, "without channels"),
    "no hidden channels": ({"feed_forward": 1e-3}, "without channels"),
    "infinite": ({"widths": [8, 16, 16, float("inf")]}, "Infinity is no number"),
    "not a number": ({"expand": float("nan")}, "NaN is no number"),
    "fractions": ({"widths": [8.0, 16, 16, 16]}, "widths must be whole numbers"),
    "text": ({"widths": ["8", "16", "16", "16"]}, "widths must be whole numbers"),
    "steering": ({"\x1b[2J\ud800": 1}, r"unknown keys: \\x1b\[2J\\ud800"),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_hostile_configurations(case: str, hostile: Hostile) -> None:
    changes, words = CONFIGS[case]
    hostile.config(**changes)
    hostile.write()
    hostile.refused(words)


@pytest.mark.parametrize("text", ["[" * 100_000, "1" * 10_000, '{"scale": 1, "scale": 1}'])
def test_configurations_that_are_no_json(text: str, hostile: Hostile) -> None:
    hostile.header["__metadata__"]["serpent"] = text
    hostile.write()
    hostile.refused("its configuration is no JSON")


def test_the_largest_network_is_no_work(hostile: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Block] = []
    block = Block.__init__

    def counted(self: Block, *args: Any) -> None:
        built.append(self)
        block(self, *args)

    monkeypatch.setattr(Block, "__init__", counted)
    depths = {"depths_down": [32] * 3, "depths_up": [32] * 3, "depth_bottleneck": 32}
    hostile.config(**depths, widths=[8192] * 4, expand=8.0, feed_forward=8.0, state_size=256)
    hostile.write()
    hostile.refused("do not fit the network they name")
    assert len(built) == 7


@pytest.mark.parametrize("mixer", ["ss2d", "spatial"])
def test_shapes_are_those_of_the_network(mixer: Any) -> None:
    config = ModelConfig(
        widths=(8, 12, 16, 20), depths_down=(1, 2, 3), depth_bottleneck=11, depths_up=(3, 1, 2),
        feed_forward=2.0, join="concat", mixer=mixer,
    )  # fmt: skip
    state = build_model(config).state_dict()
    assert shapes_of(config) == {name: tuple(tensor.shape) for name, tensor in state.items()}


def test_names_that_steer_a_terminal(hostile: Hostile) -> None:
    hostile.header["\x1b[2J\n\ud800" + "x" * 1000] = hostile.header.pop(NAME)
    hostile.write()
    assert r"\x1b[2J\n\ud800xxx" in hostile.refused("is unknown").message


def spoil_missing(hostile: Hostile) -> str:
    hostile.header["more"] = hostile.header.pop(NAME)
    return f"{NAME} is missing"


def spoil_shape(hostile: Hostile) -> str:
    hostile.entry["shape"] = [1, *hostile.entry["shape"]]
    return rf"{NAME} has the shape \(1, 16\) instead of \(16,\)"


@pytest.mark.parametrize("spoil", [spoil_missing, spoil_shape])
def test_another_network_is_refused_before_it_is_read(
    spoil: Callable[[Hostile], str], hostile: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = spoil(hostile)
    hostile.write()
    for module in (checkpoint, load):
        monkeypatch.setattr(module, "sha256", lambda path: pytest.fail("its digest was taken"))
    monkeypatch.setattr(checkpoint, "read_tensors", lambda *_: pytest.fail("its numbers were read"))
    hostile.refused(words)
    with pytest.raises(ModelError, match=words):
        read_weights(hostile.path, fitting=True)


def test_a_file_that_becomes_shorter_meanwhile(hostile: Hostile) -> None:
    read = header.read_header(hostile.path)
    hostile.path.write_bytes(hostile.path.read_bytes()[:-8])
    with pytest.raises(ModelError, match="became shorter while it was read"):
        header.read_tensors(hostile.path, read)


def test_a_write_that_fails_leaves_nothing(hostile: Hostile, tmp_path: Path) -> None:
    tensors, config = read_weights(hostile.path)
    folder = tmp_path / "taken.safetensors"
    (folder / "inside").mkdir(parents=True)
    with pytest.raises(SerpentError, match="cannot write the weights"):
        checkpoint.save_weights(tensors, config, folder)
    assert not folder.with_suffix(".part").exists()
