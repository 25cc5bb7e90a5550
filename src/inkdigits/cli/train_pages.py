"""`inkdigits train-pages`."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import typer

from inkdigits.cli import console
from inkdigits.detection import LINES, PAGES, STEPS


def command(
    out: Path = typer.Option(Path("runs/pages"), "--out", "-o", metavar="DIR", help="Where to write pages.onnx."),
    steps: int = typer.Option(STEPS, min=1, metavar="N", help="Batches of 16 pages to learn to find digits from."),
    pages: int = typer.Option(PAGES, min=1, metavar="N", help="Pages to learn from what is found on them."),
    lines: int = typer.Option(
        LINES,
        min=1,
        metavar="N",
        help="Batches of 32 fields to learn to read lines from; more with words and signs on some come after.",
    ),
    seed: int = typer.Option(0, min=0, metavar="N", help="Of the weights and the pages."),
    workers: int | None = typer.Option(
        None, min=1, metavar="N", help="Processes that make pages.", show_default="one less than there are cores"
    ),
    typefaces: bool = typer.Option(False, "--typefaces", help="Make pages of handwriting-like typefaces, too."),
    resume: bool = typer.Option(False, "--resume", help="Go on with the training that was stopped in the folder."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Train the three networks that find and name all digits of a page, on synthetic pages made from MNIST.

    With --typefaces pages have digits and words of handwriting-like typefaces, too, as those had that the bundled
    networks learned from; npm fetches them once (8 MB).

    After Ctrl-C, a crash or a power cut, `--resume` goes on to the same weights, with the same numbers and seed.
    """
    with _Live() as live:
        from inkdigits.detection.training import CHECKPOINT, train_pages

        try:
            path = train_pages(
                out, steps=steps, pages=pages, lines=lines, seed=seed, typefaces=typefaces, resume=resume,
                told=live.told, workers=workers or max(1, (os.cpu_count() or 1) - 1),
            )  # fmt: skip
        except KeyboardInterrupt:
            if (out / CHECKPOINT).exists():
                same = f"--out {shlex.quote(str(out))} --steps {steps} --pages {pages} --lines {lines} --seed {seed}"
                same += " --typefaces" if typefaces else ""
                again = f"inkdigits train-pages {same} --resume"
                live.console.print(f"Stopped. Go on with: {again}", markup=False, soft_wrap=True)
            raise
    _print(path, as_json)


def _print(path: Path, as_json: bool) -> None:
    """What came out: the file and the card in it."""
    from inkdigits.detection.finder import Finder
    from inkdigits.detection.lining import BATCH, TIMES, more

    card = Finder(path).card
    if as_json:
        console.print_json({"file": str(path), "bytes": path.stat().st_size, **card})
        return
    pages = card["steps"] * card["batch"] + card["pages"]
    fields = (card["lines"] + TIMES * more(card["lines"])) * BATCH
    size = path.stat().st_size / 1000
    said = f"{path}: {size:,.0f} kB, learned from {pages:,} pages and {fields:,} fields."
    console.stdout().print(said, markup=False, soft_wrap=True)
    console.stdout().print(f"Next: inkdigits read --pages {path} PICTURES", markup=False, soft_wrap=True)


class _Live(console.Bar):
    """A bar where a person watches, else a line for each tenth."""

    def __init__(self) -> None:
        super().__init__(speed_over=600)
        self.last = ("", 0)  # what was told, and how many tenths of it

    def told(self, what: str, done: int, total: int) -> None:
        """What `train_pages` tells."""
        if what != self.last[0]:
            self.progress.reset(self.task)
        self.progress.update(self.task, total=total, completed=done, description=what, figures=f"{done:,}/{total:,}")
        now = (what, 10 * done // total)
        if now != self.last and not self.console.is_terminal:
            self.console.print(f"{what}: {done:,} of {total:,}")
        self.last = now
