"""All the paper's rows, one after the other, beside what the paper reports."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from neatfool.classifiers import Classifier
from neatfool.data import ImageArray, read_mnist
from neatfool.errors import ConfigError
from neatfool.experiments.ascent import AscentSettings, ascend, resume_ascent
from neatfool.experiments.diversity.measure import diversity
from neatfool.experiments.diversity.page import write_diversity
from neatfool.experiments.hypothesis.figure import draw_figure, write_page
from neatfool.experiments.hypothesis.measure import hypothesis
from neatfool.experiments.repetition.measure import repeat
from neatfool.experiments.repetition.page import write_repetition
from neatfool.experiments.retraining.measure import RetrainSettings, resume_retrain, retrain
from neatfool.experiments.retraining.page import write_rounds
from neatfool.experiments.retraining.state import weights_name
from neatfool.experiments.transfer.images import read_fooling_images
from neatfool.experiments.transfer.measure import transfer_matrix
from neatfool.experiments.transfer.page import write_transfer
from neatfool.models import load_classifier
from neatfool.report import write_run_pages
from neatfool.runs import RunFolder
from neatfool.search import PRESETS, EvolveConfig, ModelConfig, Run, build_config, evolve, load_run, resume
from neatfool.shared.files import replacing
from neatfool.training import TrainingSettings, save_classifier, train_classifier

Say = Callable[[str], None]

_LAST_ATTACK = 25
"""Times the usual generations, against the network of the last round of retraining."""


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        row: number of the experiment in the paper's order.
        experiment: what was done.
        paper: what the paper reports.
        ours: what came out here.
        setting: how it was done here.
        evaluations: images judged during searches.
        seconds: time it took.
        differs: where and why ours differs from the paper; empty if it does not.
    """

    row: int
    experiment: str
    paper: str
    ours: str
    setting: str
    evaluations: int
    seconds: float
    differs: str


class Scale(NamedTuple):
    """How much of everything."""

    generations: int
    """of each evolution"""
    batch: int | None
    rounds: int
    """of retraining"""
    epochs: int
    """of training networks from scratch"""
    seeds: int
    """runs compared for diversity"""
    sample: int | None
    """classes of gradient ascent, drawn by the seed, and of repeated elements, those that the network is surest of"""
    classes: str | None
    """evolved for"""
    retrain_generations: int


SCALES: dict[str, dict[str, Scale]] = {
    "mnist": {
        "smoke": Scale(5, 40, 1, 1, 2, 2, None, 3),
        "small": Scale(100, None, 3, 2, 3, None, None, 50),
        "full": Scale(200, None, 15, 10, 5, None, None, 200),
    },
    "imagenet": {
        "smoke": Scale(1, 20, 1, 1, 2, 2, "0-9", 1),
        "small": Scale(50, None, 1, 1, 3, 50, None, 30),
        "full": Scale(5000, None, 1, 1, 3, None, None, 500),
    },
}


class _Context(NamedTuple):
    out: Path
    data: Path
    model: ModelConfig
    other: ModelConfig
    scale: Scale
    seed: int
    say: Say
    stop: Callable[[], bool]


