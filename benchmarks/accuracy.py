"""How accurate the shipped recipes are: each recipe with each seed, trained for real, scored once on the test images.

    python benchmarks/accuracy.py quick standard --seeds 0 1 2 3 4

Every finished run appends one row to benchmarks/results/accuracy.csv, and its bundle stays in runs/accuracy. Started
again after it was stopped, it goes on where it was: finished runs are not repeated, an unfinished training is resumed.
To measure anew what the file has, name another: --results again.csv --runs runs/again.
Seconds are those of training, with everything that building the graph takes, without imports and the final evaluation.
`mistakes` are the places of the test images that were answered wrong, which is what `compare.py` needs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

from fingerprints import fingerprint, shipped
from inkdigits.bundle import Bundle
from inkdigits.errors import InkdigitsError
from inkdigits.evaluation import evaluate
from inkdigits.recipes import Recipe
from rows import RESULTS, TRAINING, append, keys_of, machine, rows_of, versions

KEY = ("recipe", "recipe_hash", "seed")


def trained(name: str, seed: int, runs: Path) -> Bundle:
    """The bundle of one run: trained now, resumed, or finished by an earlier call.

    The training has a process of its own, as it would by hand: what one recipe sets holds for no other.
    """
    folder = folder_of(name, seed, runs)
    begun = (folder / "checkpoint.npz").exists() or (folder / "model.json").exists()
    command = ["--resume", str(folder)] if begun else ["--recipe", name, "--seed", str(seed), "--out", str(folder)]
    subprocess.run([sys.executable, "-m", "inkdigits", "train", *command], check=True, stdout=subprocess.DEVNULL)
    return Bundle.load(folder)


def finished(name: str, seed: int, runs: Path) -> Bundle:
    """The bundle of one run that `accuracy.py` has finished; the program ends where there is none."""
    folder = folder_of(name, seed, runs)
    if not (folder / "model.json").exists():
        sys.exit(f"Expected a finished run in {folder}. Train it first: python benchmarks/accuracy.py {name}")
    return Bundle.load(folder)


def folder_of(name: str, seed: int, runs: Path) -> Path:
    """Where a run's bundle is kept."""
    return runs / f"{name}-{seed}-{shipped(name)}"


def measured(name: str, seed: int, bundle: Bundle) -> dict[str, object]:
    """One row: what the finished bundle scores on the test images, and what it took."""
    card, result = bundle.card, evaluate(bundle)
    return {
        "recipe": name,
        "recipe_hash": fingerprint(Recipe.from_mapping(card.recipe)),
        "seed": seed,
        "test_accuracy": f"{result.accuracy:.4f}",
        "errors": result.errors,
        "validation_accuracy": f"{card.validation['accuracy']:.4f}",
        "cpu_seconds": f"{card.training['cpu_seconds']:.1f}",
        "wall_seconds": f"{card.training['seconds']:.1f}",
        "parameters": card.parameters,
        "epochs": card.training["epochs"],
        "hardware": machine(card.hardware),
        "versions": versions(card.packages, TRAINING),
        "date": card.created,
        "mistakes": " ".join(str(index) for index in result.mistakes),
    }


def summary(name: str, rows: list[dict[str, str]]) -> str:
    """Mean and standard deviation over the seeds of the recipe as it is now."""
    mine = [row for row in rows if row["recipe"] == name and row["recipe_hash"] == shipped(name)]
    scores = [100 * float(row["test_accuracy"]) for row in mine]
    if not scores:
        return f"{name}: no run finished"
    spread = f" (sd {statistics.stdev(scores):.3f})" if len(scores) > 1 else ""
    cpu = statistics.mean(float(row["cpu_seconds"]) for row in mine)
    return f"{name}: {len(scores)} seeds, test accuracy mean {statistics.mean(scores):.3f} %{spread}, {cpu:.1f} CPU-s"


def main() -> None:
    """Run what is missing, then print a line for each recipe."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipes", nargs="+", help="shipped recipes")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--results", type=Path, default=RESULTS / "accuracy.csv")
    parser.add_argument("--runs", type=Path, default=Path("runs/accuracy"), help="where the bundles stay")
    options = parser.parse_args()
    if min(options.seeds) < 0:
        parser.error("a seed is 0 or more")
    try:
        for name in options.recipes:
            mark = shipped(name)
            for seed in options.seeds:
                if (name, mark, str(seed)) in keys_of(options.results, *KEY):
                    continue
                row = measured(name, seed, trained(name, seed, options.runs))
                if row["recipe_hash"] != mark:
                    sys.exit(f"The recipe {name} changed meanwhile. What was trained is kept in {options.runs}.")
                append(options.results, [row])
                print(json.dumps(row), flush=True)
            print(summary(name, rows_of(options.results)), flush=True)
    except InkdigitsError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
