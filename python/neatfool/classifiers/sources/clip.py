"""Zero-shot classifiers of open_clip: `ViT-B-32` or `ViT-B-32/laion2b_s34b_b79k`, and a list of what there is to tell apart."""

import contextlib
import difflib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from neatfool.classifiers.building import Weights
from neatfool.classifiers.classifier import Classifier
from neatfool.classifiers.labels import Labels, read_labels
from neatfool.classifiers.layers import seeded
from neatfool.classifiers.preprocessing import Crops
from neatfool.classifiers.saving import stored_names
from neatfool.classifiers.sources.hub import hub_or_cache, why_not
from neatfool.classifiers.state_dict import StateDict, load_weights, own_names, read_weights
from neatfool.errors import ModelError
from neatfool.shared.text import reason

log = logging.getLogger(__name__)

TEMPLATE = "a photo of a {}."
"""The text that stands for a class."""

_TEXTS_AT_ONCE = 64
_HEAD = "head.weight"


class ZeroShot(nn.Module):
    """The image tower of CLIP, and how similar an image is to the text of each class.

    Args:
        visual: Maps images to features.
        texts: Features of the texts, of length 1, float32 (n_classes, n_features).
        scale: What their products are multiplied by.
        bias: What is added to them.
    """

    def __init__(self, visual: nn.Module, texts: Tensor, *, scale: float, bias: float) -> None:
        super().__init__()
        self.visual = visual
        n_classes, n_features = texts.shape
        self.head = nn.Linear(n_features, n_classes, bias=bias != 0)
        with torch.no_grad():
            self.head.weight.copy_(scale * texts)
            if bias:
                self.head.bias.fill_(bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, n_classes)."""
        features = self.visual(x)
        if isinstance(features, tuple):  # CoCa adds the features of each patch
            features = features[0]
        logits: Tensor = self.head(normalize(features, dim=-1))
        return logits


def load_clip(name: str, *, weights: Weights, device: str, crops: Crops, labels: Labels) -> Classifier:
    """The zero-shot classifier of some class names, see `load_classifier`.

    Raises:
        ModelError: open_clip is not installed, there is no such model, labels are missing, or weights cannot be fetched or
            do not fit.
    """
    clip = _open_clip()
    architecture, _, tag = name.partition("/")
    tag = _check_names(clip, architecture, tag)
    state, metadata = (None, {}) if weights is None or weights == "none" else read_weights(weights)
    is_ours = state is not None and _HEAD in state
    if labels is None and not is_ours:
        raise ModelError(
            f"clip:{name} needs to know the classes; pass a text file with one name a line: --labels FILE."
        )
    class_names = None if labels is None else read_labels(labels)
    published = clip.get_pretrained_cfg(architecture, tag) if tag else {}
    with _quiet(), hub_or_cache(), seeded(0):
        model = _build(clip, name, architecture, published, tag if weights is None else None)
        if state is None:
            if weights is not None:
                log.warning("clip:%s is untrained: its weights are random.", name)
        elif is_ours:
            module = _saved(model.visual, clip.get_model_config(architecture)["embed_dim"], state, str(weights))
            class_names = class_names or stored_names(metadata, module.head.out_features)
        else:
            load_weights(model, own_names(state, model), str(weights))
        if not is_ours:
            module = _zero_shot(clip, model, architecture, class_names or [])
    recipe = clip.get_model_preprocess_cfg(model) | {
        key: published[key] for key in ("mean", "std", "interpolation", "resize_mode") if published.get(key)
    }
    size = recipe["size"]
    side = size if isinstance(size, int) else min(size)
    return Classifier(
        module,
        input_size=size if isinstance(size, int) else (size[0], size[1]),
        resize_size=(side, side) if recipe["resize_mode"] == "squash" else side,
        interpolation=recipe["interpolation"],
        mean=recipe["mean"],
        std=recipe["std"],
        class_names=class_names,
        crops=crops,
        device=device,
        name=f"clip:{name}",
    )


def _open_clip() -> Any:
    try:
        import open_clip
    except ImportError as error:
        raise ModelError("Models named clip: need open_clip; install it with pip install 'neatfool[clip]'.") from error
    return open_clip


def _check_names(clip: Any, architecture: str, tag: str) -> str:
    """The tag of the weights, the first that was trained as the architecture says if none is given; "" if there are none.

    Raises:
        ModelError: There is no such architecture, or no such tag of it.
    """
    config = clip.get_model_config(architecture) if architecture in clip.list_models() else None
    if config is None:
        close = difflib.get_close_matches(architecture, clip.list_models(), n=3, cutoff=0.5)
        hint = f"close names are {', '.join(close)}" if close else "open_clip.list_models() lists all names"
        raise ModelError(f"open_clip has no model named {architecture!r}; {hint}.")
    tags: list[str] = clip.list_pretrained_tags_by_model(architecture)
    if not tag:
        quick = config.get("quick_gelu", False)
        alike = [one for one in tags if clip.get_pretrained_cfg(architecture, one).get("quick_gelu", False) == quick]
        return next(iter([*alike, *tags]), "")
    if tag not in tags:
        raise ModelError(
            f"open_clip has no weights {tag!r} of {architecture}; there are {', '.join(tags) or 'none'}, and --weights FILE "
            "takes others."
        )
    return tag


def _build(clip: Any, name: str, architecture: str, published: dict[str, Any], tag: str | None) -> Any:
    if tag == "":
        raise ModelError(f"open_clip has no weights of {architecture}; pass some with --weights FILE.")
    try:
        return clip.create_model(
            architecture,
            pretrained=tag,
            pretrained_text=False,
            force_quick_gelu=bool(published.get("quick_gelu")),
            weights_only=True,
        )
    except Exception as error:  # of open_clip, of the hub's client, of the network
        if tag is None:
            raise ModelError(f"clip:{name} cannot be built ({reason(error)}); choose another architecture.") from error
        hub = published.get("hf_hub")
        where = f"huggingface.co/{hub.strip('/')}" if hub else published.get("url") or "whoever has them"
        raise ModelError(
            f"The weights {tag} of {architecture} cannot be fetched ({why_not(error)}); fetch them from {where} and pass them "
            "with --weights FILE, or take an untrained network with --weights none."
        ) from error


def _saved(visual: nn.Module, n_features: int, state: StateDict, source: str) -> ZeroShot:
    """What was saved of a `ZeroShot`, such as a hardened one with one class more."""
    texts = state[_HEAD]
    n_classes = len(texts) if texts.ndim == 2 else 1
    module = ZeroShot(visual, torch.zeros(n_classes, n_features), scale=1, bias=float("head.bias" in state))
    load_weights(module, state, source)
    return module


def _zero_shot(clip: Any, model: Any, architecture: str, class_names: Sequence[str]) -> ZeroShot:
    model.eval()
    try:
        tokenise = clip.get_tokenizer(architecture)
    except Exception as error:  # some are on the hub
        raise ModelError(
            f"The tokeniser of clip:{architecture} cannot be fetched ({why_not(error)}); choose an architecture that "
            "comes with open_clip's own, such as ViT-B-32."
        ) from error
    texts = [TEMPLATE.format(name) for name in class_names]
    with torch.no_grad():
        features = [
            model.encode_text(tokenise(texts[start : start + _TEXTS_AT_ONCE]), normalize=True)
            for start in range(0, len(texts), _TEXTS_AT_ONCE)
        ]
    bias = getattr(model, "logit_bias", None)
    return ZeroShot(
        model.visual,
        torch.cat(features).float(),
        scale=float(model.logit_scale.detach().exp()),
        bias=0.0 if bias is None else float(bias.detach()),
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what open_clip logs as nobody's logger, such as that a network to be loaded from a file has no weights yet."""

    def mute(record: logging.LogRecord) -> bool:
        return Path(record.pathname).parent.name != "open_clip"

    root = logging.getLogger()
    root.addFilter(mute)
    try:
        yield
    finally:
        root.removeFilter(mute)
