"""`inkdigits read`."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from inkdigits.cli import answers
from inkdigits.cli.console import stderr
from inkdigits.errors import ImageError

if TYPE_CHECKING:
    from inkdigits.annotation import Drawings

STDIN = "-"


def command(
    pictures: list[str] = typer.Argument(
        metavar="PICTURE...",
        help="Image files, PDFs, folders with such files (subfolders too, sorted by path, without hidden files and "
        "what --draw wrote), or - for one image or PDF on stdin.",
    ),
    model: str = typer.Option(
        "default", "--model", "-m", metavar="NAME|PATH", help="A bundled model, a bundle folder or an .onnx file."
    ),
    json_lines: bool = typer.Option(False, "--json", help="Print one JSON document per picture or page and line."),
    as_csv: bool = typer.Option(
        False, "--csv", help=f"Print a CSV table with a row per number: {', '.join(answers.COLUMNS)}."
    ),
    single: bool = typer.Option(
        False, "--single", help="Take each picture for one digit: what else it could be; with --json, all about it."
    ),
    min_confidence: float | None = typer.Option(
        None,
        "--min-confidence",
        min=0.0,
        max=1.0,
        metavar="P",
        help="Reject digits below this, from 0 to 1.",
        show_default="the model's own",
    ),
    pages: Path | None = typer.Option(
        None,
        "--pages",
        metavar="FILE",
        help="An ONNX file from `inkdigits train-pages`.",
        show_default="the one that comes with inkdigits",
    ),
    draw: Path | None = typer.Option(
        None,
        "--draw",
        metavar="DIR",
        file_okay=False,
        help="Write a copy of each picture with boxes, numbers and confidences in it: green accepted, orange rejected.",
    ),
    show: bool | None = typer.Option(
        None,
        "--show/--no-show",
        help="With --single: draw what the model saw, in letters.",
        show_default="for one picture in a terminal",
    ),
) -> None:
    """Read digits from pictures, and from the pages of PDFs and TIFFs.

    A digit below the reject threshold is printed as "?"; --json and --csv
    keep it, marked as rejected.

    What cannot be read is named on stderr (with --json also on stdout, as
    file and error) and skipped; the exit code is 1 then.
    """
    if json_lines and as_csv:
        raise typer.BadParameter("choose one of --json and --csv.")
    if single and (as_csv or draw):
        raise typer.BadParameter("--single goes with no --csv and no --draw: one digit has no place.")
    if show and (not single or json_lines):
        raise typer.BadParameter("--show goes with --single, and not with --json.")
    if "" in pictures:
        raise typer.BadParameter("a name is empty; write . for the working folder.")
    if pictures.count(STDIN) > 1:
        raise typer.BadParameter("- can be read once.")
    from inkdigits.recognizer import PAGES, load

    recognizer = load(model, reject_threshold=min_confidence, pages=pages or PAGES)
    sources = list(_found(pictures))
    if single:
        alone = len(sources) == 1 and sys.stdout.isatty()
        answer = answers.of_one_digit(recognizer, json_lines, alone if show is None else show)
    else:
        form = answers.as_json if json_lines else answers.as_csv if as_csv else answers.as_text
        answer = answers.of_reading(recognizer, form, _drawings(draw, sources))
    # What Pillow warns of is either read all the same, or refused in our words.
    warnings.filterwarnings("ignore", module="PIL")
    if as_csv:
        sys.stdout.write(answers.csv_lines([answers.COLUMNS]))
    if _answer_all(sources, answer, json_lines):
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Source:
    """Something to read: a file, stdin (no path), or a folder that turned out to hold nothing."""

    name: str
    path: Path | None

    def content(self) -> bytes:
        from inkdigits.images import MAX_DOCUMENT_BYTES, content_of

        if self.path is None:
            if sys.stdin is None:
                raise ImageError("Expected a picture on standard input. It is closed.")
            return sys.stdin.buffer.read(MAX_DOCUMENT_BYTES + 1)
        if _is_folder(self.path):
            raise ImageError(f"Expected a folder with pictures. There is none in {self.name}.")
        return content_of(self.path, MAX_DOCUMENT_BYTES)


def _found(pictures: list[str]) -> Iterator[_Source]:
    """What there is to read, in the order given; a folder's files sorted by path."""
    from inkdigits.annotation import is_drawing
    from inkdigits.documents import SUFFIXES

    for given in pictures:
        path = Path(given)
        if given == STDIN:
            yield _Source(given, None)
        elif _is_folder(path):
            inside = (file for file in sorted(path.rglob("*")) if file.suffix.lower() in SUFFIXES and file.is_file())
            shown = (file for file in inside if not any(part.startswith(".") for part in file.relative_to(path).parts))
            kept = [file for file in shown if not is_drawing(file)]  # what was read needs no second reading
            yield from [_Source(str(file), file) for file in kept] or [_Source(given, path)]
        else:
            yield _Source(given, path)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # such as a name that is too long; reading it says what is wrong
        return False


def _drawings(folder: Path | None, sources: list[_Source]) -> Drawings | None:
    if folder is None:
        return None
    from inkdigits.annotation import Drawings

    try:
        return Drawings(folder, [source.path for source in sources if source.path is not None])
    except OSError as error:
        raise typer.BadParameter(f"expected a folder to write to; {folder}: {error.strerror}.") from None


def _answer_all(sources: list[_Source], answer: answers.Answer, json_lines: bool) -> int:
    """Answer every page of every source; tell what cannot be read; how many that were."""
    from inkdigits.documents import pages

    failures = 0
    bar = _Bar(len(sources))

    def tell(error: ImageError, name: str, page: int | None = None) -> None:
        nonlocal failures
        failures += 1
        with bar.away():
            sys.stderr.write(f"inkdigits: {answers.printable(error)}\n")
            if json_lines:
                sys.stdout.write(answers.error_line(error, name, page))
                sys.stdout.flush()

    with bar:
        for source in sources:
            try:
                for page in pages(source.content(), source.name if source.path else "standard input"):
                    bar.expect(page.of if page.number == 1 else 1)
                    try:
                        printed = answer(source.name, page.number, page.pixels())
                    except ImageError as error:
                        tell(error, source.name, page.number)
                    else:
                        with bar.away():
                            sys.stdout.write(printed)
                            sys.stdout.flush()
                    bar.step()
            except ImageError as error:
                tell(error, source.name)
                bar.step()
    return failures


class _Bar:
    """Progress on stderr, where a person watches and there is more than one picture or page."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._progress = None
        if sys.stderr.isatty():
            from rich.progress import Progress

            self._progress = Progress(console=stderr(), transient=True, redirect_stdout=False, redirect_stderr=False)
            self._task = self._progress.add_task("reading", total=total)
            self._start()

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress:
            self._progress.stop()

    def expect(self, pages: int) -> None:
        """A source turned out to have this many pages."""
        self._total += pages - 1
        if self._progress:
            self._progress.update(self._task, total=self._total)
            self._start()

    def step(self) -> None:
        """One more picture or page is done."""
        if self._progress:
            self._progress.advance(self._task)

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Make room for lines that may go to the same terminal: they would tear the bar."""
        if self._progress:
            self._progress.stop()
        yield
        self._start()

    def _start(self) -> None:
        if self._progress and self._total > 1:
            self._progress.start()
