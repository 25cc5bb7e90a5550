"""Measuring how well whole pictures are read: numbers and pages, scored by what `Recognizer.read` answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.datasets import folder
from inkdigits.errors import DatasetError, ImageError
from inkdigits.evaluation import Rejected, metrics

if TYPE_CHECKING:
    from inkdigits.datasets.texts import TextDataset
    from inkdigits.reading import Reading
    from inkdigits.recognizer import Recognizer

Told = Callable[[int, int], None]
"""Told (how many pictures are read, of how many)."""


@dataclass(frozen=True, eq=False)
class TextEvaluation:
    """How well a model reads pictures of numbers.

    Attributes:
        model: the model's name.
        dataset: the dataset's name.
        dataset_sha256: of the dataset's content.
        n: pictures.
        errors: pictures whose text is not exactly the label, with its spaces and line breaks.
        accuracy: share of the others.
        confidence_interval: 95 % interval of the accuracy (Wilson).
        accuracy_of_digits: share of pictures whose digits are right and in order, however they are grouped.
        characters: digits in all labels.
        character_errors: the fewest digits to change, add or remove to make every answer right; spaces and line breaks
            are not counted.
        character_error_rate: errors per digit of the labels; above 1 where much is read that is not there.
        character_error_interval: 95 % interval of the rate (Wilson), as if digits were right or wrong independently of
            each other. Within a picture they are not: the true one is somewhat wider.
        rejected: the effect of the reject threshold: a picture is rejected when one of its digits is, or when its
            reading has a reason not to be trusted.
        labels: what the pictures show.
        answers: what was read.
        distances: (n,) int64, the character errors of each.
        is_rejected: (n,) bool.
        paths: of the pictures, as they are named to people.
        files: of the pictures.
    """

    model: str
    dataset: str
    dataset_sha256: str
    n: int
    errors: int
    accuracy: float
    confidence_interval: tuple[float, float]
    accuracy_of_digits: float
    characters: int
    character_errors: int
    character_error_rate: float
    character_error_interval: tuple[float, float]
    rejected: Rejected
    labels: tuple[str, ...] = field(repr=False)
    answers: tuple[str, ...] = field(repr=False)
    distances: NDArray[np.int64] = field(repr=False)
    is_rejected: NDArray[np.bool_] = field(repr=False)
    paths: tuple[str, ...] = field(repr=False)
    files: tuple[Path, ...] = field(repr=False)

    @property
    def mistakes(self) -> list[int]:
        """The indices of the pictures read wrong, the worst first: by character errors, then in the dataset's order."""
        wrong = [index for index in range(self.n) if self.answers[index] != self.labels[index]]
        return sorted(wrong, key=lambda index: -int(self.distances[index]))

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values; what is not known (nan) becomes None."""
        return {
            "model": self.model,
            "dataset": self.dataset,
            "dataset_sha256": self.dataset_sha256,
            "n": self.n,
            "accuracy": self.accuracy,
            "errors": self.errors,
            "confidence_interval": list(self.confidence_interval),
            "accuracy_of_digits": self.accuracy_of_digits,
            "characters": self.characters,
            "character_errors": self.character_errors,
            "character_error_rate": self.character_error_rate,
            "character_error_interval": list(self.character_error_interval),
            "rejected": self.rejected.to_dict(),
            "mistakes": [self._mistake(index) for index in self.mistakes],
        }

    def _mistake(self, index: int) -> dict[str, Any]:
        return {
            "index": index,
            "path": self.paths[index],
            "label": self.labels[index],
            "text": self.answers[index],
            "character_errors": int(self.distances[index]),
            "rejected": bool(self.is_rejected[index]),
        }


def evaluate_texts(
    recognizer: Recognizer, data: TextDataset, *, report: Path | None = None, told: Told | None = None
) -> TextEvaluation:
    """Measure a model on pictures of numbers.

    Args:
        recognizer: the model.
        data: the pictures; at least one.
        report: a folder to write the report into, as one self-contained `index.html`; made when missing.
        told: is told of progress.

    Raises:
        DatasetError: files are no pictures; they are named, after all have been looked at.
    """
    readings, faults = [], []
    for file, name in zip(data.files, data.paths, strict=True):
        try:
            readings.append(recognizer.read(file))
        except ImageError as error:
            faults.append(f"{name}: {error}")
        if told:
            told(len(readings) + len(faults), len(data))
    if faults:
        what = f"{len(faults)} of the {len(data)} pictures of {data.name} cannot be read"
        raise DatasetError(folder.several(what, faults))
    answers = tuple(reading.text for reading in readings)
    pairs = [(digits_of(label), digits_of(answer)) for label, answer in zip(data.labels, answers, strict=True)]
    distances = np.array([metrics.edit_distance(*pair) for pair in pairs], np.int64)
    exact = np.array([answer == label for answer, label in zip(answers, data.labels, strict=True)])
    refused = np.array([_is_rejected(reading) for reading in readings])
    n, right, wrong = len(data), int(exact.sum()), int(distances.sum())
    characters = sum(len(expected) for expected, _ in pairs)
    result = TextEvaluation(
        model=recognizer.card.name,
        dataset=data.name,
        dataset_sha256=data.sha256,
        n=n,
        errors=n - right,
        accuracy=right / n,
        confidence_interval=metrics.wilson_interval(right, n),
        accuracy_of_digits=float((distances == 0).mean()),
        characters=characters,
        character_errors=wrong,
        character_error_rate=wrong / characters,
        character_error_interval=metrics.wilson_interval(min(wrong, characters), characters),
        rejected=Rejected.of(recognizer.page_threshold, refused, exact),
        labels=data.labels,
        answers=answers,
        distances=distances,
        is_rejected=refused,
        paths=data.paths,
        files=data.files,
    )
    if report is not None:
        from inkdigits.evaluation.text_report import write_report

        write_report(report, result)
    return result


def digits_of(text: str) -> str:
    """The digits of a text in reading order, without what groups them."""
    return re.sub("[^0-9]", "", text)


def _is_rejected(reading: Reading) -> bool:
    digits = (digit for line in reading.lines for number in line.numbers for digit in number.digits)
    return reading.reason is not None or any(digit.rejected for digit in digits)
