"""The figures of the experiments, as on their pages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from neatfool.errors import ConfigError, RunError
from neatfool.experiments.audit import Audit
from neatfool.experiments.audit.figure import draw_curves, draw_scale, draw_scores
from neatfool.experiments.audit.reading import read_audits
from neatfool.experiments.diversity.figure import draw_distances, draw_map
from neatfool.experiments.hypothesis.figure import draw_attacks, draw_groups
from neatfool.experiments.repetition.figure import draw_repetition
from neatfool.experiments.retraining.figure import draw_networks, measures
from neatfool.experiments.retraining.networks import read_networks
from neatfool.experiments.retraining.result import RetrainResult
from neatfool.experiments.transfer.figure import draw_matrix, draw_result
from neatfool.runs import RunFolder

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

    from neatfool.experiments.diversity.result import DiversityResult
    from neatfool.experiments.hypothesis.result import Hypothesis
    from neatfool.experiments.repetition.result import RepetitionResult
    from neatfool.experiments.transfer.result import TransferMatrix

AuditSource = Audit | RunFolder | Path | str
"""An audit, or the folder of a finished one."""


def fooling_curves(audit: AuditSource) -> Figure:
    """The share of classes that have fallen to each attack, over the passes for each class on a logarithmic axis.

    Raises:
        RunError: the folder holds no finished audit, or no seed of the audit is done.
    """
    done = _audit(audit)
    return draw_curves(done.attacks, done.config.budget)


def score(audit: AuditSource) -> Figure:
    """The fooling score on a scale from 0 to 100, its 95 % interval as a band and the seeds alone as dots.

    Raises:
        RunError: the folder holds no finished audit, or no seed of the audit is done.
    """
    done = _audit(audit)
    return draw_scale(done.score, done.seed_scores)


def detectors(audit: Audit) -> Figure:
    """Histograms of the scores that the best detectors give real images and those of each attack.

    Args:
        audit: an audit with real images, as `nf.audit` returned it; its folder does not keep the scores.

    Raises:
        ConfigError: it had no real images, or nothing fooled the classifier.
    """
    if audit.detection is None or not audit.detection.detectors:
        raise ConfigError(
            "The audit tried no detectors; give it real images with data=..., and enough passes to be fooled."
        )
    return draw_scores(audit.detection)


def transfer(result: TransferMatrix) -> Figure:
    """What classifiers make of images evolved for another one: of several runs a row each, of one run a row an image.

    Of one run with more than 40 images there are curves and examples.

    Args:
        result: what `nf.transfer` returned.
    """
    return draw_matrix(result) if len(result.results) > 1 else draw_result(result.results[0])


def diversity_map(result: DiversityResult, *, seed: int = 0) -> Image.Image:
    """Every elite of every run, placed by the classifier's features.

    Args:
        result: what `nf.diversity` returned.
        seed: of t-SNE.

    Raises:
        ConfigError: scikit-learn is not installed.
    """
    return draw_map(result, seed=seed)


def distances(
    result: DiversityResult, measure: Literal["pixels", "features", "structure", "compatibility"] = "pixels"
) -> Figure:
    """The densities of the distances between elites of one class and of two.

    Args:
        result: what `nf.diversity` returned.
        measure: what the distance is of; "structure" and "compatibility" are for CPPNs.

    Raises:
        ConfigError: the result has no such distances.
    """
    figure = draw_distances(result, measure) if measure in result.distances else None
    if figure is None:
        raise ConfigError(f"The result has no distances of {measure!r}; it has those of {', '.join(result.distances)}.")
    return figure


def repetition(result: RepetitionResult) -> Figure:
    """Confidence against the share of repeated elements left, and strips of pictures.

    Args:
        result: what `nf.repeat` returned.
    """
    return draw_repetition(result)


def hypothesis(result: Hypothesis, part: Literal["groups", "attacks"] = "groups") -> Figure:
    """How probable all kinds of images are to the generative classifier, or how its attackers fared.

    Args:
        result: what `nf.hypothesis` returned.
        part: "groups" for histograms of bits per dimension, "attacks" for confidence in the course of the attacks.

    Raises:
        ConfigError: there is no such part.
    """
    if part not in ("groups", "attacks"):
        raise ConfigError(f"There is no part {part!r}; choose groups or attacks.")
    return draw_groups(result) if part == "groups" else draw_attacks(result.attacks)


def retraining(source: RetrainResult | RunFolder | Path | str) -> Figure:
    """For every network of a retraining the images evolved against it, and how it fared.

    Raises:
        RunError: it is kept in memory alone, has no complete round, or a file is damaged.
    """
    folder = source.folder if isinstance(source, RetrainResult) else RunFolder.of(source)
    if folder is None:
        raise RunError("The retraining is kept in memory alone; begin it with out=... to have a folder.")
    networks, names = read_networks(folder)
    return draw_networks(networks, names, measures([one.row for one in networks]))


def _audit(source: AuditSource) -> Audit:
    if not isinstance(source, Audit):
        return read_audits([source])[0].audit
    if not source.seeds_done:
        raise RunError("The audit was interrupted before its first seed was done; go on with `neatfool resume`.")
    return source
