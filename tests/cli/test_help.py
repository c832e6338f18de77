"""What `--help` says: examples that would run, and options in groups."""

import shlex
import subprocess
import sys

import pytest
from typer.main import get_command

from neatfool import cli
from neatfool.cli import options

MODULES = {module.__name__.rpartition(".")[2]: module for module in cli.COMMANDS}
VOCABULARY = {
    options.CLASSIFIER,
    options.SEARCH,
    options.STEP,
    options.REGULARISERS,
    options.TRAINING,
    options.COMPARING,
    options.OUTPUT,
    options.WATCHING,
    options.WORKERS,
}
PROGRAM = get_command(cli.app)


def command(name):
    return PROGRAM.get_command(PROGRAM.make_context("neatfool", ["models"]), name)


def examples(name):
    lines = [line.strip() for line in MODULES[name].EPILOG.replace(";", "\n").splitlines()]
    return [line[line.index("neatfool ") :] for line in lines if "neatfool " in line]


@pytest.mark.parametrize("name", MODULES)
def test_every_command_has_examples_whose_flags_parse(name, neatfool):
    _, out, _ = neatfool(name, "--help")
    assert 2 <= len(examples(name)) <= 3
    for example in examples(name):
        program, named, *arguments = shlex.split(example)
        assert (program, named) == ("neatfool", name)
        command(name).make_context(name, arguments)
        assert example in " ".join(out.split())


def test_an_example_that_does_not_parse_would_be_found():
    with pytest.raises(Exception, match="--generatoins"):
        command("evolve").make_context("evolve", ["--generatoins", "3"])
    with pytest.raises(Exception, match="out"):
        command("render").make_context("render", ["runs/mine", "-c", "3"])


@pytest.mark.parametrize("name", MODULES)
def test_many_options_are_in_groups_of_the_same_names(name):
    given = [one for one in command(name).params if one.param_type_name == "option"]
    panels = {one.rich_help_panel for one in given} - {None}
    assert panels <= VOCABULARY
    if len(given) > 8:
        assert len(panels) >= 2
        assert sum(one.rich_help_panel is None for one in given) <= 5


def test_options_that_commands_share_are_in_the_same_group_everywhere():
    groups = {}
    for name in MODULES:
        for one in command(name).params:
            if one.name in ("model", "weights", "device", "json", "quiet", "out", "live"):
                groups.setdefault(one.name, {})[name] = one.rich_help_panel
    for option, where in groups.items():
        small = {name for name in where if name in ("render", "animate", "poster")}
        assert len({panel for name, panel in where.items() if name not in small}) == 1, (option, where)


def test_help_loads_nothing_heavy():
    heavy = "{'torch', 'torchvision', 'matplotlib', 'pandas'}"
    program = (
        f"import sys; from neatfool.cli import run; run(['retrain', '--help']); assert not {heavy} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
