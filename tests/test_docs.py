"""Every command and block of the README and of docs/ is run here, or marked with the reason why it is not.

`<!-- not run: reason -->` before a block marks it. Command lines with places to fill in, RUN or FILE or [--out DIR], are
synopses and are not run either, nor is `pip install`. The commands and options still have to exist, and Python has to compile.
"""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import typer
from markdown_it import MarkdownIt
from PIL import Image, ImageDraw
from typer.exceptions import TyperException

import neatfool as nf
from neatfool.cli import app

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
_MARK = re.compile(r"<!-- not run: (\S.*?) -->\s*", re.DOTALL)
_SHELL = re.compile(r"(?:neatfool|pip|make|cargo|python|tensorboard|for|sbatch|\.venv/bin/python)\s")
_PLACE = re.compile(r"[A-Z]+|.*[$\[\]|].*|.*\.\.\.|[A-Z]+/.*")


@dataclass(frozen=True)
class Block:
    """A block of code of a page: its language, its text, and why it is not run, if it is not."""

    language: str
    text: str
    line: int
    reason: str | None

    def run(self) -> None:
        """Runs it as a reader would; a block that begins with the name of a file becomes that file, and is run."""
        file = re.match(r"# (\w+\.py)\n", self.text)
        if self.language == "sh":
            subprocess.run(["sh", "-ec", self.text], check=True)
        elif file:
            Path(file[1]).write_text(self.text)
            subprocess.run([sys.executable, file[1]], check=True)
        elif self.language == "python":
            exec(compile("\n" * self.line + self.text, "page", "exec"), globals_of_page)


def blocks(page: Path) -> list[Block]:
    found: list[Block] = []
    reason = None
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        if token.type in ("fence", "code_block"):
            language = token.info or ("sh" if _SHELL.match(token.content) else "")
            if language == "sh" and any(_PLACE.fullmatch(word) for words in commands(token.content) for word in words):
                reason = reason or "a synopsis"
            if language == "sh" and all(line.startswith("pip install ") for line in token.content.splitlines()):
                reason = reason or "tests keep the environment that they run in"
            found.append(Block(language, token.content, token.map[0], reason))
        mark = _MARK.fullmatch(token.content) if token.type == "html_block" else None
        reason = mark[1] if mark else None
    return found


def commands(text: str) -> list[list[str]]:
    """The command lines of neatfool in a block, as words. Lines that go on in the next one are put together."""
    together = re.sub(r"\\\n|\n\s+(?=[\[-])", " ", text)
    lines = [shlex.split(part, comments=True) for part in re.split(r"[\n;&]", together)]
    words = [line[line[0] == "do" :] for line in lines if line]
    return [line[1:] for line in words if line[0] == "neatfool"]


def check(words: list[str]) -> None:
    """Raises TyperException or KeyError where neatfool has no such command or refuses what follows."""
    name, *arguments = words or ["--help"]
    if name.startswith("-"):
        return
    command = typer.main.get_command(app).commands[name]
    if any(_PLACE.fullmatch(word) for word in words):
        known = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
        used = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", " ".join(arguments)))
        assert used <= known | {"-h", "--help"}, f"neatfool {name} has no {used - known}"
    else:
        command.make_context(name, arguments)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_is_written_there_exists(page: Path) -> None:
    for block in blocks(page):
        try:
            if block.language == "sh":
                for words in commands(block.text):
                    check(words)
            elif block.language == "python":
                compile(block.text, page.name, "exec")
            elif block.language == "toml":
                tomllib.loads(block.text)
        except (AssertionError, KeyError, SyntaxError, TyperException, ValueError) as error:
            said = error.format_message() if isinstance(error, TyperException) else error
            pytest.fail(f"{page.name}, line {block.line}: {block.text}{said}")


def test_a_wrong_command_is_noticed() -> None:
    for line in (
        "neatfool evolve --generation 3",
        "neatfool evolve --generations x",
        "neatfool transfer RUN --too NAME",
    ):
        (words,) = commands(line)
        with pytest.raises((AssertionError, TyperException)):
            check(words)


RUN = [
    page for page in PAGES if any(block.reason is None and block.language in ("sh", "python") for block in blocks(page))
]


def test_the_reference_has_every_public_name() -> None:
    there = set(re.findall(r"^::: neatfool\.(\w+)$", (ROOT / "docs/reference/api.md").read_text(), re.MULTILINE))
    assert there == {name for name in nf.__all__ if not name.startswith("__")}


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [
        # Beside tests/scaling, which looks for worker processes among all of the machine.
        pytest.param(page, marks=pytest.mark.xdist_group("ray") if "nf.RayJudge(" in page.read_text("utf-8") else ())
        for page in RUN
    ],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_what_is_written_there_runs(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    text = page.read_text(encoding="utf-8")
    for name in set(re.findall(r'data="(\w+)"', text)):  # MNIST's files, by whatever name the page calls them
        (tmp_path / name).symlink_to(request.getfixturevalue("shared") / "data/MNIST")
    pictures(tmp_path / "pictures")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(
        [sys.executable, __file__, page],
        cwd=tmp_path,
        # datasets finds what another test had under the same name.
        env={**os.environ, "PATH": path, "MPLBACKEND": "agg", "HF_HOME": str(tmp_path / "hf")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def pictures(folder: Path) -> None:
    """Circles, squares and stripes in random places and colours."""
    random = np.random.default_rng(0)
    for part, count in (("train", 24), ("val", 12)):
        for kind in ("circle", "square", "stripes"):
            (folder / part / kind).mkdir(parents=True)
            for number in range(count):
                back, front = (tuple(random.integers(low, low + 100, 3).tolist()) for low in (0, 155))
                picture = Image.new("RGB", (64, 64), back)
                draw = ImageDraw.Draw(picture)
                x, y = random.integers(4, 28, 2).tolist()
                if kind == "stripes":
                    for row in range(y % 8, 64, 8):
                        draw.rectangle((0, row, 63, row + 3), fill=front)
                else:
                    (draw.ellipse if kind == "circle" else draw.rectangle)((x, y, x + 30, y + 30), fill=front)
                picture.save(folder / part / kind / f"{number}.png")


if (
    __name__ == "__main__"
):  # in a process of its own, in the folder of the page: its registered names and settings stay there
    globals_of_page: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(Path(sys.argv[1])):
        if block.reason is None:
            block.run()
