"""What the rounds of a retraining came to, as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from neatfool.errors import RunError
from neatfool.experiments.retraining.state import rounds_done
from neatfool.runs import RunFolder, read_rows

Share = Annotated[float, Field(ge=0, le=1.001)]


@dataclass(frozen=True, kw_only=True)
class Round:
    """What a round came to. Round 0 measures the network as it was given; round k makes network k + 1 and measures it.

    Attributes:
        round: its number.
        test_error: share of held-out real images that the network gets wrong, those it calls fooling images included.
        false_alarms: share of held-out real images that it calls fooling images.
        caught: share of images evolved against its predecessor with other seeds, and never trained on, that it calls
            fooling images; None in round 0. Pictures that the training set happens to hold too are left out.
        caught_all: the same for the held-out images of all earlier rounds.
        median_confidence: in the images newly evolved against it, one for each real class (and encoding).
        mean_confidence, min_confidence: in the same images.
        classes_over_99, classes_over_9999: number of these images with a confidence of at least .99 and .9999.
        evaluations_to_99: images judged until their median reached 99 %; None if it never did. With both encodings, the
            fewer.
        encodings: for each encoding median_confidence, evaluations_to_99 and caught.
        fooling_images: fooling images in its training set.
        training_share: their share of it.
        loss: mean training loss of the last epoch; None in round 0.
        evaluations: images judged by evolutions since the start.
        seconds: time the round took.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(allow_inf_nan=False)

    round: int
    test_error: Share
    false_alarms: Share
    caught: Share | None
    caught_all: Share | None
    median_confidence: Share
    mean_confidence: Share
    min_confidence: Share
    classes_over_99: int
    classes_over_9999: int
    evaluations_to_99: int | None
    encodings: dict[str, dict[str, float | int | None]]
    fooling_images: int
    training_share: Share
    loss: float | None
    evaluations: int
    seconds: float


def read_rounds(folder: RunFolder) -> list[Round]:
    """The complete rounds in a folder.

    Raises:
        RunError: a file is missing or damaged.
    """
    done = rounds_done(folder)
    rows, source = read_rows(folder, done - 1), folder.path / "metrics.jsonl"
    if len(rows) != done:
        raise RunError(f"{source} has {len(rows)} lines for {done} rounds; the run folder is damaged.")
    rounds, kind = [], TypeAdapter(Round)
    for number, row in enumerate(rows):
        try:
            rounds.append(kind.validate_python({key: value for key, value in row.items() if key != "generation"}))
        except ValidationError as error:
            raise RunError(f"{source}, line {number + 1}, does not describe a round of retraining.") from error
    return rounds
