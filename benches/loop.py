"""Whole runs against the bare forward passes of the same number of images.

    python benches/loop.py [--model NAME] [--weights FILE] [--generations N] [--batch N] [--rounds N]

Every round runs the search, then the network alone on as many images in the same chunks, then plain torch in batches of 64;
the ratios are medians over rounds. The network alone is the limit: 1.00 would be a search that costs nothing.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch

import neatfool as nf

PLAIN_BATCH = 64


def network_alone(classifier: nf.Classifier, images: int) -> float:
    """Seconds for `images` images through the classifier, no search around it."""
    pixels = np.random.default_rng(0).integers(0, 256, classifier.image_buffer().shape, dtype=np.uint8)
    begin = time.perf_counter()
    for _ in range(images // classifier.chunk):
        classifier.confidences(pixels)
    return (time.perf_counter() - begin) * images / (images // classifier.chunk * classifier.chunk)


def plain_torch(model: str, weights: str | None, images: int) -> float:
    """Seconds for the same network as a user would run it: contiguous floats, batches of 64."""
    module = nf.load_classifier(model, weights=weights).module.to(memory_format=torch.contiguous_format)
    shape = nf.load_classifier(model, weights="none").image_buffer().shape[1:]
    batch = torch.zeros(PLAIN_BATCH, *shape)
    batches = max(1, min(images, 6400) // PLAIN_BATCH)
    with torch.inference_mode():
        module(batch)
        begin = time.perf_counter()
        for _ in range(batches):
            module(batch).softmax(1)
        return (time.perf_counter() - begin) * images / (batches * PLAIN_BATCH)


def main() -> None:
    """Prints the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="lenet-mnist")
    parser.add_argument("--weights")
    parser.add_argument("--generations", type=int, default=200)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    classifier = nf.load_classifier(arguments.model, weights=arguments.weights)
    nf.evolve(classifier, generations=1)
    whole, alone, plain, stages = [], [], [], []
    for seed in range(arguments.rounds):
        begin = time.perf_counter()
        run = nf.evolve(classifier, generations=arguments.generations, batch=arguments.batch, seed=seed)
        whole.append(time.perf_counter() - begin)
        stages.append(run.profile.seconds)
        alone.append(network_alone(classifier, run.evaluations))
        plain.append(plain_torch(arguments.model, arguments.weights, run.evaluations))
    images = run.evaluations
    print(
        f"{arguments.model}, {images:,} images, chunks of {classifier.chunk}, {torch.get_num_threads()} torch threads"
    )
    for name, seconds in (("whole run", whole), ("network alone", alone), ("plain torch, batches of 64", plain)):
        print(f"  {name:28s} {images / statistics.median(seconds):10,.1f} images/s")
    print(f"  whole run / network alone    {statistics.median(w / a for w, a in zip(whole, alone, strict=True)):10.3f}")
    print(f"  plain torch / network alone  {statistics.median(p / a for p, a in zip(plain, alone, strict=True)):10.3f}")
    for stage in stages[0]:
        print(f"  {stage:28s} {statistics.median(s[stage] for s in stages):10.3f} s")


if __name__ == "__main__":
    main()
