"""The rows of benchmarks/results/*.csv: reading, adding, and what each says of where it was measured."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
TRAINING = ("inkdigits", "keras", "tensorflow-cpu", "tensorflow", "numpy", "python")
"""Packages that decide how a training goes."""


def rows_of(path: Path) -> list[dict[str, str]]:
    """The rows measured so far."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


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


def latest(rows: Sequence[dict[str, str]], name: str = "recipe") -> list[dict[str, str]]:
    """The rows of each recipe as it was measured last, without those of earlier recipes of the same name."""
    last = {row[name]: row["recipe_hash"] for row in rows}
    return [row for row in rows if row["recipe_hash"] == last[row[name]]]


def machine(described: Mapping[str, object]) -> str:
    """`bundle.hardware()`, or what a card keeps of it, in words."""
    return f"{described['processor']}, {described['cores']} cores"


def versions(packages: Mapping[str, str], wanted: Sequence[str]) -> str:
    """Of the packages that matter, as far as they are installed."""
    return " ".join(f"{name} {packages[name]}" for name in wanted if name in packages)


def today() -> str:
    """The date, UTC."""
    return datetime.now(UTC).date().isoformat()
