"""The images as files: folders of PNG with their metadata, or arrays."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from neatfool.errors import ConfigError
from neatfool.experiments.export.dataset import DataSet
from neatfool.experiments.export.naming import folder_names
from neatfool.shared.files import to_json
from neatfool.shared.pixels import as_picture, for_looking

OnImage = Callable[[], None]
"""Called after each image; may raise to stop."""


def write_image_folder(data: DataSet, out: Path, written: OnImage) -> None:
    """Folders for `torchvision.datasets.ImageFolder`: `<split>/<class name>/<number>.png`, and one metadata.jsonl.

    Every split has the same folders, some maybe empty, because the reader numbers the classes by the folders it finds.
    """
    folders = _folders(data)
    lines = []
    for split, images in data.splits().items():
        for folder in folders.values():
            (out / split / folder).mkdir(parents=True)
        for image, pixels in data.pictures(images):
            name = f"{split}/{folders[int(data.labels[image])]}/{image:06d}.png"
            as_picture(pixels).save(out / name, "PNG")
            lines.append(to_json({"file_name": name, **data.record(image)}))
            written()
    (out / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_hugging_face(data: DataSet, out: Path, written: OnImage) -> None:
    """Folders for `datasets.load_dataset`: `<split>/<class name>/<number>.png`, and a metadata.jsonl in each split."""
    folders = _folders(data)
    for split, images in data.splits().items():
        lines = []
        for image, pixels in data.pictures(images):
            name = f"{folders[int(data.labels[image])]}/{image:06d}.png"
            (out / split / name).parent.mkdir(parents=True, exist_ok=True)
            as_picture(pixels).save(out / split / name, "PNG")
            record = _typed(data.record(image)) | {"label": int(data.labels[image])}
            lines.append(to_json({"file_name": name, **record}))
            written()
        (out / split / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_arrays(data: DataSet, out: Path, written: OnImage) -> None:
    """A `<split>.npz` for each split: images uint8 (N, H, W) gray or (N, H, W, 3) RGB, labels and the rest; no pickles."""
    shape = data.runs[0].image_shape
    for split, images in data.splits().items():
        with zipfile.ZipFile(out / f"{split}.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, values in _columns(data, images).items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, values, allow_pickle=False)
            with archive.open("images.npy", "w", force_zip64=True) as file:
                _write_pictures(data, images, shape, file, written)


def check_one_shape(data: DataSet) -> None:
    """Raises ConfigError if the images are of several shapes, which one array cannot hold."""
    shapes = {run.image_shape: run.name for run in data.runs}
    if len(shapes) > 1:
        (one, first), (other, second), *_ = shapes.items()
        raise ConfigError(
            f"The images of {first} have the shape {one} and those of {second} {other} (channels, height, width), which no one "
            "array holds; export the runs one by one or as imagefolder."
        )


def _folders(data: DataSet) -> dict[int, str]:
    return folder_names({label: data.label_names[label] for label in np.unique(data.labels).tolist()})


def _typed(record: dict[str, Any]) -> dict[str, Any]:
    """The record as the reader takes it, which finds the types of columns in their values, the same in all splits.

    So nothing is null, and no list empty or number larger than int64: these are texts. The reader has its own splits.
    """
    texts = {name: " ".join(map(str, record[name])) for name in ("parents", "lineage")} | {"seed": str(record["seed"])}
    typed = {name: "" if value is None else value for name, value in (record | texts).items()}
    del typed["split"]
    return typed


def _columns(data: DataSet, images: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    runs, run, row = data.runs, data.run[images], data.row[images]
    places = list(zip(run.tolist(), row.tolist(), strict=True))
    return {
        "labels": data.labels[images],
        "class_names": np.array(data.label_names),
        "confidences": data.confidence[images],
        "groups": data.groups[images],
        "classes": np.array([runs[one].classes[place] for one, place in places], np.int64),
        "ids": np.array([runs[one].ids[place] for one, place in places], np.int64),
        "generations": np.array([runs[one].generation[place] for one, place in places], np.int64),
        "runs": run,
        "run_names": np.array([one.name for one in runs]),
        "run_models": np.array([one.model for one in runs]),
        "run_weights": np.array([one.weights_hash or "" for one in runs]),
        "run_seeds": np.array([one.seed for one in runs], np.uint64),
    }


def _write_pictures(
    data: DataSet, images: NDArray[np.int64], shape: tuple[int, int, int], file: IO[bytes], written: OnImage
) -> None:
    """One array, written as its pictures are drawn."""
    looks = shape[1:] if shape[0] == 1 else (*shape[1:], shape[0])
    header = {"descr": "|u1", "fortran_order": False, "shape": (len(images), *looks)}
    np.lib.format.write_array_header_1_0(file, header)
    for _, pixels in data.pictures(images):
        file.write(for_looking(pixels[None])[0].tobytes())
        written()
