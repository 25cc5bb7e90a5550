"""Measuring a model: `evaluate` it on labelled pictures, get an `Evaluation`, and a report to read if wanted.

What is scored is exactly what `Recognizer.classify` answers: the deployed graph with its own preprocessing and
calibration, not the network alone. Pictures labelled with numbers or pages of them are scored by what
`Recognizer.read` answers, in a `TextEvaluation`.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from inkdigits import files
from inkdigits.bundle import Bundle
from inkdigits.datasets import Dataset, load_dataset
from inkdigits.datasets.texts import load_texts
from inkdigits.errors import InkdigitsError
from inkdigits.evaluation import metrics
from inkdigits.recognizer import WEIGHTS, Recognizer, load, located

if TYPE_CHECKING:
    from inkdigits.evaluation.texts import TextEvaluation, Told
    from inkdigits.runtimes import Answers

EVALUATION_FILE = "evaluation.json"
_MNIST_TEST = "1d3fb8aab0c514e2a44d766d96158ad621493ec93ef375016fe5b33f4f88d173"  # the content's SHA-256

__all__ = ["EVALUATION_FILE", "Candidates", "Evaluation", "Rejected", "evaluate"]


@dataclass(frozen=True)
class Rejected:
    """What the reject threshold did.

    Attributes:
        threshold: answers below this confidence, and blank pictures, are rejected.
        count: how many were.
        share: of all images.
        errors: how many of the rejected were wrong answers, so that rejecting them was right.
        accuracy_of_accepted: among the others; nan when all were rejected.
    """

    threshold: float
    count: int
    share: float
    errors: int
    accuracy_of_accepted: float

    @classmethod
    def of(cls, threshold: float, refused: NDArray[np.bool_], correct: NDArray[np.bool_]) -> Rejected:
        """From which of N > 0 answers were refused, and which were right, both (N,)."""
        accepted = correct[~refused]
        return cls(
            threshold=float(threshold),
            count=int(refused.sum()),
            share=float(refused.mean()),
            errors=int((refused & ~correct).sum()),
            accuracy_of_accepted=float(accepted.mean()) if len(accepted) else math.nan,
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values; what is not known (nan) becomes None."""
        return asdict(self) | {"accuracy_of_accepted": _known(self.accuracy_of_accepted)}


