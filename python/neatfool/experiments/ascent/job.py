"""The ascent itself: a batch of images, each climbing for its own class, that the next ones enter as others finish."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neatfool.classifiers import Classifier
from neatfool.errors import JudgeError, ModelError, RunError
from neatfool.experiments.ascent.fourier import Fourier
from neatfool.experiments.ascent.regularisers import regularise
from neatfool.experiments.ascent.result import THRESHOLDS, AscentResult
from neatfool.experiments.ascent.settings import AscentConfig
from neatfool.experiments.ascent.start import mean_image, shift, start_image
from neatfool.experiments.ascent.steps import adam_moments, step
from neatfool.runs import (
    TOP,
    Judgement,
    RunFolder,
    elite_arrays,
    expect,
    read_count,
    read_elites,
    read_seconds,
    surest,
)
from neatfool.search import chosen_classes, confidence_statistics
from neatfool.shared.pixels import as_pixels
from neatfool.shared.progress import OnProgress, Progress, Snapshot, Stop

Metrics = dict[str, Any]

_MOST_STEPS = 10**12
_FINITE = (-1e30, 1e30)


class Ascent:
    """An ascent between two steps; a `Job`. A class is addressed by its cell, its position in the settings' classes."""

    def __init__(self, config: AscentConfig, classifier: Classifier, given: NDArray[np.uint8] | None) -> None:
        if not getattr(classifier.module, "gradients", True):
            raise ModelError(
                f"{classifier.name} has no gradients to climb, because OpenVINO runs it; take the network in torch."
            )
        self.classes = chosen_classes(config.classes, classifier.class_names, model=classifier.name)
        cells = len(self.classes)
        shape = classifier.image_shape
        device = classifier.device
        self.config = config
        self.classifier = classifier
        self.folder: RunFolder | None = None
        self.given = given
        self.mean = mean_image(classifier)
        self.fourier = Fourier(shape, device) if config.parametrisation == "fourier" else None
        self.generation = 0
        self.evaluations = 0
        self.seconds = 0.0
        self.confidence = np.zeros(cells, np.float32)
        self.steps = np.zeros(cells, np.int64)
        self.begun = 0
        self.finished = np.zeros(cells, np.bool_)
        self.threshold_steps = np.full((cells, len(THRESHOLDS)), -1, np.int64)
        self.images = np.zeros((cells, *shape), np.uint8)
        self.threshold_images: dict[tuple[int, float], NDArray[np.uint8]] = {}
        self.climbing = np.zeros(0, np.int64)
        """Cells of the images in the batch; the next two hold those images and Adam's moments."""
        self.pixels = torch.zeros((0, *shape), device=device)
        parameters = shape if self.fourier is None else (shape[0], shape[1], shape[2] // 2 + 1, 2)
        self.moments = adam_moments((0, *parameters), device) if config.optimiser == "adam" else None
        self._batch = config.batch or cells
        self._unjudged: list[int] = []
        # The surest classes of the images that were judged in this session.
        surest_of = (cells, min(TOP, len(classifier.class_names)))
        self._top_classes = np.full(surest_of, -1, np.int64)
        self._top_confidences = np.zeros(surest_of, np.float32)
        self._classes = torch.tensor(self.classes, device=device)
        self._mean = torch.from_numpy(self.mean).to(device)

    @property
    def done(self) -> bool:
        """See `Job.done`."""
        return bool(self.finished.all())

    def step(self, progress: OnProgress, stop: Stop) -> Metrics:
        """Takes a step with every image in the batch; see `Job.step`."""
        self._fill()
        self._climb()
        self._fill()
        self.generation += 1
        return self._row()

    def progress(self) -> Progress:
        """See `Job.progress`."""
        row = {**self._row(), "seconds": round(self.seconds, 3)}
        return Progress(
            task="climbing",
            unit="images",
            done=int(self.finished.sum()),
            total=len(self.finished),
            metrics=row,
            share=float(np.where(self.finished, 1, self.steps / max(1, self.config.steps)).mean()),
            snapshot=self._snapshot,
        )

    def _snapshot(self) -> Snapshot:
        """The images begun so far; those in the batch as they are after the last step."""
        place = {cell: row for row, cell in enumerate(self.climbing.tolist())}

        def pixels(cells: NDArray[np.int64]) -> NDArray[np.uint8]:
            out = self.images[cells]
            rows = [(number, place[cell]) for number, cell in enumerate(cells.tolist()) if cell in place]
            if rows:
                numbers, climbing = zip(*rows, strict=True)
                out[list(numbers)] = _bytes(self.pixels[list(climbing)].round())
            return out

        names = self.classifier.class_names
        return Snapshot(
            classes=np.array(self.classes[: self.begun], np.int64),
            class_names=[names[index] for index in self.classes[: self.begun]],
            confidence=self.confidence[: self.begun].copy(),
            versions=2 * self.steps[: self.begun] + self.finished[: self.begun],
            pixels=pixels,
        )

    def result(self) -> AscentResult:
        """What was found so far."""
        self._judge(self._unjudged)
        self._unjudged.clear()
        names = self.classifier.class_names
        return AscentResult(
            config=self.config,
            class_names=tuple(names[index] for index in self.classes),
            classes=np.array(self.classes, np.int64),
            confidence=self.confidence,
            images=self.images,
            steps=self.steps,
            finished=self.finished,
            threshold_steps=self.threshold_steps,
            threshold_images=self.threshold_images,
            judgement=self._judgement(),
            evaluations=self.evaluations,
            seconds=self.seconds,
            folder=self.folder,
        )

    def _judgement(self) -> Judgement | None:
        """What the images are judged to be, once all are finished; an image of an earlier session is judged once more."""
        if not self.done:
            return None
        self._judge(np.flatnonzero(self._top_classes[:, 0] < 0).tolist())
        order = np.argsort(self.classes)
        return Judgement(
            np.array(self.classes, np.int64)[order], self._top_classes[order], self._top_confidences[order]
        )

    def _fill(self) -> None:
        """Lets the next classes into the batch."""
        new = range(self.begun, min(len(self.steps), self.begun + self._batch - len(self.climbing)))
        if not new:
            return
        start = self.config.start if self.given is None else self.given
        images = [start_image(start, self.mean, self.classes[cell], self.config.seed) for cell in new]
        self.pixels = torch.cat([self.pixels, torch.from_numpy(np.stack(images)).to(self.pixels.device)])
        if self.moments is not None:
            zeros = adam_moments((len(new), *self.moments.shape[2:]), self.moments.device)
            self.moments = torch.cat([self.moments, zeros])
        self.climbing = np.append(self.climbing, np.array(new, np.int64))
        self.begun = new.stop

    def _climb(self) -> None:
        """One pass forward and backward of the whole batch; images that have arrived leave, the others take a step."""
        cells, settings = self.climbing, self.config
        taken = self.steps[cells]
        shifts = self._shifts(cells, taken)
        seen = _rolled(self.pixels, shifts).round().requires_grad_()
        logits = self.classifier.logits(seen).float()
        rows = torch.arange(len(cells), device=logits.device)
        targets = self._classes[torch.from_numpy(cells).to(logits.device)]
        log_p = logits.log_softmax(1)[rows, targets]
        p = log_p.exp()
        objectives = {"logit": logits[rows, targets], "probability": p, "log-probability": log_p}
        objective = objectives[settings.objective]
        confidence = p.detach().double().cpu().numpy()
        gradient = torch.autograd.grad(objective.sum(), seen)[0] if logits.requires_grad else None
        if gradient is None or not np.isfinite(confidence).all() or not bool(gradient.isfinite().all()):
            fault = "does not depend on the image" if gradient is None else "is infinite or undefined"
            raise JudgeError(
                f"In step {self.generation + 1}, what {self.classifier.name} returned {fault}, so there is no gradient to "
                "climb; mend the model.",
                images=_bytes(seen.detach()),
            )
        self.evaluations += len(cells)
        self.confidence[cells] = confidence
        arrived = taken >= settings.steps
        if not settings.goes_on:
            arrived |= confidence >= THRESHOLDS[-1]
        looked = seen.detach()
        self._pass_thresholds(cells, confidence, taken, looked)
        self._leave(cells[arrived], looked[torch.from_numpy(arrived)])

        stay = torch.from_numpy(np.flatnonzero(~arrived)).to(looked.device)
        self.climbing = cells[~arrived]
        if self.moments is not None:
            self.moments = self.moments[stay]
        self.pixels = self.pixels[stay]
        if len(stay):
            back = [(-down, -right) for (down, right), out in zip(shifts, arrived, strict=True) if not out]
            gradient = _rolled(gradient[stay], back)
            self._move(gradient, p.detach()[stay], torch.from_numpy(taken[~arrived]).to(looked.device))
            self.steps[self.climbing] += 1

    def _move(self, gradient: Tensor, p: Tensor, taken: Tensor) -> None:
        """Moves the images in the batch up their gradients and regularises them."""
        if self.fourier is None:
            change = step(gradient, p, self.moments, taken, self.config)
        else:
            change = self.fourier.to_pixels(
                step(self.fourier.to_parameters(gradient), p, self.moments, taken, self.config)
            )
        self.pixels = regularise(self.pixels + change, gradient, self._mean, taken + 1, self.config)

    def _shifts(self, cells: NDArray[np.int64], taken: NDArray[np.int64]) -> list[tuple[int, int]]:
        """How far each image is shifted in this step; not at all in its last look."""
        jitter, steps = self.config.jitter, self.config.steps
        return [
            shift(jitter, self.classes[cell], self.config.seed, int(count)) if jitter and count < steps else (0, 0)
            for cell, count in zip(cells, taken, strict=True)
        ]

    def _pass_thresholds(
        self, cells: NDArray[np.int64], confidence: NDArray[np.float64], taken: NDArray[np.int64], looked: Tensor
    ) -> None:
        """Records step and image where a threshold is reached for the first time."""
        for number, threshold in enumerate(THRESHOLDS):
            first = np.flatnonzero((confidence >= threshold) & (self.threshold_steps[cells, number] < 0))
            if not len(first):
                continue
            self.threshold_steps[cells[first], number] = taken[first]
            images = {self.classes[cells[row]]: image for row, image in zip(first, _bytes(looked[first]), strict=True)}
            self.threshold_images |= {(index, threshold): image for index, image in images.items()}
            if self.folder:
                self.folder.write_images(images, label=str(threshold), sync=True)

    def _leave(self, cells: NDArray[np.int64], looked: Tensor) -> None:
        """Takes finished images out; they are judged a chunk of the classifier at a time."""
        self.images[cells] = _bytes(looked)
        self.finished[cells] = True
        self._unjudged += cells.tolist()
        while len(self._unjudged) >= self.classifier.chunk:
            self._judge(self._unjudged[: self.classifier.chunk])
            del self._unjudged[: self.classifier.chunk]

    def _judge(self, cells: list[int]) -> None:
        """Lets the classifier itself say what it thinks of stored images, and writes them."""
        if not cells:
            return
        scores = self.classifier.confidences(self.images[cells])
        classes = [self.classes[cell] for cell in cells]
        self.confidence[cells] = scores[np.arange(len(cells)), classes]
        self._top_classes[cells], self._top_confidences[cells] = surest(scores)
        if self.folder:
            self.folder.write_images(dict(zip(classes, self.images[cells], strict=True)), sync=True)

    def _row(self) -> Metrics:
        return {
            "generation": self.generation,
            "evaluations": self.evaluations,
            "classes": len(self.finished),
            "finished": int(self.finished.sum()),
            **confidence_statistics(self.confidence),
        }

    def checkpoint(self) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
        """See `Job.checkpoint`; lets the classifier judge what is in the works."""
        self._fill()
        self.images[self.climbing] = _bytes(self.pixels.round())
        self._judge([*self._unjudged, *self.climbing.tolist()])
        self._unjudged.clear()
        begun = np.arange(len(self.steps)) < self.begun
        classes = np.array(self.classes, np.int64)
        arrays: dict[str, NDArray[Any]] = {
            **elite_arrays(
                classes=classes,
                confidence=np.where(begun, self.confidence, np.float32(-1)),
                ids=np.where(begun, np.arange(len(begun)), -1),
                generation=self.steps,
                changing=classes[self.climbing],
                pictures=self.images[self.climbing],
            ),
            "ascent.finished": self.finished,
            "ascent.threshold_steps": self.threshold_steps,
            "ascent.climbing": self.climbing,
            "ascent.pixels": self.pixels.cpu().numpy(),
        }
        if self.moments is not None:
            arrays["ascent.moments"] = self.moments.cpu().numpy()
        if self.given is not None:
            arrays["ascent.start"] = self.given
        return arrays, {"generation": str(self.generation), "evaluations": str(self.evaluations)}

    def write(self) -> None:
        """See `Job.write`; the pictures are in the folder since they were judged."""

    @classmethod
    def restored(cls, config: AscentConfig, classifier: Classifier, folder: RunFolder) -> Ascent:
        """An ascent as its checkpoint left it.

        Raises:
            RunError: the checkpoint or an image is damaged, or they contradict each other.
        """
        arrays, metadata = folder.load_checkpoint()
        shape = folder.manifest.image_shape
        given = expect(arrays, "ascent.start", np.uint8, shape, ndim=3) if "ascent.start" in arrays else None
        ascent = cls(config, classifier, given)
        ascent.folder = folder
        cells = len(ascent.classes)
        ascent.generation = read_count(folder, metadata, "generation")
        ascent.evaluations = read_count(folder, metadata, "evaluations")
        steps = (-1, _MOST_STEPS)
        confidence = expect(arrays, "archive.confidence", np.float32, (cells,), ndim=1, within=(-1, 1.001))
        ascent.begun = int((confidence >= 0).sum())
        ascent.confidence = confidence.clip(0)
        ascent.steps = expect(arrays, "archive.generation", np.int64, (cells,), ndim=1, within=(0, _MOST_STEPS))
        ascent.finished = expect(arrays, "ascent.finished", np.bool_, (cells,), ndim=1)
        ascent.threshold_steps = expect(
            arrays, "ascent.threshold_steps", np.int64, (cells, len(THRESHOLDS)), ndim=2, within=steps
        )
        ascent.climbing = expect(arrays, "ascent.climbing", np.int64, (None,), ndim=1)
        begun = np.arange(cells) < ascent.begun
        if not (
            np.array_equal(expect(arrays, "archive.classes", np.int64, (cells,), ndim=1), ascent.classes)
            and np.array_equal(expect(arrays, "archive.id", np.int64, (cells,)), np.where(begun, np.arange(cells), -1))
            and np.array_equal(confidence >= 0, begun)
            and np.array_equal(np.sort(ascent.climbing), np.flatnonzero(~ascent.finished & begun))
            and not (ascent.finished & ~begun).any()
        ):
            raise RunError(f"The checkpoint of {folder.path} contradicts itself about what is finished; it is damaged.")
        count = len(ascent.climbing)
        pixels = expect(arrays, "ascent.pixels", np.float32, (count, *shape), ndim=4, within=_FINITE)
        ascent.pixels = torch.from_numpy(pixels).to(classifier.device)
        if ascent.moments is not None:
            stored = expect(arrays, "ascent.moments", np.float32, (count, *ascent.moments.shape[1:]), within=_FINITE)
            ascent.moments = torch.from_numpy(stored).to(classifier.device)
        ascent.images[: ascent.begun] = read_elites(folder).pixels()
        for cell, index in enumerate(ascent.classes[: ascent.begun]):
            for number, threshold in enumerate(THRESHOLDS):
                if ascent.threshold_steps[cell, number] >= 0:
                    ascent.threshold_images[index, threshold] = as_pixels(folder.image(index, str(threshold)))
        folder.truncate_metrics(ascent.generation)
        ascent.seconds = read_seconds(folder, metadata, ascent.generation)
        return ascent


def _rolled(images: Tensor, shifts: list[tuple[int, int]]) -> Tensor:
    """Each image shifted down and to the right around the edges; the images themselves if none is shifted."""
    if not any(down or right for down, right in shifts):
        return images
    return torch.stack([image.roll(by, (-2, -1)) for image, by in zip(images, shifts, strict=True)])


def _bytes(images: Tensor) -> NDArray[np.uint8]:
    """Whole numbers in [0, 255] as uint8 on the host."""
    array: NDArray[np.uint8] = images.to(torch.uint8).cpu().numpy()
    return array
