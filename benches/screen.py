"""What screening saves: runs with it and without, in turns; the figures of docs/search.md.

python benches/screen.py --model squeezenet1_0 --weights FILE --backend openvino --screens int8 bfloat16 --generations 61
"""

import argparse
import os
import time
from itertools import pairwise

# As the command line does: torch's threads are not to keep the cores from OpenVINO's.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

from neatfool import Run, evolve, load_classifier

WANTED = 0.88
"""The paper's median."""


def when(run: Run, set_up: float) -> str:
    """After how many images and seconds, of setting up too, the median is as wanted."""
    row = next((row for row in run.metrics if row["median_confidence"] >= WANTED), None)
    return "not reached" if row is None else f"{row['evaluations']:,} images, {set_up + row['seconds']:.1f} s"


def shares(run: Run, parts: int = 5) -> str:
    """The share of images judged twice in each fifth of a run."""
    rows = [run.metrics[round(part * (len(run.metrics) - 1) / parts)] for part in range(parts + 1)]
    found = [
        (after["judged_twice"] - before["judged_twice"]) / (after["evaluations"] - before["evaluations"])
        for before, after in pairwise(rows)
    ]
    return ", ".join(f"{share:.1%}" for share in found)


def main() -> None:
    """Prints a line a run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="lenet-mnist")
    parser.add_argument("--weights")
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--screens", nargs="+", choices=["int8", "bfloat16"], default=["int8", "bfloat16"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--generations", type=int, default=61)
    arguments = parser.parse_args()

    classifier = load_classifier(arguments.model, weights=arguments.weights, backend=arguments.backend)
    for seed in arguments.seeds:
        plain = 0.0
        for screen in (None, *arguments.screens):
            begin = time.perf_counter()
            run = evolve(classifier, generations=arguments.generations, seed=seed, screen=screen)
            seconds = time.perf_counter() - begin
            plain = plain or seconds
            print(
                f"seed {seed}, {screen or 'float32 alone'}: {run.evaluations:,} images in {seconds:.1f} s"
                f" ({seconds - run.seconds:.1f} of them for setting up and the end), {plain / seconds:.2f} times as fast;"
                f" median {run.metrics[-1]['median_confidence']:.4f}, {WANTED:.0%}: {when(run, seconds - run.seconds)}"
                + (f"; judged twice, by age: {shares(run)}" if screen else ""),
                flush=True,
            )


if __name__ == "__main__":
    main()