@dataclass(frozen=True)
class Candidates:
    """What the conformal sets kept of their promise.

    Attributes:
        threshold: digits of at least this probability are candidates.
        promised: the coverage that the threshold was fitted for.
        coverage: the measured share of images whose true digit is among the candidates.
        mean_size: digits per set.
        sizes: how many sets have 1, 2, ... 10 digits.
    """

    threshold: float
    promised: float
    coverage: float
    mean_size: float
    sizes: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How well a model does on a dataset.

    Attributes:
        model: the model's name.
        dataset: the dataset's name.
        dataset_sha256: of the dataset's content.
        trained_on: whether these are the images the model learned from; then this is no measure of how well it reads.
        n: images.
        errors: wrong answers among them, rejected or not.
        accuracy: share of right answers.
        confidence_interval: 95 % interval of the accuracy (Wilson).
        confusion: (10, 10) int64, a row per true digit, a column per answer.
        per_class: precision, recall, F1, support of each digit.
        curves: a precision-recall curve per digit.
        micro: the curve over all images and digits together.
        negative_log_likelihood: in nats.
        reliability: confidence against accuracy in bins.
        coverage: accuracy against the share of images answered.
        rejected: the effect of the reject threshold.
        candidates: the conformal sets.
        parameters: how many numbers the network holds.
        labels: (N,) the true digits.
        probabilities: (N, 10) float32, what the model answered.
        confidences: (N,) float32, how sure it was: that there is a digit, and that it is the one answered.
        seen: (N, 28, 28) float32, what the model saw: 0.0 paper, 1.0 ink.
        is_rejected: (N,) bool.
        paths: of the pictures, where the dataset has them.
    """

    model: str
    dataset: str
    dataset_sha256: str
    trained_on: bool
    n: int
    errors: int
    accuracy: float
    confidence_interval: tuple[float, float]
    confusion: NDArray[np.int64]
    per_class: tuple[metrics.ClassScore, ...]
    curves: tuple[metrics.Curve, ...]
    micro: metrics.Curve
    negative_log_likelihood: float
    reliability: metrics.Reliability
    coverage: metrics.Coverage
    rejected: Rejected
    candidates: Candidates
    parameters: int
    labels: NDArray[np.uint8] = field(repr=False)
    probabilities: NDArray[np.float32] = field(repr=False)
    confidences: NDArray[np.float32] = field(repr=False)
    seen: NDArray[np.float32] = field(repr=False)
    is_rejected: NDArray[np.bool_] = field(repr=False)
    paths: tuple[str, ...] | None = field(default=None, repr=False)

    @property
    def predictions(self) -> NDArray[np.int64]:
        """(N,) the digits answered."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @property
    def mistakes(self) -> NDArray[np.int64]:
        """The indices of the images answered wrong, in the dataset's order."""
        return np.flatnonzero(self.predictions != self.labels)

    @property
    def macro_average_precision(self) -> float:
        """The mean average precision of the digits that occur."""
        found = [curve.average_precision for curve in self.curves if not math.isnan(curve.average_precision)]
        return float(np.mean(found))

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values; what is not known (nan) becomes None."""
        return {
            "model": self.model,
            "dataset": self.dataset,
            "dataset_sha256": self.dataset_sha256,
            "trained_on": self.trained_on,
            "n": self.n,
            "accuracy": self.accuracy,
            "errors": self.errors,
            "confidence_interval": list(self.confidence_interval),
            "confusion_matrix": self.confusion.tolist(),
            "per_class": [asdict(score) for score in self.per_class],
            "average_precision": {
                "per_class": [_known(curve.average_precision) for curve in self.curves],
                "micro": self.micro.average_precision,
                "macro": self.macro_average_precision,
            },
            "negative_log_likelihood": self.negative_log_likelihood,
            "expected_calibration_error": self.reliability.expected_calibration_error,
            "reliability": self._reliability_rows(),
            "coverage_curve": [
                dict(zip(("coverage", "accuracy", "threshold"), self.coverage.at(share), strict=True))
                for share in metrics.COVERAGES
            ],
            "rejected": self.rejected.to_dict(),
            "candidates": asdict(self.candidates) | {"sizes": list(self.candidates.sizes)},
            "parameters": self.parameters,
            "mistakes": [self._mistake(int(index)) for index in self.mistakes],
        }

    def _reliability_rows(self) -> list[dict[str, Any]]:
        bins = self.reliability
        return [
            {
                "low": float(bins.edges[i]),
                "high": float(bins.edges[i + 1]),
                "count": int(bins.counts[i]),
                "confidence": _known(float(bins.confidence[i])),
                "accuracy": _known(float(bins.accuracy[i])),
            }
            for i in range(len(bins.counts))
        ]

    def _mistake(self, index: int) -> dict[str, Any]:
        row = {
            "index": index,
            "label": int(self.labels[index]),
            "prediction": int(self.predictions[index]),
            "probabilities": [float(value) for value in self.probabilities[index]],
            "rejected": bool(self.is_rejected[index]),
        }
        return row | ({"path": self.paths[index]} if self.paths else {})


@overload
def evaluate(
    bundle: str | Path | Bundle | Recognizer,
    dataset: Dataset | Literal["mnist"] = "mnist",
    *,
    report: Path | None = None,
    told: Told | None = None,
) -> Evaluation: ...


@overload
def evaluate(
    bundle: str | Path | Bundle | Recognizer,
    dataset: str | Path | Dataset,
    *,
    report: Path | None = None,
    told: Told | None = None,
) -> Evaluation | TextEvaluation: ...


def evaluate(
    bundle: str | Path | Bundle | Recognizer,
    dataset: str | Path | Dataset = "mnist",
    *,
    report: Path | None = None,
    told: Told | None = None,
) -> Evaluation | TextEvaluation:
    """Measure a model on labelled pictures.

    A bundle folder that was measured on all of MNIST's test images keeps the result in its `evaluation.json`.

    Args:
        bundle: a bundled model's name, a bundle folder, an `.onnx` file, or what was loaded from one.
        dataset: "mnist" (its test images), a folder or file of your own, or a Dataset. The pictures of a folder are
            answered from their files, as `classify` does, or as `read` does when their labels have several digits.
        report: a folder to write the report into, as one self-contained `index.html`; made when missing.
        told: is told (done, of how many) while pictures of numbers are read.

    Returns:
        An Evaluation; for labels of several digits a TextEvaluation.

    Raises:
        BundleError: the model cannot be loaded.
        DatasetError: the dataset cannot, or pictures in it; they are named.
        InkdigitsError: the dataset is empty.
        MissingExtraError: a report is wanted and the `train` extra is not installed.
    """
    recognizer, opened = _open(bundle)
    if not isinstance(dataset, Dataset) and (texts := load_texts(dataset)) is not None:
        from inkdigits.evaluation.texts import evaluate_texts

        return evaluate_texts(recognizer, texts, report=report, told=told)
    data = dataset if isinstance(dataset, Dataset) else load_dataset(dataset, "test")
    if not len(data):
        raise InkdigitsError(f"Expected labelled digits to measure on. Received: {data.name}, which is empty.")
    answers = _answer(recognizer, data, None if isinstance(dataset, Dataset) else Path(dataset))
    result = _measure(recognizer, data, answers)
    if report is not None:
        from inkdigits.evaluation.report import write_report

        write_report(report, result, opened)
    if opened is not None and data.sha256 == _MNIST_TEST and not _ours(opened.folder):
        text = json.dumps(result.to_dict(), ensure_ascii=False, allow_nan=False, indent=1)
        files.write_atomically(opened.folder / EVALUATION_FILE, text + "\n")
    return result


def _open(bundle: str | Path | Bundle | Recognizer) -> tuple[Recognizer, Bundle | None]:
    """The recognizer to measure, and its bundle where there is one (an `.onnx` file alone has none)."""
    if isinstance(bundle, Recognizer):
        return bundle, None
    if isinstance(bundle, Bundle):
        return load(bundle.folder), bundle
    recognizer, folder = load(bundle), located(bundle)
    return recognizer, Bundle.load(folder) if folder.is_dir() else None


def _ours(folder: Path) -> bool:
    """Whether a bundle is part of the installed package, where users' results do not belong."""
    return WEIGHTS.resolve() in folder.resolve().parents


