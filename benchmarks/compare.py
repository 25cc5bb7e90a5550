"""Which of two recipes is better on MNIST's test images, and whether that could be chance (McNemar, 1947).

    python benchmarks/compare.py standard quick

For every seed that both were measured with in benchmarks/results/accuracy.csv: the images that only the one got wrong,
those that only the other did, and how probable a split at least as uneven is if both were equally good (exact,
two-sided). Good networks' accuracies differ by less than their standard error, which is 0.05 points at 99.75 %; pairs
tell more.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scipy.stats import binomtest

from fingerprints import current
from rows import RESULTS, rows_of


@dataclass(frozen=True)
class Pair:
    """Two networks on the same images."""

    seed: str
    only_first: int
    """Images that only the first got wrong."""
    only_second: int
    p: float
    """The probability of so uneven a split if both were equally good."""

    @classmethod
    def of(cls, seed: str, first: set[str], second: set[str]) -> Pair:
        """From the images that each got wrong."""
        one, other = len(first - second), len(second - first)
        return cls(seed, one, other, float(binomtest(one, one + other).pvalue) if one + other else 1.0)


def pairs(rows: list[dict[str, str]], first: str, second: str) -> Iterator[Pair]:
    """A pair for each seed that both recipes were measured with; rows are those of one version of each."""
    wrong = {(row["recipe"], row["seed"]): set(row["mistakes"].split()) for row in rows}
    for recipe, seed in wrong:
        if recipe == first and (second, seed) in wrong:
            yield Pair.of(seed, wrong[first, seed], wrong[second, seed])


def main() -> None:
    """Compare two recipes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", help="a recipe that was measured")
    parser.add_argument("second")
    parser.add_argument("--results", type=Path, default=RESULTS / "accuracy.csv")
    given = parser.parse_args()
    found = list(pairs(current(rows_of(given.results)), given.first, given.second))
    if not found:
        parser.error(f"{given.results} has no seed that both {given.first} and {given.second} were measured with")
    print(f"seed  only {given.first} wrong  only {given.second} wrong  p")
    for pair in found:
        print(f"{pair.seed:>4}  {pair.only_first:>{len(given.first) + 11}}", end="")
        print(f"  {pair.only_second:>{len(given.second) + 11}}  {pair.p:.3g}")


if __name__ == "__main__":
    main()
