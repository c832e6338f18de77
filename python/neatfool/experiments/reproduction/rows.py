"""How each of the paper's rows is made here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from neatfool.classifiers import Classifier
from neatfool.data import ImageArray, read_mnist
from neatfool.experiments.ascent import AscentSettings, ascend, resume_ascent
from neatfool.experiments.diversity import diversity
from neatfool.experiments.hypothesis import hypothesis
from neatfool.experiments.repetition import repeat
from neatfool.experiments.reproduction.context import Context, Outcome
from neatfool.experiments.reproduction.plan import LAST_ATTACK, MNIST_NETWORKS
from neatfool.experiments.retraining import RetrainSettings, resume_retrain, retrain
from neatfool.experiments.retraining.state import weights_name
from neatfool.experiments.transfer import transfer
from neatfool.models import load_classifier
from neatfool.report import write_run_pages
from neatfool.runs import RunFolder
from neatfool.search import PRESETS, EvolveConfig, Run, build_config, evolve, resume
from neatfool.shared.files import make_folder
from neatfool.shared.text import percent
from neatfool.training import TrainingSettings, save_classifier, train_classifier

SURE = 0.99
"""Confidence of the images that are shown to other networks."""

_FOOLING_OF_A_CLASS = 10
"""Fooling images of each of a thousand classes to retrain on, where there are views of the photographs beside them."""

LEAST_REPEATING = 5
"""Elites that repeat a motif; with fewer, nothing is said of repetition."""


def _evolve(context: Context, name: str, preset: str | None, **changes: Any) -> Run:
    """The run of this name with its pages, begun, continued or as it is; `changes` are made to its usual settings.

    Without a preset the search is the default one.
    """
    path, amount = context.out / name, context.config.amount
    settings = {
        "model": context.config.model.model_dump(exclude_none=True),
        "generations": amount.generations if preset else amount.default_generations,
        "seed": context.config.seed,
        "classes": amount.classes,
        **changes,
    }
    if amount.batch:
        settings |= {"start": amount.batch, "batch": amount.batch}
    if RunFolder.exists(path):
        folder = RunFolder.open(path, trust=context.trusted)
        run = resume(folder, generations=settings["generations"], progress=context.tell(name), stop=context.stop)
    else:
        config = build_config(PRESETS[preset] if preset else {}, settings)
        run = evolve(config=config, out=path, progress=context.tell(name), stop=context.stop)
    context.check_stop()
    if run.folder:
        write_run_pages(run.folder)
    return run


def _searched(run: Run) -> str:
    one = run.summary()
    return (
        f"median {percent(one['median_confidence'])}, lowest {percent(one['min_confidence'])}; "
        f"{one['classes_over_99']} of {one['classes']} classes at 99 % or more"
    )


def _setting(config: EvolveConfig) -> str:
    crops = f", {config.model.crops} crops" if config.model.crops > 1 else ""
    return f"{config.model.name}{crops}, {_generations(config.generations)} of {config.batch}"


def _generations(count: int) -> str:
    return f"{count:,} generation{'s' * (count != 1)}"


def _search_row(
    context: Context, name: str, preset: str, paper_generations: int, agrees: Callable[[dict[str, Any]], bool]
) -> Outcome:
    run = _evolve(context, name, preset)
    short = run.generation < paper_generations
    differs = f"{_generations(run.generation)} instead of {paper_generations:,}" if short else ""
    if context.config.model.name != "alexnet" and preset.startswith("paper-imagenet"):
        differs = f"another network{', ' if differs else ''}{differs}"
    return Outcome(_searched(run), _setting(run.config), run.evaluations, differs, agrees(run.summary()))


def _both_searches(
    context: Context, name: str, preset: str, paper_generations: int, agrees: Callable[[dict[str, Any]], bool]
) -> Outcome:
    """A row by the paper's search and by the default one; one of them is enough to agree."""
    paper = _search_row(context, name, preset, paper_generations, agrees)
    encoding = {"name": PRESETS[preset]["encoding"]["name"]}
    run = _evolve(context, f"{name}-default", None, encoding=encoding)
    return paper._replace(
        ours=f"the paper's search: {paper.ours}. The default search: {_searched(run)}",
        setting=f"{paper.setting}; by default {_setting(run.config)}",
        evaluations=paper.evaluations + run.evaluations,
        agrees=bool(paper.agrees) or agrees(run.summary()),
    )


def _all_fooled(one: dict[str, Any]) -> bool:
    return bool(one["median_confidence"] >= 0.9999 and one["classes_over_99"] == one["classes"])


