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
from serpent_cli.zoo import checkpoint, tensor_file
from serpent_cli.zoo.checkpoint import Weights, shapes_of
from serpent_cli.zoo.load import load_model
from serpent_cli.zoo.locate import locate

MakeWeights = Callable[..., Path]
Record = dict[str, Any]
NAME = "b.0.norm.weight"
CORRUPT = "are corrupt or no safetensors file: "
LIBRARY = CORRUPT + "Error while deserializing: "


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


def test_a_header_longer_than_the_file(hostile: Hostile) -> None:
    data = hostile.path.read_bytes()
    hostile.path.write_bytes(struct.pack("<Q", len(data)) + data[8:])
    hostile.refused(CORRUPT)


@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 10**9])
def test_a_header_that_is_said_to_be_large(length: int, hostile: Hostile) -> None:
    data = hostile.path.read_bytes()
    hostile.path.write_bytes(struct.pack("<Q", length) + data[8:])
    hostile.refused(f"its header has {length} bytes, more than 1048576")


def test_a_header_of_megabytes_is_not_even_read(
    hostile: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensor_file, "read_json", lambda text: pytest.fail("it was parsed"))
    hostile.write(json.dumps(hostile.header) + " " * 2**20)
    tracemalloc.start()
    hostile.refused(r"its header has \d+ bytes, more than 1048576")
    assert tracemalloc.get_traced_memory()[1] < 2**19
    tracemalloc.stop()


@pytest.mark.parametrize("text", ["[]", "7", '"x"', "null"])
def test_a_header_that_is_no_object(text: str, hostile: Hostile) -> None:
    hostile.write(text)
    hostile.refused("its header is no JSON object")


def test_a_header_that_is_no_utf_8(hostile: Hostile) -> None:
    hostile.path.write_bytes(struct.pack("<Q", 4) + b'{"\xff"')
    hostile.refused("can't decode byte 0xff in position 2")


@pytest.mark.parametrize("deep", ["[" * 200_000, '{"a":' * 100_000])
def test_deep_nesting(deep: str, hostile: Hostile) -> None:
    hostile.write('{"deep": ' + deep)
    hostile.refused("nests too deeply")


def test_of_a_name_twice_the_last_counts(hostile: Hostile) -> None:
    """As the library has it: whatever came first is nobody's, and the file must fit without it."""
    text = json.dumps(hostile.header)
    first = {**hostile.entry, "shape": [4, 4]}
    hostile.write(f'{{"{NAME}": {json.dumps(first)}, {text[1:]}')
    load_model(str(hostile.path), torch.device("cpu"))
    hostile.write(f'{text[:-1]}, "{NAME}": {json.dumps(first)}}}')
    hostile.refused(rf"{NAME} has the shape \(4, 4\) instead of \(16,\)")


@pytest.mark.parametrize("dtype", ["F64", "I64", "BOOL", "F8_E4M3", "f32", 7, None, ["F32"]])
def test_types_that_are_not_those_of_the_bytes(dtype: object, hostile: Hostile) -> None:
    hostile.entry["dtype"] = dtype
    hostile.write()
    hostile.refused(LIBRARY)


