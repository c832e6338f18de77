"""The data card: what a data set is, for people and for the hub of Hugging Face."""

from __future__ import annotations

import html
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from neatfool._core import __version__
from neatfool.experiments.export.dataset import MOST_ANCESTORS, DataSet
from neatfool.experiments.export.kinship import COMPARED_SIDE, NEAR
from neatfool.experiments.export.result import ExportResult
from neatfool.shared.text import percent, printable

_SPECIAL = re.compile(r"([\\`*_\[\]#|~:/@$]|(?<=www)\.)", re.IGNORECASE)
"""What Markdown, or a site that shows it, could take for markup or for a link."""

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))

_LAYOUTS = {
    "imagefolder": "Each split has a folder for each class with its images; `metadata.jsonl` has a line for each image.",
    "hf": "Each split has folders of images and a `metadata.jsonl` with a line for each.",
    "npz": "Each split is one file of arrays without pickles, with an image in each row.",
}
_RECORD_FIELDS = f"""\
Of each image: `label`; `class` and `class_name`, which it was made for, in the numbering of its model; `confidence` of the
model in that class; `model` and `weights_hash`; `run`, `command`, `encoding`, `strategy` and `seed`; the `generation` that
made it; its `id`, its `parents` and its `lineage`, the line of first parents from the nearest back, of at most
{MOST_ANCESTORS}, all of them numbers of individuals in the run; `group`, which never is in both splits."""
_FIELDS = {
    "imagefolder": f"{_RECORD_FIELDS} `split` says which it is in.",
    "hf": f"{_RECORD_FIELDS} What is not known is an empty text; `seed`, `parents` and `lineage` are texts.",
    "npz": """\
`images` is uint8 (N, H, W) gray or (N, H, W, 3) RGB; `labels` int64 are positions in `class_names`; `confidences` float32,
`groups`, `classes` (in the numbering of its model), `ids` and `generations` are of each image, and so is `runs`, its
position in `run_names`, `run_models`, `run_weights` and `run_seeds`. No group is in both files.""",
}
_LOADING = {
    "imagefolder": """\
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

as_tensor = v2.Compose([{gray}v2.ToImage(), v2.Resize({size}), v2.ToDtype(torch.float32, scale=True)])
# Both splits have the same folders. One may be empty.
{loads}
classes = len(train.classes)""",
    "hf": """\
from pathlib import Path

from datasets import load_dataset
from torchvision.transforms import v2

as_tensor = v2.Compose([v2.ToImage(), {gray}v2.Resize({size}), v2.ToDtype(torch.float32, scale=True)])
data = load_dataset(str(Path.cwd())).with_transform(
    lambda rows: {{"pairs": [(as_tensor(image.convert("RGB")), label) for image, label in zip(rows["image"], rows["label"])]}}
)
{loads}
classes = data["train"].features["label"].num_classes""",
    "npz": """\
import numpy as np


def pairs(file):
    with np.load(file) as data:
        images = torch.from_numpy(data["images"]).float() / 255
        images = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2)
        return list(zip(images, data["labels"].tolist())), len(data["class_names"])


{loads}""",
}
_LOAD = {
    "imagefolder": '{name} = ImageFolder("{name}", as_tensor, allow_empty=True)',
    "hf": '{name} = [row["pairs"] for row in data["{name}"]]',
    "npz": '{name}, classes = pairs("{name}.npz")',
}
_TRAINING = """\
import torch
from torch import nn

{loading}

network = nn.Sequential(nn.Flatten(), nn.LazyLinear(100), nn.ReLU(), nn.Linear(100, classes))
optimiser = torch.optim.Adam(network.parameters())
for epoch in range(10):
    for images, labels in torch.utils.data.DataLoader(train, batch_size=32, shuffle=True):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()
        optimiser.step()"""
_MEASURING = """

with torch.no_grad():
    right = sum(network(image[None]).argmax().item() == label for image, label in validation)
print(right, "of", len(validation), "right")"""


