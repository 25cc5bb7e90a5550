"""Labelled digits to train and measure on: MNIST, an NPZ or IDX file, or a folder of your own pictures."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inkdigits.datasets import formats
from inkdigits.errors import DatasetError

SPLIT_SEED = 20261122
"""The seed of the training/validation split. It never changes, whatever seed a training run has."""

SPLITS = ("train", "test")


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images with their labels. The arrays are read-only.

    Attributes:
        images: (N, H, W) uint8. For MNIST and for folders 28x28 with 0 paper and 255 ink; an NPZ file as it is.
        labels: (N,) uint8, 0 to 9.
        name: What it is, for example "mnist/test".
        sha256: Of the content (shapes, pixels and labels), whatever file it came from. Filled in when empty.
        paths: For a folder of pictures: each image's file, relative to the folder.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    name: str
    sha256: str = ""
    paths: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        images, labels = formats.check_pair(self.images, self.labels, self.name)
        if self.paths is not None and len(self.paths) != len(labels):
            raise DatasetError(f"{self.name}: expected one path per image, got {len(self.paths)} for {len(labels)}.")
        for field, array in (("images", images), ("labels", labels)):
            view = array.view()
            view.flags.writeable = False
            object.__setattr__(self, field, view)
        if not self.sha256:
            object.__setattr__(self, "sha256", _content_hash(images, labels))

    def __len__(self) -> int:
        """The number of images."""
        return len(self.labels)

    def __repr__(self) -> str:
        return f"Dataset({self.name!r}, images={self.images.shape}, sha256={self.sha256[:12]!r})"

    def subset(self, indices: ArrayLike, name: str | None = None) -> Dataset:
        """The images at `indices` (integers, or N booleans), in that order, as a dataset of their own."""
        chosen = np.asarray(indices)
        if chosen.size == 0:
            chosen = chosen.astype(np.intp)
        return Dataset(
            images=self.images[chosen],
            labels=self.labels[chosen],
            name=name or self.name,
            paths=None if self.paths is None else tuple(np.array(self.paths, dtype=object)[chosen]),
        )


def load_dataset(
    name_or_folder: str | Path = "mnist",
    split: str = "test",
    *,
    source: Path | None = None,
    progress: bool = False,
) -> Dataset:
    """Load a dataset by name or from your own files.

    Args:
        name_or_folder: "mnist"; or a folder of pictures (`FOLDER/<digit>/*.png`, or a CSV file of path,label inside
            it), a folder of IDX files under MNIST's names, a `.csv` file, or an `.npz` file.
        split: "train" (MNIST's 60,000) or "test" (its 10,000). A folder with `train` and `test` folders, MNIST's names
            or Keras' NPZ arrays has splits too; in other files there is one set, whatever is asked.
        source: For "mnist": take the four files from this folder, and from nowhere else.
        progress: Show downloads on stderr.

    Raises:
        DatasetError: It cannot be found, fetched, read or trusted; the message says what to do.
    """
    if split not in SPLITS:
        raise DatasetError(f"Expected the split to be one of {', '.join(SPLITS)}; got {split!r}.")
    if isinstance(name_or_folder, str) and name_or_folder.lower() == "mnist":
        from inkdigits.datasets import sources

        images, labels = sources.load_mnist(split, source=source, progress=progress)
        return Dataset(images, labels, f"mnist/{split}")
    if source is not None:
        raise DatasetError("A source folder can be given for the dataset 'mnist' only.")
    path = Path(name_or_folder).expanduser()
    if not path.exists():
        raise DatasetError(
            "Expected a dataset's name (mnist), or a folder, .npz or .csv file of your own; "
            f"got {str(name_or_folder)!r}, which does not exist."
        )
    if path.suffix.lower() == ".npz" and path.is_file():
        images, labels, has_splits = formats.read_npz(path, split)
        return Dataset(images, labels, f"{path.stem}/{split}" if has_splits else path.stem)
    from inkdigits.datasets import folder

    return folder.load(path, split)


def last_split(dataset: Dataset, validation: int = 5000) -> tuple[Dataset, Dataset]:
    """Split a training set into training images and the last ones for validation, in the dataset's order.

    Raises:
        DatasetError: `validation` is impossible.
    """
    _check_validation(dataset, validation)
    held = np.arange(len(dataset)) >= len(dataset) - validation
    return (
        dataset.subset(~held, f"{dataset.name}[training]"),
        dataset.subset(held, f"{dataset.name}[validation]"),
    )


def stratified_split(dataset: Dataset, validation: int = 5000, seed: int = SPLIT_SEED) -> tuple[Dataset, Dataset]:
    """Split a training set into training and validation images, each class in its proportion.

    The same dataset, size and seed give the same split on every machine and in every version of NumPy. Both parts keep
    the dataset's order. Leftover places go to the classes with the largest remainders.

    Args:
        dataset: What to split.
        validation: How many images to set aside, at least 1 and fewer than there are.
        seed: Leave it alone to compare runs: every training seed shares one split.

    Returns:
        The training and the validation part.

    Raises:
        DatasetError: `validation` is impossible.
    """
    _check_validation(dataset, validation)
    counts = np.bincount(dataset.labels, minlength=10)
    exact = counts * validation / len(dataset)
    take = np.floor(exact).astype(int)
    take[np.argsort(-(exact - take), kind="stable")[: validation - take.sum()]] += 1
    keys = _shuffle_keys(len(dataset), seed)
    held = np.zeros(len(dataset), bool)
    for digit in range(10):
        members = np.flatnonzero(dataset.labels == digit)
        held[members[np.argsort(keys[members], kind="stable")[: take[digit]]]] = True
    return (
        dataset.subset(~held, f"{dataset.name}[training]"),
        dataset.subset(held, f"{dataset.name}[validation]"),
    )


def _check_validation(dataset: Dataset, validation: int) -> None:
    if not 0 < validation < len(dataset):
        raise DatasetError(
            f"Expected a validation size of 1 to {len(dataset) - 1} for {dataset.name}; got {validation}. "
            "A recipe sets it: --set validation_images=N."
        )


def _shuffle_keys(count: int, seed: int) -> NDArray[np.uint64]:
    """One 64-bit key per position. Raw PCG64 output is stable across NumPy versions; Generator's methods are not."""
    return np.asarray(np.random.PCG64(seed).random_raw(count), dtype=np.uint64)


def _content_hash(images: NDArray[Any], labels: NDArray[Any]) -> str:
    digest = hashlib.sha256(f"{images.shape} {labels.shape}\n".encode())
    digest.update(np.ascontiguousarray(images).data)
    digest.update(np.ascontiguousarray(labels).data)
    return digest.hexdigest()