def reproduce(
    what: Literal["mnist", "imagenet"],
    *,
    data: str | Path,
    out: str | Path,
    scale: str = "small",
    rows: Sequence[int] | None = None,
    model: ModelConfig | None = None,
    other: ModelConfig | None = None,
    seed: int = 0,
    say: Say = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> list[Row]:
    """Runs the paper's experiments and tabulates them.

    Called again with the same folder it keeps the rows that are done and goes on with the next.

    Args:
        what: "mnist" (rows 1, 2, 5, 6, 7, 9, 10, 11) or "imagenet" (rows 3 to 6 and 8 to 10).
        data: MNIST's files, or a folder with one folder of photographs a class.
        out: folder for the runs, figures and `reproduction.md`.
        scale: "smoke" (a minute), "small" or "full".
        rows: only these.
        model: the network to fool; the built-in LeNet, or AlexNet as in the paper.
        other: the network that images are transferred to on ImageNet; VGG-16 if None.
        seed: of everything.
        say: called with a line at each step.
        stop: asked between and within rows; True ends there, to be continued.

    Returns:
        The rows that are done.

    Raises:
        ConfigError: there is no such scale or row.
    """
    experiments = _MNIST if what == "mnist" else _IMAGENET
    if scale not in SCALES[what]:
        raise ConfigError(f"There is no scale {scale!r}; choose {', '.join(SCALES[what])}.")
    if unknown := sorted(set(rows or ()) - set(experiments)):
        known = ", ".join(str(number) for number in experiments)
        raise ConfigError(f"{what} has no row {unknown[0]}; its rows are {known}.")
    context = _Context(
        out=Path(out),
        data=Path(data),
        model=model or ModelConfig(name="lenet-mnist" if what == "mnist" else "alexnet"),
        other=other or ModelConfig(name="vgg16"),
        scale=SCALES[what][scale],
        seed=seed,
        say=say,
        stop=stop,
    )
    (context.out / "rows").mkdir(parents=True, exist_ok=True)
    done: list[Row] = []
    for number, (experiment, paper, run) in experiments.items():
        path = context.out / "rows" / f"{number}.json"
        if path.exists():
            done.append(Row(**json.loads(path.read_text(encoding="utf-8"))))
            continue
        if (rows and number not in rows) or stop():
            continue
        say(f"row {number}: {experiment}")
        begin = time.perf_counter()
        result = run(context)
        if stop():
            break
        row = Row(number, experiment, paper, seconds=round(time.perf_counter() - begin, 3), **result._asdict())
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(asdict(row), indent=1), encoding="utf-8")
        done.append(row)
        _write_table(context.out / "reproduction.md", what, scale, done)
    _write_table(context.out / "reproduction.md", what, scale, done)
    return done


class _Outcome(NamedTuple):
    ours: str
    setting: str
    evaluations: int
    differs: str


_STOPPED = _Outcome("", "", 0, "")
"""Of a row that was interrupted, and is done another time."""


def _evolve(context: _Context, name: str, preset: str | None, **changes: Any) -> Run:
    """The run of this name with its pages, begun, continued or as it is; `changes` are made to its usual settings."""
    path, scale = context.out / name, context.scale
    settings = {
        "model": context.model.model_dump(exclude_none=True),
        "generations": scale.generations,
        "seed": context.seed,
        "classes": scale.classes,
        **changes,
    }
    if scale.batch:
        settings |= {"start": scale.batch, "batch": scale.batch}
    if not path.exists():
        config = build_config(PRESETS[preset] if preset else {}, settings)
        run = evolve(config=config, out=path, stop=context.stop)
    else:
        run = load_run(RunFolder.open(path))
        if run.generation >= settings["generations"]:
            return run
        run = resume(path, generations=settings["generations"], stop=context.stop)
    assert run.folder is not None  # noqa: S101  # `out` was given
    write_run_pages(run.folder)
    return run


def _searched(run: Run) -> str:
    one = run.summary()
    return (
        f"median {_percent(one['median_confidence'])}, lowest {_percent(one['min_confidence'])}; "
        f"{one['classes_over_99']} of {one['classes']} classes at 99 % or more"
    )


def _setting(config: EvolveConfig) -> str:
    crops = f", {config.model.crops} crops" if config.model.crops > 1 else ""
    return f"{config.model.name}{crops}, {config.generations} generations of {config.batch}"


def _search_row(context: _Context, name: str, preset: str, paper_generations: int) -> _Outcome:
    run = _evolve(context, name, preset)
    short = run.generation < paper_generations
    differs = f"{run.generation:,} generations instead of {paper_generations:,}" if short else ""
    if context.model.name != "alexnet" and preset.startswith("paper-imagenet"):
        differs = f"another network{', ' if differs else ''}{differs}"
    return _Outcome(_searched(run), _setting(run.config), run.evaluations, differs)


def _ascent(context: _Context) -> _Outcome:
    texts, evaluations = [], 0
    for name, settings in {
        "without": AscentSettings(),
        "with": AscentSettings(l2_decay=0.01, blur_radius=0.5, blur_every=4),
    }.items():
        path = context.out / f"row-5-{name}"
        if path.exists():
            result = resume_ascent(path, stop=context.stop)
        else:
            result = ascend(
                context.model,
                sample=context.scale.sample,
                settings=settings,
                seed=context.seed,
                out=path,
                stop=context.stop,
            )
        if result.folder:
            write_run_pages(result.folder)
        one = result.summary()
        evaluations += one["evaluations"]
        texts.append(
            f"{name} regularisers {one['classes_over_99']} of {one['classes']} classes at 99 % or more, "
            f"{one['classes_over_9999']} at 99.99 %, median {_percent(one['median_confidence'])}"
        )
    return _Outcome("; ".join(texts), f"{context.model.name}, {one['classes']} classes", evaluations, "")