def write_card(result: ExportResult, path: Path, options: Mapping[str, Any]) -> None:
    """Writes README.md; whatever comes from runs is escaped.

    Args:
        result: the data set.
        path: the file to write.
        options: how it was asked for: label, validation, min_confidence and seed.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        finalize=lambda value: value if isinstance(value, Markup) else _escaped(str(value)),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    text = environment.get_template("card.md.j2").render(_values(result, options))
    path.write_text(text, encoding="utf-8")


def _values(result: ExportResult, options: Mapping[str, Any]) -> dict[str, Any]:
    data, form = result.data, result.form
    splits = {name: len(images) for name, images in data.splits().items()}
    confidence = data.confidence.astype(np.float64)
    sizes = sorted({run.image_shape for run in data.runs})
    kinds = {1: "gray", 3: "RGB"}
    left_out = (
        f"; {result.left_out:,} images below {options['min_confidence']:g} are left out" if result.left_out else ""
    )
    return {
        "header": Markup(_header(result, splits)),  # noqa: S704 - JSON texts, which are YAML too
        "form": form,
        "images": f"{len(data):,}",
        "evolved": all(run.command == "evolve" for run in data.runs),
        "version": __version__,
        "label": (
            "the class that each image was made for"
            if options["label"] == "class"
            else "all images have one, that of a class for fooling images after those of the models"
        ),
        "sizes": ", ".join(f"{width} x {height} pixels, {kinds[channels]}" for channels, height, width in sizes),
        "lowest": percent(float(confidence.min())),
        "highest": percent(float(confidence.max())),
        "mean": percent(float(confidence.mean())),
        "left_out": left_out,
        "runs": [
            {
                "name": run.name,
                "command": run.command,
                "model": run.model,
                "weights": run.weights_hash or "unknown",
                "encoding": run.encoding or "",
                "strategy": run.strategy or "",
                "seed": run.seed,
                "images": len(rows),
            }
            for run, rows in zip(data.runs, data.chosen, strict=True)
        ],
        "command": Markup(_command(result, options)),  # noqa: S704 - one indented line, in which Markdown escapes nothing
        "split": "; ".join(f"{name}: {count:,} images" for name, count in splits.items()) + ".",
        "splits": list(splits),
        "side": COMPARED_SIDE,
        "near": NEAR,
        "groups": f"{int(data.groups.max()) + 1:,}",
        "largest": f"{int(np.bincount(data.groups).max()):,}",
        "seed": options["seed"],
        "share": f"{options['validation']:g}",
        "notes": result.notes,
        "layout": Markup(_LAYOUTS[form]),  # noqa: S704 - ours
        "fields": Markup(_FIELDS[form]),  # noqa: S704 - ours
        "code": Markup(_code(data, form, list(splits))),  # noqa: S704 - ours
        "classes": list(_class_rows(data)),
    }


def _header(result: ExportResult, splits: Mapping[str, int]) -> str:
    """YAML. A text in JSON is one in YAML too."""
    size = next((name for most, name in _SIZES if len(result.data) < most), "n>1M")
    lines = [
        "pretty_name: Fooling images",
        "task_categories:",
        "- image-classification",
        "size_categories:",
        f"- {size}",
        "tags:",
        "- adversarial",
        "- fooling-images",
        "- neatfool",
    ]
    if result.form == "hf":
        features = _features(result.data.label_names)
        # The hub reads the former, `load_dataset` the latter.
        lines += ["dataset_info:", "  features:", *(f"  {line}" for line in features)]
        lines += [
            "configs:",
            "- config_name: default",
            "  features:",
            *(f"  {line}" for line in features),
            "  data_files:",
        ]
        for name in splits:
            lines += [f"  - split: {name}", f"    path: {name}/**"]
    return "\n".join(lines)


def _features(label_names: Sequence[str]) -> list[str]:
    """The types of the columns in YAML."""
    names = [f"        '{number}': {json.dumps(name, ensure_ascii=False)}" for number, name in enumerate(label_names)]
    label = ["- name: label", "  dtype:", "    class_label:", "      names:", *names]
    others = [line for name, kind in _COLUMNS.items() for line in (f"- name: {name}", f"  dtype: {kind}")]
    return ["- name: image", "  dtype: image", *label, *others]


_COLUMNS = {
    "class": "int64",
    "class_name": "string",
    "confidence": "float64",
    "model": "string",
    "weights_hash": "string",
    "run": "string",
    "command": "string",
    "encoding": "string",
    "strategy": "string",
    "seed": "string",
    "generation": "int64",
    "id": "int64",
    "parents": "string",
    "lineage": "string",
    "group": "int64",
}


def _command(result: ExportResult, options: Mapping[str, Any]) -> str:
    given = {"as": result.form, **options}
    words = ["neatfool", "export", *(run.name for run in result.data.runs)]
    words += [word for key, value in given.items() for word in (f"--{key.replace('_', '-')}", str(value))]
    return printable(shlex.join([*words, "--out", result.out.resolve().name])).replace("\n", " ")


def _code(data: DataSet, form: str, splits: list[str]) -> str:
    channels, height, width = data.runs[0].image_shape
    gray = "v2.Grayscale(), " if channels == 1 else ""
    loads = "\n".join(_LOAD[form].format(name=name) for name in splits)
    loading = _LOADING[form].format(gray=gray, size=(height, width), loads=loads)
    return _TRAINING.format(loading=loading) + (_MEASURING if "validation" in splits else "")


def _class_rows(data: DataSet) -> Iterator[dict[str, Any]]:
    counts = {name: np.bincount(data.labels[images], minlength=1) for name, images in data.splits().items()}
    for label in np.unique(data.labels).tolist():
        own = [int(count[label]) if label < len(count) else 0 for count in counts.values()]
        yield {"name": data.label_names[label], "number": label, "counts": own}


def _escaped(text: str) -> Markup:
    """Text that Markdown shows as it is."""
    line = " ".join(printable(text).split())
    return Markup(_SPECIAL.sub(r"\\\1", html.escape(line, quote=False)))  # noqa: S704 - escaped just now
