"""A sweep as a page to read and files to take elsewhere: figures, tables, CSV.

report/
  index.html         everything, in one file
  effects.csv        one row per factor and level
  combinations.csv   one row per combination
  *.svg              the figures of the page, each on its own
"""

from __future__ import annotations

import html
import itertools
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits import drawing
from inkdigits.experiments.results import (
    Choice,
    Result,
    effects_csv,
    main_effects,
    ranking,
    ranking_csv,
    whole_seeds,
)
from inkdigits.experiments.sweep import Factor, Run, Sweep
from inkdigits.files import staged_folder

SHOWN = 30  # combinations in the figure of all of them; the table has every one
_LIMITS = (
    "Every figure is accuracy on validation images, which were not trained on. The best of many is flattered by the "
    "choice itself: train it anew and measure it with `inkdigits evaluate` before quoting its accuracy. An interval "
    "covers the spread between seeds (weights, order of images), not other images, other budgets or other machines, "
    "and it is for one choice at a time: among many comparisons some will look clear by luck."
)


@dataclass(frozen=True)
class _Figure:
    """A drawn figure: the name of its file, what stands under it, what it says to those who cannot see it."""

    name: str
    caption: str
    alt: str
    drawn: Any

    def html(self) -> str:
        return drawing.figure_html(drawing.svg(self.drawn), self.caption, self.alt)


def write_report(
    sweep: Sweep,
    results: Sequence[Result],
    failures: Mapping[Run, str],
    environments: Sequence[Mapping[str, Any]],
    folder: Path,
) -> Path:
    """Write the report of a sweep, complete or not, and return its page.

    Args:
        sweep: What was asked.
        results: The finished runs.
        failures: Why other runs could not be trained.
        environments: The hardware and package versions that the runs had, one entry for each different one.
        folder: Where to; made if missing. Files of an earlier report are replaced.
    """
    effects, ranked = main_effects(sweep, results), ranking(sweep, results)
    figures: list[_Figure] = []

    def show(figure: _Figure) -> str:
        figures.append(figure)
        return figure.html()

    sections = [drawing.Section("What was asked", _asked(sweep))]
    if ranked:
        sections += [
            drawing.Section("Choice by choice", _choices(sweep, results, effects, show)),
            drawing.Section("Choices together", _pairs(sweep, results, show)),
            drawing.Section("Every combination", _combinations(sweep, ranked, show)),
        ]
    sections.append(drawing.Section("How it was run", _run_facts(sweep, results, failures, environments)))
    page = drawing.page(f"Sweep: {sweep.name}", _summary(sweep, results, ranked), sections, lead=_lead(results, ranked))
    with staged_folder(folder) as stage:
        (stage / "index.html").write_text(page, encoding="utf-8")
        (stage / "effects.csv").write_text(effects_csv(effects), encoding="utf-8")
        (stage / "combinations.csv").write_text(ranking_csv(sweep, ranked), encoding="utf-8")
        for figure in figures:
            (stage / figure.name).write_text(drawing.svg_file(figure.drawn, figure.alt), encoding="utf-8")
    return folder / "index.html"


def percent(share: float | None, signed: bool = False) -> str:
    """A share of 0 to 1 in percent, without the sign of percent; a dash for None."""
    return "–" if share is None else f"{100 * share:{'+' if signed else ''}.2f}".replace("-", "−")


def choice_row(choice: Choice) -> list[str]:
    """The cells of one level or combination under its labels and `CHOICE_HEADERS`."""
    own, gap = choice.accuracy, choice.difference
    behind = "best" if gap is None else percent(gap.mean, signed=True)
    if gap is not None and gap.low is not None:
        behind += f" ({percent(gap.low, signed=True)} to {percent(gap.high, signed=True)})"
    within = "–" if own.low is None else f"{percent(own.low)} to {percent(own.high)}"
    cells = [percent(own.mean), percent(own.sd), within, behind, f"{choice.cpu_seconds:.1f}"]
    return [*choice.labels, str(choice.runs), *cells]


CHOICE_HEADERS = ("Runs", "Mean (%)", "SD", "95 % interval", "To the best", "CPU (s)")


def _summary(sweep: Sweep, results: Sequence[Result], ranked: Sequence[Choice]) -> str:
    done = f"{len(results)} of {len(sweep.runs())} runs are finished"
    if not ranked:
        return f"{done}; nothing can be compared before every combination has run with the same seed."
    seeds = ranked[0].accuracy.n
    return f"{done}; choices are compared over {seeds} seed{'s' if seeds > 1 else ''} on validation images."


