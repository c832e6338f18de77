"""`neatfool repeat` as a user runs it."""

import json


def test_repeat(neatfool, workplace):
    neatfool(
        "evolve", "--model", "tinynet:make", "--batch", "30", "--generations", "3", "--seed", "7", "--out", "run", "--quiet"
    )  # fmt: skip
    result = neatfool("repeat", "run", "--min-copies", "2", "--json")
    assert result["run"] == "run"
    assert result["elites"] == 4
    assert 0 <= result["repeating"] == len(result["classes"]) <= 4
    folder = workplace / "run" / "repetition"
    assert {path.name for path in folder.iterdir()} == {"repetition.json", "repetition.png", "repetition.html"}
    assert json.loads((folder / "repetition.json").read_text())["classes"] == result["classes"]
    again = neatfool("repeat", "run", "--min-copies", "2", "--out", "elsewhere", "--json")
    assert again == {**result, "out": "elsewhere"}

    code, out, _ = neatfool("repeat", "run", "--classes", "owl", "--out", "one")
    assert code == 0
    assert "of 1" in out
    assert neatfool("repeat", "run", "--classes", "owl", "--out", "one", "--quiet") == (0, "", "")


def test_what_cannot_be_repeated(neatfool, workplace):
    for arguments in (
        ("repeat", "nowhere"),
        ("repeat", "run", "--classes", "crow"),
        ("repeat", "run", "--min-copies", "1"),
    ):
        if arguments[1] == "run" and not (workplace / "run").exists():
            neatfool(
                "evolve", "--model", "tinynet:make", "--batch", "10", "--generations", "0", "--out", "run", "--quiet"
            )
        code, out, err = neatfool(*arguments)
        assert (code, out) == (2, "")
        assert err.startswith("Error: ")
        assert "Traceback" not in err
