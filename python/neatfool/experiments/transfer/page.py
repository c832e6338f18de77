"""Transfer as a page, a picture and a JSON file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neatfool.experiments.transfer.figure import MOST_ROWS, draw_matrix, draw_result
from neatfool.figures.output import inline_svg, write_figure
from neatfool.figures.page import SMALL_SIDE, write_html
from neatfool.figures.tiles import picture_uri
from neatfool.shared.files import make_folder, write_json
from neatfool.shared.pixels import as_picture

if TYPE_CHECKING:
    from neatfool.experiments.transfer.result import TransferMatrix, TransferResult

TITLE = "Do the images fool other classifiers too?"


def write_transfer(matrix: TransferMatrix, out: Path) -> None:
    """Writes `transfer.json`, `transfer.html` and `transfer.png` into a folder, which is made if need be.

    Raises:
        RunError: a file cannot be written.
    """
    make_folder(out)
    write_json(out / "transfer.json", matrix.summary())
    several = len(matrix.results) > 1
    figure = draw_matrix(matrix) if several else draw_result(matrix.results[0])
    write_figure(figure, out / "transfer.png", title=TITLE, subtitle=_subtitle(matrix))
    write_html(
        Path(__file__).parent / "page.html.j2",
        out / "transfer.html",
        title=TITLE,
        matrix=inline_svg(figure, "Share of images with the same most likely class") if several else None,
        sections=[_section(result) for result in matrix.results],
    )


def _subtitle(matrix: TransferMatrix) -> str:
    first = matrix.results[0]
    count = sum(len(result.classes) for result in matrix.results)
    if len(matrix.results) == 1:
        whose = f"{count:,} images evolved for {first.source or 'an unknown classifier'}"
    else:
        whose = f"{count:,} images of {len(matrix.results)} runs"
    return f"{whose}, shown to {_and(first.targets)}"


def _section(result: TransferResult) -> dict[str, Any]:
    source = result.source_confidence
    return {
        "summary": result.summary(),
        "source_over_99": None if source is None else float((source >= 0.99).mean()),
        "pixelated": max(result.images.shape[2:]) <= SMALL_SIDE,
        "figure": inline_svg(draw_result(result), "What the classifiers make of the images"),
        "tiles": _tiles(result) if len(result.classes) > MOST_ROWS else [],
    }


def _tiles(result: TransferResult) -> list[dict[str, Any]]:
    source = result.source_confidence
    return [
        {
            "image": picture_uri(as_picture(result.images[index]), 112),
            "class_name": class_name,
            "source": None if source is None else float(source[index]),
            "verdicts": [
                {
                    "name": name,
                    "top1": result.top1_names[target][index],
                    "confidence": float(result.top1_confidence[target, index]),
                    "same": bool(result.same_class[target, index]),
                }
                for target, name in enumerate(result.targets)
            ],
        }
        for index, class_name in enumerate(result.class_names)
    ]


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
