"""An audit as a page, a picture, a badge and a JSON file."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from neatfool.classifiers import FOOLING_CLASS
from neatfool.errors import RunError
from neatfool.experiments.audit.badge import write_badge
from neatfool.experiments.audit.figure import ATTACK_NAMES, draw_curves, draw_scale, draw_scores
from neatfool.experiments.audit.settings import COMMAND
from neatfool.figures.output import inline_svg, write_figure
from neatfool.figures.page import SMALL_SIDE, write_html
from neatfool.figures.tiles import picture_uri
from neatfool.shared.files import make_folder, write_json
from neatfool.shared.pixels import Pixels, as_picture

if TYPE_CHECKING:
    from neatfool.experiments.audit.result import AttackResult, Audit

DOCS = "https://github.com/neatfool/neatfool/blob/main/docs/audit.md"
MOST_TILES = 12
_TILE = 200
_CURVES = "Share of classes fooled, over the passes for each class"


def write_audit(audit: Audit, out: Path) -> None:
    """Writes `audit.json`, `audit.html`, `audit.png` and `badge.svg` into a folder, which is made if need be.

    Raises:
        RunError: the audit was interrupted before its first seed was done, or a file cannot be written.
    """
    if not audit.seeds_done:
        raise RunError("The audit was interrupted before its first seed was done; go on with `neatfool resume`.")
    make_folder(out)
    write_json(out / "audit.json", audit.summary())
    write_badge(audit, out / "badge.svg")
    curves = draw_curves(audit.attacks, audit.config.budget)
    write_figure(curves, out / "audit.png", title=_title(audit), subtitle=f"{_CURVES} ({audit.protocol})")
    write_html(
        Path(__file__).parent / "page.html.j2",
        out / "audit.html",
        summary=audit.summary(),
        meaning=meaning(audit),
        attempts=audit.passes.size,
        fooled=int((audit.passes > 0).sum()),
        asked_seeds=audit.config.seeds,
        per_seed=audit.passes.shape[2],
        names=ATTACK_NAMES,
        scale=inline_svg(draw_scale(audit.score, audit.seed_scores), _title(audit)),
        curves=inline_svg(curves, _CURVES),
        photographed=bool(audit.photographs),
        has_gradient="gradient" in {one.name for one in audit.attacks},
        attacked=list(audit.detection.detectors[0].attacks) if audit.detection and audit.detection.detectors else [],
        galleries=[(ATTACK_NAMES[one.name], _caption(one), _tiles(audit, one)) for one in audit.attacks],
        pixelated=max(audit.attacks[0].images.shape[3:]) <= SMALL_SIDE,
        scores=_scores(audit),
        best=max(audit.summary()["detectors"], key=lambda one: (one["rejected"], one["auroc"]), default=None),
        retrained=FOOLING_CLASS in audit.class_names,
        commands=_commands(audit),
        provenance=_provenance(audit),
        docs=DOCS,
    )


def meaning(audit: Audit) -> str:
    """The fooling score in plain words."""
    budget, score = audit.config.budget, audit.score.value
    fooled, attempts = int((audit.passes > 0).sum()), audit.passes.size
    if not fooled:
        return f"In none of {attempts:,} attempts did an attack make it at least 99 % sure within {budget:,} passes."
    same = round(budget ** (1 - score / 100))
    return (
        f"In {fooled:,} of {attempts:,} attempts an attack made it at least 99 % sure of the class within {budget:,} "
        f"passes. It scores like a classifier that always falls after {same:,} {'pass' if same == 1 else 'passes'}."
    )


def best_of_classes(attack: AttackResult) -> list[tuple[int, int]]:
    """For each class attacked the place (seed, column) of its best image: what fooled first, else what came closest.

    Returns:
        The places in the same order: fooled classes first, the soonest at the head.
    """
    never = np.iinfo(np.int64).max
    sooner = np.where(attack.passes > 0, attack.passes, never)
    order = np.lexsort((-attack.confidence.ravel(), sooner.ravel()))
    chosen: dict[int, tuple[int, int]] = {}
    for place in order.tolist():
        seed, column = divmod(place, attack.passes.shape[1])
        chosen.setdefault(int(attack.classes[seed, column]), (seed, column))
    return list(chosen.values())


def _title(audit: Audit) -> str:
    score = audit.score
    return f"{audit.model}: fooling score {score.value:.0f} of 100 ({score.low:.0f} to {score.high:.0f})"


def _caption(attack: AttackResult) -> str:
    fooled = int((attack.passes > 0).sum())
    if not fooled:
        return "None fooled it; these came closest."
    return f"{fooled:,} of {attack.passes.size:,} attempts fooled it; here are the classes that fell first."


def _tiles(audit: Audit, attack: AttackResult) -> list[dict[str, Any]]:
    tiles = []
    for seed, column in best_of_classes(attack)[:MOST_TILES]:
        index = int(attack.classes[seed, column])
        photograph = audit.photographs.get(index)
        top = zip(attack.top_classes[seed, column], attack.top_confidence[seed, column], strict=True)
        tiles.append(
            {
                "name": audit.class_names[index],
                "index": index,
                "image": _uri(attack.images[seed, column]),
                "photograph": None if photograph is None else _uri(photograph),
                "confidence": float(attack.confidence[seed, column]),
                "passes": int(attack.passes[seed, column]),
                "top": [(audit.class_names[one], float(sure), int(one) == index) for one, sure in top],
            }
        )
    return tiles


def _uri(pixels: Pixels) -> str:
    return picture_uri(as_picture(pixels), _TILE)


def _scores(audit: Audit) -> Markup | None:
    if audit.detection is None or not audit.detection.detectors:
        return None
    return inline_svg(draw_scores(audit.detection), "How the best detectors score real and fooling images")


def _commands(audit: Audit) -> dict[str, str]:
    """What repeats the audit, and what may be done next."""
    model = audit.config.model
    of_model = ["--model", model.name]
    of_data = ["--data", audit.config.data or "DIR"]
    how = [] if model.device == "auto" else ["--device", model.device]
    how += [] if model.backend == "torch" else ["--backend", model.backend]
    how += [] if model.precision == "float32" else ["--precision", model.precision]
    weights = ["--weights", model.weights] if model.weights else []
    amount = ["--budget", str(audit.config.budget), "--seeds", str(audit.config.seeds)]
    repeat = ["neatfool", COMMAND, *of_model, *weights, *(of_data if audit.config.data else []), *amount, *how]
    here = str(audit.folder.path) if audit.folder else "BEFORE"
    then = ["neatfool", COMMAND, *of_model, "--weights", "retrained/weights/round-3.safetensors", *of_data, *amount]
    return {
        "repeat": shlex.join(repeat),
        "retrain": shlex.join(
            ["neatfool", "retrain", *of_model, *weights, *of_data, "--rounds", "3", "--out", "retrained"]
        ),
        "again": shlex.join([*then, "--out", "audit-retrained"]),
        "difference": shlex.join(["neatfool", COMMAND, "--before", here, "--after", "audit-retrained"]),
    }


def _provenance(audit: Audit) -> dict[str, str]:
    config = audit.config
    facts = {
        "Protocol": audit.protocol,
        "Budget": f"{config.budget:,} passes of each attack, for each class",
        "Seeds": f"{audit.seeds_done}, with {audit.passes.shape[2]} classes each",
        "Passes": f"{sum(one.spent for one in audit.attacks):,} in all",
        "Weights": config.model.weights or "its own",
        "Device": config.model.device,
        "Backend": f"{config.model.backend}, {config.model.precision}",
        "Real images": config.data or "none",
    }
    if audit.folder:
        manifest = audit.folder.manifest
        facts |= {
            "Begun": manifest.created,
            "Weights hash": manifest.weights_hash or "",
            "Fingerprint": manifest.fingerprint or "",
            "Platform": manifest.platform,
            **manifest.versions,
        }
    return facts