@pytest.mark.parametrize("dtype", ["I32", "U32", "F64", "F8_E4M3"])
def test_other_types(dtype: str, hostile: Hostile) -> None:
    """Of as many bytes as the file has for them."""
    size = {"F64": 8, "F8_E4M3": 1}.get(dtype, 4)
    hostile.entry.update(dtype=dtype, shape=[16 * 4 // size])
    hostile.write()
    hostile.refused("must be float32, float16, bfloat16, not torch.")


@pytest.mark.parametrize(
    "shape",
    [[-16], [-4, -4], [16.0], [True], ["16"], [[16]], [0], [0, 2**62], 16, None],
)
def test_shapes_that_are_none(shape: object, hostile: Hostile) -> None:
    hostile.entry["shape"] = shape
    hostile.write()
    hostile.refused(LIBRARY)


@pytest.mark.parametrize(
    "shape", [[15], [2**62], [2**32, 2**32], [2**63, 2], [2**64 + 16], []], ids=str
)
def test_shapes_that_are_not_those_of_the_bytes(shape: list[int], hostile: Hostile) -> None:
    hostile.entry["shape"] = shape
    hostile.write()
    hostile.refused(LIBRARY)


@pytest.mark.parametrize("offsets", [[0], [64, 0], [-64, 0], [0.0, 64.0], [False, 64], None, {}])
def test_offsets_that_are_none(offsets: object, hostile: Hostile) -> None:
    hostile.entry["data_offsets"] = offsets
    hostile.write()
    hostile.refused(LIBRARY)


@pytest.mark.parametrize("far", [4, 2**40, 2**63, 10**1000], ids=["4", "2^40", "2^63", "10^1000"])
def test_numbers_behind_the_end(far: int, hostile: Hostile) -> None:
    end = len(hostile.numbers) + far
    hostile.entry["data_offsets"] = [end - 64, end]
    hostile.write()
    hostile.refused(LIBRARY)


def test_overlaps_and_gaps(hostile: Hostile) -> None:
    begin, end = hostile.entry["data_offsets"]
    hostile.entry["data_offsets"] = [begin - 4, end - 4]
    hostile.write()
    hostile.refused(LIBRARY)
    hostile.entry["data_offsets"] = [begin, end]
    hostile.header["again"] = hostile.entry
    hostile.write()
    hostile.refused(LIBRARY)


def test_bytes_that_belong_to_nothing(hostile: Hostile) -> None:
    hostile.config(gate=True, feed_forward=2.0)  # a network of more numbers than the file has
    hostile.numbers += b"x"
    hostile.write()
    hostile.refused(LIBRARY)


def test_more_numbers_than_the_network_has_are_not_even_read(
    hostile: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensor_file, "load", lambda content: pytest.fail("it was parsed"))
    room = len(hostile.numbers)
    hostile.write()
    with hostile.path.open("r+b") as stream:
        stream.truncate(hostile.path.stat().st_size + 2**40)  # a hole, which takes no room
    hostile.refused(f"it takes {room} bytes at most, and they have {room + 2**40}")


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
    "infinite": ({"widths": [8, 16, 16, float("inf")]}, "must be whole numbers"),
    "not a number": ({"expand": float("nan")}, "out of range"),
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


@pytest.mark.parametrize("text", ["[" * 100_000, "1" * 10_000, "{"])
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
    hostile.header["\x1b[2J\n\u202e" + "x" * 1000] = hostile.header.pop(NAME)
    hostile.write()
    assert r"\x1b[2J\n\u202exxx" in hostile.refused("is unknown").message


def test_a_name_that_is_no_text(hostile: Hostile) -> None:
    hostile.header["\ud800"] = hostile.header.pop(NAME)
    hostile.write()
    hostile.refused(LIBRARY)


def spoil_missing(hostile: Hostile) -> str:
    hostile.header["more"] = hostile.header.pop(NAME)
    return f"{NAME} is missing"


def spoil_shape(hostile: Hostile) -> str:
    hostile.entry["shape"] = [1, *hostile.entry["shape"]]
    return rf"{NAME} has the shape \(1, 16\) instead of \(16,\)"


@pytest.mark.parametrize("spoil", [spoil_missing, spoil_shape])
def test_another_network_is_refused(spoil: Callable[[Hostile], str], hostile: Hostile) -> None:
    words = spoil(hostile)
    hostile.write()
    hostile.refused(words)


def test_a_network_is_what_its_digest_was_taken_of(hostile: Hostile) -> None:
    """The file is opened once: what replaces it after that is not seen."""
    found = locate(str(hostile.path))
    hostile.path.write_bytes(b"another")
    network, card = load_model(found, torch.device("cpu"))
    assert torch.equal(network.state_dict()[NAME], found.weights.tensors[NAME])
    assert card.sha256 == found.weights.sha256


def test_a_write_that_fails_leaves_nothing(hostile: Hostile, tmp_path: Path) -> None:
    found = Weights.read(hostile.path)
    tensors, config = found.tensors, found.config
    folder = tmp_path / "taken.safetensors"
    (folder / "inside").mkdir(parents=True)
    with pytest.raises(SerpentError, match=r"cannot write .*taken.safetensors: it is a folder"):
        checkpoint.save_weights(tensors, config, folder)
    assert [each.name for each in tmp_path.iterdir() if ".part" in each.name] == []
