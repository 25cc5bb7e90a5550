"""A recognizer that answers what a test wrote down, and the evaluation of it: no network, no training."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.card import FORMAT, Card
from inkdigits.datasets import Dataset
from inkdigits.evaluation import Evaluation, evaluate
from inkdigits.recognizer import Recognizer
from inkdigits.runtimes import Answers


class Script:
    """A runtime that gives row i of `probabilities` to a picture whose top left pixel is i."""

    name = "script"

    def __init__(self, probabilities: NDArray[np.float32], digitness: float = 1.0) -> None:
        self.probabilities, self.digitness = probabilities, digitness

    def answer(self, pixels: NDArray[np.uint8]) -> Answers:
        rows = pixels.reshape(len(pixels), -1)[:, 0].astype(int)
        seen = pixels.astype(np.float32) / np.float32(255)
        digitness = np.full(len(pixels), self.digitness, np.float32)
        return Answers(self.probabilities[rows], digitness, seen, np.zeros((len(pixels), 4), np.float32))


def card(**changes: Any) -> Card:
    fields: dict[str, Any] = {
        "format": FORMAT,
        "name": "scripted",
        "architecture": {"name": "none", "options": {}},
        "recipe": {},
        "seed": 0,
        "data": {"name": "mnist/train", "sha256": "0" * 64, "train": 1, "validation": 1},
        "preprocessing": 1,
        "temperature": 1.0,
        "reject_threshold": 0.6,
        "open_set": False,
        "conformal_threshold": 0.3,
        "coverage": 0.9,
        "parameters": 1234,
        "validation": {"accuracy": 0.5, "loss": 1.0},
        "packages": {},
        "hardware": {},
        "training": {"seconds": 1.0, "cpu_seconds": 1.0, "epochs": 1},
        "created": "2026-11-22T00:00:00+00:00",
        "files": {},
    }
    return Card(**fields | changes)


def probabilities(answers: list[tuple[int, float]], second: int | None = None) -> NDArray[np.float32]:
    """Rows that give a digit some probability and share the rest among the others (or give it to `second`)."""
    rows = np.zeros((len(answers), 10), np.float64)
    for row, (digit, confidence) in zip(rows, answers, strict=True):
        row[:] = (1 - confidence) / 9 if second is None else 0.0
        if second is not None:
            row[second] = 1 - confidence
        row[digit] = confidence
    return rows.astype(np.float32)


def evaluated(
    labels: list[int],
    answers: NDArray[np.float32],
    paths: tuple[str, ...] | None = None,
    *,
    digitness: float = 1.0,
    **changes: Any,
) -> Evaluation:
    """The evaluation of a recognizer that gives these answers (N, 10) to N pictures with these labels, N <= 255."""
    images = np.full((len(labels), 28, 28), 200, np.uint8)
    images[:, 0, 0] = np.arange(len(labels))
    data = Dataset(images, np.array(labels, np.uint8), "made up", paths=paths)
    return evaluate(Recognizer(card(**changes), Script(answers, digitness)), data)
