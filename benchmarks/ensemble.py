"""How accurate an ensemble is that was declared beforehand: a recipe's networks of given seeds, all of them.

    python benchmarks/ensemble.py "5 x best"

Ensembles are declared in `ensembles.toml`; others are not scored. The answer is the digit whose mean probability is
highest. The bundles are those that `accuracy.py` left in runs/accuracy; one row is appended to
benchmarks/results/accuracy.csv.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from pathlib import Path

import numpy as np

from accuracy import KEY, finished
from fingerprints import shipped
from inkdigits.datasets import load_dataset
from inkdigits.recognizer import load
from rows import RESULTS, TRAINING, append, keys_of, machine, now, versions

DECLARED = Path(__file__).parent / "ensembles.toml"


def declared(path: Path = DECLARED) -> dict[str, tuple[str, list[int]]]:
    """Name -> recipe and seeds.

    Raises:
        ValueError: a name is not "n x recipe" for its n different seeds.
    """
    found = {}
    for name, values in tomllib.loads(path.read_text(encoding="utf-8")).items():
        count, _, recipe = name.partition(" x ")
        seeds = sorted(set(values["seeds"]))
        if not recipe or str(len(seeds)) != count or len(values["seeds"]) != len(seeds):
            raise ValueError(f'Expected a name like "5 x best" with five different seeds in {path}. Received: {name}.')
        found[name] = recipe, seeds
    return found


def scored(name: str, recipe: str, seeds: list[int], runs: Path) -> dict[str, object]:
    """The row of an ensemble."""
    bundles = [finished(recipe, seed, runs) for seed in seeds]
    test = load_dataset("mnist", "test")
    mean = np.mean([load(bundle.folder).answer(test.images).probabilities for bundle in bundles], axis=0)
    wrong = np.flatnonzero(mean.argmax(axis=1) != test.labels)
    cards = [bundle.card for bundle in bundles]
    return {
        "recipe": name,
        "recipe_hash": shipped(recipe),
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
        "date": now(),
        "mistakes": " ".join(str(index) for index in wrong),
    }


def main() -> None:
    """Score the ensemble, unless that has been done."""
    there = declared()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=list(there), help="as it is declared")
    parser.add_argument("--results", type=Path, default=RESULTS / "accuracy.csv")
    parser.add_argument("--runs", type=Path, default=Path("runs/accuracy"))
    given = parser.parse_args()
    recipe, seeds = there[given.name]
    if (given.name, shipped(recipe), " ".join(map(str, seeds))) in keys_of(given.results, *KEY):
        print(f"{given.results} has {given.name} already.")
        return
    row = scored(given.name, recipe, seeds, given.runs)
    append(given.results, [row])
    print(json.dumps(row))


if __name__ == "__main__":
    main()
