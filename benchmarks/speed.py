"""How long training takes to reach an accuracy: our recipes beside the MNIST convnet of Keras' examples.

    python benchmarks/speed.py quick standard --seeds 0 1 2 3 4

Every run is a process of its own, and networks take turns: the reference and each recipe with the first seed, then with
the second, and so on. A recipe is trained to its last epoch and scored once on the test images. The reference is scored
after every epoch, and the first epoch counts in which its mean over the same seeds is no lower than the recipe's. Time
is the training's: laying out the images, building the graph and all steps, without imports, reading MNIST, and scoring.
Rows go to benchmarks/results/speed.csv; runs that it holds already are not repeated. To measure
anew, name another file.

The reference (written anew here): convolutions of 32 and 64 maps, 3x3, each with ReLU and 2x2 maximum pooling, dropout
of one half, one dense layer; Adam at its defaults, batches of 128, `fit`. The example itself holds back a tenth of the
training images and trains 15 epochs; here it learns from all 60,000, for --epochs. It calculates on all cores, as it
does when people run it, which costs more CPU time than one would. With --threads 1 it is held to one thread, as recipes
hold themselves; those rows go to benchmarks/results/speed-one-thread.csv.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

from rows import RESULTS, TRAINING, append, keys_of, machine, rows_of, today, versions

REFERENCE = "keras-example"
KEY = ("network", "recipe_hash", "seed", "epoch")
Measured = dict[str, Any]  # epoch, test_accuracy, cpu_seconds, wall_seconds


def reference(seed: int, epochs: int) -> list[Measured]:
    """Train the reference, with one call of `fit`, and score it after every epoch."""
    import keras
    import numpy as np
    from keras import layers

    from inkdigits.datasets import load_dataset
    from inkdigits.training.fitting import Clock

    train, test = load_dataset("mnist", "train"), load_dataset("mnist", "test")
    keras.utils.set_random_seed(seed)
    clock = Clock()
    images = train.images[..., None].astype(np.float32) / 255
    labels = np.eye(10, dtype=np.float32)[train.labels]
    network = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )
    network.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    measured: list[Measured] = []
    wall = cpu = 0.0

    def score(epoch: int, _: object) -> None:
        nonlocal wall, cpu
        wall, cpu = (total + lap for total, lap in zip((wall, cpu), clock.lap(), strict=True))
        answers = network.predict(test.images[..., None].astype(np.float32) / 255, batch_size=1000, verbose=0)
        accuracy = float((answers.argmax(1) == test.labels).mean())
        measured.append({"epoch": epoch + 1, "test_accuracy": accuracy, "cpu_seconds": cpu, "wall_seconds": wall})
        clock.lap()  # scoring does not count

    callback = keras.callbacks.LambdaCallback(on_epoch_end=score)
    network.fit(images, labels, batch_size=128, epochs=epochs, callbacks=[callback], verbose=0)
    return measured


def ours(name: str, seed: int) -> Measured:
    """Train a recipe and score it once. Recipes with synthetic pictures or teachers are refused: they cost more."""
    from inkdigits.datasets import load_dataset
    from inkdigits.recipes import load_recipe
    from inkdigits.training.engines import use_threads
    from inkdigits.training.fitting import fit
    from inkdigits.training.preparation import divided, prepared

    recipe = load_recipe(name)
    use_threads(recipe.threads)
    train, test = load_dataset("mnist", "train"), load_dataset("mnist", "test")
    fitted = fit(recipe, *divided(recipe, train), seed=seed)
    images, labels = prepared(test)
    answers = fitted.model.predict(images / 255, batch_size=1000, verbose=0)
    return {
        "epoch": len(fitted.history),
        "test_accuracy": float((answers.argmax(1) == labels).mean()),
        "cpu_seconds": fitted.cpu_seconds,
        "wall_seconds": fitted.seconds,
    }


def rows(network: str, seed: int, epochs: int, threads: int | None = None) -> Iterator[dict[str, object]]:
    """The rows of one run, in this process; the reference is held to so many threads."""
    from inkdigits.bundle import hardware, packages

    here, installed = machine(hardware()), versions(packages(), TRAINING)
    if network == REFERENCE:
        from inkdigits.training.engines import use_threads

        use_threads(threads)
        measured = reference(seed, epochs)
    else:
        measured = [ours(network, seed)]
    for one in measured:
        yield {
            "network": network,
            "recipe_hash": mark(network, threads),
            "seed": seed,
            "epoch": one["epoch"],
            "test_accuracy": f"{one['test_accuracy']:.4f}",
            "cpu_seconds": f"{one['cpu_seconds']:.2f}",
            "wall_seconds": f"{one['wall_seconds']:.2f}",
            "hardware": here,
            "versions": installed,
            "date": today(),
        }


def mark(network: str, threads: int | None = None) -> str:
    """What distinguishes a recipe from an earlier one of the same name; of the reference, how many threads it had."""
    from fingerprints import shipped

    if network == REFERENCE:
        return f"threads {threads}" if threads else ""
    return shipped(network)


@dataclass(frozen=True)
class Comparison:
    """What a recipe reached and took, and what the reference took for the same; means over the seeds."""

    recipe: str
    seeds: int
    accuracy: float
    deviation: float
    """Standard deviation of the accuracy over the seeds; 0.0 for one."""
    cpu_seconds: float
    reached: bool
    """Whether the reference's accuracy was ever no lower."""
    epochs: int
    """Of the reference until then, or all of them."""
    reference_seconds: float
    """CPU-seconds of the reference in these epochs."""
    wall_seconds: float
    reference_wall_seconds: float

    def __str__(self) -> str:
        """As a sentence."""
        ratio = self.reference_seconds / self.cpu_seconds
        needs = "needs" if self.reached else "does not get there in"
        return (
            f"{self.recipe}: {self.seeds} seeds, mean {100 * self.accuracy:.3f} %, {self.cpu_seconds:.1f} CPU-seconds; "
            f"the reference {needs} {self.epochs} epochs, {self.reference_seconds:.0f} CPU-seconds, "
            f"{ratio:.1f} times as many "
            f"({self.reference_wall_seconds / self.wall_seconds:.1f} times by the clock)"
        )


