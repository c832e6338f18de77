"""The classifier that judges images: a torch module together with everything needed to feed it correctly."""

import difflib
import hashlib
import logging
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torchvision.transforms.functional import center_crop, five_crop

from neatfool.classifiers.backends import Backend, Precision, check_choices, forward_pass
from neatfool.classifiers.layers import best_layout, last_layer
from neatfool.errors import ModelError

log = logging.getLogger(__name__)

Images = npt.NDArray[np.uint8] | Tensor

_SMALL_PIXELS = 64 * 64
_LARGE_PIXELS = 256 * 256


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
        module: Maps a float32 batch (N, channels, *input_size), normalised, to (N, n_classes).
        input_size: Side, or (height, width), of the module's input in pixels.
        channels: 1 (gray) or 3 (RGB).
        mean: Subtracted after scaling, one number per channel; zeros if None.
        std: Divides after subtracting the mean, one number per channel; ones if None.
        scale: Multiplies the pixels (0 to 255) first.
        class_names: One name per class; the indices if None. A name that occurs twice gets its index appended.
        outputs: What the module returns: "logits" (a softmax is applied here) or "probabilities".
        crops: 1, or 10: confidences are then the mean over ten crops of a larger image (four corners, centre and their
            mirror images), as in the paper.
        image_size: Side, or (height, width), of the images. It equals `input_size` for one crop, and is larger
            for ten: `resize_size` if None.
        resize_size: Length to which `photographs` have their short side resized before the centre crop; 8/7 of the
            input's short side if None (256 for 224).
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
        input_size: int | tuple[int, int],
        channels: int = 3,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        scale: float = 1 / 255,
        class_names: Sequence[str] | None = None,
        outputs: Literal["logits", "probabilities"] = "logits",
        crops: Literal[1, 10] = 1,
        image_size: int | tuple[int, int] | None = None,
        resize_size: int | None = None,
        interpolation: Literal["bilinear", "bicubic"] = "bilinear",
        device: str | torch.device = "auto",
        name: str | None = None,
        chunk: int | None = None,
        backend: Backend = "torch",
        precision: Precision = "float32",
        weights: str | None = None,
    ) -> None:
        self.name = name or type(module).__name__
        self.weights = weights
        self.channels = channels
        self.crops = crops
        self.outputs = outputs
        self.scale = float(scale)
        self.mean = _per_channel("mean", mean, 0.0, channels)
        self.std = _per_channel("std", std, 1.0, channels)
        self.input_size = _size("input_size", input_size)
        short = min(self.input_size)
        self.resize_size = round(short * 8 / 7) if resize_size is None else resize_size
        self.interpolation = interpolation
        self._check_settings(chunk)
        self.image_size = self._settle_image_size(image_size)
        self._module = module
        self._chunk = chunk
        self._place(_find_device(device))
        self.n_classes = self._check_module()
        self.backend: Backend = backend
        self.precision: Precision = precision
        self.run_with()
        self.class_names = _settle_names(class_names, self.n_classes, self.name)

    @property
    def module(self) -> nn.Module:
        """The wrapped module: normalised float32 (N, channels, *input_size) in, `outputs` (N, n_classes) out."""
        return self._module

    @property
    def device(self) -> torch.device:
        """Where the module is."""
        return self._device

    @property
    def chunk(self) -> int:
        """Images per pass through the module. Batches of a multiple of it waste nothing."""
        return self._chunk or _default_chunk(self.input_size, self._device)

    @property
    def draws_ahead(self) -> bool:
        """Whether the processor is free to draw the next images while the network looks at these."""
        return self._device.type != "cpu"

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of the images it looks at."""
        return (self.channels, *self.image_size)

    def fingerprint(self) -> str:
        return self.weights_hash()

    def to(self, device: str | torch.device) -> Self:
        """Moves the module to a device, named as in the constructor, and returns the classifier."""
        self._place(_find_device(device))
        return self.run_with()

    def run_with(self, *, backend: Backend | None = None, precision: Precision | None = None) -> Self:
        """Chooses who runs the network for `confidences` and in what precision (None: as before).

        Raises:
            ModelError: The backend is not installed, or cannot run this network on this device.
        """
        backend = backend or self.backend
        precision = precision or self.precision
        check_choices(self.name, backend, precision, self._device)
        example = torch.zeros((self.chunk, self.channels, *self.input_size), dtype=torch.uint8, device=self._device)
        self._forward = forward_pass(
            self._run, self._module, example, name=self.name, backend=backend, precision=precision
        )
        self.backend, self.precision = backend, precision
        return self

    def _place(self, device: torch.device) -> None:
        self._device = device
        self._layout = best_layout(self._module)
        self._module.eval().requires_grad_(False)
        self._module.to(device=self._device).to(memory_format=self._layout)
        column = (1, self.channels, 1, 1)
        mean, std = (torch.tensor(values, dtype=torch.float64).reshape(column) for values in (self.mean, self.std))
        self._gain, self._offset = ((x.float().to(self._device)) for x in (self.scale / std, -mean / std))

    def image_buffer(self) -> npt.NDArray[np.uint8]:
        """Room for one chunk of images, uint8 (chunk, channels, *image_size); page-locked if the module is on a GPU."""
        shape = (self.chunk, self.channels, *self.image_size)
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
            ValueError: The images have another shape or type.
        """
        size = self.chunk
        self._check_images(images)
        return self.stream_confidences(images[start : start + size] for start in range(0, len(images), size))

    def stream_confidences(self, chunks: Iterable[Images]) -> npt.NDArray[np.float32]:
        """`confidences` of images that come a chunk at a time, the next ones while the network works on these.

        Args:
            chunks: uint8 (N, channels, *image_size) each, N at most `chunk`. The memory of one may be used again as soon
                as the next is asked for; on a GPU that happens while the network still works.

        Returns:
            float32 (N, n_classes) of all images together.

        Raises:
            ValueError: The images have another shape or type, or there are too many in a chunk.
        """
        parts: list[Tensor] = []
        with torch.inference_mode():
            for images in chunks:
                self._check_images(images)
                if len(images) > self.chunk:
                    raise ValueError(f"{self.name} takes chunks of at most {self.chunk} images, not {len(images)}.")
                block = self._block(images)
                copied = torch.cuda.current_stream(self._device).record_event() if block.is_cuda else None
                parts.append(self._chunk_confidences(block)[: len(images)])
                if copied:
                    copied.synchronize()
            return _stack(parts, self.n_classes)

    def features(self, images: Images) -> npt.NDArray[np.float32]:
        """Penultimate activations: what enters the last linear layer (or 1x1 convolution, averaged over space).

        Only the centre crop is looked at.

        Args:
            images: uint8 (N, channels, *image_size), an array or a tensor.

        Returns:
            float32 (N, n_features).

        Raises:
            ModelError: The module has no such layer.
            ValueError: The images have another shape or type.
        """
        self._check_images(images)
        layer = last_layer(self._module, self.n_classes)
        if layer is None:
            raise ModelError(
                f"{self.name} has no features to show, because it has no linear layer or 1x1 convolution with "
                f"{self.n_classes} outputs."
            )
        seen: list[Tensor] = []

        def keep(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            seen.append(inputs[0])

        parts = []
        hook = layer[1].register_forward_pre_hook(keep)
        try:
            with torch.inference_mode():
                for start in range(0, len(images), self.chunk):
                    part = images[start : start + self.chunk]
                    seen.clear()
                    self._run(center_crop(self._block(part), list(self.input_size)))
                    values = seen[-1].float()
                    if values.ndim == 4:
                        values = values.mean((2, 3))
                    parts.append(values.flatten(1)[: len(part)])
                return _stack(parts, layer[1].weight.shape[1])
        finally:
            hook.remove()

    def logits(self, x: Tensor) -> Tensor:
        """Differentiable logits, for gradient ascent.

        Args:
            x: Floats in [0, 255] of shape (N, channels, *image_size), on any device.

        Returns:
            (N, n_classes) on the classifier's device. With ten crops, the logits of the centre crop alone; for
            a module that returns probabilities, their logarithms.

        Raises:
            ValueError: `x` has another shape or is not of a floating-point type.
        """
        if not x.is_floating_point():
            raise ValueError(f"logits() takes floats in [0, 255], not {x.dtype}; convert the images with .float().")
        self._check_shape(x.shape)
        outputs = self._run(center_crop(x.to(self._device), list(self.input_size)))
        if self.outputs == "probabilities":
            return outputs.clamp_min(torch.finfo(outputs.dtype).tiny).log()
        return outputs

    def normalise(self, x: Tensor) -> Tensor:
        """Pixels in [0, 255], of any type, as the module wants them: (x * scale - mean) / std in float32."""
        return torch.addcmul(self._offset, x.to(dtype=torch.float32, memory_format=self._layout), self._gain)

    def class_index(self, name: str | int) -> int:
        """The index of a class.

        Args:
            name: An index, a class name, or a part of exactly one class name, in any case.

        Raises:
            ModelError: There is no such class, or several.
        """
        return find_class(self.class_names, name, model=self.name)

    def classes(self, text: str) -> list[int]:
        """The classes of a comma-separated list such as "0-9" or "3,5,goldfish", each once, in the order written.

        Raises:
            ModelError: A part names no class, or several.
        """
        found: list[int] = []
        for part in (part.strip() for part in text.split(",")):
            span = re.fullmatch(r"(\d+)\s*-\s*(\d+)", part)
            if span:
                first, last = self.class_index(span[1]), self.class_index(span[2])
                if last < first:
                    raise ModelError(f"The class range {part} runs backwards; write it as {last}-{first}.")
                found.extend(range(first, last + 1))
            else:
                found.append(self.class_index(part))
        return list(dict.fromkeys(found))

    def with_module(self, module: nn.Module, class_names: Sequence[str]) -> "Classifier":
        """A classifier with the same preprocessing, name and device around another module, run by torch in float32."""
        return Classifier(
            module,
            input_size=self.input_size,
            channels=self.channels,
            mean=self.mean,
            std=self.std,
            scale=self.scale,
            class_names=class_names,
            outputs=self.outputs,
            crops=self.crops,
            image_size=self.image_size,
            resize_size=self.resize_size,
            interpolation=self.interpolation,
            device=self._device,
            name=self.name,
            chunk=self._chunk,
        )

    def preprocessing(self) -> dict[str, Any]:
        """How images reach the module, as plain values that fit into JSON."""
        return {
            "channels": self.channels,
            "image_size": list(self.image_size),
            "input_size": list(self.input_size),
            "crops": self.crops,
            "scale": self.scale,
            "mean": list(self.mean),
            "std": list(self.std),
            "outputs": self.outputs,
            "resize_size": self.resize_size,
            "interpolation": self.interpolation,
        }

    def weights_hash(self) -> str:
        """SHA-256, in hexadecimal, over the names, types, shapes and values of the module's state."""
        digest = hashlib.sha256()
        for name, value in sorted(self._module.state_dict().items()):
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
            digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def _run(self, pixels: Tensor) -> Tensor:
        if self._module.training:
            self._module.eval()
        outputs: Tensor = self._module(self.normalise(pixels))
        return outputs

    def _chunk_confidences(self, pixels: Tensor) -> Tensor:
        if self.crops == 1:
            return self._probabilities(self._forward(pixels))
        total = torch.zeros((len(pixels), self.n_classes), device=self._device)
        for crop in five_crop(pixels, list(self.input_size)):
            for view in (crop, crop.flip(-1)):
                total += self._probabilities(self._forward(view))
        return total / self.crops

    def _probabilities(self, outputs: Tensor) -> Tensor:
        outputs = outputs.float()
        return outputs if self.outputs == "probabilities" else outputs.softmax(1)

    def _block(self, images: Images) -> Tensor:
        """A chunk of images on the device, filled up with black to exactly `chunk`."""
        block = _tensor(images).to(self._device, non_blocking=True)
        missing = self.chunk - len(block)
        return pad(block, (0, 0, 0, 0, 0, 0, 0, missing)) if missing else block

    def _check_settings(self, chunk: int | None) -> None:
        problem = None
        factors = (self.scale, *self.std)
        if self.channels not in (1, 3):
            problem = f"channels must be 1 or 3, not {self.channels}"
        elif self.crops not in (1, 10):
            problem = f"crops must be 1 or 10, not {self.crops}"
        elif self.outputs not in ("logits", "probabilities"):
            problem = f'outputs must be "logits" or "probabilities", not {self.outputs!r}'
        elif self.interpolation not in ("bilinear", "bicubic"):
            problem = f'interpolation must be "bilinear" or "bicubic", not {self.interpolation!r}'
        elif 0 in factors or not all(math.isfinite(value) for value in (*factors, *self.mean)):
            problem = "scale, mean and std must be finite, and scale and std not 0"
        elif self.resize_size < min(self.input_size):
            problem = f"resize_size {self.resize_size} is smaller than input_size {self.input_size}"
        elif chunk is not None and chunk < 1:
            problem = f"chunk must be at least 1, not {chunk}"
        if problem:
            raise ModelError(f"{self.name}: {problem}.")

    def _check_images(self, images: Images) -> None:
        if str(images.dtype) not in ("uint8", "torch.uint8"):
            raise ValueError(f"images must be uint8 in [0, 255], not {images.dtype}.")
        self._check_shape(images.shape)

    def _check_shape(self, shape: Sequence[int]) -> None:
        wanted = (self.channels, *self.image_size)
        if len(shape) != 4 or tuple(shape[1:]) != wanted:
            raise ValueError(
                f"{self.name} takes images of shape (N, channels, height, width) = (N, {wanted[0]}, {wanted[1]}, "
                f"{wanted[2]}), not {tuple(shape)}."
            )

    def _settle_image_size(self, image_size: int | tuple[int, int] | None) -> tuple[int, int]:
        height, width = self.input_size
        if self.crops == 1:
            if image_size is not None and _size("image_size", image_size) != self.input_size:
                raise ModelError(
                    f"{self.name}: image_size {image_size} differs from input_size {height}x{width}; leave it out, or "
                    "pass crops=10."
                )
            return self.input_size
        if image_size is None:
            short = min(self.input_size)
            larger = self.resize_size if self.resize_size > short else round(short * 8 / 7)
            return round(height * larger / short), round(width * larger / short)
        settled = _size("image_size", image_size)
        if settled[0] < height or settled[1] < width or settled == self.input_size:
            raise ModelError(f"{self.name}: for ten crops image_size must be larger than input_size {height}x{width}.")
        return settled

    def _check_module(self) -> int:
        """Runs two images through the module and returns its number of classes."""
        height, width = self.input_size
        shape = (2, self.channels, height, width)
        pixels = torch.arange(2 * self.channels * height * width, device=self._device).remainder(256).reshape(shape)
        try:
            with torch.inference_mode():
                outputs = self._run(pixels)
        except Exception as error:
            reason = str(error).strip().partition("\n")[0][:200] or type(error).__name__
            raise ModelError(
                f"{self.name} fails on a batch of shape {shape} ({reason}); check input_size, channels and the module."
            ) from error
        if not isinstance(outputs, Tensor):
            raise ModelError(
                f"{self.name} returns a {type(outputs).__name__} instead of a tensor (N, classes); wrap the module so "
                "that it returns the logits alone."
            )
        if outputs.ndim != 2 or len(outputs) != 2 or outputs.shape[1] < 2:
            raise ModelError(
                f"{self.name} returns shape {tuple(outputs.shape)} for 2 images instead of (2, classes) with at least "
                "two classes; wrap the module so that it gives one number per class."
            )
        if not bool(outputs.isfinite().all()):
            raise ModelError(
                f"{self.name} returns infinite or undefined numbers; check its weights, mean, std and scale."
            )
        sums = outputs.float().sum(1)
        probabilities = bool((outputs >= 0).all()) and bool(((sums - 1).abs() < 1e-3).all())
        if probabilities and self.outputs == "logits":
            raise ModelError(
                f'{self.name} returns probabilities (each row sums to 1), not logits; pass outputs="probabilities" or '
                "remove its final softmax."
            )
        if self.outputs == "probabilities" and not probabilities:
            raise ModelError(
                f"{self.name} does not return probabilities (a row sums to {float(sums[0]):.4g} and must sum to 1 "
                'without negative numbers); pass outputs="logits" if no softmax is applied.'
            )
        return int(outputs.shape[1])


def find_class(class_names: Sequence[str], name: str | int, *, model: str = "the model") -> int:
    """The index of a class.

    Args:
        class_names: The names of all classes, by index.
        name: An index, a class name, or a part of exactly one class name, in any case.
        model: What to call the classifier in messages.

    Raises:
        ModelError: There is no such class, or several.
    """
    if isinstance(name, str) and not name.strip().isdecimal():
        return _index_of(class_names, name.strip(), model)
    index = int(name)
    if not 0 <= index < len(class_names):
        raise ModelError(f"{model} has no class {index}: its classes are 0 to {len(class_names) - 1}.")
    return index


def _index_of(class_names: Sequence[str], name: str, model: str) -> int:
    folded = [known.casefold() for known in class_names]
    wanted = name.casefold()
    found = [index for index, known in enumerate(folded) if known == wanted]
    if not found and wanted:
        found = [index for index, known in enumerate(folded) if wanted in known]
    if len(found) == 1:
        return found[0]
    if found:
        few = ", ".join(f"{class_names[index]} ({index})" for index in found[:5])
        more = ", ..." if len(found) > 5 else ""
        raise ModelError(f"{len(found)} classes of {model} match {name!r}: {few}{more}; name one or its index.")
    close = [folded.index(known) for known in difflib.get_close_matches(wanted, folded, n=4, cutoff=0.5)]
    few = ", ".join(f"{class_names[index]} ({index})" for index in close)
    hint = f"close names are {few}" if few else f"use an index from 0 to {len(class_names) - 1} or part of a name"
    raise ModelError(f"{model} has no class named {name!r}; {hint}.")


def _size(what: str, size: int | tuple[int, int]) -> tuple[int, int]:
    height, width = (size, size) if isinstance(size, int) else size
    if height < 1 or width < 1:
        raise ModelError(f"{what} must be at least 1 pixel, not {size}.")
    return int(height), int(width)


def _per_channel(what: str, values: Sequence[float] | None, default: float, channels: int) -> tuple[float, ...]:
    settled = (default,) * channels if values is None else tuple(float(value) for value in values)
    if len(settled) != channels:
        raise ModelError(f"{what} has {len(settled)} numbers for {channels} channels; give one per channel.")
    return settled


def _settle_names(class_names: Sequence[str] | None, n_classes: int, model: str) -> tuple[str, ...]:
    if class_names is None:
        return tuple(str(index) for index in range(n_classes))
    if len(class_names) != n_classes:
        raise ModelError(f"{model} has {n_classes} classes but {len(class_names)} class names were given.")
    counts = Counter(class_names)
    return tuple(f"{name} ({index})" if counts[name] > 1 else name for index, name in enumerate(class_names))


def _find_device(device: str | torch.device) -> torch.device:
    cuda = torch.cuda.is_available()
    if device == "auto":
        log.info("Device: %s, chosen automatically.", "cuda" if cuda else "cpu")
        return torch.device("cuda" if cuda else "cpu")
    try:
        found = torch.device(device)
    except RuntimeError:
        found = None
    if found is None or found.type not in ("cpu", "cuda"):
        raise ModelError(f"{device!r} is not a device; use auto, cpu, cuda or cuda:0.")
    if found.type == "cuda":
        count = torch.cuda.device_count() if cuda else 0
        if (found.index or 0) >= count:
            raise ModelError(f"There is no device {found} here ({count} CUDA devices were found); use cpu or auto.")
    return found


def _default_chunk(input_size: tuple[int, int], device: torch.device) -> int:
    """Images per pass: fast where it was measured, and a divisor of the usual batches of 200 and 400."""
    pixels = input_size[0] * input_size[1]
    if device.type == "cuda":
        return 200 if pixels <= _LARGE_PIXELS else 40
    return 100 if pixels <= _SMALL_PIXELS else 4


def _tensor(images: Images) -> Tensor:
    if isinstance(images, Tensor):
        return images
    if not images.flags.writeable or min(images.strides) < 0:  # torch takes neither
        images = images.copy()
    return torch.from_numpy(images)


def _stack(parts: list[Tensor], width: int) -> npt.NDArray[np.float32]:
    if not parts:
        return np.empty((0, width), dtype=np.float32)
    stacked: npt.NDArray[np.float32] = torch.cat(parts).cpu().numpy()
    return stacked
