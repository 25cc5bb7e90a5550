"""How accurate the shipped recipes are: each recipe with each seed, trained for real, scored once on the test images.

    python benchmarks/accuracy.py quick standard --seeds 0 1 2 3 4

Every finished run appends one row to benchmarks/results/accuracy.csv, and its bundle stays in runs/accuracy. Started
again after it was stopped, it goes on where it was: finished runs are not repeated, an unfinished training is resumed.
Seconds are those of training, with everything that building the graph takes, without imports and the final evaluation.
`mistakes` are the places of the test images that were answered wrong, which is what `compare.py` needs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

from inkdigits.architectures import Family, family
from inkdigits.bundle import Bundle
from inkdigits.evaluation import evaluate
from inkdigits.recipes import Recipe, load_recipe
from rows import RESULTS, TRAINING, append, machine, rows_of, versions


def fingerprint(recipe: Recipe) -> str:
    """What distinguishes a recipe from an earlier one of the same name; its name and description do not.

    Options at their defaults do not count either, so that an option added later changes no recipe without it.
    """
    plain = Recipe(name="plain", architecture=type(recipe.architecture)(recipe.architecture.name, _family(recipe)))
    values = _differing(recipe.to_dict(), plain.to_dict())
    values = {key: value for key, value in values.items() if key not in ("name", "description", "seed")}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def _family(recipe: Recipe) -> Family:
    return family(recipe.architecture.name, {})


def _differing(values: Mapping[str, Any], plain: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are not those of `plain`; the architecture's name always counts."""
    differing: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            inner = _differing(value, plain[key])
            differing |= {key: {"name": value.get("name"), **inner}} if inner or key == "architecture" else {}
        elif value != plain[key]:
            differing[key] = value
    return differing


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
    return runs / f"{name}-{seed}-{fingerprint(load_recipe(name))}"


def measured(name: str, seed: int, bundle: Bundle) -> dict[str, object]:
    """One row: what the finished bundle scores on the test images, and what it took."""
    card, result = bundle.card, evaluate(bundle)
    return {
        "recipe": name,
        "recipe_hash": fingerprint(load_recipe(name)),
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
        "date": card.created[:10],
        "mistakes": " ".join(str(index) for index in result.mistakes),
    }


def summary(name: str, rows: list[dict[str, str]]) -> str:
    """Mean and standard deviation over the seeds of the recipe as it is now."""
    mine = [row for row in rows if row["recipe"] == name and row["recipe_hash"] == fingerprint(load_recipe(name))]
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
    for name in options.recipes:
        mark = fingerprint(load_recipe(name))
        for seed in options.seeds:
            done = {(row["recipe"], row["recipe_hash"], row["seed"]) for row in rows_of(options.results)}
            if (name, mark, str(seed)) not in done:
                row = measured(name, seed, trained(name, seed, options.runs))
                append(options.results, [row])
                print(json.dumps(row), flush=True)
        print(summary(name, rows_of(options.results)), flush=True)


if __name__ == "__main__":
    main()
