"""`inkdigits experiment`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from inkdigits.cli import console
from inkdigits.errors import InkdigitsError

if TYPE_CHECKING:
    from rich.table import Table

    from inkdigits.experiments import Choice, Outcome

_BEST = 10  # combinations in the printed table
_BRIEF = ("Mean (%)", "SD", "95 % interval", "CPU (s)")  # and what it says of them: it must fit 80 columns


def command(
    sweep: str | None = typer.Argument(
        None, metavar="SWEEP", help="A sweep's TOML file, or a shipped one's name (--list)."
    ),
    out: Path | None = typer.Option(
        None, "--out", "-o", metavar="DIR", help="Where to keep everything.", show_default="runs/NAME"
    ),
    resume: bool = typer.Option(False, "--resume", help="Go on with the sweep in DIR; more seeds may have been added."),
    as_json: bool = typer.Option(False, "--json", help="Print the outcome as one JSON document."),
    listing: bool = typer.Option(False, "--list", help="Name the shipped sweeps and exit."),
) -> None:
    """Compare choices over seeds: architectures, activations, optimizers, any field of a recipe.

    Every run is judged on validation images; the test images are not touched. DIR gets results.csv (one row per
    finished run), report/index.html (means with 95 % confidence intervals, figures) and the Optuna study study.db.
    Stop it at any time: with --resume it repeats what was cut off and does the rest.
    """
    if listing:
        _print_list(as_json)
        return
    if sweep is None:
        raise typer.BadParameter("Expected a SWEEP: a TOML file, or a name that --list shows.")
    from inkdigits.cli.experiment_live import LiveTable
    from inkdigits.experiments import load_sweep, run_sweep

    asked = load_sweep(sweep)
    with LiveTable(console.stderr()) as watcher:
        outcome = run_sweep(asked, out or Path("runs") / asked.name, resume=resume, watcher=watcher)
    if as_json:
        console.print_json(_document(outcome))
    else:
        _print_outcome(outcome)
    if outcome.failures:
        run, reason = next(iter(outcome.failures.items()))
        raise InkdigitsError(
            f"{len(outcome.failures)} of {len(asked.runs())} runs failed and do not count; --resume tries them again. "
            f"The first was {run}: {reason}"
        )


def _print_list(as_json: bool) -> None:
    from rich.markup import escape

    from inkdigits.experiments import load_sweep, sweep_names

    sweeps = [load_sweep(name) for name in sweep_names()]
    if as_json:
        console.print_json([{"name": s.name, "description": s.description, "runs": len(s.runs())} for s in sweeps])
        return
    for sweep in sweeps:
        out = console.stdout()
        out.print(f"[bold]{escape(sweep.name)}[/bold], {len(sweep.runs())} runs")
        out.print(f"{escape(sweep.description.strip())}\n")


def _print_outcome(outcome: Outcome) -> None:
    from inkdigits.experiments import main_effects, ranking
    from inkdigits.experiments.report import CHOICE_HEADERS, choice_row

    terminal = console.stdout()
    for name, choices in main_effects(outcome.sweep, outcome.results).items():
        rows = [choice_row(choice) for choice in choices]
        terminal.print(_table([name.removesuffix(".name"), *CHOICE_HEADERS], rows, f"Accuracy by {name}"))
    ranked = ranking(outcome.sweep, outcome.results)
    if ranked:
        factors = len(outcome.sweep.factors)
        shown = [factors + CHOICE_HEADERS.index(name) for name in _BRIEF]
        cells = [choice_row(choice) for choice in ranked[:_BEST]]
        rows = [[" · ".join(row[:factors]), *(row[place] for place in shown)] for row in cells]
        terminal.print(_table(["combination", *_BRIEF], rows, f"The best of {len(ranked)} combinations"))
    terminal.print(f"Report: {outcome.page}", soft_wrap=True, markup=False)


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> Table:
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    for place, name in enumerate(headers):
        table.add_column(name, justify="right" if place else "left", no_wrap=not place)
    for row in rows:
        table.add_row(*row)
    return table


def _document(outcome: Outcome) -> dict[str, Any]:
    from inkdigits.experiments import main_effects, ranking, whole_seeds

    sweep, results = outcome.sweep, outcome.results
    names = [factor.name for factor in sweep.factors]
    effects = main_effects(sweep, results)
    return {
        "sweep": sweep.name,
        "folder": str(outcome.folder),
        "report": str(outcome.page),
        "runs": len(sweep.runs()),
        "finished": len(results),
        "failed": [{"run": str(run), "reason": reason} for run, reason in outcome.failures.items()],
        "seeds": whole_seeds(sweep, results),
        "effects": {name: [_plain(choice, ["level"]) for choice in choices] for name, choices in effects.items()},
        "combinations": [_plain(choice, names) for choice in ranking(sweep, results)],
    }


def _plain(choice: Choice, names: Sequence[str]) -> dict[str, Any]:
    values = dataclasses.asdict(choice)
    return dict(zip(names, values.pop("labels"), strict=True)) | values
