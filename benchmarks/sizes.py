"""How large exported files are and how accurate they still are: each recipe, seed and format.

    python benchmarks/sizes.py nano small --seeds 0 1 2 3 4

The networks are those that `accuracy.py` left in runs/accuracy; for another seed, run that first. Every file answers
the 10,000 test images once; rows go to benchmarks/results/sizes.csv.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from accuracy import finished
from fingerprints import shipped
from inkdigits.datasets import load_dataset
from inkdigits.export import FORMATS, export
from rows import RESULTS, TRAINING, append, keys_of, machine, today, versions

KEY = ("recipe", "recipe_hash", "seed", "format")
SIZED = ("onnx", "onnx-int8", "litert", "litert-int8")


def scored(recipe: str, seed: int, runs: Path) -> Iterator[dict[str, object]]:
    """A row for each format of one network."""
    from inkdigits.bundle import hardware, packages

    test, bundle = load_dataset("mnist", "test"), finished(recipe, seed, runs)
    with tempfile.TemporaryDirectory() as folder:
        for exported in export(bundle, SIZED, folder):
            answers = FORMATS[exported.format].runtime(exported.path).answer(test.images)
            errors = int((answers.probabilities.argmax(axis=1) != test.labels).sum())
            yield {
                "recipe": recipe,
                "recipe_hash": shipped(recipe),
                "seed": seed,
                "format": exported.format,
                "bytes": exported.bytes,
                "test_accuracy": f"{1 - errors / len(test):.4f}",
                "parameters": bundle.card.parameters,
                "hardware": machine(hardware()),
                "versions": versions(packages(), (*TRAINING, "onnxruntime")),
                "date": today(),
            }


def main() -> None:
    """Score what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="+", help="shipped recipes")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--results", type=Path, default=RESULTS / "sizes.csv")
    parser.add_argument("--runs", type=Path, default=Path("runs/accuracy"))
    given = parser.parse_args()
    for name in given.recipes:
        for seed in given.seeds:
            if (name, shipped(name), str(seed), SIZED[0]) in keys_of(given.results, *KEY):
                print(f"{given.results} has {name} with seed {seed} already.")
                continue
            found = list(scored(name, seed, given.runs))
            append(given.results, found)
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
