"""A folder of your own: pictures sorted into folders by digit or listed in a CSV file, or IDX files.

Pictures become what `Recognizer.classify` sees of them, so that a score on them is a score of the whole recognizer.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inkdigits import images, preprocess
from inkdigits.datasets import SPLITS, Dataset, formats, sources
from inkdigits.errors import DatasetError, ImageError

_DIGITS = tuple("0123456789")
_SHOWN = 5  # faulty entries named in one error


def load(path: Path, split: str) -> Dataset:
    """Load a dataset from a folder, or from a CSV file of path,label.

    A folder is read as the first of these that it holds: `train` and `test` folders (then `split` picks one, which is
    read by the same rules); IDX files under MNIST's names, plain or gzipped; folders `0` to `9` of pictures (at any
    depth); `labels.csv`, or else the only CSV file. Hidden files and files that are no pictures are left out.

    Args:
        path: The folder or the CSV file.
        split: "train" or "test".

    Returns:
        The dataset. Pictures: images (N, 28, 28) uint8, normalized, 0 paper .. 255 ink, sorted by path; with `paths`.

    Raises:
        DatasetError: Nothing to read, or anything that cannot be read; files are named.
    """
    if path.is_file():
        return _from_csv(path)
    if any((path / name).is_dir() for name in SPLITS):
        if not (path / split).is_dir():
            raise DatasetError(f"{path} has splits, but no folder '{split}'.")
        return _from_folder(path / split, split, f"{path.resolve().name}/{split}")
    return _from_folder(path, split, path.resolve().name)


def _from_folder(folder: Path, split: str, name: str) -> Dataset:
    idx = _idx_pair(folder, split)
    if idx is not None:
        pixels, labels = formats.check_pair(formats.read_idx(idx[0], 3), formats.read_idx(idx[1], 1), str(folder))
        return Dataset(pixels, labels, name if name.endswith(f"/{split}") else f"{name}/{split}")
    if any((folder / digit).is_dir() for digit in _DIGITS):
        entries = [(file, int(digit)) for digit in _DIGITS for file in _pictures(folder / digit)]
        if not entries:
            raise DatasetError(
                f"The folders 0 to 9 in {folder} hold no pictures ({', '.join(sorted(images.SUFFIXES))})."
            )
        return _from_pictures(entries, folder, name)
    tables = sorted(folder.glob("*.csv"))
    chosen = next((table for table in tables if table.name == "labels.csv"), tables[0] if len(tables) == 1 else None)
    if chosen is not None:
        return _from_csv(chosen, name)
    raise DatasetError(
        f"{folder} is not laid out as a dataset. Expected folders named 0 to 9 with pictures in them, or one CSV file "
        f"of path,label (labels.csv where there are several; {len(tables)} found), or IDX files under MNIST's names."
    )


def _idx_pair(folder: Path, split: str) -> tuple[Path, Path] | None:
    """The images' and the labels' file of a split, if both are there."""
    found = [
        next((path for path in (folder / file.name, folder / f"{file.name}.gz") if path.is_file()), None)
        for file in sources.FILES[split]
    ]
    return (found[0], found[1]) if found[0] and found[1] else None


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in images.SUFFIXES and not file.name.startswith(".") and file.is_file()
    )


def _from_csv(table: Path, name: str | None = None) -> Dataset:
    """Read path,label rows; a header is optional, further columns are allowed with one. Paths count from the table."""
    text = formats.read_bounded(table)
    try:
        rows = list(csv.reader(text.decode("utf-8-sig").splitlines(), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{table} is not a CSV file in UTF-8 ({error}).") from None
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    named = "path" in header and "label" in header
    columns = (header.index("path"), header.index("label")) if named else (0, 1)
    entries, faults = [], []
    for number, row in enumerate(rows[named:], 1 + named):
        if not row:
            continue
        label = row[columns[1]].strip() if len(row) > max(columns) else ""
        if label not in _DIGITS:
            faults.append(f"line {number}: {','.join(row)!r}")
        else:
            entries.append((table.parent / row[columns[0]].strip(), int(label)))
    if faults:
        raise DatasetError(_several(f"Expected path,label with a label of 0 to 9 in every line of {table}", faults))
    if not entries:
        raise DatasetError(f"{table} lists no pictures; expected lines of path,label.")
    return _from_pictures(entries, table.parent, name or table.stem)


def _from_pictures(entries: Sequence[tuple[Path, int]], root: Path, name: str) -> Dataset:
    """Normalize every picture; all that cannot be read are named in one error."""
    pixels = np.zeros((len(entries), preprocess.SIZE, preprocess.SIZE), np.uint8)
    faults = []
    for row, (file, _) in enumerate(entries):
        try:
            pixels[row] = _normalized(file)
        except ImageError as error:
            faults.append(str(error) if str(file) in str(error) else f"{file}: {error}")
    if faults:
        raise DatasetError(_several(f"{len(faults)} of the {len(entries)} pictures in {root} cannot be read", faults))
    labels = np.array([label for _, label in entries], np.uint8)
    return Dataset(pixels, labels, name, paths=tuple(_shown(file, root) for file, _ in entries))


def _normalized(file: Path) -> NDArray[np.uint8]:
    seen = preprocess.normalize(images.to_pixels(file)).seen
    return np.rint(seen * 255).astype(np.uint8)  # exact: what is seen has levels of 1/255


def _shown(file: Path, root: Path) -> str:
    return (file.relative_to(root) if file.is_relative_to(root) else file).as_posix()


def _several(what: str, faults: Iterable[str]) -> str:
    listed = list(faults)
    more = f"\n  and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return f"{what}:\n  " + "\n  ".join(listed[:_SHOWN]) + more
