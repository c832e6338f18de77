"""The classifier that judges images: a torch module together with everything needed to feed it correctly."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from html import escape
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from neatfool.classifiers import identity
from neatfool.classifiers.adapt import Adapted
from neatfool.classifiers.backends import Backend, Forward, Precision, check_choices, forward_pass
from neatfool.classifiers.batches import Halving, Images, as_block, check_images, check_shape, stack
from neatfool.classifiers.devices import default_chunk, find_device
from neatfool.classifiers.layers import inputs_of, last_layer
from neatfool.classifiers.names import Classes, find_class, find_classes, settle_names
from neatfool.classifiers.outputs import BINARY
from neatfool.classifiers.preprocessing import ChannelOrder, Crops, Interpolation, Layout, Outputs, Preprocessing, Size
from neatfool.classifiers.trial import as_confidences, ask, check_finite, count_classes, trial_images
from neatfool.errors import ModelError


class Classifier:
    """A torch module with its input size, normalisation and class names.

    This is the only place that knows an image's bounds, size and normalisation: every other part of the library passes
    uint8 images, or floats in [0, 255], of shape (N, channels, height, width).

    The classifier takes the module over: it is moved to `device`, switched to eval mode, its parameters stop requiring
    gradients, and a convolutional network is stored channels-last, which about doubles its speed on a CPU. Torch's
    global settings and random generators are left alone.

    The module only ever sees batches of exactly `chunk` images, the last one filled up with black, so splitting a batch
    at multiples of `chunk` never changes a bit of the confidences. On a CPU they do not depend on an image's place in
    its chunk either, except in the last bits where a linear layer's number of inputs is no multiple of 4. Another
    number of torch threads, processor or release of torch may change last bits too: torch then adds in another order.

    Args:
        module: Maps a float32 batch (N, channels, *input_size), normalised, to (N, n_classes). It may also return a
            tuple or list, whose first tensor counts, or a mapping, of which "logits" or the only tensor of two dimensions does.
        input_size: Side, or (height, width), of the module's input in pixels.
        channels: 1 (gray) or 3 (RGB).
        mean: Subtracted after scaling, one number per channel in the module's order; zeros if None.
        std: Divides after subtracting the mean, one number per channel in the module's order; ones if None.
        scale: Multiplies the pixels (0 to 255) first; 1/255 if None.
        value_range: What black and white become before mean and std, instead of `scale`: (-1, 1), (0, 255), ...
        channel_order: "rgb", or "bgr" for a module that was trained on pictures as OpenCV or Caffe reads them.
        layout: "nchw", or "nhwc" for a module that takes (N, *input_size, channels). Images are NCHW in any case.
        class_names: One name per class; the indices if None. A name that occurs twice gets its index appended.
        outputs: What the module returns: "logits" (a softmax is applied here) or "probabilities"; "binary-logit" or
            "binary-probability" if it is one number, (N, 1) or (N,), about the second of two classes.
        crops: 1, or 10: confidences are then the mean over ten crops of a larger image (four corners, centre and their
            mirror images), as in the paper.
        image_size: Side, or (height, width), of the images. It equals `input_size` for one crop, and is larger
            for ten: `resize_size` if None.
        resize_size: Length to which `photographs` have their short side resized before the centre crop, or the (height,
            width) to which they are squeezed; 8/7 of the input's short side if None (256 for 224).
        interpolation: How photographs are resized.
        device: "auto" (CUDA if there is a device, else CPU), "cpu", "cuda" or "cuda:i".
        name: Name in messages and manifests; the module's class name if None.
        chunk: Images per pass through the module; chosen by input size and device if None.
        backend: Who runs the network for `confidences`, see `Backend`. OpenVINO keeps the weights the module has now.
            `logits` and `features` are torch's always.
        precision: What it calculates in, see `Precision`.
        weights: What `load_classifier` takes as weights to make this classifier again.

    Raises:
        ModelError: The module does not fit the description, or the device does not exist.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        input_size: int | Size,
        channels: int = 3,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        scale: float | None = None,
        value_range: tuple[float, float] | None = None,
        channel_order: ChannelOrder = "rgb",
        layout: Layout = "nchw",
        class_names: Sequence[str] | None = None,
        outputs: Outputs = "logits",
        crops: Crops = 1,
        image_size: int | Size | None = None,
        resize_size: int | Size | None = None,
        interpolation: Interpolation = "bilinear",
        device: str | torch.device = "auto",
        name: str | None = None,
        chunk: int | None = None,
        backend: Backend = "torch",
        precision: Precision = "float32",
        weights: str | None = None,
    ) -> None:
        self.name = name or type(module).__name__
        self.weights = weights
        self.source: str | None = None
        """What `load_classifier` takes as a name to make this classifier again; None where it was made otherwise."""
        self.labels: str | tuple[str, ...] | None = None
        """What `load_classifier` takes as labels for that."""
        try:
            settled = Preprocessing.settle(
                channels=channels,
                input_size=input_size,
                image_size=image_size,
                crops=crops,
                scale=scale,
                value_range=value_range,
                mean=mean,
                std=std,
                outputs=outputs,
                resize_size=resize_size,
                interpolation=interpolation,
                channel_order=channel_order,
                layout=layout,
            )
        except ModelError as error:
            raise ModelError(f"{self.name}: {error}") from None
        self._preprocessing = settled
        self.channels: Final = settled.channels
        self.image_size: Final = settled.image_size
        self.input_size: Final = settled.input_size
        self.crops: Final = settled.crops
        self.scale: Final = settled.scale
        self.mean: Final = settled.mean
        self.std: Final = settled.std
        self.channel_order: Final = settled.channel_order
        self.layout: Final = settled.layout
        self.outputs: Final = settled.outputs
        self.resize_size: Final = settled.resize_size
        self.interpolation: Final = settled.interpolation
        if chunk is not None and chunk < 1:
            raise ModelError(f"{self.name}: chunk must be at least 1, not {chunk}.")
        self._chunk = chunk
        self._device = find_device(device)
        self._network = Adapted(module, settled, self._device)
        self.n_classes = count_classes(self._network.infer, settled, self._device, self.name)
        self.class_names = settle_names(class_names, self.n_classes, self.name)
        self.backend: Backend = backend
        self.precision: Precision = precision
        self.run_with()

    def __repr__(self) -> str:
        facts = ", ".join(f"{what}={value}" for what, value in self._facts().items())
        return f"Classifier({self.name!r}, {facts})"

    def _repr_html_(self) -> str:
        facts = {"name": self.name, **self._facts()}
        rows = (f"<tr><th>{what}</th><td>{escape(value)}</td></tr>" for what, value in facts.items())
        return f"<table>{''.join(rows)}</table>"

    def _facts(self) -> dict[str, str]:
        return {
            "input": "x".join(str(side) for side in self.image_shape),
            "classes": str(self.n_classes),
            "device": str(self._device),
            "backend": self.backend,
            "precision": self.precision,
        }

    @property
    def module(self) -> nn.Module:
        """The wrapped module: normalised float32 (N, channels, *input_size) in, `outputs` (N, n_classes) out."""
        return self._network.module

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the images."""
        return self._preprocessing.image_shape

    @property
    def device(self) -> torch.device:
        """Where the module is."""
        return self._device

    @property
    def chunk(self) -> int:
        """Images per pass through the module. Batches of a multiple of it waste nothing."""
        return self._chunk or default_chunk(self.input_size, self._device)

    @property
    def draws_ahead(self) -> bool:
        """Whether the processor is free to draw the next images while the network looks at these."""
        return self._device.type != "cpu"

    def to(self, device: str | torch.device) -> Self:
        """Moves the module to a device, named as in the constructor, and returns the classifier."""
        self._device = find_device(device)
        self._network.place(self._device)
        return self.run_with()

    def run_with(self, *, backend: Backend | None = None, precision: Precision | None = None) -> Self:
        """Chooses who runs the network for `confidences` and in what precision (None: as before).

        Raises:
            ModelError: The backend is not installed, cannot run this network on this device, or its outputs in this
                precision are not finite.
        """
        backend = backend or self.backend
        precision = precision or self.precision
        check_choices(self.name, backend, precision, self._device)
        example = trial_images(self.chunk, self._preprocessing, self._device)
        forward = Halving(
            forward_pass(
                self._network.infer, self.module, example, name=self.name, backend=backend, precision=precision
            ),
            self.name,
        )
        check_finite(forward, example, name=self.name, backend=backend, precision=precision)
        self._forward = forward
        self.backend, self.precision = backend, precision
        return self

    def run_by(self, forward: Forward) -> Self:
        """Has another way through the network give `confidences`, one that `run_with` does not know."""
        self._forward = Halving(forward, self.name)
        return self

    def image_buffer(self) -> npt.NDArray[np.uint8]:
        """Room for one chunk of images, uint8 (chunk, channels, *image_size); page-locked if the module is on a GPU."""
        shape = (self.chunk, *self.image_shape)
        buffer: npt.NDArray[np.uint8] = torch.empty(
            shape, dtype=torch.uint8, pin_memory=self._device.type == "cuda"
        ).numpy()
        return buffer

    def confidences(self, images: Images) -> npt.NDArray[np.float32]:
        """The probability of every class for every image.

        Args:
            images: uint8 (N, channels, *image_size), an array or a tensor.

        Returns:
            float32 (N, n_classes) in [0, 1]; every row sums to 1.

        Raises:
            JudgeError: The module fails, or returns something else than in its trial.
            ValueError: The images have another shape or type.
        """
        size = self.chunk
        check_images(images, self.image_shape, self.name)
        return self.stream_confidences(images[start : start + size] for start in range(0, len(images), size))

    def stream_confidences(self, chunks: Iterable[Images]) -> npt.NDArray[np.float32]:
        """`confidences` of images that come a chunk at a time, the next ones while the network works on these.

        Args:
            chunks: uint8 (N, channels, *image_size) each, N at most `chunk`. The memory of one may be used again as soon
                as the next is asked for; on a GPU that happens while the network still works.

        Returns:
            float32 (N, n_classes) of all images together.

        Raises:
            JudgeError: The module fails, or returns something else than in its trial.
            ValueError: The images have another shape or type, or there are too many in a chunk.
        """
        parts: list[Tensor] = []
        with torch.inference_mode():
            for images in chunks:
                check_images(images, self.image_shape, self.name)
                if len(images) > self.chunk:
                    raise ValueError(f"{self.name} takes chunks of at most {self.chunk} images, not {len(images)}.")
                block = as_block(images, self.chunk, self._device)
                copied = torch.cuda.current_stream(self._device).record_event() if block.is_cuda else None
                parts.append(self._chunk_confidences(block)[: len(images)])
                if copied:
                    copied.synchronize()
            scores = stack(parts, self.n_classes)
        return as_confidences(scores, (len(scores), self.n_classes), name=self.name)

    def features(self, images: Images) -> npt.NDArray[np.float32]:
        """Penultimate activations: what enters the last linear layer (or 1x1 convolution, averaged over space).

        Only the centre crop is looked at.

        Args:
            images: uint8 (N, channels, *image_size), an array or a tensor.

        Returns:
            float32 (N, n_features).

        Raises:
            JudgeError: The module fails.
            ModelError: The module has no such layer.
            ValueError: The images have another shape or type.
        """
        check_images(images, self.image_shape, self.name)
        width = 1 if self.outputs in BINARY else self.n_classes
        layer = last_layer(self.module, width)
        if layer is None:
            raise ModelError(
                f"{self.name} has no features to show, because it has no linear layer or 1x1 convolution with {width} outputs."
            )
        parts = []
        with inputs_of(layer[1]) as seen, torch.inference_mode():
            for start in range(0, len(images), self.chunk):
                part = images[start : start + self.chunk]
                self._ask(self._network.infer, self.centre(as_block(part, self.chunk, self._device)))
                values = seen[-1].float()
                if values.ndim == 4:
                    values = values.mean((2, 3))
                parts.append(values.flatten(1)[: len(part)])
        return stack(parts, layer[1].weight.shape[1])

    def logits(self, x: Tensor) -> Tensor:
        """Differentiable logits, for gradient ascent.

        Args:
            x: Floats in [0, 255] of shape (N, channels, *image_size), on any device.

        Returns:
            (N, n_classes) on the classifier's device. With ten crops, the logits of the centre crop alone; for
            a module that returns probabilities, their logarithms; for one that returns one logit, 0 and that.

        Raises:
            JudgeError: The module fails, or returns something else than in its trial.
            ValueError: `x` has another shape or is not of a floating-point type.
        """
        if not x.is_floating_point():
            raise ValueError(f"logits() takes floats in [0, 255], not {x.dtype}; convert the images with .float().")
        check_shape(x.shape, self.image_shape, self.name)
        outputs = self._ask(self._network.infer, self.centre(x.to(self._device)))
        if self.outputs in ("probabilities", "binary-probability"):
            return outputs.clamp_min(torch.finfo(outputs.dtype).tiny).log()
        return outputs

    def centre(self, pixels: Tensor) -> Tensor:
        """The part of images (N, channels, *image_size) that one crop sees, (N, channels, *input_size)."""
        if tuple(pixels.shape[-2:]) == tuple(self.input_size):
            return pixels
        # torchvision takes long to import, and few need it.
        from torchvision.transforms.functional import center_crop

        centre: Tensor = center_crop(pixels, list(self.input_size))
        return centre

    def normalise(self, x: Tensor) -> Tensor:
        """Pixels in [0, 255], of any type, as the module wants them: (x * scale - mean) / std in float32."""
        return self._network.normalise(x)

    def forward(self, x: Tensor) -> Tensor:
        """The module's outputs, (N, n_classes), for pixels (N, channels, *input_size) on its device, in the mode it is in."""
        return self._network.forward(x)

    def class_index(self, name: str | int) -> int:
        """The index of a class.

        Args:
            name: An index, a class name, or a part of exactly one class name, in any case.

        Raises:
            ModelError: There is no such class, or several.
        """
        return find_class(self.class_names, name, model=self.name)

    def classes(self, wanted: Classes) -> list[int]:
        """The indices of several classes, each once, in the order written.

        Args:
            wanted: An index, a text such as "0-9" or "3,5,goldfish", or a list of indices and texts.

        Raises:
            ModelError: A part names no class, or several, or nothing is named.
        """
        return find_classes(self.class_names, wanted, model=self.name)

    def with_module(self, module: nn.Module, class_names: Sequence[str], *, chunk: int | None = None) -> "Classifier":
        """A classifier with the same preprocessing, name and device around another module, run by torch in float32.

        Args:
            module: the module.
            class_names: what its outputs stand for.
            chunk: images per pass; as before if None.
        """
        return Classifier(
            module,
            **asdict(self._preprocessing),
            class_names=class_names,
            device=self._device,
            name=self.name,
            chunk=chunk or self._chunk,
        )

    def preprocessing(self) -> dict[str, Any]:
        """How images reach the module, as plain values that fit into JSON."""
        return self._preprocessing.as_plain_values()

    def weights_hash(self) -> str:
        """SHA-256, in hexadecimal, over the names, types, shapes and values of the module's state."""
        return identity.weights_hash(self.module)

    def fingerprint(self) -> str:
        """SHA-256, in hexadecimal, over all that decides the confidences, see `neatfool.classifiers.identity`."""
        return identity.fingerprint(self)

    def _ask(self, forward: Forward, pixels: Tensor) -> Tensor:
        return ask(forward, pixels, name=self.name, n_classes=self.n_classes)

    def _chunk_confidences(self, pixels: Tensor) -> Tensor:
        if self.crops == 1:
            return self._probabilities(self._ask(self._forward, pixels))
        from torchvision.transforms.functional import five_crop

        total = torch.zeros((len(pixels), self.n_classes), device=self._device)
        for crop in five_crop(pixels, list(self.input_size)):
            for view in (crop, crop.flip(-1)):
                total += self._probabilities(self._ask(self._forward, view))
        return total / self.crops

    def _probabilities(self, outputs: Tensor) -> Tensor:
        outputs = outputs.float()
        return outputs if self.outputs in ("probabilities", "binary-probability") else outputs.softmax(1)