def _mnist_networks(context: _Context) -> list[Classifier]:
    """Two LeNets of other initialisations and a network without convolutions, trained once and kept."""
    folder = context.out / "networks"
    folder.mkdir(exist_ok=True)
    networks = []
    for model, seed in (("lenet-mnist", 101), ("lenet-mnist", 102), ("mlp-mnist", 103)):
        path = folder / f"{model}-{seed}.safetensors"
        if not path.exists():
            context.say(f"training {model}, seed {seed}")
            images, labels = read_mnist(context.data, "train")
            test_images, test_labels = read_mnist(context.data, "test")
            trained, history = train_classifier(
                model,
                images,
                labels,
                settings=TrainingSettings(epochs=context.scale.epochs, seed=seed),
                test=ImageArray(test_images.numpy(), test_labels.numpy()),
            )
            save_classifier(trained, path, notes={"seed": str(seed), "accuracy": str(history[-1].accuracy)})
        networks.append(load_classifier(model, weights=path))
    return networks


def _mnist_transfer(context: _Context) -> _Outcome:
    runs = [_evolve(context, "row-1", "paper-mnist-direct"), _evolve(context, "row-2", "paper-mnist")]
    networks = _mnist_networks(context)
    return _transferred(context, runs, networks, "evolved for the built-in LeNet")


def _imagenet_transfer(context: _Context) -> _Outcome:
    runs = [
        _evolve(context, "row-4", "paper-imagenet"),
        _evolve(context, "row-6-other", "paper-imagenet", model=context.other.model_dump(exclude_none=True)),
    ]
    return _transferred(context, runs, [run.classifier for run in reversed(runs)], "both ways, at equal generations")


def _transferred(context: _Context, runs: list[Run], targets: list[Classifier], setting: str) -> _Outcome:
    names = targets[0].class_names
    images = [read_fooling_images(run.folder.path, names) for run in runs if run.folder]
    matrix = transfer_matrix(images, targets)
    write_transfer(matrix, context.out / "row-6")
    texts = []
    for run, result in zip(runs, matrix.results, strict=True):
        own = run.config.encoding.name if runs[0].classifier.name == runs[1].classifier.name else run.classifier.name
        rates = [
            f"{name}: {figures['same_class_rate']:.0%} the same class, {figures['over_99_rate']:.0%} at 99 % or more"
            for target, name in enumerate(result.targets)
            if not result.itself[target]
            for figures in [result.figures(target)]
        ]
        texts.append(f"{own} images on " + "; ".join(rates))
    return _Outcome(". ".join(texts), setting, 0, "")


def _retrained(context: _Context, settings: RetrainSettings) -> tuple[dict[str, Any], str]:
    path = context.out / "row-7-8"
    if path.exists():
        result = resume_retrain(path, stop=context.stop)
    else:
        result = retrain(
            load_classifier(context.model.name, weights=context.model.weights, device=context.model.device),
            context.data,
            rounds=context.scale.rounds,
            settings=settings,
            seed=context.seed,
            out=path,
            on_progress=context.say,
            stop=context.stop,
        )
    if result.folder and result.rounds:
        write_run_pages(result.folder)
        write_rounds(result.folder, png=path / "rounds.png", html=path / "rounds.html")
    rounds = context.scale.rounds
    setting = f"{rounds} round{'s' * (rounds > 1)}, {settings.generations} generations each"
    return result.summary(), setting


