"""Honest scores for pages: fitted on synthetic pages of digits that the network never learned from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.calibration import OTHER, fit_temperature, softmax

if TYPE_CHECKING:
    from inkdigits.synthesis.pages import Page

MATCH = 0.5
"""A box is right when it shares this part of its union with a digit's."""
UNCLEAR = 0.3
"""With less than this it is wrong."""


@dataclass(frozen=True)
class Calibration:
    """How scores and probabilities follow from the logits of the first two networks."""

    first: float = 0.5
    """Weight of the first network's logit of "a digit is here" (logistic regression; Platt, 1999) ..."""
    second: float = 0.5
    """... of the second network's ..."""
    shift: float = 0.0
    """... and what is added to them."""
    share: float = 0.5
    """The second network's part in saying which digit it is; the rest is the first one's."""
    temperature: float = 1.0
    """What the logits of the ten digits are divided by (Guo et al., 2017)."""


@dataclass(frozen=True)
class Hearing:
    """How the network that looks at a line changes what the others said together."""

    others: float = 1.0
    """Weight of the others' logit of "a digit is here" ..."""
    line: float = 0.0
    """... of the third network's of the digit it is surest of ..."""
    shift: float = 0.0
    """... and what is added to them."""
    share: float = 0.0
    """The third network's part in saying which digit it is; the rest is the others'."""
    temperature: float = 1.0
    """What the logarithms of the ten probabilities are divided by."""


CAREFUL = 1e-3
"""Added to probabilities before their logarithm is taken: nobody is surer than that."""


@dataclass(frozen=True)
class Finds:
    """What the first network found on pages, and what was there."""

    answers: NDArray[np.float32]
    """(n, 11) logits: a digit is here, and which one."""
    crops: NDArray[np.uint8]
    """(n, 32, 32, 3)."""
    labels: NDArray[np.int64]
    """(n,) 0..9, 10 where there is no digit, -1 where it is hard to say."""


def finds(session: Any, pages: Iterable[Page]) -> Finds:
    """What the graph without refinement finds on pages."""
    answers, crops, labels = [], [], []
    for page in pages:
        corners, said, seen = session.run(None, {"pixels": page.pixels})
        answers.append(said)
        crops.append(np.clip(seen, 0, 255).astype(np.uint8))
        labels.append([_label(box, page) for box in corners])
    return Finds(np.concatenate(answers), np.concatenate(crops), np.concatenate(labels).astype(np.int64))


def fitted(found: Finds, closer: NDArray[np.float32]) -> Calibration:
    """Fit on pages of digits that were held back.

    Args:
        found: what the first network found on them.
        closer: (n, 10) logits of the second network.
    """
    clear = found.labels >= 0
    here = (found.labels[clear] < OTHER).astype(np.float64)
    energy = np.log(np.exp(closer[clear].astype(np.float64)).sum(1))
    first, second, shift = _logistic(np.stack([found.answers[clear, 0].astype(np.float64), energy], 1), here)
    digits = clear & (found.labels < OTHER)
    if not digits.any():  # it has not learned to find anything yet
        return Calibration()
    return Calibration(
        first, second, shift, *_shared_best(found.answers[digits, 1:], closer[digits], found.labels[digits])
    )


def weighed(session: Any, fields: Iterable[Page]) -> Hearing:
    """Fit how much the third network counts.

    Args:
        session: of the graph with the network for lines, but without a `Hearing`.
        fields: of digits that were held back.
    """
    parts = []
    for field in fields:
        said, boxes, scores, digits = session.run(None, {"pixels": field.pixels})
        on_it = said.any(axis=1)  # no find is where there is not one line
        corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)[on_it]
        if len(corners):
            parts.append((said[on_it], scores[on_it], digits[on_it], [_label(box, field) for box in corners]))
    if not parts:
        return Hearing()
    said, scores, digits, labels = (np.concatenate([np.asarray(part[i]) for part in parts]) for i in range(4))
    clear = labels >= 0
    surest = [_logit(p[clear].astype(np.float64)) for p in (scores, said.max(1))]
    others, line, shift = _logistic(np.stack(surest, 1), (labels[clear] < OTHER).astype(np.float64))
    right = clear & (labels < OTHER)
    if not right.any():
        return Hearing()
    ours, theirs = (np.log(p[right].astype(np.float64) + CAREFUL) for p in (digits, said))
    return Hearing(others, line, shift, *_shared_best(ours, theirs, labels[right]))


def _shared_best(ours: NDArray[Any], theirs: NDArray[Any], truth: NDArray[np.int64]) -> tuple[float, float]:
    """The part of (n, 10) logits `theirs` and the temperature with which `truth` is most likely; the rest is `ours`."""
    best: tuple[float, float, float] | None = None
    for share in np.linspace(0, 1, 11):
        logits = (1 - share) * ours.astype(np.float64) + share * theirs
        temperature = fit_temperature(logits, truth)
        loss = float(-np.log(softmax(logits, temperature)[np.arange(len(truth)), truth] + 1e-12).mean())
        if best is None or loss < best[0]:
            best = (loss, float(share), temperature)
    assert best is not None
    return best[1], best[2]


def _logit(p: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.log((p + CAREFUL) / (1 - p + CAREFUL)))


def _label(corners: NDArray[np.float32], page: Page) -> int:
    box = np.concatenate([corners[:2], corners[2:] - corners[:2]])
    shared = _shared(box, page.boxes)
    best = float(shared.max(initial=0))
    if best >= MATCH:
        return int(page.digits[shared.argmax()])
    return OTHER if best < UNCLEAR else -1


def _shared(box: NDArray[np.float32], boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """The intersection of a box with each of (n, 4), as parts of their unions."""
    start = np.maximum(box[:2], boxes[:, :2])
    end = np.minimum(box[:2] + box[2:], boxes[:, :2] + boxes[:, 2:])
    both = np.prod(np.maximum(end - start, 0), axis=1)
    return np.asarray(both / (box[2] * box[3] + boxes[:, 2] * boxes[:, 3] - both), np.float32)


def _logistic(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, ...]:
    """Weights, one per column of x and a constant, that make y (0.0 or 1.0) most likely; by Newton's method."""
    inputs = np.column_stack([x, np.ones(len(x))])
    start = np.r_[np.full(x.shape[1], 1 / x.shape[1]), 0.0]
    weights = start.copy()

    def loss(weights: NDArray[np.float64]) -> float:
        logit = inputs @ weights
        return float(np.logaddexp(0, logit).sum() - y @ logit + 0.5e-2 * ((weights - start) ** 2).sum())

    for _ in range(30):
        p = 0.5 + 0.5 * np.tanh(0.5 * inputs @ weights)
        curvature = (inputs * (p * (1 - p))[:, None]).T @ inputs + 1e-2 * np.eye(len(start))
        step = np.linalg.solve(curvature, inputs.T @ (p - y) + 1e-2 * (weights - start))
        while loss(weights - step) > loss(weights) and np.abs(step).max() > 1e-9:
            step = step / 2  # too far: where all is certain the curvature says little
        weights = weights - step
    return tuple(float(weight) for weight in weights)
