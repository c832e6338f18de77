"""The pages of docs/howto/ work as they are written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

HOWTO = Path(__file__).parents[1] / "docs/howto"
_BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


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


@pytest.mark.slow
def test_audit_a_fine_tuned_resnet(tmp_path: Path) -> None:
    pictures(tmp_path / "pictures")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}

    def do(command: list[str]) -> None:
        ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, f"{command}: {ended.stdout}{ended.stderr}"

    for kind, block in _BLOCK.findall((HOWTO / "audit-a-fine-tuned-resnet.md").read_text()):
        if kind == "python":
            name = block.partition("\n")[0].removeprefix("# ")
            (tmp_path / name).write_text(block)
            if name == "finetune.py":
                do([sys.executable, name])
        else:
            for line in block.splitlines():
                do(["sh", "-c", line])
    for written in (
        "audit-small/audit.html",
        "audit-ci/badge.svg",
        "audit.xml",
        "gained/compare.html",
        "fooling/README.md",
    ):
        assert (tmp_path / written).stat().st_size > 100
