"""What a set of digits looks like in numbers: `explore` measures, `exploration.page` draws.

Where images are not 28x28 ink on empty paper, what is measured is what the recognizer sees of them
(`preprocess.normalize`), so that sets from everywhere can be compared.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits import preprocess
from inkdigits.datasets import Dataset
from inkdigits.errors import DatasetError
from inkdigits.exploration import measures

ATYPICAL = 12
"""How many of the most atypical images of each class are kept."""
CLOSEST = 12
"""How many of the most similar pairs are kept."""
NEAR_DUPLICATE = 0.1
"""Pairs that differ by less than this (see `measures.difference`) count as near-duplicates. Hand copies of the same
digit differ by more: in MNIST the two closest of 1.8 * 10^8 pairs of a class differ by 0.13."""


@dataclass(frozen=True)
class Distribution:
    """One measure over many images."""

    mean: float
    sd: float
    minimum: float
    lower_quartile: float
    median: float
    upper_quartile: float
    maximum: float


@dataclass(frozen=True)
class Pixels:
    """All pixels of a set: 0.0 paper .. 1.0 ink. `paper` and `full` are the shares of pixels at exactly 0 and 255."""

    mean: float
    sd: float
    paper: float
    full: float


@dataclass(frozen=True)
class Atypical:
    """An image far from its class: its place in the set, its distance in pixels of ink, and its file if it has one."""

    index: int
    distance: float
    path: str | None = None


@dataclass(frozen=True)
class ClassSummary:
    """The images of one digit. Distributions are None where there are none; `atypical` comes oddest first."""

    digit: int
    count: int
    share: float
    ink: Distribution | None
    stroke_width: Distribution | None
    atypical: tuple[Atypical, ...]


@dataclass(frozen=True)
class Pair:
    """Two images of a class and their difference; `second` is a place in the other set for pairs between sets."""

    first: int
    second: int
    digit: int
    difference: float


@dataclass(frozen=True)
class Duplicates:
    """Images that occur more than once.

    Attributes:
        groups: Places of images that are the same in every pixel.
        conflicting: How many of these groups (within or between) hold different labels.
        between: (place here, place in the other set) of the same images; empty without another set.
        near: How many pairs within differ by less than `NEAR_DUPLICATE`, exact ones left out.
        near_between: The same between the sets.
        closest: The most similar pairs within, of one class, that are not the same.
        closest_between: The same between the sets.
    """

    groups: tuple[tuple[int, ...], ...]
    conflicting: int
    between: tuple[tuple[int, int], ...]
    near: int
    near_between: int
    closest: tuple[Pair, ...]
    closest_between: tuple[Pair, ...]


@dataclass(frozen=True)
class Summary:
    """The short form, for the set that another is compared with."""

    name: str
    sha256: str
    n: int
    counts: tuple[int, ...]
    pixels: Pixels
    ink: Distribution
    stroke_width: Distribution


@dataclass(frozen=True)
class Exploration:
    """Everything that was measured of a dataset. Numbers in `to_dict`; arrays for drawing beside them.

    Attributes:
        summary: The set as a whole.
        shape: (height, width) of its images as they came.
        normalized: Whether the images were normalized before measuring.
        classes: One summary for each digit, 0 to 9.
        duplicates: Within the set, and between it and `other`.
        other: The set it was compared with, if any.
        seconds: How long exploring took.
        images: (N, 28, 28) uint8, what was measured, 0 paper .. 255 ink.
        other_images: The same of the other set, or None.
        labels: (N,) uint8.
        means: (10, 28, 28) float32, the mean image of each class, 0.0 paper .. 1.0 ink.
        spreads: (10, 28, 28) float32, the standard deviation of each pixel in each class.
        ink: (N,) float32, pixels of ink of each image.
        stroke_width: (N,) float32, in pixels.
    """

    summary: Summary
    shape: tuple[int, int]
    normalized: bool
    classes: tuple[ClassSummary, ...]
    duplicates: Duplicates
    other: Summary | None
    seconds: float
    images: NDArray[np.uint8] = field(repr=False)
    other_images: NDArray[np.uint8] | None = field(repr=False)
    labels: NDArray[np.uint8] = field(repr=False)
    means: NDArray[np.float32] = field(repr=False)
    spreads: NDArray[np.float32] = field(repr=False)
    ink: NDArray[np.float32] = field(repr=False)
    stroke_width: NDArray[np.float32] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The numbers, ready for JSON; arrays are left out."""
        return {
            **asdict(self.summary),
            "shape": list(self.shape),
            "normalized": self.normalized,
            "balance": balance(self.summary.counts),
            "classes": [asdict(each) for each in self.classes],
            "duplicates": asdict(self.duplicates),
            "other": asdict(self.other) if self.other else None,
            "seconds": round(self.seconds, 3),
        }


