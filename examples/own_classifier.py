"""Fool a classifier of your own: `neatfool evolve --model own_classifier:make` from this folder.

The network here is a random one, to keep the example short; put yours in its place.
"""

import torch

import neatfool as nf


class Network(torch.nn.Module):
    """Takes float32 (N, 3, 32, 32), returns logits (N, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(3, 16, 5, stride=2), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(16 * 14 * 14, 4)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of normalised images."""
        logits: torch.Tensor = self.layers(x)
        return logits


def make() -> nf.Classifier:
    """What `--model own_classifier:make` calls."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Network()
    return nf.Classifier(
        network,
        input_size=32,
        mean=[0.5, 0.5, 0.5],
        std=[0.25, 0.25, 0.25],
        class_names=["ant", "bee", "cat", "dog"],
        name="own_classifier:make",
    )


if __name__ == "__main__":
    run = nf.evolve(make(), generations=50, seed=1)
    for name, confidence in zip(run.classifier.class_names, run.archive.confidence, strict=True):
        print(f"{name}: {confidence:.4%}")
