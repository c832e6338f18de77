"""Files of torch.export, whose loading unpickles parts of them: it may run code of whoever made one."""

from typing import Any

import torch

from neatfool.classifiers.building import Weights
from neatfool.classifiers.classifier import Classifier
from neatfool.classifiers.devices import default_chunk
from neatfool.classifiers.preprocessing import Crops
from neatfool.classifiers.sources.files import (
    FileNetwork,
    check_model_file,
    digest_of,
    make_classifier,
    read_description,
    settle_input,
)
from neatfool.errors import ModelError
from neatfool.shared.text import reason


def load_exported(name: str, *, weights: Weights, device: str, crops: Crops) -> Classifier:
    """A program that `torch.export.save` wrote, see `load_classifier`. A batch size that it fixes becomes the chunk.

    Raises:
        ModelError: The file cannot be loaded, or does not do what its description says.
    """
    path = check_model_file(name, weights)
    said = read_description(path)
    extra = {"class_names": ""}
    try:
        program = torch.export.load(path, extra_files=extra)
        network = program.module()
        shape = _input_shape(program)
    except Exception as error:
        raise ModelError(
            f"{path} cannot be loaded as an exported program ({reason(error)}); write it with torch.export.save."
        ) from error
    if shape is None:
        raise ModelError(
            f"{path.name} takes other inputs than one batch of images; export a module that takes that alone."
        )
    taken = settle_input(path, [side if isinstance(side, int) else None for side in shape], said)
    least, most = _batch_range(program, shape[0])
    module = FileNetwork(network, digest_of([path]), least=least, most=most)
    chunk = most if (most and most <= default_chunk(taken.size, torch.device("cpu"))) or least == most else None
    return make_classifier(path, module, taken, said, metadata=extra, device=device, crops=crops, chunk=chunk)


def _input_shape(program: torch.export.ExportedProgram) -> Any:
    """The shape of the only input, symbols where it may vary; None if there are others."""
    names = program.graph_signature.user_inputs
    values = [node.meta["val"] for node in program.graph.nodes if node.op == "placeholder" and node.name in names]
    return values[0].shape if len(names) == len(values) == 1 and isinstance(values[0], torch.Tensor) else None


def _batch_range(program: torch.export.ExportedProgram, size: Any) -> tuple[int, int | None]:
    """The smallest and the largest batch that a program takes."""
    if isinstance(size, int):
        return size, size
    found = program.range_constraints.get(size.node.expr)
    lower, upper = (1, None) if found is None else (found.lower, found.upper)
    return max(int(lower), 1), int(upper) if upper is not None and upper < 2**31 else None
