"""`inkdigits data`: fetch, verify and explore a dataset."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from inkdigits.datasets import Dataset
    from inkdigits.exploration import Distribution, Exploration

_BAR = 24  # characters of the longest text bar


def command(
    dataset: str = typer.Argument(
        "mnist",
        metavar="NAME|FOLDER",
        help="mnist; or your own: a folder of pictures (FOLDER/<digit>/*.png, or a CSV of path,label) or an .npz.",
    ),
    split: str = typer.Option(
        "train", "--split", metavar="train|test", help="The split to explore; the other one is compared with it."
    ),
    source: Path | None = typer.Option(
        None,
        "--from",
        metavar="FOLDER",
        help="Take the four files of MNIST from this folder instead of the network.",
    ),
    report: Path | None = typer.Option(
        None, "--report", metavar="DIR", help="Folder for the page, index.html; by default reports/data-NAME."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print the numbers as one JSON document."),
) -> None:
    """Fetch, verify and explore a dataset, and draw what is in it.

    MNIST is kept in the cache folder ($INKDIGITS_CACHE) once it has been fetched; its SHA-256 is checked every time.
    """
    from inkdigits.cli import console
    from inkdigits.datasets import SPLITS, load_dataset
    from inkdigits.exploration import explore

    if split not in SPLITS:
        raise typer.BadParameter(f"expected one of {', '.join(SPLITS)}; got {split!r}", param_hint="--split")
    if source is not None and dataset.lower() != "mnist":
        raise typer.BadParameter("only MNIST is taken from elsewhere", param_hint="--from")
    chosen = load_dataset(dataset, split, source=source, progress=True)
    other = _other_split(dataset, chosen, split)
    with console.stderr().status(f"Exploring {len(chosen):,} images"):
        exploration = explore(chosen, other)
        page = _write_page(exploration, report)
    if as_json:
        console.print_json({**exploration.to_dict(), "report": str(page) if page else None})
        return
    _print(exploration)
    if page:
        console.stdout().print(f"\nThe page with all figures: {page}", soft_wrap=True, markup=False)


def _other_split(name: str, chosen: Dataset, split: str) -> Dataset | None:
    """The dataset's other split, if it has one."""
    from inkdigits.datasets import SPLITS, load_dataset
    from inkdigits.errors import DatasetError

    if not chosen.name.endswith(f"/{split}"):
        return None
    try:
        return load_dataset(name, next(each for each in SPLITS if each != split))
    except DatasetError:
        return None


def _write_page(exploration: Exploration, report: Path | None) -> Path | None:
    """Write the page. Without matplotlib there is none, which is an error only when one was asked for."""
    from inkdigits.cli import console
    from inkdigits.errors import MissingExtraError
    from inkdigits.exploration import page
    from inkdigits.files import write_atomically

    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", exploration.summary.name.removesuffix("/train")).strip("-.") or "set"
    target = (report or Path("reports") / f"data-{slug}") / "index.html"
    try:
        write_atomically(target, page.render(exploration))
    except MissingExtraError as error:
        if report is not None:
            raise
        console.stderr().print(f"No page was drawn: {error}", markup=False, soft_wrap=True)
        return None
    return target


def _print(exploration: Exploration) -> None:
    from rich.markup import escape
    from rich.table import Table

    from inkdigits.cli import console
    from inkdigits.exploration.page import duplicates_sentence

    out = console.stdout()
    summary, pixels = exploration.summary, exploration.summary.pixels
    out.print(f"[bold]{escape(summary.name)}[/]  {summary.n:,} images  sha256 {summary.sha256[:16]}")
    if exploration.normalized:
        out.print("(normalized to 28x28 ink on paper, as classify does, before measuring)")
    table = Table(box=None, pad_edge=False, show_edge=False)
    for title in ("digit", "images", "", "ink, px", "stroke, px", "oddest"):
        table.add_column(title, justify="left" if title in ("", "oddest") else "right", no_wrap=True)
    for each in exploration.classes:
        odd = (each.atypical[0].path or str(each.atypical[0].index)) if each.atypical else "-"
        bar = "█" * round(_BAR * each.count / max(summary.counts))
        table.add_row(
            str(each.digit), f"{each.count:,}", bar, _spread(each.ink, 0), _spread(each.stroke_width, 2), escape(odd)
        )
    out.print(table)
    out.print(
        f"Pixels: mean {pixels.mean:.4f}, sd {pixels.sd:.4f} (0 paper, 1 ink); {pixels.paper:.1%} empty, "
        f"{pixels.full:.2%} full ink. Ink and stroke width above: mean ± sd; oddest: farthest from its class.",
        soft_wrap=True,
    )
    out.print(duplicates_sentence(exploration), soft_wrap=True, markup=False)
    if exploration.other:
        out.print(f"Compared with {exploration.other.name}: {exploration.other.n:,} images.", markup=False)


def _spread(distribution: Distribution | None, digits: int) -> str:
    return f"{distribution.mean:.{digits}f} ± {distribution.sd:.{digits}f}" if distribution else "-"
