"""Whether the fooling score depends on the number of classes: one network, restricted to some of its classes.

python benches/score_classes.py --model squeezenet1_0 --weights FILE --classes 10 100 1000
"""

import argparse
from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from neatfool import load_classifier
from neatfool.experiments.audit.attacks import attack, attacks_on, drawn_classes
from neatfool.experiments.audit.score import fooling_score
from neatfool.shared.progress import never, silent


class Restricted(nn.Module):
    """A network that knows only some of its classes."""

    def __init__(self, network: nn.Module, kept: Sequence[int]) -> None:
        super().__init__()
        self.network = network
        self.kept = list(kept)

    def forward(self, images: Tensor) -> Tensor:
        """The logits of the classes kept, (N, classes kept)."""
        logits: Tensor = self.network(images)[:, self.kept]
        return logits


def main() -> None:
    """Prints the figures of docs/audit.md."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="squeezenet1_0")
    parser.add_argument("--weights")
    parser.add_argument("--classes", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--budget", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--backend", choices=("torch", "openvino"), default="torch")
    arguments = parser.parse_args()

    whole = load_classifier(arguments.model, weights=arguments.weights)
    for count in arguments.classes:
        passes = []
        for seed, attacked in enumerate(drawn_classes(whole.class_names, arguments.seeds)):
            # The classes to climb for are the same for every count; the others are drawn.
            others = np.setdiff1d(
                np.random.default_rng(seed).permutation(whole.n_classes), attacked, assume_unique=True
            )
            kept = np.concatenate([attacked, others])[:count].tolist()
            names = [whole.class_names[index] for index in kept]
            network = whole.with_module(Restricted(whole.module, kept), names)
            network.run_with(backend=arguments.backend)
            targets = np.arange(len(attacked))
            passes.append(
                [
                    attack(
                        name, network, targets, budget=arguments.budget, seed=seed, progress=silent, stop=never
                    ).passes
                    for name in attacks_on(network)
                ]
            )
        by_attack = np.array(passes).swapaxes(0, 1)
        score = fooling_score(by_attack, arguments.budget)
        each = [fooling_score(one[None], arguments.budget).value for one in by_attack]
        shares = ", ".join(
            f"{name} {area:.1f} ({share:.0%} fooled)"
            for name, area, share in zip(attacks_on(whole), each, (by_attack > 0).mean((1, 2)), strict=True)
        )
        print(f"{count:>5} classes: {score.value:.1f} ({score.low:.1f} to {score.high:.1f}); {shares}", flush=True)


if __name__ == "__main__":
    main()
