"""The rows of benchmarks/results/*.csv: reading, adding, and what each says of where it was measured."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
TRAINING = ("inkdigits", "keras", "tensorflow-cpu", "tensorflow", "numpy", "python")
"""Packages that decide how a training goes."""


def rows_of(path: Path, *key: str) -> list[dict[str, str]]:
    """The rows measured so far.

    Args:
        path: the file; there need not be one yet.
        key: columns that together occur once.

    Raises:
        ValueError: a row is cut short, is there twice, or names fewer mistakes than it counts errors.
    """
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    for number, row in enumerate(rows, start=1):
        if None in row or None in row.values():
            raise ValueError(f"Expected row {number} of {path} to be complete. It is not; delete it to measure anew.")
        if row.get("mistakes") and len(row["mistakes"].split()) != int(row["errors"]):
            raise ValueError(f"Expected as many mistakes as errors in row {number} of {path}.")
    if key:
        twice = [each for each, count in Counter(tuple(row[name] for name in key) for row in rows).items() if count > 1]
        if twice:
            raise ValueError(f"Expected every {', '.join(key)} once in {path}. There twice: {' '.join(twice[0])}.")
    return rows


def keys_of(path: Path, *key: str) -> set[tuple[str, ...]]:
    """What has been measured: the values of some columns, which together occur once."""
    return {tuple(row[name] for name in key) for row in rows_of(path, *key)}


def append(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Add rows, in a single write.

    Raises:
        ValueError: the file has other columns.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    if not new:
        with path.open(newline="", encoding="utf-8") as stream:
            header = next(csv.reader(stream), [])
        if header != list(rows[0]):
            raise ValueError(f"Expected {path} with the columns {', '.join(rows[0])}. It has {', '.join(header)}.")
    with path.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows(rows)


def machine(described: Mapping[str, object]) -> str:
    """`bundle.hardware()`, or what a card keeps of it, in words."""
    return f"{described['processor']}, {described['cores']} cores"


def versions(packages: Mapping[str, str], wanted: Sequence[str]) -> str:
    """Of the packages that matter, as far as they are installed."""
    return " ".join(f"{name} {packages[name]}" for name in wanted if name in packages)


def today() -> str:
    """The date, UTC."""
    return datetime.now(UTC).date().isoformat()


def now() -> str:
    """Date and time, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
