"""What `inkdigits experiment` shows on stderr while it runs."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence

from rich.box import SIMPLE
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from inkdigits.experiments import Result, Run, Sweep, Watcher
from inkdigits.training import Progress

LEADERS = 10  # combinations in the live table


class LiveTable(Watcher):
    """A live table where the console is a terminal, else one line for each run. Use as a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=4, transient=True)
        self._results: list[Result] = []
        self._run, self._training = "", ""
        self._total = self._before = 0
        self._began = time.monotonic()

    def __enter__(self) -> LiveTable:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def on_sweep(self, sweep: Sweep, done: Sequence[Result]) -> None:
        """Take over what was done before."""
        self._sweep, self._results, self._before = sweep, list(done), len(done)
        self._total, self._began = len(sweep.runs()), time.monotonic()
        self._console.print(f"{sweep.name}: {self._total} runs, {len(done)} of them done before.", markup=False)
        self._draw()

    def on_run(self, run: Run) -> None:
        """Show which run it is."""
        self._run, self._training = str(run), "building the network"
        self._draw()

    def on_progress(self, progress: Progress) -> None:
        """Show where its training stands."""
        self._training = f"epoch {progress.epoch}, step {progress.step}/{progress.steps}, loss {progress.loss:.4f}"
        self._draw()

    def on_result(self, result: Result) -> None:
        """Put it into the table."""
        self._results.append(result)
        if not self._console.is_terminal:
            line = f"{self._count()}  {100 * result.accuracy:6.2f} %  {result.seconds:6.1f} s  {result.run}"
            self._console.print(line, soft_wrap=True)
        self._draw()

    def on_failure(self, run: Run, reason: str) -> None:
        """Say so; this line stays."""
        self._console.print(Text(f"failed  {run}: {reason}", style="red"), soft_wrap=True)

    def _count(self) -> str:
        return f"{len(self._results):>{len(str(self._total))}}/{self._total}"

    def _draw(self) -> None:
        if not self._live.is_started:
            return
        fresh = len(self._results) - self._before
        pace = (time.monotonic() - self._began) / fresh if fresh else math.nan
        left = f", about {pace * (self._total - len(self._results)) / 60:.0f} min left" if fresh else ""
        now = Text(f"{self._count()} runs{left}\n{self._run}: {self._training}")
        self._live.update(Group(_leaders(self._sweep, self._results), now))


def _leaders(sweep: Sweep, results: Sequence[Result]) -> Table:
    """The best combinations so far, by the mean of the seeds that have finished."""
    groups: dict[tuple[str, ...], list[Result]] = {}
    for result in results:
        groups.setdefault(result.run.labels, []).append(result)
    table = Table(title="Best so far, on validation images", title_justify="left", box=SIMPLE)
    for factor in sweep.factors:
        table.add_column(factor.name)
    for name in ("seeds", "mean (%)", "sd", "seconds"):
        table.add_column(name, justify="right")
    means = {labels: statistics.fmean(r.accuracy for r in runs) for labels, runs in groups.items()}
    for labels in sorted(means, key=lambda labels: -means[labels])[:LEADERS]:
        own = [100 * r.accuracy for r in groups[labels]]
        spread = f"{statistics.stdev(own):.2f}" if len(own) > 1 else "–"
        seconds = statistics.fmean(r.seconds for r in groups[labels])
        table.add_row(*labels, str(len(own)), f"{100 * means[labels]:.2f}", spread, f"{seconds:.1f}")
    return table
