"""Whole runs against the bare forward passes of the same number of images.

    python benches/loop.py [--model NAME] [--weights FILE] [--backend NAME] [--precision NAME] [--device NAME]
                           [--generations N] [--batch N] [--rounds N] [--memory N]

Every round runs the search, then the network alone on as many images in the same chunks, then plain torch in batches of 64;
the ratios are medians over rounds. The network alone is the limit: 1.00 would be a search that costs nothing. With
--memory N, one more run of N generations notes the resident size after a tenth of them and at the end (Linux).
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path

# As in the command line; see neatfool.cli.main.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

import numpy as np
import torch

import neatfool as nf

PLAIN_BATCH = 64


def network_alone(classifier: nf.Classifier, images: int) -> float:
    """Seconds for `images` images through the classifier, no search around it."""
    chunk = classifier.image_buffer()
    chunk[:] = np.random.default_rng(0).integers(0, 256, chunk.shape, dtype=np.uint8)
    chunks = max(1, images // len(chunk))
    begin = time.perf_counter()
    classifier.stream_confidences(chunk for _ in range(chunks))
    return (time.perf_counter() - begin) * images / (chunks * len(chunk))


def plain_torch(plain: nf.Classifier, images: int) -> float:
    """Seconds for the same network as a user would run it: contiguous floats, batches of 64."""
    module = plain.module.to(memory_format=torch.contiguous_format)
    batch = torch.zeros(PLAIN_BATCH, plain.channels, *plain.image_size)
    batches = max(1, min(images, 6400) // PLAIN_BATCH)
    with torch.inference_mode():
        module(batch.to(plain.device))
        begin = time.perf_counter()
        for _ in range(batches):
            module(batch.to(plain.device)).softmax(1).cpu()
        return (time.perf_counter() - begin) * images / (batches * PLAIN_BATCH)


def resident_size() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def memory(classifier: nf.Classifier, generations: int) -> None:
    """Prints the resident size after a tenth of a run and at its end."""
    sizes = {}

    def note(now: nf.Progress) -> None:
        if now.done in (generations // 10, generations):
            sizes[now.done] = resident_size()

    nf.evolve(classifier, generations=generations, progress=note)
    early, late = sizes.values()
    print(
        f"  resident size at generations {' and '.join(map(str, sizes))}: {early:,} and {late:,} bytes, {late / early:.4f}"
    )


def main() -> None:
    """Prints the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="lenet-mnist")
    parser.add_argument("--weights")
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--generations", type=int, default=200)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", type=int, metavar="N")
    arguments = parser.parse_args()
    plain = nf.load_classifier(arguments.model, weights=arguments.weights, device=arguments.device)
    classifier = nf.load_classifier(
        arguments.model,
        weights=arguments.weights,
        device=arguments.device,
        backend=arguments.backend,
        precision=arguments.precision,
    )
    nf.evolve(classifier, generations=1, batch=arguments.batch)
    whole, alone, bare, stages = [], [], [], []
    for seed in range(arguments.rounds):
        begin = time.perf_counter()
        run = nf.evolve(classifier, generations=arguments.generations, batch=arguments.batch, seed=seed)
        whole.append(time.perf_counter() - begin)
        stages.append(run.profile.seconds)
        alone.append(network_alone(classifier, run.evaluations))
        bare.append(plain_torch(plain, run.evaluations))
    images = run.evaluations
    print(
        f"{arguments.model}, {arguments.backend} {arguments.precision} on {classifier.device}, {images:,} images, "
        f"chunks of {classifier.chunk}, {torch.get_num_threads()} torch threads"
    )
    for name, seconds in (("whole run", whole), ("network alone", alone), ("plain torch, batches of 64", bare)):
        print(f"  {name:28s} {images / statistics.median(seconds):10,.1f} images/s")
    print(f"  whole run / network alone    {statistics.median(w / a for w, a in zip(whole, alone, strict=True)):10.3f}")
    print(f"  plain torch / network alone  {statistics.median(p / a for p, a in zip(bare, alone, strict=True)):10.3f}")
    for stage in stages[0]:
        print(f"  {stage:28s} {statistics.median(s[stage] for s in stages):10.3f} s")
    if arguments.memory:
        memory(classifier, arguments.memory)


if __name__ == "__main__":
    main()