def explore(dataset: Dataset, other: Dataset | None = None) -> Exploration:
    """Measure a dataset: classes, pixels, ink, stroke widths, odd images, duplicates.

    How unusual an image is: its distance to its 5th nearest neighbor among the images of its own class, in the space of
    the first 40 principal components (Ramaswamy, Rastogi and Shim, "Efficient algorithms for mining outliers", 2000).
    MNIST's training and test set together take about 5 seconds of CPU.

    Args:
        dataset: What to explore; not empty.
        other: A second set, to look for duplicates between the two and to compare their summaries.

    Raises:
        DatasetError: A set is empty.
    """
    started = time.perf_counter()
    for each in (dataset, other):
        if each is not None and not len(each):
            raise DatasetError(f"{each.name} holds no images: there is nothing to explore.")
    images, normalized = _seen(dataset)
    ink, width = measures.ink(images), measures.stroke_width(images)
    groups = measures.groups_by_class(dataset.labels)
    basis = measures.Basis.of(images)
    points = basis.features(images)
    near = [measures.neighbors(points[group], rank=measures.NEIGHBORS) for group in groups]
    averages = [measures.mean_and_spread(images[group]) for group in groups]
    duplicates = _duplicates(dataset, images, groups, near)
    other_images, other_summary = None, None
    if other is not None:
        other_images, _ = _seen(other)
        other_summary = _summary(other, other_images, measures.ink(other_images), measures.stroke_width(other_images))
        other_points = basis.features(other_images)
        duplicates = _duplicates_between(duplicates, (dataset, images, points), (other, other_images, other_points))
    return Exploration(
        summary=_summary(dataset, images, ink, width),
        shape=(dataset.images.shape[1], dataset.images.shape[2]),
        normalized=normalized,
        classes=tuple(_class_summary(digit, dataset, groups[digit], ink, width, near[digit][0]) for digit in range(10)),
        duplicates=duplicates,
        other=other_summary,
        seconds=time.perf_counter() - started,
        images=images,
        other_images=other_images,
        labels=dataset.labels,
        means=np.stack([mean for mean, _ in averages]),
        spreads=np.stack([spread for _, spread in averages]),
        ink=ink,
        stroke_width=width,
    )


def balance(counts: tuple[int, ...]) -> float | None:
    """The smallest class as a part of the largest: 1.0 when all are equal. None when a digit is missing."""
    return min(counts) / max(counts) if min(counts) else None


def _seen(dataset: Dataset) -> tuple[NDArray[np.uint8], bool]:
    """The images as 28x28 ink on paper, and whether they had to be normalized for that."""
    images = dataset.images
    size = preprocess.SIZE
    if images.shape[1:] == (size, size):
        corners = images[:, :: size - 1, :: size - 1]
        if (corners == 0).all((1, 2)).mean() > 0.9:  # empty corners: already ink on paper of 0
            return images, False
    seen, *_ = preprocess.normalize_batch(images)
    return np.rint(seen * 255).astype(np.uint8), True


def _distribution(values: NDArray[np.float32]) -> Distribution:
    quantiles = np.quantile(values, (0, 0.25, 0.5, 0.75, 1))
    low, lower, median, upper, high = (round(float(value), 4) for value in quantiles)
    mean, sd = values.mean(dtype=np.float64), values.std(dtype=np.float64)
    return Distribution(round(float(mean), 4), round(float(sd), 4), low, lower, median, upper, high)


def _summary(
    dataset: Dataset, images: NDArray[np.uint8], ink: NDArray[np.float32], width: NDArray[np.float32]
) -> Summary:
    mean = float(ink.sum(dtype=np.float64)) / images.size
    pixels = Pixels(
        mean=round(mean, 6),
        sd=round(max(measures.mean_square(images) - mean**2, 0.0) ** 0.5, 6),
        paper=round(1 - np.count_nonzero(images) / images.size, 6),
        full=round(np.count_nonzero(images == 255) / images.size, 6),
    )
    counts = tuple(int(count) for count in np.bincount(dataset.labels, minlength=10))
    return Summary(dataset.name, dataset.sha256, len(dataset), counts, pixels, _distribution(ink), _distribution(width))


