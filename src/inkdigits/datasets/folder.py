"""A folder of your own: pictures sorted into folders by digit or listed in a CSV file, or IDX files.

Pictures become what `Recognizer.classify` sees of them, so that a score on them is a score of the whole recognizer.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inkdigits import images, preprocess
from inkdigits.datasets import SPLITS, Dataset, formats, sources
from inkdigits.errors import DatasetError, ImageError

_DIGITS = tuple("0123456789")
_SHOWN = 5  # faulty entries named in one error


@dataclass(frozen=True)
class Row:
    """A line of a table: the picture's file and its label as it is written there.

    Attributes:
        number: of the line where it ends.
        cells: everything in it.
        file: of the picture; paths count from the table.
        label: "" when there is none.
    """

    number: int
    cells: tuple[str, ...]
    file: Path
    label: str


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
    folder, name = place(path, split)
    table = table_of(path, split)
    if table is not None:
        return _from_table(table, name)
    idx = _idx_pair(folder, split)
    if idx is not None:
        pixels, labels = formats.check_pair(formats.read_idx(idx[0], 3), formats.read_idx(idx[1], 1), str(folder))
        return Dataset(pixels, labels, name if name.endswith(f"/{split}") else f"{name}/{split}")
    if _has_digits(folder):
        entries = [(file, int(digit)) for digit in _DIGITS for file in _pictures(folder / digit)]
        if not entries:
            raise DatasetError(
                f"The folders 0 to 9 in {folder} hold no pictures ({', '.join(sorted(images.SUFFIXES))})."
            )
        return _from_pictures(entries, folder, name)
    raise DatasetError(
        f"{folder} is not laid out as a dataset. Expected folders named 0 to 9 with pictures in them, or one CSV file "
        f"of path,label (labels.csv where there are several; {len(list(folder.glob('*.csv')))} found), or IDX files "
        "under MNIST's names."
    )


def table_of(path: Path, split: str) -> Path | None:
    """The CSV file of path,label that is read there; None when there is none, or something else is read.

    Args:
        path: as for `load`.
        split: "train" or "test".

    Raises:
        DatasetError: there are splits, but not this one.
    """
    if path.is_file():
        return path
    folder, _ = place(path, split)
    if _idx_pair(folder, split) is not None or _has_digits(folder):
        return None
    tables = sorted(folder.glob("*.csv"))
    return next((table for table in tables if table.name == "labels.csv"), tables[0] if len(tables) == 1 else None)


def read_table(table: Path) -> list[Row]:
    """Read path,label rows; a header is optional, further columns are allowed with one. A label may have line breaks.

    Raises:
        DatasetError: it is no CSV file, or lists nothing.
    """
    try:
        text = formats.read_bounded(table).decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        lines = [(reader.line_num, cells) for cells in reader if cells]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{table} is not a CSV file in UTF-8 ({error}).") from None
    header = [cell.strip().lower() for cell in lines[0][1]] if lines else []
    path = next((name for name in ("path", "file") if name in header), None)
    named = path is not None and "label" in header
    where, what = (header.index(path), header.index("label")) if path is not None and named else (0, 1)
    rows = [
        Row(
            number,
            tuple(cells),
            table.parent / cells[where].strip() if len(cells) > where else table.parent,
            cells[what].strip() if len(cells) > what else "",
        )
        for number, cells in lines[named:]
    ]
    if not rows:
        raise DatasetError(f"{table} lists no pictures; expected lines of path,label.")
    return rows


def place(path: Path, split: str) -> tuple[Path, str]:
    """The folder that is read, and what the dataset is called.

    Raises:
        DatasetError: there are splits, but not this one.
    """
    if path.is_file():
        return path.parent, path.stem
    if not any((path / name).is_dir() for name in SPLITS):
        return path, path.resolve().name
    if not (path / split).is_dir():
        raise DatasetError(f"{path} has splits, but no folder '{split}'.")
    return path / split, f"{path.resolve().name}/{split}"


def _has_digits(folder: Path) -> bool:
    return any((folder / digit).is_dir() for digit in _DIGITS)


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


def _from_table(table: Path, name: str) -> Dataset:
    rows = read_table(table)
    faults = [f"line {row.number}: {','.join(row.cells)!r}" for row in rows if row.label not in _DIGITS]
    if faults:
        raise DatasetError(several(f"Expected path,label with a label of 0 to 9 in every line of {table}", faults))
    return _from_pictures([(row.file, int(row.label)) for row in rows], table.parent, name)


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
        raise DatasetError(several(f"{len(faults)} of the {len(entries)} pictures in {root} cannot be read", faults))
    labels = np.array([label for _, label in entries], np.uint8)
    return Dataset(pixels, labels, name, paths=tuple(shown(file, root) for file, _ in entries))


def _normalized(file: Path) -> NDArray[np.uint8]:
    seen = preprocess.normalize(images.to_pixels(file)).seen
    return np.rint(seen * 255).astype(np.uint8)  # exact: what is seen has levels of 1/255


def shown(file: Path, root: Path) -> str:
    """A file's path as it is named to people: within the folder where it is in there."""
    return (file.relative_to(root) if file.is_relative_to(root) else file).as_posix()


def several(what: str, faults: Iterable[str]) -> str:
    """An error's text that names the first few faults."""
    listed = list(faults)
    more = f"\n  and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return f"{what}:\n  " + "\n  ".join(listed[:_SHOWN]) + more
