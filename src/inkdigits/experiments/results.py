"""What came out of a sweep: one row per finished run, and what the rows say about each choice.

The unit of repetition is the seed. A level's figure is first averaged over every combination it takes part in, seed by
seed; mean, standard deviation and confidence interval are then those of the seeds' averages. Runs of one seed share
their initial randomness and the order of the images, so two levels are compared by their difference within each seed.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from inkdigits.experiments.sweep import Run, Sweep

CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class Result:
    """One finished run, judged on the validation images.

    `accuracy` is the share of validation images read right, 0 to 1. `loss` is their mean cross-entropy in nats; it is
    infinite or not a number where training went astray. `seconds` is wall time and `cpu_seconds` processor time of
    training, both without loading the data.
    """

    run: Run
    accuracy: float
    loss: float
    epochs: int
    parameters: int
    seconds: float
    cpu_seconds: float
    finished: str


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its sample standard deviation and 95 % confidence interval (Student's t).

    One value has no spread: `sd`, `low` and `high` are None.
    """

    n: int
    mean: float
    sd: float | None
    low: float | None
    high: float | None


@dataclasses.dataclass(frozen=True)
class Choice:
    """What the runs say about one level of a factor, or about one combination.

    `difference` is the accuracy less that of the best level (combination), seed by seed; None for the best itself.
    """

    labels: tuple[str, ...]
    runs: int
    accuracy: Estimate
    difference: Estimate | None
    cpu_seconds: float
    parameters: int | None


def estimate(values: Sequence[float]) -> Estimate:
    """Mean, sample standard deviation and two-sided 95 % t interval of independent values (at least one)."""
    n, mean = len(values), statistics.fmean(values)
    if n < 2:
        return Estimate(n, mean, None, None, None)
    from scipy.special import stdtrit

    sd = statistics.stdev(values)
    half = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * sd / math.sqrt(n)
    return Estimate(n, mean, sd, mean - half, mean + half)


def whole_seeds(sweep: Sweep, results: Iterable[Result]) -> list[int]:
    """The seeds for which every combination has finished: only they compare the choices fairly."""
    done = {result.run for result in results}
    combinations = sweep.combinations()
    return [seed for seed in sweep.seeds if all(Run(seed, labels) in done for labels in combinations)]


def main_effects(sweep: Sweep, results: Sequence[Result]) -> dict[str, list[Choice]]:
    """For each factor its levels, in the order of the sweep, averaged over everything else that was varied.

    Only whole seeds count; without one the answer is empty. Where the sweep is a random sample, a level missing from it
    is left out, and levels may have met different partners.
    """
    seeds = whole_seeds(sweep, results)
    if not seeds:
        return {}
    effects = {}
    for index, factor in enumerate(sweep.factors):
        groups = {(label,): [r for r in results if r.run.labels[index] == label] for label in factor.labels}
        effects[factor.name] = _compare({key: runs for key, runs in groups.items() if runs}, seeds)
    return effects


def ranking(sweep: Sweep, results: Sequence[Result]) -> list[Choice]:
    """Every combination that finished for all whole seeds, the most accurate on average first."""
    seeds = whole_seeds(sweep, results)
    if not seeds:
        return []
    groups = {labels: [r for r in results if r.run.labels == labels] for labels in sweep.combinations()}
    return sorted(_compare(groups, seeds), key=lambda choice: -choice.accuracy.mean)


def _compare(groups: dict[tuple[str, ...], list[Result]], seeds: Sequence[int]) -> list[Choice]:
    averages = {
        labels: [statistics.fmean(r.accuracy for r in runs if r.run.seed == seed) for seed in seeds]
        for labels, runs in groups.items()
    }
    best = max(averages, key=lambda labels: statistics.fmean(averages[labels]))
    choices = []
    for labels, runs in groups.items():
        counted = [r for r in runs if r.run.seed in seeds]
        sizes = {r.parameters for r in counted}
        gaps = [own - top for own, top in zip(averages[labels], averages[best], strict=True)]
        choices.append(
            Choice(
                labels=labels,
                runs=len(counted),
                accuracy=estimate(averages[labels]),
                difference=None if labels == best else estimate(gaps),
                cpu_seconds=statistics.fmean(r.cpu_seconds for r in counted),
                parameters=sizes.pop() if len(sizes) == 1 else None,
            )
        )
    return choices


_MEASURES = ("accuracy", "loss", "epochs", "parameters", "seconds", "cpu_seconds", "finished")
_OWN = ("runs", "seeds", "accuracy_mean", "accuracy_sd", "accuracy_low", "accuracy_high")
_GAP = ("difference_mean", "difference_low", "difference_high")
_CHOICE = (*_OWN, *_GAP, "cpu_seconds", "parameters")


def results_csv(sweep: Sweep, results: Sequence[Result]) -> str:
    """One row per finished run in the order of the sweep: run, seed, a column per factor, and the measures."""
    number = {run: index for index, run in enumerate(sweep.runs())}
    rows = [
        [number[r.run], r.run.seed, *r.run.labels, *(_cell(getattr(r, name)) for name in _MEASURES)]
        for r in sorted(results, key=lambda r: number[r.run])
    ]
    return _csv(["run", "seed", *(f.name for f in sweep.factors), *_MEASURES], rows)


def effects_csv(effects: dict[str, list[Choice]]) -> str:
    """The main effects: one row per factor and level."""
    rows = [[name, *c.labels, *_choice(c)] for name, choices in effects.items() for c in choices]
    return _csv(["factor", "level", *_CHOICE], rows)


def ranking_csv(sweep: Sweep, choices: Sequence[Choice]) -> str:
    """The ranking: one row per combination, a column per factor."""
    return _csv([*(f.name for f in sweep.factors), *_CHOICE], [[*c.labels, *_choice(c)] for c in choices])


def _choice(choice: Choice) -> list[str]:
    own, gap = choice.accuracy, choice.difference
    gaps = (gap.mean, gap.low, gap.high) if gap else (0.0, None, None)
    figures = (own.mean, own.sd, own.low, own.high, *gaps, choice.cpu_seconds, choice.parameters)
    return [str(choice.runs), str(own.n), *(_cell(value) for value in figures)]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _csv(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue()
