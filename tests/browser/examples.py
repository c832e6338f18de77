"""A small example of every page, made by the tool itself on data made up on the spot."""

from pathlib import Path

import numpy as np
import torch
from digits import write_digits
from example_runs import make_run
from fake_audits import fake_audit, fake_detection, fake_feeding, fake_folder
from PIL import Image
from test_repetition import SIDE, STRIPES, population
from torch import nn

from neatfool import Classifier, Cppn, RunFolder, evolve
from neatfool.experiments.audit import before_and_after, compare_audits
from neatfool.experiments.repetition import repeat
from neatfool.experiments.reproduction import reproduce
from neatfool.experiments.retraining import RetrainSettings, retrain
from neatfool.experiments.transfer import transfer_images
from neatfool.experiments.transfer.page import write_transfer
from neatfool.experiments.transfer.result import TransferMatrix
from neatfool.report import write_report


def make_pages(out: Path) -> dict[str, Path]:
    """The pages by what they are of."""
    pages = _reproduced(out) | _audits(out)
    pages["repeat"] = _repeated(out / "repeated")
    pages["retrain"] = _retrained(out / "retrain")
    names = [f"class {number}, with a long name of many words" for number in range(300)]
    runs = [make_run(out / f"many-{seed}", class_names=names, seed=seed) for seed in range(2)]
    write_report([run.path for run in runs], out / "runs.html")
    pages["report of several runs"] = out / "runs.html"
    pages["transfer of many images"] = _many_transferred(out / "transfer-many")
    return pages


def _reproduced(out: Path) -> dict[str, Path]:
    data = out / "digits"
    data.mkdir()
    write_digits(data, "train", 300)
    write_digits(data, "t10k", 100)
    folder = out / "reproduce"
    reproduce("mnist", data=data, out=folder, scale="smoke", rows=[1, 2, 5, 6, 9, 10, 11])
    return {
        "evolve": folder / "row-2/report.html",
        "ascend": folder / "row-5-with/report.html",
        "transfer": folder / "row-6/transfer.html",
        "nothing repeated": folder / "row-9/repetition.html",
        "diversity": folder / "row-10/diversity.html",
        "hypothesis": folder / "row-11/hypothesis.html",
        "reproduce": folder / "reproduction.html",
    }


def _audits(out: Path) -> dict[str, Path]:
    feeding, detection = fake_feeding("Black and white seem to be exchanged."), fake_detection()
    fake_audit(
        feeding=feeding, detection=detection, photographs=True, folder=RunFolder.open(fake_folder(out / "audit"))
    ).write()
    folders = [
        fake_folder(out / f"audited-{passes}", model=f"model-{passes}", passes=passes, feeding=fake_feeding())
        for passes in (5, 40, 0)
    ]
    compare_audits(folders).write(out / "compare")
    before_and_after(folders[0], folders[1]).write(out / "difference")
    return {
        "audit": out / "audit/audit.html",
        "audits compared": out / "compare/compare.html",
        "before and after": out / "difference/compare.html",
    }


def _repeated(out: Path) -> Path:
    """Twelve elites with six stripes each."""
    names = [f"class {number}" for number in range(12)]
    layers = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, 12))
    model = Classifier(layers, input_size=SIDE, channels=1, class_names=names, name="stripes")
    run = evolve(model, encoding=Cppn(), generations=0, batch=12, out=out / "run")
    every = np.arange(12)
    run.archive.genomes.put(every, population(*[STRIPES] * 12), every)
    run.archive.ids[:] = 100 + every
    run.search.evaluations = 112
    run.lineage.add(run.archive.ids, [(-1, -1)] * 12, [-1] * 12, generation=0)
    run.save()
    repeat(run.folder, judge=model).write(out)
    return out / "repetition.html"


def _retrained(out: Path) -> Path:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 36, 3))
    data = out.with_name("bars")
    random = np.random.default_rng(0)
    for label in range(3):
        (data / f"bar{label}").mkdir(parents=True)
        for number in range(12):
            image = random.integers(0, 60, (8, 8), dtype=np.uint8)
            image[1 + 2 * label : 3 + 2 * label] += 180
            Image.fromarray(image).save(data / f"bar{label}" / f"{number}.png")
    settings = RetrainSettings(images_per_class=6, generations=4, batch=20, epochs=1, training_batch=20)
    classifier = Classifier(layers, input_size=8, channels=1, name="tiny")
    retrain(classifier, data, rounds=2, settings=settings, out=out).write()
    return out / "rounds.html"


def _many_transferred(out: Path) -> Path:
    names = [f"class {number}" for number in range(200)]

    def network(seed: int) -> Classifier:
        torch.manual_seed(seed)
        layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 200))
        return Classifier(layers, input_size=8, channels=1, name=f"network {seed}", class_names=names)

    images = np.random.default_rng(0).integers(0, 256, (200, 1, 8, 8), dtype=np.uint8)
    result = transfer_images(images, np.arange(200), [network(1), network(2)], source=network(0))
    write_transfer(TransferMatrix((result,)), out)
    return out / "transfer.html"
