"""The memory of a sweep: an Optuna study in an SQLite file, from which every table is made.

A run is either finished, with all of its measures, or it does not count: Optuna sets the state of a trial in one
transaction, after the measures are stored. What a crash leaves behind is set to failed when the study is opened again,
and the run is repeated as a new trial. Open the file with optuna-dashboard to look inside.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inkdigits.errors import InkdigitsError, MissingExtraError, RecipeError
from inkdigits.experiments.results import Result
from inkdigits.experiments.sweep import Run, Sweep, as_of_now
from inkdigits.files import locked, write_atomically

STUDY, IDENTITY, RESULTS = "study.db", "sweep.json", "results.csv"
_SEED = "seed"


class Study:
    """The runs of one sweep in one folder, open for one process at a time. Use as a context manager."""

    def __init__(self, sweep: Sweep, folder: Path, *, resume: bool) -> None:
        """Open the study in `folder`, or begin it.

        Args:
            sweep: What is asked.
            folder: Where the study lies; made if it does not exist.
            resume: Go on with the sweep that the folder holds, if it holds one.

        Raises:
            RecipeError: The folder holds a sweep and `resume` is False, or one of other factors or another recipe, or
                finished runs that the sweep no longer asks for.
            InkdigitsError: Another process is at work there.
        """
        try:
            import optuna
        except ImportError as error:
            raise MissingExtraError("optuna", "train") from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna, self._sweep = optuna, sweep
        self._lock = locked(folder)
        self._storage: Any = None
        try:
            self._check(folder, resume)
            self._open(folder / STUDY)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Study:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the folder is free for another process."""
        self._disconnect()
        self._lock.close()

    def finished(self) -> list[Result]:
        """The finished runs, each once, in the order in which they began."""
        results: dict[Run, Result] = {}
        for trial in self._trials("COMPLETE"):
            run = self._run(trial.params)
            results.setdefault(run, Result(run=run, **json.loads(trial.user_attrs["measures"])))
        return list(results.values())

    def begin(self, run: Run) -> Any:
        """Note that a run starts; returns Optuna's trial, for `finish` or `fail`."""
        self._study.enqueue_trial({_SEED: run.seed, **self._labels(run)})
        trial = self._study.ask(self._space)
        if self._run(trial.params) != run:
            raise InkdigitsError(f"Expected the study to begin {run}; it began {trial.params}. Use another folder.")
        return trial

    def finish(self, trial: Any, result: Result) -> None:
        """Store the measures of a trial, then mark it complete: from here on it counts."""
        measures = {f.name: getattr(result, f.name) for f in dataclasses.fields(result) if f.name != "run"}
        trial.set_user_attr("measures", json.dumps(measures))
        self._study.tell(trial, result.accuracy)

    def fail(self, trial: Any, reason: str) -> None:
        """Mark a trial as failed: its run does not count and is tried again when the sweep is resumed."""
        trial.set_user_attr("reason", reason[:1000])
        self._study.tell(trial, state=self._states.FAIL)

    def environments(self, current: Mapping[str, Any] | None = None) -> list[Mapping[str, Any]]:
        """The hardware and versions that runs have had so far, each once; `current` is noted as one of them."""
        known: list[Mapping[str, Any]] = self._study.user_attrs.get("environments", [])
        if current is not None and current not in known:
            known = [*known, current]
            self._study.set_user_attr("environments", known)
        return known

    def _check(self, folder: Path, resume: bool) -> None:
        """Make sure that the folder holds this sweep, or begin it there: first the study, then its identity."""
        identity, study = folder / IDENTITY, folder / STUDY
        if not identity.exists():
            if (folder / RESULTS).exists():
                raise RecipeError(f"Expected {identity}, which says what {folder / RESULTS} came from. It is missing")
            self._begin_study(study)
            document = {"name": self._sweep.name, **self._sweep.identity()}
            write_atomically(identity, json.dumps(document, indent=2) + "\n")
            return
        if not resume:
            raise RecipeError(
                f"Expected a folder without a sweep. Received: {folder}, which holds one. "
                "Go on with it by --resume, or choose another folder"
            )
        if not study.exists():
            raise InkdigitsError(f"Expected the sweep's study in {study}. It is missing: choose another folder")
        try:
            before = as_of_now(json.loads(identity.read_text(encoding="utf-8")))
        except (ValueError, KeyError, TypeError, RecipeError) as error:
            raise RecipeError(f"Expected the identity of a sweep in {identity}. Received: {error!r}") from error
        if changed := ", ".join(differences(before, self._sweep.identity())):
            raise RecipeError(
                f"Expected the sweep that {folder} holds; only seeds and sample may differ. "
                f"Received another {changed}. Undo the change, or choose another folder"
            )

    def _begin_study(self, path: Path) -> None:
        """Make the file under another name: one that a crash has left half made is never opened."""
        part = path.with_name(f".{path.name}.part")
        part.unlink(missing_ok=True)
        self._connect(part)
        self._disconnect()
        part.replace(path)

    def _connect(self, path: Path) -> None:
        self._storage = self._optuna.storages.RDBStorage(f"sqlite:///{path.absolute()}")
        self._study = self._optuna.create_study(
            storage=self._storage, study_name="sweep", direction="maximize", load_if_exists=True
        )

    def _disconnect(self) -> None:
        if self._storage is not None:
            self._storage.remove_session()
            self._storage.engine.dispose()
            self._storage = None

    def _open(self, path: Path) -> None:
        from sqlalchemy.exc import SQLAlchemyError

        try:
            self._connect(path)
        except (SQLAlchemyError, self._optuna.exceptions.OptunaError, RuntimeError) as error:
            raise InkdigitsError(f"Expected an Optuna study in {path}. It is damaged or foreign: {error}") from error
        self._states, distributions = self._optuna.trial.TrialState, self._optuna.distributions
        self._space = {f.name: distributions.CategoricalDistribution(f.labels) for f in self._sweep.factors}
        self._space[_SEED] = distributions.IntDistribution(0, 2**31 - 1)
        for _ in self._trials("WAITING"):
            self._study.tell(self._study.ask(), state=self._states.FAIL)
        for trial in self._trials("RUNNING"):
            self._study.tell(trial.number, state=self._states.FAIL)
        planned = set(self._sweep.runs())
        if strangers := [str(result.run) for result in self.finished() if result.run not in planned]:
            raise RecipeError(
                f"Expected the sweep to ask for every run that has finished; seeds and sample may only grow. "
                f"Not asked for any more: {', '.join(strangers[:5])}{' ...' if len(strangers) > 5 else ''}"
            )

    def _trials(self, state: str) -> list[Any]:
        trials: list[Any] = self._study.get_trials(deepcopy=False, states=(getattr(self._states, state),))
        return trials

    def _labels(self, run: Run) -> dict[str, str]:
        return {factor.name: label for factor, label in zip(self._sweep.factors, run.labels, strict=True)}

    def _run(self, params: dict[str, Any]) -> Run:
        return Run(int(params[_SEED]), tuple(str(params[factor.name]) for factor in self._sweep.factors))


def differences(before: Any, after: Any, where: str = "") -> list[str]:
    """The dotted names under which two trees of plain data differ; names that only `before` has are left out on top."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return [] if before == after else [where]
    keys = after if not where else {**before, **after}
    missing = object()
    return [
        name
        for key in keys
        for name in differences(before.get(key, missing), after.get(key, missing), f"{where}.{key}".lstrip("."))
    ]