def _lead(results: Sequence[Result], ranked: Sequence[Choice]) -> str:
    facts = [("Finished runs", str(len(results))), ("CPU time", _duration(sum(r.cpu_seconds for r in results)))]
    if ranked:
        best = ranked[0]
        facts += [
            ("Best combination", " · ".join(best.labels)),
            ("Its mean accuracy", f"{percent(best.accuracy.mean)} %"),
        ]
    return drawing.facts_html(facts)


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.1f} min" if seconds >= 120 else f"{seconds:.1f} s"


def _asked(sweep: Sweep) -> str:
    rows = [
        (factor.name, level.label, ", ".join(f"{key} = {value}" for key, value in level.overrides.items()))
        for factor in sweep.factors
        for level in factor.levels
    ]
    how = "all" if sweep.sample is None else f"{sweep.sample} drawn at random"
    text = (
        f"Recipe {sweep.base.name}, {len(sweep.combinations())} combinations ({how}), "
        f"{len(sweep.seeds)} seeds: {', '.join(map(str, sweep.seeds))}."
    )
    body = (_paragraph(sweep.description) if sweep.description else "") + _paragraph(text)
    if sweep.fixed:
        body += _paragraph("In every run: " + ", ".join(f"{key} = {value}" for key, value in sweep.fixed.items()) + ".")
    return body + drawing.table_html(("Factor", "Level", "What it sets"), rows, "What was varied")


Show = Callable[[_Figure], str]


def _choices(sweep: Sweep, results: Sequence[Result], effects: Mapping[str, list[Choice]], show: Show) -> str:
    body = _paragraph(
        "Each choice averaged over everything else that was varied. A line is the 95 % confidence interval of the mean "
        "over seeds (Student's t), a small dot the average of one seed. “To the best” is the difference to the best "
        "choice in percentage points, taken within each seed, with an interval of its own. CPU is that of one run."
    )
    seeds = whole_seeds(sweep, results)
    for index, factor in enumerate(sweep.factors):
        choices = effects[factor.name]
        points = [
            [statistics.fmean(r.accuracy for r in results if r.run.seed == s and r.run.labels[index] == c.labels[0])
             for s in seeds]
            for c in choices
        ]  # fmt: skip
        name, caption = f"effect-{drawing.slug(factor.name)}.svg", f"Validation accuracy by {factor.name}"
        table = drawing.table_html(
            (factor.name, *CHOICE_HEADERS), [choice_row(c) for c in choices], "The same in numbers"
        )
        figure = _dots(choices, points, name, caption)
        body += f"<h3>{html.escape(factor.name)}</h3>{show(figure)}{table}"
    return body


def _dots(choices: Sequence[Choice], points: Sequence[Sequence[float]], name: str, caption: str) -> _Figure:
    """One line per choice: mean, interval, and the seeds' own values."""
    with drawing.figure(5.2, 0.6 + 0.24 * len(choices)) as (fig, ax):
        for place, (choice, values) in enumerate(zip(choices, points, strict=True)):
            own = choice.accuracy
            if own.low is not None and own.high is not None:
                ax.plot([100 * own.low, 100 * own.high], [place, place], color=drawing.ACCENT, alpha=0.6)
            ax.plot([100 * v for v in values], [place] * len(values), "o", ms=3, color=drawing.MUTED, alpha=0.7)
            ax.plot([100 * own.mean], [place], "o", ms=7, color=drawing.ACCENT)
        ax.set_yticks(range(len(choices)), [" · ".join(c.labels) for c in choices])
        ax.set_ylim(len(choices) - 0.5, -0.5)
        ax.set_xlabel("validation accuracy (%)")
        ax.grid(False, axis="y")
    alt = caption + ": " + "; ".join(f"{' '.join(c.labels)} {percent(c.accuracy.mean)} %" for c in choices)
    return _Figure(name, caption, alt, fig)


def _pairs(sweep: Sweep, results: Sequence[Result], show: Show) -> str:
    body = _paragraph(
        "Mean accuracy for two choices at a time. Lines that run side by side say that the choices do not depend on "
        "each other; lines that cross or part say that one is right only together with the other."
    )
    varied = [(i, f) for i, f in enumerate(sweep.factors) if len(f.levels) > 1]
    seeds = set(whole_seeds(sweep, results))
    counted = [r for r in results if r.run.seed in seeds]
    pairs = list(itertools.combinations(varied, 2))
    for (i, first), (j, second) in pairs:
        means = _means(counted, (i, first), (j, second))
        figure = _lines(first, second, means)
        rows = [
            [label, *(percent(None if np.isnan(v) else float(v)) for v in row)]
            for label, row in zip(first.labels, means, strict=True)
        ]
        body += show(figure) + drawing.table_html(
            (f"{first.name} \\ {second.name}", *second.labels), rows, "The same in numbers (%)"
        )
    return body if pairs else _paragraph("Only one thing was varied.")