def _mnist_retraining(context: _Context) -> _Outcome:
    settings = RetrainSettings(generations=context.scale.retrain_generations, batch=context.scale.batch)
    summary, setting = _retrained(context, settings)
    if context.stop():
        return _STOPPED
    medians = [one["median_confidence"] for one in summary["rounds"][1:]]
    generations = _LAST_ATTACK * settings.generations
    model = context.model.model_copy(update={"weights": str(context.out / "row-7-8" / weights_name(len(medians)))})
    last_run = _evolve(
        context, "row-7-last", None, model=model.model_dump(), generations=generations, classes="0-9"
    ).summary()
    last = summary["rounds"][-1]
    fooled = sum(median >= 0.9999 for median in medians)
    ours = (
        f"DNN2 to DNN{len(medians) + 1}: median confidence {_percent(min(medians))} to {_percent(max(medians))}, "
        f"{fooled} of {len(medians)} at 99.99 %; the last one attacked with {generations:,} generations: median "
        f"{_percent(last_run['median_confidence'])}, {last_run['classes_over_9999']} of 10 classes at 99.99 % or more; "
        f"test error {last['test_error']:.2%} at the end"
    )
    differs = (
        ""
        if fooled == len(medians)
        else "trained on elites of ten moments of ten evolutions, later networks take far more evaluations to fool"
    )
    return _Outcome(ours, setting, summary["evaluations"] + last_run["evaluations"], differs)


def _imagenet_retraining(context: _Context) -> _Outcome:
    settings = RetrainSettings(
        generations=context.scale.retrain_generations,
        batch=context.scale.batch,
        freeze_features=True,
        distill=1,
        epochs=10 * context.scale.epochs,
    )
    summary, setting = _retrained(context, settings)
    if context.stop():
        return _STOPPED
    before, after = summary["rounds"][0], summary["rounds"][-1]
    ours = (
        f"median {_percent(before['median_confidence'])} for DNN1, {_percent(after['median_confidence'])} for DNN2 at equal "
        f"evaluations; error on held-out photographs {before['test_error']:.1%} before, {after['test_error']:.1%} after"
    )
    return _Outcome(
        ours,
        f"{setting}, features frozen, last layer distilled",
        summary["evaluations"],
        f"{summary['training_images']:,} photographs instead of 1.3 million; far fewer generations",
    )


def _repetition(context: _Context, name: str, preset: str) -> _Outcome:
    run = _evolve(context, name, preset)
    assert run.folder is not None  # noqa: S101  # `_evolve` always writes one
    surest = run.archive.classes[np.argsort(-run.archive.confidence, kind="stable")][: context.scale.sample]
    classes = ",".join(map(str, surest.tolist()))
    result = repeat(run.folder, run.classifier, classes=classes, seed=context.seed, stop=context.stop)
    write_repetition(result, context.out / "row-9")
    one = result.summary()
    if not one["repeating"]:
        return _Outcome(f"none of {one['elites']} elites repeats a motif", _setting(run.config), 0, "too few repeats")
    ours = (
        f"{one['repeating']} of {one['elites']} elites repeat a motif; "
        f"in {one['rising']:.0%} of them confidence rises with the number of copies"
    )
    return _Outcome(ours, f"{one['elites']} surest elites of row {name.removeprefix('row-')}", 0, "")


def _diversity(context: _Context, first: str, preset: str) -> _Outcome:
    runs = [_evolve(context, first, preset)]
    runs += [
        _evolve(context, f"row-10-seed-{context.seed + number}", preset, seed=context.seed + number)
        for number in range(1, context.scale.seeds)
    ]
    folders = [run.folder for run in runs if run.folder]
    result = diversity(folders, runs[0].classifier, seed=context.seed)
    write_diversity(result, context.out / "row-10", draw_elite_map=False)
    one = result.summary()
    same = one["distances"]["pixels"]
    related = [entry for entry in one["related_classes"] if entry["rho"] is not None]
    strongest = max(related, key=lambda entry: entry["rho"]) if related else None
    ours = (
        f"same-class images of different runs are nearer each other in pixels than to other classes' in "
        f"{same['same_class_closer']:.0%} of comparisons (p {same['p']:.3f})"
    )
    if strongest:
        ours += (
            f"; related classes get more similar images: rank correlation {strongest['rho']:.2f} "
            f"({strongest['relatedness']}, {strongest['similarity']}, p {strongest['p']:.3f})"
        )
    return _Outcome(ours, f"{len(runs)} runs", sum(run.evaluations for run in runs[1:]), "")


