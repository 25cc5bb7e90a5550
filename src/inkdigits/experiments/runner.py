"""Running a sweep: every run is trained, judged on validation images, and noted the moment it ends.

The test images are out of reach: a sweep loads the training split alone and divides it, the same way for every run,
into images to learn from and images to judge by.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from inkdigits.datasets import load_dataset
from inkdigits.errors import InkdigitsError, RecipeError
from inkdigits.experiments.report import write_report
from inkdigits.experiments.results import Result, results_csv
from inkdigits.experiments.study import RESULTS, Study
from inkdigits.experiments.sweep import Run, Sweep
from inkdigits.experiments.worker import Worker
from inkdigits.files import write_atomically
from inkdigits.training import Observer

REPORT, LOG = "report", "worker.log"


class Watcher(Observer):
    """Is told what a sweep does, and inside a run what its training does; every method may be overridden."""

    def on_sweep(self, sweep: Sweep, done: Sequence[Result]) -> None:
        """The sweep begins or goes on; `done` was finished before."""

    def on_run(self, run: Run) -> None:
        """A run starts."""

    def on_result(self, result: Result) -> None:
        """A run has finished and counts."""

    def on_failure(self, run: Run, reason: str) -> None:
        """A run could not be trained and does not count; the sweep goes on."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A sweep after its last run: the finished runs, why others failed, and the folder of the tables and the report."""

    sweep: Sweep
    results: tuple[Result, ...]
    failures: Mapping[Run, str]
    folder: Path

    @property
    def page(self) -> Path:
        """The report's page."""
        return self.folder / REPORT / "index.html"


def run_sweep(sweep: Sweep, out: Path | str, *, resume: bool = False, watcher: Watcher | None = None) -> Outcome:
    """Do every run of a sweep that has not been done yet, then write the tables and the report.

    `out` then holds `study.db` (Optuna), `sweep.json` (what was asked), `results.csv` (one row per finished run,
    written anew after each) and the folder `report`. The process may be killed at any moment: what it was training is
    repeated when the sweep is resumed, and everything before stays.

    Args:
        sweep: What to run.
        out: The folder for it all.
        resume: Go on with the sweep in `out`, if there is one.
        watcher: Told about each run.

    Raises:
        RecipeError: `out` holds another sweep, or one and `resume` is False.
        InkdigitsError: Another process works in `out`, or the images cannot be had.
    """
    folder, watcher = Path(out), watcher or Watcher()
    if any((folder / name).exists() for name in ("model.json", "checkpoint.npz")):
        raise RecipeError(f"Expected a folder for a sweep. {folder} holds a training: choose another.")
    failures: dict[Run, str] = {}
    with Study(sweep, folder, resume=resume) as study:
        results = study.finished()
        write_atomically(folder / RESULTS, results_csv(sweep, results))
        watcher.on_sweep(sweep, results)
        done = {result.run for result in results}
        todo = [run for run in sweep.runs() if run not in done]
        environments = study.environments(_environment() if todo else None)
        if todo:
            load_dataset("mnist", "train", progress=True)  # fetch it here, where progress and errors can be seen
        with Worker(folder / LOG) as worker:
            for run in todo:
                watcher.on_run(run)
                trial = study.begin(run)
                try:
                    result = Result(run, **worker.train(sweep.recipe(run.labels), run.seed, watcher))
                except InkdigitsError as error:
                    failures[run] = str(error)
                    study.fail(trial, str(error))
                    watcher.on_failure(run, str(error))
                    continue
                study.finish(trial, result)
                results.append(result)
                write_atomically(folder / RESULTS, results_csv(sweep, results))
                watcher.on_result(result)
        write_report(sweep, results, failures, environments, folder / REPORT)
    return Outcome(sweep, tuple(results), failures, folder)


def _environment() -> dict[str, dict[str, Any]]:
    """Hardware and package versions, as the study keeps them."""
    from inkdigits import bundle

    return {"hardware": bundle.hardware(), "packages": bundle.packages()}
