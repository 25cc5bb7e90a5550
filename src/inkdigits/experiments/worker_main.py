"""The process in which a sweep trains: reads tasks, writes progress and results, one line of JSON each.

It ends when its input does, and when nobody listens any more: a sweep that is killed leaves nothing that computes on.
"""

from __future__ import annotations

import dataclasses
import datetime
import gc
import json
import logging
import math
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import IO, Any

from inkdigits.errors import DivergenceError, InkdigitsError
from inkdigits.recipes import Recipe
from inkdigits.training import EpochRecord, Observer, Progress

CHANCE = 0.1  # the accuracy that a training which came to nothing counts as


class _Reporter(Observer):
    """The child's side of an observer."""

    def __init__(self, messages: IO[str]) -> None:
        self._messages = messages
        self.parameters = 0

    def say(self, kind: str, values: Mapping[str, Any]) -> None:
        self._messages.write(json.dumps({"kind": kind, **values}) + "\n")
        self._messages.flush()

    def on_start(self, recipe: Recipe, *, parameters: int, steps: int, history: Sequence[EpochRecord]) -> None:
        self.parameters = parameters

    def on_progress(self, progress: Progress) -> None:
        self.say("progress", dataclasses.asdict(progress))

    def on_epoch(self, record: EpochRecord) -> None:
        self.say("epoch", dataclasses.asdict(record))


def _serve(tasks: IO[str], messages: IO[str]) -> None:
    from inkdigits.datasets import load_dataset
    from inkdigits.training.engines import use_threads
    from inkdigits.training.preparation import divided

    reporter = _Reporter(messages)
    images = load_dataset("mnist", "train")  # the test images are not even read
    parts = None
    for line in tasks:
        task = json.loads(line)
        recipe = Recipe.from_mapping(task["recipe"])
        try:
            use_threads(recipe.threads)
            if parts is None:  # how they are divided is the same in every run
                parts = divided(recipe, images)
            measures = _train(recipe, task["seed"], *parts, reporter)
        except InkdigitsError as error:
            reporter.say("error", {"reason": str(error)})
        else:
            reporter.say("result", measures)


def _train(recipe: Recipe, seed: int, train: Any, validation: Any, reporter: _Reporter) -> dict[str, Any]:
    import keras  # before the clock starts: the first run shall not pay for it

    from inkdigits.training import fit
    from inkdigits.training.fitting import Clock

    clock = Clock()
    try:
        last = fit(recipe, train, validation, seed=seed, observer=reporter).history[-1]
        accuracy, loss, epochs = last.validation_accuracy, last.validation_loss, last.epoch
    except DivergenceError:
        # What came out is no network, but it is a finding: it counts, as one that guesses.
        accuracy, loss, epochs = CHANCE, math.inf, recipe.epochs
    seconds, cpu_seconds = clock.lap()
    keras.utils.clear_session()
    gc.collect()
    return {
        "accuracy": accuracy,
        "loss": loss,
        "epochs": epochs,
        "parameters": reporter.parameters,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    # TensorFlow warns that many networks are many graphs; here they are meant to be.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as messages:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever a library prints must not come between messages
        try:
            _serve(sys.stdin, messages)
        except BrokenPipeError:
            os._exit(1)  # the parent is gone; closing `messages` would only fail again


if __name__ == "__main__":
    _main()
