"""What a text stands for follows from how it is written; styles that cannot be had are refused."""

import pytest

from serpent_cli.errors import ModelError, UsageError
from serpent_cli.zoo.names import HubReference, check_style, is_hub, is_path


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("hf://a/b", HubReference("a/b")),
        ("hf://a/b/", HubReference("a/b")),
        ("hf://a/b@v1.0", HubReference("a/b", "v1.0")),
        ("hf://a/b@refs/pr/1", HubReference("a/b", "refs/pr/1")),
        ("hf://a/b@refs/pr/1/d.safetensors", HubReference("a/b", "refs/pr/1", "d.safetensors")),
        ("hf://a/b/c/d.safetensors", HubReference("a/b", "main", "c/d.safetensors")),
        ("hf://a/b@0ff/d.safetensors", HubReference("a/b", "0ff", "d.safetensors")),
    ],
)
def test_a_name_on_the_hub(text: str, reference: HubReference) -> None:
    assert HubReference.parse(text) == reference
    assert HubReference.parse(str(reference)) == reference
    assert is_hub(text)
    assert not is_path(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("hf://", "is not a name on the Hub"),
        ("hf://a", "is not a name on the Hub"),
        ("hf://a/b@", "is not a name on the Hub"),
        ("hf://a/../b", "is not a name on the Hub"),
        ("hf://a/b/x.bin", "names no .safetensors file"),
        ("hf://a/b/../c.safetensors", "names no .safetensors file"),
        ("hf://a/b@refs/pr", "names no .safetensors file"),
        ("hf://a/b@refs/pr/..", "names no"),
        ("hf://a/b@refs/heads/main", "names no .safetensors file"),
        ("hf://a/b@..", "names no revision"),
        ("hf://a/b@a:b", "names no revision"),
    ],
)
def test_what_is_no_name_on_the_hub(text: str, sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        HubReference.parse(text)


def test_a_card_lies_beside_its_weights() -> None:
    assert HubReference("a/b").card_file == "model.json"
    assert HubReference("a/b", file="c/d.safetensors").card_file == "c/d.json"


@pytest.mark.parametrize(
    ("style", "task", "model", "sentence"),
    [
        ("sharp", "upscale", None, "there is no style 'sharp'"),
        ("crisp", "deblur", None, "deblur has no styles"),
        ("crisp", "upscale", "./mine.safetensors", "the model ./mine.safetensors do not go"),
    ],
)
def test_a_style_that_cannot_be_had(
    style: str, task: str, model: str | None, sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence) as caught:
        check_style(style, task, model)
    assert caught.value.hint


def test_styles_that_can_be_had() -> None:
    for style in ("natural", "crisp", None):
        check_style(style, "upscale", None)
    check_style(None, "deblur", "./mine.safetensors")
