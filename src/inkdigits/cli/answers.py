"""What `inkdigits read` prints: an answer for each picture as text, JSON or CSV."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inkdigits.errors import ImageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inkdigits.annotation import Drawings
    from inkdigits.reading import Number, Reading
    from inkdigits.recognizer import Prediction, Recognizer

Answer = Callable[[str, int | None, "NDArray[np.uint8]"], str]
"""(a file's name, its page or None, upright pixels) -> what is printed."""
Form = Callable[[str, int | None, "Reading"], str]
"""(a file's name, its page or None, what was read) -> what is printed."""

COLUMNS = ("file", "page", "line", "text", "confidence", "x", "y", "width", "height", "rejected", "reason")
SHADES = " ░▒▓█"


def of_reading(recognizer: Recognizer, form: Form, drawings: Drawings | None) -> Answer:
    """Read whole pictures; `drawings`, if there are any, gets each with what was read in it."""

    def answer(file: str, page: int | None, pixels: NDArray[np.uint8]) -> str:
        reading = recognizer.read(pixels)
        if drawings is not None:
            name = "stdin" if file == "-" else Path(file).stem
            drawings.add(name, pixels, reading, page)
        return form(file, page, reading)

    return answer


def of_one_digit(recognizer: Recognizer, json_lines: bool, show: bool) -> Answer:
    """Take pictures for one digit each; `show` adds what the model saw."""

    def answer(file: str, page: int | None, pixels: NDArray[np.uint8]) -> str:
        prediction = recognizer.classify(pixels)[0]
        if json_lines:
            return _json_line(file, page, prediction.to_dict())
        return f"{_label(file, page)}: {in_words(prediction)}\n" + (drawn(prediction) + "\n" if show else "")

    return answer


def as_json(file: str, page: int | None, reading: Reading) -> str:
    """One JSON document on one line."""
    return _json_line(file, page, reading.to_dict())


def as_csv(file: str, page: int | None, reading: Reading) -> str:
    """A row of `COLUMNS` for each number; where there is none, one with the reason."""
    start = (_decoded(file), "" if page is None else page)
    rows = [
        (*start, index, *_cells(number), reading.reason or "")
        for index, line in enumerate(reading.lines, start=1)
        for number in line.numbers
    ]
    return csv_lines(rows or [(*start, *[""] * 7, "true", reading.reason or "")])


def csv_lines(rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV, quoted where they have to be."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _cells(number: Number) -> tuple[str, ...]:
    rejected = any(digit.rejected for digit in number.digits)
    return (
        number.text,
        f"{number.confidence:.6f}",
        *(f"{side:.6g}" for side in number.box),
        str(rejected).lower(),
    )


def as_text(file: str, page: int | None, reading: Reading) -> str:
    """For people: the numbers, `?` for rejected digits; below the name where there is more than one line."""
    lines = [" ".join(map(_marked, line.numbers)) for line in reading.lines]
    numbers = [number for line in reading.lines for number in line.numbers]
    words = lines[:] if len(lines) == 1 else []
    words += [_percent(numbers[0].confidence)] if len(numbers) == 1 else []
    words += [reading.reason or "no digits found"] if reading.reason or not numbers else []
    below = [f"  {line}" for line in lines] if len(lines) > 1 else []
    return "\n".join([f"{_label(file, page)}: {'  '.join(words)}".rstrip(), *below]) + "\n"


def _marked(number: Number) -> str:
    return "".join("?" if digit.rejected else str(digit.digit) for digit in number.digits)


def in_words(prediction: Prediction) -> str:
    """A prediction as one line: `7  99.80 %`, `?  52.10 %  unsure between 4 and 9`, or that the picture is blank."""
    if not prediction.seen.any():
        return str(prediction.reason)
    line = f"{'?' if prediction.rejected else prediction.digit}  {_percent(prediction.confidence)}"
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


def error_line(error: ImageError, file: str, page: int | None) -> str:
    """What could not be read, as one JSON document on one line."""
    return _json_line(file, page, {"error": _decoded(error)})


def printable(text: object) -> str:
    """Text as one line for a terminal: a file's name may hold bytes that are no UTF-8, and commands to the terminal."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in _decoded(text))


def _percent(part: float) -> str:
    return f"{100 * min(part, 0.9999):.2f} %"  # never certain


def _label(file: str, page: int | None) -> str:
    return printable(file) if page is None else f"{printable(file)} page {page}"


def _json_line(file: str, page: int | None, document: dict[str, Any]) -> str:
    pages = {} if page is None else {"page": page}
    return json.dumps({"file": _decoded(file), **pages, **document}, ensure_ascii=False, allow_nan=False) + "\n"


def _decoded(text: object) -> str:
    return os.fsencode(str(text)).decode("utf-8", "replace")
