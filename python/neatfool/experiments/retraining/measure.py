"""Retraining against fooling images, again and again (Nguyen, Yosinski & Clune 2015, section 3.6)."""

from __future__ import annotations

from pathlib import Path

from neatfool.classifiers import Classifier
from neatfool.experiments.retraining.job import Retraining
from neatfool.experiments.retraining.result import RetrainResult
from neatfool.experiments.retraining.settings import COMMAND, RetrainConfig, RetrainSettings, read_retrain_config
from neatfool.models import ModelConfig, as_classifier
from neatfool.runs import (
    RunFolder,
    begin_folder,
    check_same,
    continue_folder,
    describe,
    load_model,
    run_job,
)
from neatfool.shared.progress import OnProgress, Stop


def retrain(
    source: Classifier | str,
    data: str | Path,
    *,
    rounds: int,
    settings: RetrainSettings | None = None,
    seed: int = 0,
    out: Path | str | None = None,
    progress: OnProgress | None = None,
    stop: Stop | None = None,
) -> RetrainResult:
    """Evolves fooling images, trains the network to call them what they are, and evolves again, for some rounds.

    In round k images are evolved against network k for the n real classes, never for the fooling class. They become
    class n + 1, and network k + 1 is trained on them and the real images. It is then judged: by real images it was not
    trained on, by images evolved against network k with other seeds, and by a new evolution against itself, whose
    confidences are shares among n + 1 classes.

    Args:
        source: the first network, which is left as it is, or its name.
        data: MNIST files; or a folder that holds train and val; or one with a folder a class, which is cut in halves to
            train on and to judge by.
        rounds: number of retrainings.
        settings: how every round goes.
        seed: the same seed gives the same result on the same machine.
        out: run folder to write; None keeps everything in memory.
        progress: told what begins, and of every completed round.
        stop: asked often; True ends at once, with the complete rounds as the result.

    Raises:
        ConfigError: a setting is out of range or contradicts another, or training diverged.
        DataError: the data set cannot be read or does not fit.
        ModelError: the network cannot be given another class.
        RunError: the run folder cannot be written.
    """
    classifier = as_classifier(source)
    config = RetrainConfig(
        model=ModelConfig.of(classifier),
        data=str(Path(data).resolve()),
        rounds=rounds,
        seed=seed,
        retrain=settings or RetrainSettings(),
    )
    job = Retraining(classifier, config)
    with begin_folder(out, config=config.model_dump(), manifest=describe(classifier, command=COMMAND)) as folder:
        job.folder = folder
        run_job(job, progress=progress, stop=stop)
    return job.result()


def resume_retrain(
    source: Path | str | RunFolder,
    *,
    judge: Classifier | None = None,
    progress: OnProgress | None = None,
    stop: Stop | None = None,
) -> RetrainResult:
    """Does the rounds that an interrupted run has left, with the result it would have had without the interruption.

    Args:
        source: the run folder.
        judge: the first network, where `load_classifier` cannot find it by name.
        progress: told what begins, and of every completed round.
        stop: asked often; True ends at once, with the complete rounds as the result.

    Raises:
        DataError: the data set cannot be read or does not fit.
        ModelError: the first network or a round's weights cannot be loaded.
        RunError: the folder is not a run of `retrain`, is damaged, or belongs to another classifier.
    """
    folder = RunFolder.of(source)
    config = read_retrain_config(folder)
    classifier = judge or load_model(folder, config.model)
    check_same(folder, classifier)
    with continue_folder(folder, COMMAND):
        job = Retraining(classifier, config)
        job.restore(folder)
        run_job(job, progress=progress, stop=stop)
    return job.result()
