"""What an image costs by gradient ascent, in forward and backward passes of the network alone.

python benches/ascent.py --model squeezenet1_0 --weights FILE --sample 50
"""

import argparse
import time
from statistics import median

import torch

from neatfool import Classifier, load_classifier
from neatfool.experiments.ascent import AscentSettings, ascend


def pass_seconds(classifier: Classifier, batch: int, *, repeats: int = 5) -> float:
    """Seconds per image of one forward and backward pass of a batch, the median of some."""
    images = torch.rand(batch, classifier.channels, *classifier.image_size, device=classifier.device) * 255
    seconds = []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        leaf = images.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(classifier.logits(leaf)[:, 0].sum(), leaf)
        gradient.sum().item()  # waits for the device
        seconds.append(time.perf_counter() - begin)
    return median(seconds[1:]) / batch


def main() -> None:
    """Prints the figures of docs/experiments/ascent.md."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="lenet-mnist")
    parser.add_argument("--weights")
    parser.add_argument("--sample", type=int, help="classes, drawn by the seed; all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()

    classifier = load_classifier(arguments.model, weights=arguments.weights, device=arguments.device)
    batch = min(classifier.chunk, arguments.sample or classifier.n_classes)
    before = pass_seconds(classifier, batch)
    result = ascend(classifier, sample=arguments.sample, settings=AscentSettings(), seed=arguments.seed)
    one = (before + pass_seconds(classifier, batch)) / 2

    classes = len(result.classes)
    over = [int((result.confidence >= threshold).sum()) for threshold in (0.99, 0.9999)]
    each = result.seconds / classes
    passes = result.evaluations / classes
    print(f"{arguments.model} on {classifier.device}, {torch.get_num_threads()} threads, batches of {batch}")
    print(f"classes that reach .99, .9999     {over[0]}, {over[1]} of {classes}")
    print(f"one forward and backward pass     {1000 * one:.2f} ms an image")
    print(f"an image by gradient ascent       {1000 * each:.2f} ms = {each / one:.1f} such passes")
    print(f"passes made for it                {passes:.1f}, so that a step costs {each / one / passes:.2f} passes")


if __name__ == "__main__":
    main()
