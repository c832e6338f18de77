"""A network without convolutions."""

import torch
from torch import Tensor, nn


class Mlp(nn.Module):
    """Two hidden layers of 512 and 256 rectified units.

    Takes float32 (N, 1, 28, 28), returns logits (N, n_classes).
    """

    def __init__(self, n_classes: int = 10) -> None:
        super().__init__()
        self.hidden1 = nn.Linear(28 * 28, 512)
        self.hidden2 = nn.Linear(512, 256)
        self.output = nn.Linear(256, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of normalised images."""
        x = torch.relu(self.hidden1(x.flatten(1)))
        x = torch.relu(self.hidden2(x))
        logits: Tensor = self.output(x)
        return logits