def _ascent(context: Context) -> Outcome:
    texts, evaluations, reached = [], 0, True
    for name, settings in {
        "without": AscentSettings(),
        "with": AscentSettings(l2_decay=0.01, blur_radius=0.5, blur_every=4),
    }.items():
        path, told = context.out / f"row-5-{name}", context.tell(f"{name} regularisers")
        if RunFolder.exists(path):
            result = resume_ascent(path, progress=told, stop=context.stop)
        else:
            result = ascend(
                context.config.model,
                sample=context.config.amount.sample,
                settings=settings,
                seed=context.config.seed,
                out=path,
                progress=told,
                stop=context.stop,
            )
        context.check_stop()
        result.write()
        one = result.summary()
        evaluations += one["evaluations"]
        reached &= one["classes_over_99"] == one["classes"]
        texts.append(
            f"{name} regularisers {one['classes_over_99']} of {one['classes']} classes at 99 % or more, "
            f"{one['classes_over_9999']} at 99.99 %, median {percent(one['median_confidence'])}"
        )
    return Outcome("; ".join(texts), f"{context.config.model.name}, {one['classes']} classes", evaluations, "", reached)


def mnist_networks(context: Context) -> list[Classifier]:
    """Two LeNets of other initialisations and a network without convolutions, trained once and kept."""
    folder = context.out / "networks"
    make_folder(folder)
    networks = []
    for model, seed in MNIST_NETWORKS:
        path = folder / f"{model}-{seed}.safetensors"
        if not path.exists():
            images, labels = read_mnist(Path(context.config.data), "train")
            test_images, test_labels = read_mnist(Path(context.config.data), "test")
            trained, history = train_classifier(
                model,
                images,
                labels,
                settings=TrainingSettings(epochs=context.config.amount.epochs, seed=seed),
                test=ImageArray(test_images.numpy(), test_labels.numpy()),
                device=context.config.model.device,
                progress=context.told_epoch(f"training {model}, seed {seed}"),
            )
            save_classifier(trained, path, notes={"seed": str(seed), "accuracy": str(history[-1].accuracy)})
        networks.append(load_classifier(model, weights=path, device=context.config.model.device))
    return networks


def _mnist_transfer(context: Context) -> Outcome:
    runs = [_evolve(context, "row-1", "paper-mnist-direct"), _evolve(context, "row-2", "paper-mnist")]
    networks = mnist_networks(context)
    return _transferred(context, runs, networks, "evolved for the built-in LeNet", evaluations=0)


def _imagenet_transfer(context: Context) -> Outcome:
    runs = [
        _evolve(context, "row-4-default", None),
        _evolve(context, "row-6-other", None, model=context.config.other.model_dump(exclude_none=True)),
    ]
    targets = [run.classifier for run in reversed(runs)]
    return _transferred(context, runs, targets, "both ways, at equal generations", evaluations=runs[1].evaluations)


def _transferred(
    context: Context, runs: list[Run], targets: list[Classifier], setting: str, *, evaluations: int
) -> Outcome:
    """How the images of runs do on other networks; `evaluations` are those that no other row counts."""
    matrix = transfer(runs, targets, progress=context.tell("showing the images"), stop=context.stop)
    matrix.write(context.out / "row-6")
    texts, kept = [], []
    for run, result in zip(runs, matrix.results, strict=True):
        same = runs[0].classifier.name == runs[1].classifier.name
        own = f"{run.config.encoding.name} images" if same else f"images for {run.classifier.name}"
        sure = None if result.source_confidence is None else result.source_confidence >= SURE
        others = [(name, result.figures(at, sure)) for at, name in enumerate(result.targets) if not result.itself[at]]
        kept += [figures["same_class_rate"] for _, figures in others if figures["images"]]
        rates = [
            f"{name}: {percent(figures['same_class_rate'])} of {figures['images']} the same class, "
            f"{percent(figures['over_99_rate'])} at 99 % or more"
            if figures["images"]
            else f"{name}: no image at 99 % to show"
            for name, figures in others
        ]
        texts.append(f"{own} on " + "; ".join(rates))
    return Outcome(
        ". ".join([texts[0], *(f"{text[0].upper()}{text[1:]}" for text in texts[1:])]),
        setting,
        evaluations,
        "",
        many_not_all(kept),
    )


def many_not_all(kept: list[float]) -> bool:
    """Whether of the images shown to other networks many, not all, keep their class, given the share of each pair."""
    return bool(kept) and 0.1 <= float(np.mean(kept)) < 1


def _retrained(context: Context, settings: RetrainSettings) -> tuple[dict[str, Any], str]:
    path, told = context.out / "row-7-8", context.tell("retraining")
    if RunFolder.exists(path):
        folder = RunFolder.open(path, trust=context.trusted)
        result = resume_retrain(folder, progress=told, stop=context.stop)
    else:
        plain = {"crops": 1, "backend": "torch", "precision": "float32"}
        result = retrain(
            context.config.model.model_copy(update=plain).load(),
            Path(context.config.data),
            rounds=context.config.amount.rounds,
            settings=settings,
            seed=context.config.seed,
            out=path,
            progress=told,
            stop=context.stop,
        )
    context.check_stop()
    result.write()
    rounds = context.config.amount.rounds
    setting = f"{rounds} round{'s' * (rounds > 1)}, {_generations(settings.generations)} each"
    return result.summary(), setting


