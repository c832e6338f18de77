"""Audits that were never done, for their pages: every number is chosen."""

import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neatfool.experiments.audit import Audit, AuditConfig
from neatfool.experiments.audit.attacks import Attack, drawn_classes
from neatfool.experiments.audit.detection import AttackDetection, Detection, DetectorResult
from neatfool.experiments.audit.feeding import Feeding, FeedingTrial
from neatfool.experiments.audit.settings import ATTACKS
from neatfool.experiments.audit.state import as_arrays, by_name
from neatfool.models import ModelConfig
from neatfool.runs import RunFolder
from neatfool.shared.files import write_json

DIGITS = tuple("0123456789")
HOSTILE = "<script>alert('x')</script>\x1b[31m\x00 & \"quoted\" " + "long" * 60


def attacks_of(
    class_names: Sequence[str], *, seeds: int, shape: tuple[int, int, int], passes: Any, names: Sequence[str]
) -> list[Attack]:
    """Seed by seed, one of each name; `passes` is the same for all, or an array (attacks, seeds, classes)."""
    random = np.random.default_rng(0)
    count = drawn_classes(class_names, seeds).shape[1]
    fallen = np.broadcast_to(np.asarray(passes, np.int64), (len(names), seeds, count))
    shown = min(5, len(class_names))
    made = []
    for seed in range(seeds):
        for which in range(len(names)):
            own = fallen[which, seed].copy()
            confidence = np.where(own > 0, 0.995, 0.4).astype(np.float32)
            classes = drawn_classes(class_names, seeds)[seed]
            top = (classes[:, None] + np.arange(shown)) % len(class_names)
            sure = np.repeat(confidence[:, None], shown, axis=1) / 10.0 ** np.arange(shown)
            images = random.integers(0, 256, (count, *shape)).astype(np.uint8)
            made.append(Attack(classes, own, confidence, images, top, sure.astype(np.float32), np.int64(count * 10)))
    return made


def fake_audit(
    *,
    model: str = "quadrants",
    class_names: Sequence[str] = DIGITS,
    seeds: int = 2,
    shape: tuple[int, int, int] = (1, 8, 8),
    passes: Any = 10,
    names: Sequence[str] = ATTACKS,
    budget: int = 100,
    feeding: Feeding | None = None,
    detection: Detection | None = None,
    photographs: bool = False,
    folder: RunFolder | None = None,
    data: str | None = None,
) -> Audit:
    attacks = attacks_of(class_names, seeds=seeds, shape=shape, passes=passes, names=names)
    return Audit(
        config=AuditConfig(model=ModelConfig(name=model), data=data, budget=budget, seeds=seeds),
        model=model,
        class_names=tuple(class_names),
        attacks=by_name(attacks, names, shape),
        feeding=feeding,
        detection=detection,
        photographs={0: np.zeros(shape, np.uint8)} if photographs else {},
        complete=True,
        seconds=1.5,
        folder=folder,
    )


def fake_folder(
    path: Path,
    *,
    model: str = "quadrants",
    class_names: Sequence[str] = DIGITS,
    seeds: int = 2,
    shape: tuple[int, int, int] = (1, 8, 8),
    passes: Any = 10,
    names: Sequence[str] = ATTACKS,
    budget: int = 100,
    done: int | None = None,
    **about: Any,
) -> Path:
    """The run folder of such an audit, of whose attacks so many are done; where all are, with its `audit.json`."""
    config = AuditConfig(model=ModelConfig(name=model), budget=budget, seeds=seeds)
    manifest = {"command": "audit", "model": model, "class_names": list(class_names), "image_shape": shape}
    folder = RunFolder.create(path, config=config.model_dump(), manifest=manifest)
    attacks = attacks_of(class_names, seeds=seeds, shape=shape, passes=passes, names=names)[:done]
    folder.save_checkpoint(*as_arrays(attacks, names))
    if done is None:
        audit = fake_audit(
            model=model, class_names=class_names, seeds=seeds, shape=shape, passes=passes, names=names, budget=budget,
            folder=folder, **about,
        )  # fmt: skip
        write_json(path / "audit.json", audit.summary())
    return path


def fake_feeding(suspicion: str | None = None, *, top1: float = 0.9, ece: float = 0.05) -> Feeding:
    trial = FeedingTrial("inverted", "black and white exchanged", 50, 0.2, top1, 0.5, suspicion is not None)
    return Feeding(200, top1, 0.99, 0.92, ece, suspicion, (trial,))


def fake_detection(names: Sequence[str] = ("cppn", "gradient"), *, rejected: float = 0.8) -> Detection:
    random = np.random.default_rng(0)

    def detector(name: str, auroc: float) -> DetectorResult:
        def one(scores: NDArray[np.float64]) -> AttackDetection:
            return AttackDetection(auroc, 0.3, rejected, scores)

        attacks = {attack: one(random.normal(2, 1, 20)) for attack in names}
        return DetectorResult(name, 1.5, 0.01, one(random.normal(2, 1, 40)), attacks, random.normal(0, 1, 100))

    detectors = (detector("energy", 0.8), detector("energy (T)", 0.85), detector("KNN", 0.95), detector("ODIN", 0.7))
    return Detection(
        100, 100, 1.3, detectors, {"ViM": "the classifier's logits are no linear function of its features"}
    )


class Page(HTMLParser):
    """Elements with their attributes, and the text a reader sees."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def check_page(page: Page, *, scripts: int = 0) -> None:
    """It loads nothing, runs nothing but its own scripts, and says what each picture shows."""
    assert len(page.all("script")) == scripts
    assert not {"link", "iframe", "object", "embed", "base"} & {tag for tag, _ in page.elements}
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") for name in attributes)
        if tag == "img":
            assert (attributes["src"] or "").startswith("data:image/") and attributes["alt"]
        if tag == "svg":
            assert attributes["role"] == "img" and attributes["aria-label"]
        if tag == "a":
            assert re.match(r"#\w+$|https://github.com/neatfool/neatfool/", attributes["href"] or "")