def _answer(recognizer: Recognizer, data: Dataset, source: Path | None) -> Answers:
    """Answer the pictures themselves where their files are known, else the images of the dataset."""
    if data.paths is None or source is None:
        return recognizer.answer(data.images)
    source = source.expanduser()
    root = source.parent if source.is_file() else source
    if not (root / data.paths[0]).is_file():  # a folder with splits: paths count from the split's folder
        root = root / "test"
    return recognizer.answer([root / path for path in data.paths])


def _measure(recognizer: Recognizer, data: Dataset, answers: Answers) -> Evaluation:
    probabilities = answers.probabilities
    predictions, confidences = probabilities.argmax(axis=1), answers.confidences
    correct = predictions == data.labels
    hits, n = int(correct.sum()), len(data)
    refused = (confidences.astype(np.float64) < recognizer.reject_threshold) | ~answers.seen.any(axis=(1, 2))
    confusion = metrics.confusion_matrix(data.labels, predictions)
    curves, micro = metrics.digit_curves(data.labels, probabilities)
    return Evaluation(
        model=recognizer.card.name,
        dataset=data.name,
        dataset_sha256=data.sha256,
        trained_on=data.sha256 == recognizer.card.data["sha256"],
        n=n,
        errors=n - hits,
        accuracy=hits / n,
        confidence_interval=metrics.wilson_interval(hits, n),
        confusion=confusion,
        per_class=metrics.class_scores(confusion),
        curves=curves,
        micro=micro,
        negative_log_likelihood=metrics.negative_log_likelihood(data.labels, probabilities),
        reliability=metrics.reliability(confidences, correct),
        coverage=metrics.coverage_curve(confidences, correct),
        rejected=Rejected.of(recognizer.reject_threshold, refused, correct),
        candidates=_candidates(recognizer, data.labels, probabilities),
        parameters=recognizer.card.parameters,
        labels=data.labels,
        probabilities=probabilities,
        confidences=confidences,
        seen=answers.seen,
        is_rejected=refused,
        paths=data.paths,
    )


def _candidates(recognizer: Recognizer, labels: NDArray[np.uint8], probabilities: NDArray[np.float32]) -> Candidates:
    # What calibration.candidates does, for all rows at once (a test holds the two together).
    values = probabilities.astype(np.float64)
    card = recognizer.card
    chosen = values >= np.minimum(card.conformal_threshold, values.max(axis=1, keepdims=True))
    sizes = chosen.sum(axis=1)
    return Candidates(
        threshold=float(card.conformal_threshold),
        promised=float(card.coverage),
        coverage=float(chosen[np.arange(len(labels)), labels.astype(np.int64)].mean()),
        mean_size=float(sizes.mean()),
        sizes=tuple(int(count) for count in np.bincount(sizes, minlength=11)[1:]),
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
