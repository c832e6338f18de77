"""Groups of classes: what a file may say, and what is known of ImageNet."""

from pathlib import Path

import pytest
from torchvision.models import AlexNet_Weights

from neatfool.errors import ConfigError
from neatfool.report.hierarchy import Group, imagenet_hierarchy, read_hierarchy

NAMES = ["tench", "hen", "tabby", "tiger cat", "tiger", "coil, spiral"]
IMAGENET = AlexNet_Weights.IMAGENET1K_V1.meta["categories"]

EXPECTED = [
    Group("animals", [], [Group("birds", [1]), Group("cats", [2, 3, 4])]),
    Group("things", [5]),
]


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '{"animals": {"birds": [1], "cats": [2, "3-4"]}, "things": 5}'),
        ("a.json", '\ufeff{"animals": {"birds": "hen", "cats": "tabby, 3, tiger"}, "things": "coil, spiral"}'),
        (
            "a.csv",
            "class,group,subgroup\r\n1,animals,birds\r\n2,animals,cats\r\n3-4,animals,cats,,\r\n\r\n5,things\r\n",
        ),
        ("a.csv", 'hen, animals ,birds\ntabby,animals,cats\n"3,4",animals,cats\n"coil, spiral",things\n'),
    ],
)
def test_json_and_csv_say_the_same(tmp_path: Path, name: str, text: str) -> None:
    assert read_hierarchy(written(tmp_path / name, text), NAMES) == EXPECTED


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.json", "{", "not valid JSON"),
        ("a.json", "[1, 2]", "the file holds"),
        ("a.json", '{"a": null}', "a holds null"),
        ("a.json", '{"a": {"b": 0.5}}', "a > b holds 0.5"),
        ("a.json", '{"a": [true]}', "True"),
        ("a.json", '{"a": [[1]]}', "index or a name"),
        ("a.json", '{"a": [6]}', "no class 6"),
        ("a.json", '{"a": ["dog"]}', "'dog'"),
        ("a.json", '{"a": [1], "b": {"c": [1]}}', "class 1, hen, is in a and in b > c"),
        ("a.json", '{" ": [1]}', "empty"),
        ("a.json", '{"%s": [1]}' % ("x" * 200), "longer than"),
        ("a.json", '{"a":' * 9 + "[1]" + "}" * 9, "inside one another"),
        ("a.json", '{"a":' * 20_000, "not valid JSON"),
        ("a.csv", "1\n", "line 1 names no group"),
        ("a.csv", "1,a\n2,b,,c\n", "empty"),
        ("a.csv", '1,"a\n', "unexpected end"),
        ("a.csv", "1,a\0\xff\n9,b", "no class 9"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_in_a_sentence(tmp_path: Path, name: str, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_hierarchy(written(tmp_path / name, text), NAMES)
    message = str(caught.value)
    assert says in message
    assert str(tmp_path / name) in message
    assert "\n" not in message


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no file"):
        read_hierarchy(tmp_path / "absent.json", NAMES)
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(ConfigError, match="cannot be used"):
        read_hierarchy(tmp_path / "bytes.json", NAMES)


def flat(groups: list[Group], path: tuple[str, ...] = ()) -> dict[tuple[str, ...], list[int]]:
    found = {}
    for group in groups:
        found |= {(*path, group.name): group.classes} | flat(group.groups, (*path, group.name))
    return found


def test_imagenets_groups_hold_what_their_names_say() -> None:
    groups = flat(imagenet_hierarchy(IMAGENET) or [])
    classes = [index for own in groups.values() for index in own]
    assert len(classes) == len(set(classes))
    ends = {
        "fish": ("tench", "puffer"),
        "birds": ("cock", "albatross"),
        "amphibians": ("European fire salamander", "tailed frog"),
        "turtles": ("loggerhead", "box turtle"),
        "lizards": ("banded gecko", "Komodo dragon"),
        "snakes": ("thunder snake", "sidewinder"),
        "dogs": ("Chihuahua", "Mexican hairless"),
        "cats": ("tabby", "cheetah"),
        "insects": ("tiger beetle", "lycaenid"),
        "arachnids": ("harvestman", "tick"),
        "primates": ("orangutan", "indri"),
        "fungi": ("mushroom", "bolete"),
        "fruit and vegetables": ("head cabbage", "pomegranate"),
        "musical instruments": ("accordion", "violin"),
        "vehicles": ("aircraft carrier", "yawl"),
    }
    by_name = {path[-1]: [IMAGENET[index] for index in own] for path, own in groups.items()}
    assert {name: (by_name[name][0], by_name[name][-1]) for name in ends} == ends
    words = {"fish": "shark", "snakes": "snake", "dogs": "terrier", "birds": "hen", "vehicles": "truck"}
    for name, word in words.items():
        having = {one for one in IMAGENET if one.split()[-1] == word}
        assert having and having <= set(by_name[name]), name


def test_imagenets_groups_are_for_its_classes_alone() -> None:
    assert imagenet_hierarchy(NAMES) is None
    assert imagenet_hierarchy([f"class {index}" for index in range(1000)]) is None
    synonyms = [f"{name.upper()}, of another publisher" for name in IMAGENET]
    assert imagenet_hierarchy(synonyms) == imagenet_hierarchy(IMAGENET)
