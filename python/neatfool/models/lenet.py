"""LeNet, as Caffe defines it."""

import torch
from torch import Tensor, nn


class LeNet(nn.Module):
    """LeNet of Caffe: two convolutions with max-pooling and no activation, then two linear layers.

    Takes float32 (N, 1, 28, 28), returns logits (N, n_classes).
    """

    def __init__(self, n_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 20, kernel_size=5)
        self.conv2 = nn.Conv2d(20, 50, kernel_size=5)
        self.ip1 = nn.Linear(50 * 4 * 4, 500)
        self.ip2 = nn.Linear(500, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of normalised images."""
        x = torch.max_pool2d(self.conv1(x), 2)
        x = torch.max_pool2d(self.conv2(x), 2)
        x = torch.relu(self.ip1(x.flatten(1)))
        logits: Tensor = self.ip2(x)
        return logits
