"""How sure strategies become with the same number of images: the figures of docs/search.md.

python benches/search.py --model squeezenet1_0 --weights FILE --backend openvino --precision bfloat16 --seeds 0 3
"""

import argparse

import numpy as np

from neatfool import Run, evolve, load_classifier

MARKS = (2000, 4000, 8000, 12000, 16000, 20000, 25000, 50000, 100000)


def table(runs: list[Run]) -> list[str]:
    """A line for each mark: evaluations, and the mean over runs of median, mean, and classes over 99 %."""
    lines = []
    for mark in MARKS:
        rows = [
            max((row for row in run.metrics if row["evaluations"] <= mark), key=lambda row: row["evaluations"])
            for run in runs
        ]
        if all(run.evaluations >= mark for run in runs):
            medians = [row["median_confidence"] for row in rows]
            spread = f"{min(medians):.3f} to {max(medians):.3f}"
            mean, over = (np.mean([row[key] for row in rows]) for key in ("mean_confidence", "classes_over_99"))
            lines.append(f"{mark:>9,}  {np.mean(medians):.3f} ({spread})  {mean:.3f}  {over:6.1f}")
    return lines


def main() -> None:
    """Prints a table a strategy."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="lenet-mnist")
    parser.add_argument("--weights")
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--encoding", default="cppn")
    parser.add_argument("--strategies", nargs="+", default=["pattern-elites", "map-elites"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--generations", type=int, default=61)
    arguments = parser.parse_args()

    classifier = load_classifier(
        arguments.model, weights=arguments.weights, backend=arguments.backend, precision=arguments.precision
    )
    for strategy in arguments.strategies:
        runs = [
            evolve(
                classifier, encoding=arguments.encoding, strategy=strategy, generations=arguments.generations, seed=seed
            )
            for seed in arguments.seeds
        ]
        print(
            f"{strategy}, {arguments.encoding}, seeds {arguments.seeds}:"
            " images, median (least to most), mean, classes over 99 %"
        )
        print(*table(runs), sep="\n")


if __name__ == "__main__":
    main()
