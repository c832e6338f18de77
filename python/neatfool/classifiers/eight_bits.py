"""A classifier in eight bits, to judge roughly and fast: quantised by NNCF, run by OpenVINO."""

from __future__ import annotations

import logging
import os
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from neatfool.classifiers.backends import openvino_forward, openvino_graph, openvino_parts
from neatfool.classifiers.classifier import Classifier
from neatfool.errors import ModelError
from neatfool.shared.text import reason

_LEAST_CHUNK = 20
"""Images in a pass, as 5 each in 4 parts are a tenth faster in eight bits than one each."""


class EightBits(NamedTuple):
    """A quantised graph as OpenVINO writes it."""

    xml: bytes
    weights: bytes


def quantise(classifier: Classifier, images: npt.NDArray[np.uint8]) -> EightBits:
    """The network of a classifier, its preprocessing included, in eight bits.

    By NNCF's post-training quantisation (Jacob et al. 2018), with ranges of activations from the lowest to the highest seen:
    NNCF's default leaves out what is rare, and fooling images are made of that. The same images give the same network.

    Args:
        classifier: one on the CPU.
        images: what the ranges are taken from, uint8 (N, channels, *image_size); larger ones are cropped at the centre.

    Raises:
        ModelError: NNCF or OpenVINO is not installed, or cannot take this network.
    """
    # NNCF sends a message over the network whenever it is used, unless this says that it runs in a test.
    os.environ.setdefault("NNCF_CI", "1")
    try:
        import nncf
        import openvino
        from nncf.quantization.range_estimator import RangeEstimatorParametersSet
    except ImportError as error:
        raise ModelError(
            f"{classifier.name}: eight bits need NNCF and OpenVINO, which are not installed; run pip install "
            "'neatfool[int8]'."
        ) from error
    part = _part(_chunk(classifier))
    pixels = classifier.centre(torch.from_numpy(images)).numpy()
    # Images are repeated where they do not fill the last part.
    batches = pixels[np.arange(-(-len(pixels) // part) * part) % len(pixels)].reshape(-1, part, *pixels.shape[1:])
    graph = openvino_graph(classifier.forward, classifier.module, torch.from_numpy(batches[0]), classifier.name)
    nncf.set_log_level(logging.ERROR)
    try:
        with redirect_stdout(StringIO()), TemporaryDirectory() as folder:
            graph.reshape(list(batches[0].shape))
            quantised = nncf.quantize(
                graph,
                nncf.Dataset(batches),
                subset_size=len(batches),
                advanced_parameters=nncf.AdvancedQuantizationParameters(
                    activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
                    disable_bias_correction=True,  # changes nothing here, and takes as long as the rest
                ),
            )
            path = Path(folder) / "graph.xml"
            openvino.save_model(quantised, path, compress_to_fp16=False)
            return EightBits(path.read_bytes(), path.with_suffix(".bin").read_bytes())
    except Exception as error:
        raise ModelError(f"NNCF cannot quantise {classifier.name} ({reason(error)}).") from error


def in_eight_bits(classifier: Classifier, network: EightBits) -> Classifier:
    """A classifier like another one, whose confidences are those of its network in eight bits.

    Args:
        classifier: one on the CPU.
        network: what `quantise` made of it.

    Raises:
        ModelError: OpenVINO is not installed, or cannot run this network.
    """
    chunk = _chunk(classifier)
    part = _part(chunk)
    try:
        import openvino

        core = openvino.Core()
        graph = core.read_model(network.xml, network.weights)
        inputs, outputs = ([list(one.shape) for one in ends] for ends in (graph.inputs, graph.outputs))
        if (inputs, outputs) != ([[part, classifier.channels, *classifier.input_size]], [[part, classifier.n_classes]]):
            raise ModelError("")
        requests = _requests(core, graph, chunk // part)
    except Exception as error:
        raise ModelError(f"OpenVINO cannot run {classifier.name} in eight bits ({reason(error)}).") from error
    rough = classifier.with_module(classifier.module, classifier.class_names, chunk=chunk)
    rough.run_by(openvino_forward(requests))
    return rough


def _chunk(classifier: Classifier) -> int:
    """Images in a pass of a classifier's network in eight bits."""
    return max(classifier.chunk, _LEAST_CHUNK)


def _part(chunk: int) -> int:
    """Those of them that one thread looks at."""
    return chunk // openvino_parts(chunk)


def _requests(core: Any, graph: Any, count: int) -> list[Any]:
    """Requests that each run a graph on one thread, side by side.

    A graph in eight bits that OpenVINO (2026.4) compiles for several streams now and then comes out wrong, so it is
    compiled once a thread.
    """
    settings = {
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": 1,
        "ENABLE_CPU_PINNING": False,  # all would go to the same core
        "INFERENCE_PRECISION_HINT": "bf16",  # of what is not in eight bits
    }
    copies = [core.compile_model(graph, "CPU", settings) for _ in range(min(count, torch.get_num_threads()))]
    return [copies[number % len(copies)].create_infer_request() for number in range(count)]
