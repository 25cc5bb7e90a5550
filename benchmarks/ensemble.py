"""How accurate an ensemble is that was declared beforehand: a recipe's networks of given seeds, all of them.

    python benchmarks/ensemble.py best --seeds 0 1 2 3 4

The answer is the digit whose mean probability is highest. Which networks take part follows from the command alone:
none is left out for how it did. The bundles are those that `accuracy.py` left in runs/accuracy; one row is appended to
benchmarks/results/accuracy.csv, under the name "5 x best".
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from accuracy import fingerprint, finished
from inkdigits.datasets import load_dataset
from inkdigits.recipes import load_recipe
from inkdigits.recognizer import load
from rows import RESULTS, TRAINING, append, machine, rows_of, today, versions


def scored(recipe: str, seeds: list[int], runs: Path) -> dict[str, object]:
    """The row of the ensemble of some seeds."""
    bundles = [finished(recipe, seed, runs) for seed in seeds]
    test = load_dataset("mnist", "test")
    mean = np.mean([load(bundle.folder).answer(test.images).probabilities for bundle in bundles], axis=0)
    wrong = np.flatnonzero(mean.argmax(axis=1) != test.labels)
    cards = [bundle.card for bundle in bundles]
    return {
        "recipe": f"{len(seeds)} x {recipe}",
        "recipe_hash": fingerprint(load_recipe(recipe)),
        "seed": " ".join(str(seed) for seed in seeds),
        "test_accuracy": f"{1 - len(wrong) / len(test):.4f}",
        "errors": len(wrong),
        "validation_accuracy": "",
        "cpu_seconds": f"{sum(float(card.training['cpu_seconds']) for card in cards):.1f}",
        "wall_seconds": f"{sum(float(card.training['seconds']) for card in cards):.1f}",
        "parameters": sum(card.parameters for card in cards),
        "epochs": cards[0].training["epochs"],
        "hardware": machine(cards[0].hardware),
        "versions": versions(cards[0].packages, TRAINING),
        "date": today(),
        "mistakes": " ".join(str(index) for index in wrong),
    }


def main() -> None:
    """Score the ensemble, unless that has been done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", help="a shipped recipe")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--results", type=Path, default=RESULTS / "accuracy.csv")
    parser.add_argument("--runs", type=Path, default=Path("runs/accuracy"))
    given = parser.parse_args()
    name, seeds = f"{len(given.seeds)} x {given.recipe}", " ".join(str(seed) for seed in given.seeds)
    mark = fingerprint(load_recipe(given.recipe))
    if any((row["recipe"], row["recipe_hash"], row["seed"]) == (name, mark, seeds) for row in rows_of(given.results)):
        print(f"{given.results} has {name} with the seeds {seeds} already.")
        return
    row = scored(given.recipe, given.seeds, given.runs)
    append(given.results, [row])
    print(json.dumps(row))


if __name__ == "__main__":
    main()
