"""Training the built-in networks from scratch."""

from torch import Tensor

from neatfool.classifiers import Classifier
from neatfool.classifiers.layers import seeded
from neatfool.data import LabelledImages
from neatfool.errors import ModelError
from neatfool.models.builtin import DIGITS, MNIST_MODELS, mnist_classifier
from neatfool.models.density import DensityModel, fit_density
from neatfool.training.evaluation import accuracy
from neatfool.training.loop import Epoch, Progress, TrainingSettings, check_training_images, fit


def train_classifier(
    model: str,
    images: Tensor,
    labels: Tensor,
    *,
    settings: TrainingSettings | None = None,
    test: LabelledImages | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> tuple[Classifier, list[Epoch]]:
    """Trains a built-in network from scratch.

    Args:
        model: "lenet-mnist", "mlp-mnist" or "density-mnist".
        images: uint8 (N, 1, 28, 28).
        labels: Integers (N,) in 0 to 9.
        settings: The recipe; the one above if None. A density model is fitted in another way (see `fit_density`) and looks
            only at `epochs`, here iterations of expectation-maximisation, and `seed`.
        test: Images to measure the accuracy on after every epoch.
        device: "auto", "cpu", "cuda" or "cuda:i".
        progress: Called after every epoch.

    Returns:
        The classifier, and what every epoch came to.

    Raises:
        ConfigError: There are too few images for a density model, or none of some class.
        ModelError: The model has another name.
        ValueError: Images or labels have a wrong shape, type or range.
    """
    if model not in MNIST_MODELS:
        raise ModelError(f"Only {', '.join(MNIST_MODELS)} can be trained from scratch here, not {model!r}.")
    settings = settings or TrainingSettings()
    with seeded(settings.seed):
        module = MNIST_MODELS[model](len(DIGITS))
    classifier = mnist_classifier(model, module, class_names=DIGITS, device=device)
    if isinstance(module, DensityModel):
        return classifier, _fit_density(classifier, module, images, labels, settings, test, progress)
    return classifier, fit(classifier, images, labels, settings=settings, test=test, progress=progress)


def _fit_density(
    classifier: Classifier,
    module: DensityModel,
    images: Tensor,
    labels: Tensor,
    settings: TrainingSettings,
    test: LabelledImages | None,
    progress: Progress | None,
) -> list[Epoch]:
    check_training_images(classifier, images, labels)
    history = []

    def on_epoch(epoch: int, bits: float) -> None:
        history.append(Epoch(epoch, bits, accuracy(classifier, test).top1 if test else None))
        if progress:
            progress(history[-1])

    fit_density(module, images, labels, epochs=settings.epochs, seed=settings.seed, on_epoch=on_epoch)
    return history
