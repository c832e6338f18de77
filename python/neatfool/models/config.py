"""Which classifier a run is against, in the words of `load_classifier`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator

from neatfool.classifiers import Backend, Classifier, Precision
from neatfool.models.loading import as_classifier, load_classifier
from neatfool.models.naming import resolve_name
from neatfool.shared.settings import Settings


class ModelConfig(Settings):
    """The arguments of `load_classifier`."""

    name: Annotated[str, AfterValidator(resolve_name)] = "lenet-mnist"
    weights: str | None = None
    device: str = "auto"
    crops: Literal[1, 10] = 1
    backend: Backend = "torch"
    precision: Precision = "float32"
    labels: str | tuple[str, ...] | None = None

    def load(self) -> Classifier:
        """The classifier.

        Raises:
            ModelError: it cannot be loaded.
        """
        return load_classifier(
            self.name,
            weights=self.weights,
            device=self.device,
            crops=self.crops,
            backend=self.backend,
            precision=self.precision,
            labels=self.labels,
        )

    @classmethod
    def settle(cls, source: Classifier | ModelConfig | str) -> tuple[Classifier, ModelConfig]:
        """A classifier, and what would load it again, from either of them or from a name.

        Raises:
            ModelError: it cannot be loaded, or is no classifier.
        """
        if isinstance(source, ModelConfig):
            return source.load(), source
        classifier = as_classifier(source)
        return classifier, cls.of(classifier)

    @classmethod
    def of(cls, classifier: Classifier) -> ModelConfig:
        """What would load a classifier again, onto the device where it is."""
        return cls(
            name=classifier.source or classifier.name,
            weights=classifier.weights,
            device=str(classifier.device),
            crops=classifier.crops,
            backend=classifier.backend,
            precision=classifier.precision,
            labels=classifier.labels,
        )
