"""Pictures labelled with the numbers they show, to measure how well whole pictures are read.

They are listed in a CSV file of path,label, as single digits may be. A label has digits, a space between numbers and a
line break between lines: "2250", or a quoted field "404 1000<line break>818 1000" for a page.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from inkdigits import files
from inkdigits.datasets import folder
from inkdigits.errors import DatasetError

_NUMBERS = re.compile(r"[0-9\s]*[0-9][0-9\s]*")


@dataclass(frozen=True)
class TextDataset:
    """Pictures with the numbers they show.

    Attributes:
        name: what it is called.
        files: the pictures.
        labels: of each: numbers joined by a space, lines by a line break, as `Reading.text` has them.
        paths: the files as they are named to people, relative to the table.
        sha256: of the content, whatever the files are called.
    """

    name: str
    files: tuple[Path, ...]
    labels: tuple[str, ...]
    paths: tuple[str, ...]
    sha256: str

    def __len__(self) -> int:
        """The number of pictures."""
        return len(self.labels)


def load_texts(name_or_folder: str | Path, split: str = "test") -> TextDataset | None:
    """Load a folder or a CSV file whose labels are more than single digits.

    Args:
        name_or_folder: as `load_dataset` takes it.
        split: "train" or "test".

    Returns:
        The pictures in the table's order; None when no label has several digits: then `load_dataset` is for it.

    Raises:
        DatasetError: a label is no text of digits, a file is missing, or there is no such split.
    """
    path = Path(name_or_folder).expanduser()
    named = isinstance(name_or_folder, str) and name_or_folder.lower() == "mnist"
    if named or not path.exists() or path.suffix.lower() == ".npz":
        return None
    table = folder.table_of(path, split)
    if table is None:
        return None
    rows = folder.read_table(table)
    if not any(len(row.label) > 1 and _NUMBERS.fullmatch(row.label) for row in rows):
        return None
    if faults := [f"line {row.number}: {row.label!r}" for row in rows if not _NUMBERS.fullmatch(row.label)]:
        what = f"Expected labels in {table} of digits, with a space between numbers and a line break between lines"
        raise DatasetError(folder.several(what, faults))
    paths = tuple(folder.shown(row.file, table.parent) for row in rows)
    if missing := [name for row, name in zip(rows, paths, strict=True) if not row.file.is_file()]:
        raise DatasetError(
            folder.several(f"{len(missing)} of the {len(rows)} pictures in {table} are missing", missing)
        )
    labels = tuple(normal(row.label) for row in rows)
    content = hashlib.sha256()
    for row, label in zip(rows, labels, strict=True):
        content.update(f"{files.sha256_of(row.file)} {label}\0".encode())
    return TextDataset(
        folder.place(path, split)[1], tuple(row.file for row in rows), labels, paths, content.hexdigest()
    )


def normal(text: str) -> str:
    """Numbers joined by a single space, lines by a line break, without empty lines."""
    return "\n".join(" ".join(line.split()) for line in text.splitlines() if line.strip())
