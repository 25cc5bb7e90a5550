"""Synthetic crops for a training: made once, kept beside its checkpoint so that going on does not make them again."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inkdigits import preprocess, synthesis
from inkdigits.datasets import Dataset
from inkdigits.files import write_atomically
from inkdigits.recipes import Recipe
from inkdigits.training.observers import Observer
from inkdigits.training.preparation import prepared

HELD = 0.04
"""So many crops are made from validation images, as a part of those to learn from."""


@dataclass(frozen=True)
class Crops:
    """Synthetic pictures beside MNIST's, as `synthesis.sets.crops` makes them; labels 0..9, 10 for no digit."""

    images: NDArray[np.uint8]  # (N, 28, 28)
    labels: NDArray[np.uint8]  # (N,)
    held_images: NDArray[np.uint8]  # (H, 28, 28), made from validation images
    held_labels: NDArray[np.uint8]  # (H,)


def made_crops(recipe: Recipe, train: Dataset, validation: Dataset, path: Path, observer: Observer) -> Crops | None:
    """The crops that a recipe asks for, from `path` if they are there; None when it asks for none."""
    wanted = recipe.synthetic
    if not wanted.digits and not wanted.others:
        return None
    made_by = f"{preprocess.VERSION} {synthesis.VERSION}"
    wish = f"{wanted.digits} {wanted.others} {recipe.seed} {recipe.train_images}"
    key = f"{made_by} {wish} {train.sha256} {validation.sha256}"
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            if str(stored["key"]) == key:
                return Crops(*(stored[name] for name in ("images", "labels", "held_images", "held_labels")))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        pass  # missing, cut short or of another training: made anew
    crops = _made(recipe, train, validation, observer)
    content = io.BytesIO()
    np.savez_compressed(content, key=np.array(key), **crops.__dict__)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content.getvalue())
    return crops


def _made(recipe: Recipe, train: Dataset, validation: Dataset, observer: Observer) -> Crops:
    from inkdigits.synthesis.sets import crops

    wanted, seed = recipe.synthetic, recipe.seed
    # At least one of each kind: a model that was trained with non-digits is also calibrated with them.
    held_digits, held_others = (max(1, round(HELD * count)) if count else 0 for count in (wanted.digits, wanted.others))
    total = wanted.digits + wanted.others + held_digits + held_others

    held = crops(
        *prepared(validation),
        held_digits,
        held_others,
        seed=seed + 2**32,
        done=lambda done, _: observer.on_crops(done, total),
    )
    first = held_digits + held_others
    made = crops(
        *prepared(train, recipe.train_images),
        wanted.digits,
        wanted.others,
        seed=seed,
        done=lambda done, _: observer.on_crops(first + done, total),
    )
    return Crops(*made, *held)