def _hypothesis(context: _Context) -> _Outcome:
    runs = [_evolve(context, "row-1", "paper-mnist-direct"), _evolve(context, "row-2", "paper-mnist")]
    result = hypothesis(
        data=context.data,
        out=context.out / "row-11",
        runs=[run.folder for run in runs if run.folder],
        generations=context.scale.retrain_generations,
        batch=context.scale.batch or 200,
        seed=context.seed,
        say=context.say,
        stop=context.stop,
    )
    draw_figure(result, context.out / "row-11" / "hypothesis.png")
    write_page(result, context.out / "row-11" / "hypothesis.html")
    rejected = [
        f"{group.name.partition(',')[0]} {group.rejected_typical:.0%}"
        for group in result.groups
        if group.kind == "evolved"
    ]
    attacks = [
        f"{attack.encoding} against {attack.defence} {int((attack.confidence >= 0.99).sum())} of {len(attack.confidence)}"
        for attack in result.attacks
    ]
    ours = (
        f"generative accuracy {result.accuracy:.2%}; rejected by the two-sided test, of images evolved against LeNet: "
        f"{', '.join(rejected)}; attacked directly, classes at 99 % or more: {', '.join(attacks)}"
    )
    return _Outcome(
        ours,
        f"density-mnist, {context.scale.retrain_generations} generations an attack",
        sum(attack.evaluations for attack in result.attacks),
        "the paper proposes it and leaves it untested",
    )


_Experiment = tuple[str, str, Callable[[_Context], _Outcome]]

_ASCENT: _Experiment = (
    "gradient ascent on the class unit", "high confidence with and without regularisers", _ascent
)  # fmt: skip
_REPEATED = "extra copies of a motif raise confidence"
_DIVERSE = "independent runs find different images for a class; related classes get similar ones"

_MNIST: dict[int, _Experiment] = {
    1: ("MNIST, direct encoding", "every digit at about 99.99 % after 200 generations",
        lambda c: _search_row(c, "row-1", "paper-mnist-direct", 200)),
    2: ("MNIST, CPPN encoding", "every digit at about 99.99 % after 200 generations",
        lambda c: _search_row(c, "row-2", "paper-mnist", 200)),
    5: _ASCENT,
    6: ("transfer to other networks", "many, not all, images fool them too", _mnist_transfer),
    7: ("MNIST retraining", "each new network is fooled again at about 99.99 %", _mnist_retraining),
    9: ("repeated elements", _REPEATED, lambda c: _repetition(c, "row-2", "paper-mnist")),
    10: ("diversity", _DIVERSE, lambda c: _diversity(c, "row-2", "paper-mnist")),
    11: ("a generative model", "hypothesis: low p(x) for fooling images", _hypothesis),
}  # fmt: skip

_IMAGENET: dict[int, _Experiment] = {
    3: ("ImageNet, direct encoding", "median 21.59 %, 45 classes at 99 % or more after 20,000 generations",
        lambda c: _search_row(c, "row-3", "paper-imagenet-direct", 20_000)),
    4: ("ImageNet, CPPN encoding", "median 88.11 % after 5,000 generations",
        lambda c: _search_row(c, "row-4", "paper-imagenet", 5_000)),
    5: _ASCENT,
    6: ("transfer to other networks", "many, not all, images fool them too", _imagenet_transfer),
    8: ("ImageNet retraining", "median 88.1 % for DNN1, 11.7 % for DNN2", _imagenet_retraining),
    9: ("repeated elements", _REPEATED, lambda c: _repetition(c, "row-4", "paper-imagenet")),
    10: ("diversity", _DIVERSE, lambda c: _diversity(c, "row-4", "paper-imagenet")),
}  # fmt: skip


def _write_table(path: Path, what: str, scale: str, rows: Sequence[Row]) -> None:
    lines = [
        f"# Reproduction: {what}, scale {scale}",
        "",
        "| row | experiment | paper | ours | setting | evaluations | seconds | where ours differs |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in rows:
        cells = (
            one.row, one.experiment, one.paper, one.ours, one.setting,
            f"{one.evaluations:,}", f"{one.seconds:,.0f}", one.differs,
        )  # fmt: skip
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    with replacing(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _percent(fraction: float) -> str:
    """Rounded down, so that nothing below 1 reads 100 %."""
    return f"{np.floor(fraction * 1e6) / 1e4:.4f}".rstrip("0").rstrip(".") + " %"
