"""Trains the runs of a sweep in a process of its own, which is replaced before it has grown large.

TensorFlow never gives back the graph of a training loop, nor the images in it: about 20 MB for each run with 12,000
images. So networks are trained in a child, `worker_main.py`, that lives for some runs. Tasks go in and messages come
out as lines of JSON.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import IO, Any, cast

from inkdigits.errors import InkdigitsError
from inkdigits.recipes import Recipe
from inkdigits.training import EpochRecord, Observer, Progress

RUNS = 25  # that one child trains; starting one costs about 5 seconds


class Worker:
    """The parent's side. Starts a child when one is needed; use as a context manager."""

    def __init__(self, log: Path) -> None:
        """`log` gets what the child says on stderr."""
        self._log = log
        self._child: subprocess.Popen[str] | None = None
        self._runs = 0

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        if self._child is not None:
            self._child.kill()
            self._end()

    def train(self, recipe: Recipe, seed: int, observer: Observer) -> dict[str, Any]:
        """Train once; returns the fields of a `Result` but its run.

        Raises:
            InkdigitsError: The training could not be done, or its process died.
        """
        if self._child is None:
            self._start()
        child = cast("subprocess.Popen[str]", self._child)
        tasks, messages = cast(IO[str], child.stdin), cast(IO[str], child.stdout)
        with contextlib.suppress(BrokenPipeError):  # it has died: the missing answer says so below
            tasks.write(json.dumps({"recipe": recipe.to_dict(), "seed": seed}) + "\n")
            tasks.flush()
        for line in messages:
            message = json.loads(line)
            match message.pop("kind"):
                case "progress":
                    observer.on_progress(Progress(**message))
                case "epoch":
                    observer.on_epoch(EpochRecord(**message))
                case "error":
                    raise InkdigitsError(message["reason"])
                case "result":
                    self._runs += 1
                    if self._runs >= RUNS:
                        self._end()
                    return dict(message)
        self._end()
        raise InkdigitsError(
            f"Expected an answer of the training process. It ended with status {child.returncode}; see {self._log}"
        )

    def _start(self) -> None:
        with self._log.open("a", encoding="utf-8") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "inkdigits.experiments.worker_main"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                encoding="utf-8",
            )
        self._runs = 0

    def _end(self) -> None:
        child, self._child = cast("subprocess.Popen[str]", self._child), None
        with contextlib.suppress(BrokenPipeError):
            cast(IO[str], child.stdin).close()
        child.wait()
        cast(IO[str], child.stdout).close()