def _mnist_retraining(context: Context) -> Outcome:
    settings = RetrainSettings(generations=context.config.amount.retrain_generations, batch=context.config.amount.batch)
    summary, setting = _retrained(context, settings)
    medians = [one["median_confidence"] for one in summary["rounds"][1:]]
    generations = LAST_ATTACK * settings.generations
    model = context.config.model.model_copy(
        update={"weights": str(context.out / "row-7-8" / weights_name(len(medians)))}
    )
    last_run = _evolve(
        context, "row-7-last", None, model=model.model_dump(), generations=generations, classes="0-9"
    ).summary()
    last = summary["rounds"][-1]
    fooled = sum(median >= 0.9999 for median in medians)
    ours = (
        f"DNN2 to DNN{len(medians) + 1}: median confidence {percent(min(medians))} to {percent(max(medians))}, "
        f"{fooled} of {len(medians)} at 99.99 %; the last one attacked with {_generations(generations)}: median "
        f"{percent(last_run['median_confidence'])}, {last_run['classes_over_9999']} of 10 classes at 99.99 % or more; "
        f"test error {percent(last['test_error'])} at the end"
    )
    differs = (
        ""
        if fooled == len(medians)
        else "later networks, which learn many fooling images, take far more evaluations to fool"
    )
    return Outcome(ours, setting, summary["evaluations"] + last_run["evaluations"], differs, fooled == len(medians))


def _imagenet_retraining(context: Context) -> Outcome:
    amount = context.config.amount
    settings = RetrainSettings(
        generations=amount.retrain_generations,
        batch=amount.batch,
        images_per_class=_FOOLING_OF_A_CLASS if amount.views > 1 else None,
        views=amount.views,
        backend=context.config.model.backend,
        precision=context.config.model.precision,
        freeze_features=True,
        distill=1,
        epochs=10 * amount.epochs,
    )
    summary, setting = _retrained(context, settings)
    before, after = summary["rounds"][0], summary["rounds"][-1]
    ours = (
        f"median {percent(before['median_confidence'])} for DNN1, {percent(after['median_confidence'])} for DNN2 at equal "
        f"evaluations; error on held-out photographs {percent(before['test_error'])} before, "
        f"{percent(after['test_error'])} after"
    )
    return Outcome(
        ours,
        f"{setting}, features frozen, last layer distilled",
        summary["evaluations"],
        f"{summary['training_images']:,} photographs instead of 1.3 million; far fewer generations",
        after["median_confidence"] <= before["median_confidence"] / 2,
    )


def _repetition(context: Context, name: str, preset: str | None) -> Outcome:
    run = _evolve(context, name, preset)
    surest = run.archive.classes[np.argsort(-run.archive.confidence, kind="stable")][: context.config.amount.sample]
    result = repeat(
        run,
        classes=surest.tolist(),
        seed=context.config.seed,
        progress=context.tell("removing copies"),
        stop=context.stop,
    )
    context.check_stop()
    result.write(context.out / "row-9")
    one = result.summary()
    if not one["repeating"]:
        return Outcome(
            f"none of {one['elites']} elites repeats a motif", _setting(run.config), 0, "too few repeats", None
        )
    ours = (
        f"{one['repeating']} of {one['elites']} elites repeat a motif; "
        f"in {percent(one['rising'])} of them confidence rises with the number of copies"
    )
    pairs = one["sure"]["pairs"]
    if pairs and pairs["interval"]:
        low, high = pairs["interval"]
        ours += (
            f"; whole copies against halves of twice as many: {100 * pairs['difference']:+.1f} points "
            f"(95 % interval {100 * low:+.1f} to {100 * high:+.1f}, {pairs['pictures']} pictures)"
        )
    setting = f"{one['elites']} surest elites of row {name.removeprefix('row-')}"
    return Outcome(ours, setting, 0, "", one["rising"] > 0.5 if one["repeating"] >= LEAST_REPEATING else None)


