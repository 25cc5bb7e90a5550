"""From a dataset to what a network learns from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inkdigits.datasets import Dataset, last_split, stratified_split
from inkdigits.errors import RecipeError
from inkdigits.preprocess import SIZE, normalize_batch
from inkdigits.recipes import Recipe

CHUNK = 500


def divided(recipe: Recipe, dataset: Dataset) -> tuple[Dataset, Dataset]:
    """What a recipe learns from and what it holds back to choose and calibrate with: training, validation.

    Raises:
        DatasetError: there are too few images.
    """
    split = last_split if recipe.validation == "last" else stratified_split
    return split(dataset, recipe.validation_images)


def prepared(dataset: Dataset, limit: int | None = None) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """What the network will see, as (N, 28, 28) uint8 with 255 ink, and the labels: (N,) uint8.

    Args:
        dataset: images of any size.
        limit: at most so many of them, every digit in its proportion.

    Raises:
        RecipeError: there are fewer than `limit`.
    """
    if limit is not None and limit > len(dataset):
        raise RecipeError(
            f"Expected train_images of at most {len(dataset):,}, as many as there are. Received: {limit:,}."
        )
    chosen = dataset if limit in (None, len(dataset)) else stratified_split(dataset, validation=limit)[1]
    seen = np.empty((len(chosen), SIZE, SIZE), np.uint8)
    for start in range(0, len(chosen), CHUNK):  # little by little: what fits the processor's cache is thrice as fast
        part = slice(start, start + CHUNK)
        seen[part] = np.rint(normalize_batch(chosen.images[part])[0] * 255)
    return seen, chosen.labels
