"""From a dataset to what a network learns from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inkdigits.datasets import Dataset, stratified_split
from inkdigits.errors import RecipeError
from inkdigits.preprocess import normalize_batch


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
    seen, _ = normalize_batch(chosen.images)
    return np.rint(seen * 255).astype(np.uint8), chosen.labels
