"""Names for a model's classes, from a file."""

from pathlib import Path

import pytest
from hubs import refused

from neatfool.models import ModelConfig, load_classifier

WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def test_any_model_can_be_renamed(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes("\ufeffzero\r\none \r\n\r\n".encode() + "\n".join(WORDS[2:]).encode())
    classifier = load_classifier("lenet-mnist", labels=path, device="cpu")
    assert classifier.class_names == tuple(WORDS)
    assert classifier.class_index("seven") == 7
    plain = load_classifier("lenet-mnist", device="cpu")
    assert classifier.fingerprint() != plain.fingerprint()
    assert classifier.weights_hash() == plain.weights_hash()
    assert ModelConfig.of(classifier).load().fingerprint() == classifier.fingerprint()
    again = load_classifier("lenet-mnist", labels=WORDS, device="cpu")
    assert ModelConfig.of(again).labels == tuple(WORDS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("cat\ndog", "lenet-mnist has 10 classes but 2 class names were given"),
        (" \n\n", "names no class; write one name a line"),
        (b"\xff\xfe\x00", "UTF-8 text file with one name a line"),
        (None, "There is no file of class names"),
    ],
)
def test_files_that_do_not_do(content: str | bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    refused("lenet-mnist", message, labels=path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    refused("lenet-mnist", "There is no file of class names", labels=tmp_path)
