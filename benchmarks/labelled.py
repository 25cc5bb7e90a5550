"""Labelled pictures for the benchmarks: `.npz` files and folders, told apart by what their labels say.

An `.npz` file holds `images` (N, H, W) or (N, H, W, 3) uint8, or one array per picture named `img_00000`, `img_00001`,
..., and `labels`; further, where there are any, `unsure` (bool: such pictures are left out), `names`, and `corruption`
or `kinds` (scored one by one as well). A folder holds `labels.csv` with the columns file,label, or one folder of
pictures per label. A label is a digit; a string of digits; the numbers of a page, as a JSON list of lines, each a list
of numbers, or with a space between numbers and a line break between lines; or anything else, which is no digit.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import ImageError
from inkdigits.images import SUFFIXES, to_pixels

Kind = Literal["digit", "string", "page", "other"]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class PictureSet:
    """Pictures of one kind with their labels.

    Attributes:
        name: of the file or folder.
        kind: "digit" (one each), "string" (one number each), "page" (lines of numbers), "other" (no digits).
        pictures: uint8 (H, W) or (H, W, 3) each, or the file's path: it is opened when an engine comes to it.
        labels: what they show: digits, numbers joined by a space, lines by a line break; of "other" the name.
        names: of the pictures.
        groups: of each picture, such as the corruption; empty when there are none.
        corrupted: the pictures were made worse by a program.
        unsure: pictures left out because their label is in doubt.
        total: how many pictures there are without those left out; more than `len` in a sample.
    """

    name: str
    kind: Kind
    pictures: Sequence[Pixels | Path]
    labels: tuple[str, ...]
    names: tuple[str, ...]
    groups: tuple[str, ...]
    corrupted: bool
    unsure: int
    total: int

    def __len__(self) -> int:
        """The number of pictures."""
        return len(self.labels)

    def sample(self, limit: int | None, seed: int) -> PictureSet:
        """At most `limit` pictures, drawn evenly from the groups, in their order."""
        if limit is None or limit >= len(self):
            return self
        keys = np.random.default_rng(seed).permutation(len(self))
        seen: dict[str, int] = {}
        rank = np.empty(len(self), int)  # of a picture among those of its group
        for index in np.argsort(keys):
            group = self.groups[index] if self.groups else ""
            rank[index] = seen[group] = seen.get(group, -1) + 1
        return self._only(np.sort(np.lexsort((keys, rank))[:limit]))

    def _only(self, indices: NDArray[np.intp]) -> PictureSet:
        return replace(
            self,
            pictures=[self.pictures[index] for index in indices],
            labels=tuple(self.labels[index] for index in indices),
            names=tuple(self.names[index] for index in indices),
            groups=tuple(self.groups[index] for index in indices) if self.groups else (),
        )


def find(folder: Path) -> Iterator[tuple[str, Path]]:
    """(name, path) of every set in a folder, which may be one itself, sorted by name."""
    if _is_set(folder):
        yield folder.resolve().name, folder
        return
    inside = [path for path in folder.iterdir() if path.suffix == ".npz" or (path.is_dir() and _is_set(path))]
    yield from sorted((path.stem if path.is_file() else path.name, path) for path in inside)


def load(name: str, path: Path) -> list[PictureSet]:
    """The pictures of one file or folder; two sets when some labels are digits and others are not."""
    whole = _from_npz(name, path) if path.is_file() else _from_folder(name, path)
    told = np.array([any(mark in "0123456789" for mark in label) for label in whole.labels])
    if told.all() or not told.any():
        return [whole]
    parts = [(name, np.flatnonzero(told)), (f"{name} (no digits)", np.flatnonzero(~told))]
    return [_set(part, whole._only(indices), whole.unsure) for part, indices in parts]


def _set(name: str, given: PictureSet, unsure: int) -> PictureSet:
    return replace(given, name=name, kind=_kind(given.labels), total=len(given), unsure=unsure)


def _from_npz(name: str, path: Path) -> PictureSet:
    with np.load(path, allow_pickle=False) as file:
        keys = set(file.files)
        labels = file["labels"]
        sure = ~file["unsure"] if "unsure" in keys else np.ones(len(labels), bool)
        if "images" in keys:
            pictures: list[Pixels | Path] = list(file["images"])
        else:
            pictures = [file[key] for key in sorted(keys) if key.startswith("img_")]
        names = file["names"] if "names" in keys else np.arange(len(labels))
        groups = next((file[key] for key in ("corruption", "kinds") if key in keys), ())
    if len(pictures) != len(labels):
        raise ImageError(f"Expected a picture for each label of {path}. Received: {len(pictures)} for {len(labels)}.")
    every = _plain(name, pictures, labels.tolist(), [str(each) for each in names], [str(each) for each in groups])
    every = replace(every, corrupted="corruption" in keys)
    return _set(name, every._only(np.flatnonzero(sure)), int((~sure).sum()))


def _from_folder(name: str, folder: Path) -> PictureSet:
    table = folder / "labels.csv"
    if table.is_file():
        with table.open(newline="", encoding="utf-8-sig") as stream:
            rows = [(folder / row["file"], row["label"]) for row in csv.DictReader(stream)]
    else:
        files = sorted(file for file in folder.glob("*/*") if file.suffix.lower() in SUFFIXES)
        rows = [(file, file.parent.name) for file in files]
    names = [file.relative_to(folder).as_posix() for file, _ in rows]
    return _plain(name, [file for file, _ in rows], [label for _, label in rows], names, [])


def _plain(
    name: str, pictures: Sequence[Pixels | Path], labels: Sequence[Any], names: list[str], groups: list[str]
) -> PictureSet:
    texts = tuple(_text(str(label)) for label in labels)
    return PictureSet(
        name, _kind(texts), pictures, texts, tuple(names), tuple(groups), corrupted=False, unsure=0, total=len(texts)
    )


def _text(label: str) -> str:
    """A label as text: of a page, numbers joined by a space, lines by a line break."""
    if label.startswith("["):
        return "\n".join(" ".join(line) for line in json.loads(label))
    return label.strip()


def _kind(labels: Sequence[str]) -> Kind:
    if not all(any(mark in "0123456789" for mark in label) for label in labels):
        return "other"
    if any(mark.isspace() for label in labels for mark in label):
        return "page"
    return "digit" if all(len(label) == 1 for label in labels) else "string"


def _is_set(folder: Path) -> bool:
    if (folder / "labels.csv").is_file():
        return True
    return any(file.suffix.lower() in SUFFIXES for file in folder.glob("*/*")) and not any(folder.glob("*/labels.csv"))


def pixels_of(picture: Pixels | Path) -> Pixels:
    """The pixels of a picture: uint8 (H, W), (H, W, 3) RGB or (H, W, 4) RGBA."""
    return to_pixels(picture)