def _class_summary(
    digit: int,
    dataset: Dataset,
    group: NDArray[np.intp],
    ink: NDArray[np.float32],
    width: NDArray[np.float32],
    distances: NDArray[np.float32],
) -> ClassSummary:
    oddest = np.argsort(-distances, kind="stable")[:ATYPICAL] if len(group) > 1 else ()
    return ClassSummary(
        digit=digit,
        count=len(group),
        share=round(len(group) / len(dataset), 6),
        ink=_distribution(ink[group]) if len(group) else None,
        stroke_width=_distribution(width[group]) if len(group) else None,
        atypical=tuple(
            Atypical(int(group[i]), round(float(distances[i]), 3), dataset.paths[group[i]] if dataset.paths else None)
            for i in oddest
        ),
    )


Measured = tuple[Dataset, NDArray[np.uint8], NDArray[np.float32]]  # a set, its images as measured, their features
Near = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.intp]]


def _duplicates(
    dataset: Dataset, images: NDArray[np.uint8], groups: list[NDArray[np.intp]], near: list[Near]
) -> Duplicates:
    same = [tuple(index for _, index in group) for group in measures.same_images(images)]
    first = np.concatenate([group[found[2] >= 0] for group, found in zip(groups, near, strict=True)])
    second = np.concatenate([group[found[2][found[2] >= 0]] for group, found in zip(groups, near, strict=True)])
    count, closest = _closest(dataset, images, first, images, second, symmetric=True)
    return Duplicates(
        groups=tuple(same),
        conflicting=sum(len(set(dataset.labels[list(group)].tolist())) > 1 for group in same),
        between=(),
        near=count,
        near_between=0,
        closest=closest,
        closest_between=(),
    )


def _duplicates_between(within: Duplicates, this: Measured, that: Measured) -> Duplicates:
    """Add what the set has in common with another, looking for each image of the smaller set in the larger one."""
    dataset, images, points = this
    other, other_images, other_points = that
    same = [group for group in measures.same_images(images, other_images) if {which for which, _ in group} == {0, 1}]
    pairs = [(i, j) for group in same for a, i in group if a == 0 for b, j in group if b == 1]
    swap = len(dataset) > len(other)
    small, large = (other_points, points) if swap else (points, other_points)
    firsts, seconds = [], []
    labels = (other.labels, dataset.labels) if swap else (dataset.labels, other.labels)
    for a, b in zip(measures.groups_by_class(labels[0]), measures.groups_by_class(labels[1]), strict=True):
        _, _, index = measures.neighbors(small[a], large[b])
        firsts.append(a[index >= 0])
        seconds.append(b[index[index >= 0]])
    first, second = np.concatenate(firsts), np.concatenate(seconds)
    here, there = (second, first) if swap else (first, second)
    count, closest = _closest(dataset, images, here, other_images, there, symmetric=False)
    return replace(
        within,
        between=tuple(pairs),
        conflicting=within.conflicting + sum(int(dataset.labels[i] != other.labels[j]) for i, j in pairs),
        near_between=count,
        closest_between=closest,
    )


def _closest(
    dataset: Dataset,
    images: NDArray[np.uint8],
    first: NDArray[np.intp],
    others: NDArray[np.uint8],
    second: NDArray[np.intp],
    *,
    symmetric: bool,
) -> tuple[int, tuple[Pair, ...]]:
    """How many pairs are near-duplicates, and the closest pairs; the same in every pixel is left out."""
    pairs = np.stack([first, second], 1)
    if symmetric:  # (a, b) and (b, a) are one pair
        pairs = np.unique(np.sort(pairs, axis=1), axis=0)
    differences = measures.difference(images[pairs[:, 0]], others[pairs[:, 1]])
    pairs, differences = pairs[differences > 0], differences[differences > 0]
    order = np.argsort(differences, kind="stable")[:CLOSEST]
    closest = tuple(
        Pair(int(a), int(b), int(dataset.labels[a]), round(float(value), 4))
        for (a, b), value in zip(pairs[order], differences[order], strict=True)
    )
    return int((differences < NEAR_DUPLICATE).sum()), closest