def compared(rows: list[dict[str, str]], recipe: str, recipe_hash: str) -> Comparison | None:
    """A recipe beside the reference, over the seeds of both and the epochs that all of these have; None without any."""
    ours = {row["seed"] for row in rows if (row["network"], row["recipe_hash"]) == (recipe, recipe_hash)}
    seeds = ours & {row["seed"] for row in rows if row["network"] == REFERENCE}
    if not seeds:
        return None
    rows = [row for row in rows if row["seed"] in seeds]
    rows = [row for row in rows if row["network"] == REFERENCE or row["recipe_hash"] == recipe_hash]
    last_of = {
        seed: max(int(r["epoch"]) for r in rows if (r["network"], r["seed"]) == (REFERENCE, seed)) for seed in seeds
    }
    rows = [row for row in rows if row["network"] == recipe or int(row["epoch"]) <= min(last_of.values())]

    def mean(column: str, network: str, epoch: str | None = None) -> float:
        there = [row for row in rows if row["network"] == network and epoch in (None, row["epoch"])]
        return statistics.mean(float(row[column]) for row in there)

    scores = [float(row["test_accuracy"]) for row in rows if row["network"] == recipe]
    epochs = [str(epoch) for epoch in range(1, min(last_of.values()) + 1)]
    good = [each for each in epochs if mean("test_accuracy", REFERENCE, each) >= statistics.mean(scores)]
    last = good[0] if good else epochs[-1]
    return Comparison(
        recipe=recipe,
        seeds=len(seeds),
        accuracy=statistics.mean(scores),
        deviation=statistics.stdev(scores) if len(scores) > 1 else 0.0,
        cpu_seconds=mean("cpu_seconds", recipe),
        reached=bool(good),
        epochs=int(last),
        reference_seconds=mean("cpu_seconds", REFERENCE, last),
        wall_seconds=mean("wall_seconds", recipe),
        reference_wall_seconds=mean("wall_seconds", REFERENCE, last),
    )


def main() -> None:
    """Run what is missing, then compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="+", help="shipped recipes")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--epochs", type=int, default=12, help="of the reference; 0 leaves it out")
    parser.add_argument("--threads", type=int, help="of the reference; as many as it likes unless given")
    parser.add_argument("--results", type=Path, help="speed.csv; with --threads 1, speed-one-thread.csv")
    parser.add_argument("--here", action="store_true", help="train in this process, print rows and keep nothing")
    given = parser.parse_args()
    if given.here:
        for row in rows(given.recipes[0], given.seeds[0], given.epochs, given.threads):
            print(json.dumps(row), flush=True)
        return
    results = given.results or RESULTS / ("speed-one-thread.csv" if given.threads == 1 else "speed.csv")
    threads = ["--threads", str(given.threads)] if given.threads else []
    for seed in given.seeds:
        for name in ([REFERENCE] if given.epochs else []) + given.recipes:
            there = [key for key in keys_of(results, *KEY) if key[:3] == (name, mark(name, given.threads), str(seed))]
            if there and name == REFERENCE and max(int(key[3]) for key in there) < given.epochs:
                sys.exit(f"{results} has fewer epochs of the reference. Name another file with --results.")
            if there:
                continue
            command = [sys.executable, __file__, name, "--here", "--seeds", str(seed), "--epochs", str(given.epochs)]
            lines = subprocess.run([*command, *threads], check=True, stdout=subprocess.PIPE, text=True).stdout
            append(results, [json.loads(line) for line in lines.splitlines()])
            print(lines.splitlines()[-1], flush=True)
    for name in given.recipes:
        print(compared(rows_of(results), name, mark(name)) or f"{name}: not measured beside the reference")


if __name__ == "__main__":
    main()
