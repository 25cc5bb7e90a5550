"""Typefaces that look like handwriting, to make synthetic pages of, and how they get, verified, into the cache.

They come from the npm packages of Fontsource (@fontsource/NAME); all are free to use, under the SIL Open Font License
or Apache-2.0. inkdigits does not contain them. The table of them is `typefaces.csv`.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources

from inkdigits import files
from inkdigits.datasets import npm
from inkdigits.errors import DatasetError

VERSION = "5.3.0"
"""Of every package."""
SECONDS = 300.0
"""npm may take so long to fetch them all."""


@dataclass(frozen=True)
class Typeface:
    """One file of a typeface in the table: its name, its size in bytes and its SHA-256."""

    name: str
    size: int
    sha256: str

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.name}-latin-400-normal.woff"


def table() -> list[Typeface]:
    """All typefaces, in the order of their names."""
    text = resources.files(__package__).joinpath("typefaces.csv").read_text(encoding="utf-8")
    return [Typeface(row["name"], int(row["bytes"]), row["sha256"]) for row in csv.DictReader(io.StringIO(text))]


def load_typefaces(*, progress: bool = False) -> dict[str, bytes]:
    """The files of all typefaces by their names, fetched into the cache when they are not there.

    Args:
        progress: say on stderr when they are fetched.

    Raises:
        DatasetError: they cannot be fetched, or the cache cannot be written; the message says what to do.
    """
    wanted = table()
    found = {face.name: content for face in wanted if (content := _cached(face)) is not None}
    missing = [face for face in wanted if face.name not in found]
    if missing:
        if progress:
            sys.stderr.write(f"Fetching {len(missing)} typefaces with npm.\n")
        found |= _fetched(missing)
    return {face.name: found[face.name] for face in wanted}


def fingerprint() -> str:
    """A SHA-256 of the table: of which typefaces there are."""
    return files.sha256_of("".join(face.sha256 for face in table()).encode())


def _cached(face: Typeface) -> bytes | None:
    path = files.cache_folder() / "typefaces" / face.file
    try:
        content = path.read_bytes() if path.stat().st_size == face.size else b""
    except OSError:
        return None
    return content if files.sha256_of(content) == face.sha256 else None


def _fetched(wanted: Sequence[Typeface]) -> dict[str, bytes]:
    folder = files.cache_folder() / "typefaces"
    try:
        found = dict(_brought(wanted))
    except DatasetError as error:
        raise DatasetError(
            f"The typefaces for synthetic pages could not be fetched: {error}. With Node, npm fetches them: try again "
            f"where its registry can be reached, or copy {folder} from a machine that has it."
        ) from None
    try:
        for face in wanted:
            files.write_atomically(folder / face.file, found[face.name])
    except OSError as error:
        raise DatasetError(
            f"The cache folder {folder} cannot be written ({error.strerror or error}). "
            f"Point {files.CACHE_VARIABLE} at a folder with 2 MB of room."
        ) from None
    return found


def _brought(wanted: Sequence[Typeface]) -> Iterator[tuple[str, bytes]]:
    """What npm brings, verified."""
    tarballs = npm.packed([f"@fontsource/{face.name}@{VERSION}" for face in wanted], SECONDS)
    for face in wanted:
        tarball = tarballs.get(f"fontsource-{face.name}-{VERSION}.tgz")
        if tarball is None:
            raise DatasetError(f"npm brought no package @fontsource/{face.name}")
        ((_, content),) = npm.members(tarball, {f"package/files/{face.file}": face.size})
        if files.sha256_of(content) != face.sha256:
            raise DatasetError(f"{face.file} is not the file it should be; its SHA-256 differs")
        yield face.name, content