def _diversity(context: Context, first: str, preset: str | None) -> Outcome:
    runs = [_evolve(context, first, preset)]
    runs += [
        _evolve(context, f"row-10-seed-{context.config.seed + number}", preset, seed=context.config.seed + number)
        for number in range(1, context.config.amount.seeds)
    ]
    result = diversity(runs, seed=context.config.seed, progress=context.tell("comparing"))
    result.write(context.out / "row-10", elite_map=False)
    one = result.summary()
    same = one["distances"]["pixels"]
    related = [entry for entry in one["related_classes"] if entry["rho"] is not None]
    strongest = max(related, key=lambda entry: entry["rho"]) if related else None
    ours = (
        f"same-class images of different runs are nearer each other in pixels than to other classes' in "
        f"{percent(same['same_class_closer'])} of comparisons (p {same['p']:.3f})"
    )
    if strongest:
        ours += (
            f"; related classes get more similar images: rank correlation {strongest['rho']:.2f} "
            f"({strongest['relatedness']}, {strongest['similarity']}, p {strongest['p']:.3f})"
        )
    agrees = strongest["rho"] > 0 and strongest["p"] < 0.05 if strongest else None
    return Outcome(ours, f"{len(runs)} runs", sum(run.evaluations for run in runs[1:]), "", agrees)


def _hypothesis(context: Context) -> Outcome:
    runs = [_evolve(context, "row-1", "paper-mnist-direct"), _evolve(context, "row-2", "paper-mnist")]
    result = hypothesis(
        runs,
        data=Path(context.config.data),
        out=context.out / "row-11",
        generations=context.config.amount.retrain_generations,
        batch=context.config.amount.batch or 200,
        seed=context.config.seed,
        device=context.config.model.device,
        controls=context.config.amount.controls,
        progress=context.tell("a generative model"),
        stop=context.stop,
    )
    context.check_stop()
    result.write()
    rejected = [
        f"{group.name.partition(',')[0]} {percent(group.rejected_typical)}"
        for group in result.groups
        if group.kind == "evolved"
    ]
    attacks = [
        f"{attack.encoding} against {attack.defence} {int((attack.confidence >= 0.99).sum())} of {len(attack.confidence)}"
        for attack in result.attacks
    ]
    ours = (
        f"generative accuracy {percent(result.accuracy)}; rejected by the two-sided test, of images evolved against LeNet: "
        f"{', '.join(rejected)}; attacked directly, classes at 99 % or more: {', '.join(attacks)}"
    )
    return Outcome(
        ours,
        f"density-mnist, {_generations(context.config.amount.retrain_generations)} an attack",
        sum(attack.evaluations for attack in result.attacks),
        "the paper proposes it and leaves it untested",
        all(group.rejected_typical >= 0.95 for group in result.groups if group.kind == "evolved"),
    )


Experiment = tuple[str, str, Callable[[Context], Outcome]]

_ASCENT: Experiment = (
    "gradient ascent on the class unit", "high confidence with and without regularisers", _ascent
)  # fmt: skip
_REPEATED = "extra copies of a motif raise confidence"
_DIVERSE = "independent runs find different images for a class; related classes get similar ones"

MNIST: dict[int, Experiment] = {
    1: ("MNIST, direct encoding", "every digit at about 99.99 % after 200 generations",
        lambda c: _search_row(c, "row-1", "paper-mnist-direct", 200, _all_fooled)),
    2: ("MNIST, CPPN encoding", "every digit at about 99.99 % after 200 generations",
        lambda c: _search_row(c, "row-2", "paper-mnist", 200, _all_fooled)),
    5: _ASCENT,
    6: ("transfer to other networks", "many, not all, images fool them too", _mnist_transfer),
    7: ("MNIST retraining", "each new network is fooled again at about 99.99 %", _mnist_retraining),
    9: ("repeated elements", _REPEATED, lambda c: _repetition(c, "row-2", "paper-mnist")),
    10: ("diversity", _DIVERSE, lambda c: _diversity(c, "row-2", "paper-mnist")),
    11: ("a generative model", "hypothesis: low p(x) for fooling images", _hypothesis),
}  # fmt: skip

IMAGENET: dict[int, Experiment] = {
    3: ("ImageNet, direct encoding", "median 21.59 %, 45 classes at 99 % or more after 20,000 generations",
        lambda c: _both_searches(c, "row-3", "paper-imagenet-direct", 20_000,
                                 lambda one: abs(one["median_confidence"] - 0.2159) <= 0.1)),
    4: ("ImageNet, CPPN encoding", "median 88.11 % after 5,000 generations",
        lambda c: _both_searches(c, "row-4", "paper-imagenet", 5_000, lambda one: one["median_confidence"] >= 0.7811)),
    5: _ASCENT,
    6: ("transfer to other networks", "many, not all, images fool them too", _imagenet_transfer),
    8: ("ImageNet retraining", "median 88.1 % for DNN1, 11.7 % for DNN2", _imagenet_retraining),
    9: ("repeated elements", _REPEATED, lambda c: _repetition(c, "row-4-default", None)),
    10: ("diversity", _DIVERSE, lambda c: _diversity(c, "row-4-default", None)),
}  # fmt: skip

EXPERIMENTS: dict[str, dict[int, Experiment]] = {"mnist": MNIST, "imagenet": IMAGENET}
"""For every row: what is done, what the paper reports, and how it is done here."""
