"""`inkdigits read`."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from inkdigits.cli.console import print_json, stderr
from inkdigits.errors import ImageError

if TYPE_CHECKING:
    from inkdigits.reading import Reading
    from inkdigits.recognizer import Prediction, Recognizer

STDIN = "-"
MANY = 20
"""From this many pictures on, a progress bar is shown (where it does not get in the way of the answers)."""
SHADES = " ░▒▓█"


def command(
    pictures: list[str] = typer.Argument(
        metavar="PICTURE...", help="Image files, folders to search for image files, or - for one image on stdin."
    ),
    model: str = typer.Option(
        "default", "--model", "-m", metavar="NAME|PATH", help="A bundled model, a bundle folder or an .onnx file."
    ),
    json_lines: bool = typer.Option(False, "--json", help="Print one JSON document per picture and line."),
    as_csv: bool = typer.Option(False, "--csv", help="Print a CSV table: file, text, confidence, rejected, reason."),
    single: bool = typer.Option(
        False, "--single", help="With --json: print the prediction of one digit (probabilities, candidates, seen)."
    ),
    min_confidence: float | None = typer.Option(
        None,
        "--min-confidence",
        min=0.0,
        max=1.0,
        metavar="PART",
        help="Reject below this, from 0 to 1.",
        show_default="the model's own",
    ),
    show: bool | None = typer.Option(
        None,
        "--show/--no-show",
        help="Draw what the model saw.",
        show_default="for one picture in a terminal",
    ),
) -> None:
    """Read digits from pictures. For now a picture shows one digit.

    An answer below the model's reject threshold is marked with "?".

    Pictures that cannot be read are named on stderr and skipped; the exit code is 1 then.
    """
    if json_lines and as_csv:
        raise typer.BadParameter("choose one of --json and --csv.")
    if single and not json_lines:
        raise typer.BadParameter("--single says what --json prints: give --json too.")
    from inkdigits.recognizer import load

    recognizer = load(model, reject_threshold=min_confidence)
    if json_lines:
        answer = _json_answer(recognizer, single)
    elif as_csv:
        answer = _csv_answer(recognizer)
    else:
        alone = len(pictures) == 1 and not Path(pictures[0]).is_dir()
        answer = _human_answer(recognizer, show if show is not None else alone and sys.stdout.isatty())
    if _answer_all(pictures, answer):
        raise typer.Exit(1)


def _answer_all(pictures: list[str], answer: Callable[[str, Any], None]) -> int:
    failures = 0
    for name, picture in _with_progress(list(_found(pictures))):
        try:
            if picture is None:
                raise ImageError(f"Expected a folder with image files. There is none in {name}.")
            answer(name, sys.stdin.buffer.read(_limit() + 1) if picture == STDIN else picture)
        except ImageError as error:
            failures += 1
            sys.stderr.write(f"inkdigits: {_printable(error)}\n")
    sys.stdout.flush()
    return failures


def _found(pictures: list[str]) -> Iterator[tuple[str, Path | str | None]]:
    """Each picture's name and place; None for a folder without any."""
    from inkdigits.images import SUFFIXES

    for given in pictures:
        path = Path(given)
        if given == STDIN:
            yield "-", STDIN
        elif path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
            yield from ((str(file), file) for file in inside)
            if not inside:
                yield given, None
        else:
            yield given, path


def _with_progress(items: list[Any]) -> Iterator[Any]:
    # Answers that scroll by in a terminal show the progress themselves, and a bar would be torn by them.
    if len(items) < MANY or sys.stdout.isatty() or not sys.stderr.isatty():
        return iter(items)
    from rich.progress import track

    return iter(track(items, description="reading", console=stderr(), transient=True))


def _json_answer(recognizer: Recognizer, single: bool) -> Callable[[str, Any], None]:
    def answer(name: str, picture: Any) -> None:
        result: Prediction | Reading = recognizer.classify(picture)[0] if single else recognizer.read(picture)
        print_json({"file": _printable(name), **result.to_dict()}, compact=True)

    return answer


def _csv_answer(recognizer: Recognizer) -> Callable[[str, Any], None]:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["file", "text", "confidence", "rejected", "reason"])

    def answer(name: str, picture: Any) -> None:
        reading = recognizer.read(picture)
        numbers = [number for line in reading.lines for number in line.numbers]
        confidence = f"{min(number.confidence for number in numbers):.6f}" if numbers else ""
        rejected = not numbers or any(digit.rejected for number in numbers for digit in number.digits)
        writer.writerow([_printable(name), reading.text, confidence, str(rejected).lower(), reading.reason or ""])

    return answer


def _human_answer(recognizer: Recognizer, show: bool) -> Callable[[str, Any], None]:
    def answer(name: str, picture: Any) -> None:
        prediction = recognizer.classify(picture)[0]
        sys.stdout.write(f"{_printable(name)}: {in_words(prediction)}\n")
        if show:
            sys.stdout.write(drawn(prediction) + "\n")

    return answer


def in_words(prediction: Prediction) -> str:
    """A prediction as one line: `7  99.8 %`, `4? 52.1 %  unsure between 4 and 9`, or that the picture is blank."""
    if not prediction.seen.any():
        return str(prediction.reason)
    mark = "?" if prediction.rejected else " "
    line = f"{prediction.digit}{mark} {min(prediction.confidence, 0.9999):.2%}".replace("%", " %")
    others = [str(digit) for digit in prediction.candidates if digit != prediction.digit]
    if prediction.reason:
        return f"{line}  {prediction.reason}"
    return f"{line}  could also be {' or '.join(others)}" if others else line


def drawn(prediction: Prediction) -> str:
    """What the model saw, as 14 lines of 28 characters, framed."""
    rows = prediction.seen.reshape(14, 2, 28).mean(axis=1)
    lines = ["".join(SHADES[round(float(ink) * (len(SHADES) - 1))] for ink in row) for row in rows]
    edge = "─" * 28
    return "\n".join([f"┌{edge}┐", *(f"│{line}│" for line in lines), f"└{edge}┘"])


def _limit() -> int:
    from inkdigits.images import MAX_BYTES

    return MAX_BYTES


def _printable(text: object) -> str:
    # A file's name may hold bytes that are no UTF-8; stdout would refuse them.
    return os.fsencode(str(text)).decode("utf-8", "replace")
