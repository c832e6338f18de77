"""More of few images: each as it is, and cut out and mirrored at random."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from neatfool.data.labelled import Item, LabelledImages, labels_of, read_images

_LEAST_AREA = 0.35
_SIDES = 4 / 3


class Views(Dataset[Item]):
    """Every image of a data set several times: as it is, and random parts of it, half of them mirrored.

    A part has 35 to 100 % of the area, its sides are as 3 to 4 to 4 to 3, and it is enlarged to the size of the image (the
    random resized crops of Szegedy et al. 2015). Image i of N is at i, N + i, 2 N + i and so on, first as it is. What is drawn
    depends on the seed and that place alone.

    Args:
        images: the images.
        count: views of each, 1 or more.
        seed: of the parts.
    """

    def __init__(self, images: LabelledImages, count: int, *, seed: int) -> None:
        self._images = images
        self._count = count
        self._seed = seed
        self.targets = np.tile(labels_of(images), count)

    def __len__(self) -> int:
        return len(self._images) * self._count

    def __getitem__(self, index: int) -> Item:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Item]:
        places = np.asarray(indices, np.int64)
        whole = torch.from_numpy(read_images(self._images, places % len(self._images)))
        views = [self._view(image, int(place)) for image, place in zip(whole, places, strict=True)]
        return list(zip(views, self.targets[places].tolist(), strict=True))

    def _view(self, image: Tensor, place: int) -> Tensor:
        if place < len(self._images):
            return image
        from torchvision.transforms.v2.functional import horizontal_flip, resized_crop

        rng = np.random.default_rng((self._seed, place))
        area, sides = rng.uniform(_LEAST_AREA, 1), _SIDES ** rng.uniform(-1, 1)
        height, width = image.shape[-2:]
        high = max(1, round(height * min(1.0, (area / sides) ** 0.5)))
        wide = max(1, round(width * min(1.0, (area * sides) ** 0.5)))
        top, left = (int(rng.integers(0, room, endpoint=True)) for room in (height - high, width - wide))
        part: Tensor = resized_crop(image, top, left, high, wide, [height, width], antialias=True)
        mirrored: Tensor = horizontal_flip(part)
        return mirrored if rng.random() < 0.5 else part