def _means(results: Sequence[Result], first: tuple[int, Factor], second: tuple[int, Factor]) -> NDArray[np.float64]:
    (i, rows), (j, columns) = first, second
    means = np.full((len(rows.levels), len(columns.levels)), np.nan)
    for (a, row), (b, column) in itertools.product(enumerate(rows.labels), enumerate(columns.labels)):
        values = [r.accuracy for r in results if r.run.labels[i] == row and r.run.labels[j] == column]
        if values:
            means[a, b] = statistics.fmean(values)
    return means


def _lines(first: Factor, second: Factor, means: NDArray[np.float64]) -> _Figure:
    caption = f"Mean validation accuracy by {first.name} and {second.name}"
    markers = itertools.cycle("os^Dv<>")
    with drawing.figure(5.2, 3.2) as (fig, ax):
        for label, column, marker in zip(second.labels, 100 * means.T, markers, strict=False):
            ax.plot(range(len(first.levels)), column, marker=marker, ms=5, lw=1.4, label=label)
        ax.set_xticks(range(len(first.levels)), first.labels)
        ax.set_xlabel(first.name)
        ax.set_ylabel("validation accuracy (%)")
        ax.legend(title=second.name, ncols=2)
    name = f"pair-{drawing.slug(first.name)}-{drawing.slug(second.name)}.svg"
    return _Figure(name, caption, f"{caption}; the table below has the values.", fig)


def _combinations(sweep: Sweep, ranked: Sequence[Choice], show: Show) -> str:
    few = ranked[:SHOWN]
    which = "All combinations" if len(few) == len(ranked) else f"The best {len(few)} of {len(ranked)} combinations"
    body = show(_dots(few, [()] * len(few), "combinations.svg", f"{which}, by mean accuracy over the seeds"))
    body += show(_cost(sweep, ranked))
    headers = (*(f.name for f in sweep.factors), *CHOICE_HEADERS, "Weights")
    rows = [[*choice_row(c), "–" if c.parameters is None else f"{c.parameters:,}"] for c in ranked]
    return body + drawing.table_html(headers, rows, "Every combination, the best first")


def _cost(sweep: Sweep, ranked: Sequence[Choice]) -> _Figure:
    caption = "What accuracy costs: each combination's mean accuracy against the CPU time of one run"
    factor = sweep.factors[0]
    with drawing.figure(5.2, 3.4) as (fig, ax):
        for label, marker in zip(factor.labels, itertools.cycle("os^Dv<>"), strict=False):
            mine = [c for c in ranked if c.labels[0] == label]
            cost, gain = [c.cpu_seconds for c in mine], [100 * c.accuracy.mean for c in mine]
            ax.plot(cost, gain, marker, ms=6, label=label, alpha=0.85)
        ax.set_xlabel("CPU seconds per run")
        ax.set_ylabel("validation accuracy (%)")
        ax.legend(title=factor.name)
    return _Figure("cost.svg", caption, f"{caption}; the table below has the values.", fig)


def _run_facts(
    sweep: Sweep,
    results: Sequence[Result],
    failures: Mapping[Run, str],
    environments: Sequence[Mapping[str, Any]],
) -> str:
    wall, cpu = sum(r.seconds for r in results), sum(r.cpu_seconds for r in results)
    body = _paragraph(
        f"{len(results)} runs, judged on {sweep.validation_images} of MNIST's 60,000 training images that were kept "
        f"apart; {_duration(cpu)} of CPU time, {_duration(wall)} on the clock. The runs of one seed follow each other "
        "before the next seed begins, so that a machine that slows down slows every choice alike."
    )
    for number, environment in enumerate(environments, start=1):
        facts = [(key, str(value)) for part in environment.values() for key, value in part.items()]
        which = f" {number}" if len(environments) > 1 else ""
        body += drawing.table_html(("What", "Which"), facts, f"Hardware and software{which}")
    if failures:
        rows = [(str(run), reason) for run, reason in failures.items()]
        body += drawing.table_html(("Run", "Why"), rows, "Runs that failed and do not count")
    return body + _paragraph(_LIMITS)


def _paragraph(text: str) -> str:
    return f"<p>{html.escape(text)}</p>"
