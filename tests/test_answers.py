"""What `inkdigits read` prints of a page with many numbers, some of them rejected."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from handmade import BLANK, PAGE, Reader, number, reading
from inkdigits.annotation import Drawings
from inkdigits.cli import answers
from inkdigits.errors import ImageError
from inkdigits.reading import Reading


@pytest.mark.parametrize(
    ("read", "page", "text"),
    [
        (PAGE, None, "a.png:\n  1024 7\n  3?0\n"),
        (PAGE, 2, "a.png page 2:\n  1024 7\n  3?0\n"),
        (reading((number("1024", 0, 0),)), None, "a.png: 1024  96.06 %\n"),
        (reading((number("7", 0, 0, confidence=1.0),)), None, "a.png: 7  99.99 %\n"),
        (reading((number("12", 0, 0), number("?5", 90, 0)),), None, "a.png: 12 ?\n"),
        (reading((number("?5", 0, 0),), reason="unsure between 5 and 6"), None,
         "a.png: ?  40.00 %  unsure between 5 and 6\n"),
        (reading((number("1", 0, 0),), (number("2", 0, 90),), reason="blurred"), None, "a.png: blurred\n  1\n  2\n"),
        (BLANK, None, "a.png: blank: no ink found\n"),
        (reading(), None, "a.png: no digits found\n"),
    ],
)  # fmt: skip
def test_text_marks_what_is_rejected(read: Reading, page: int | None, text: str) -> None:
    assert answers.as_text("a.png", page, read) == text


def test_json_keeps_what_is_rejected_and_says_so() -> None:
    document = json.loads(answers.as_json("a.pdf", 2, PAGE))
    assert list(document)[:3] == ["file", "page", "text"]
    assert document["text"] == "1024 7\n390"
    rejected = [digit["rejected"] for digit in document["lines"][1]["numbers"][0]["digits"]]
    assert rejected == [False, True, False]
    assert "page" not in json.loads(answers.as_json("a.png", None, PAGE))
    assert answers.as_json("a.png", None, PAGE).count("\n") == 1


def test_csv_has_a_row_per_number() -> None:
    text = answers.csv_lines([answers.COLUMNS]) + answers.as_csv('a "b", c\n.pdf', 3, PAGE)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["file"] for row in rows} == {'a "b", c\n.pdf'}
    assert [(row["page"], row["line"], row["text"], row["rejected"]) for row in rows] == [
        ("3", "1", "1024", "false"),
        ("3", "1", "7", "false"),
        ("3", "2", "390", "true"),
    ]
    for row, each in zip(rows, [*PAGE.lines[0].numbers, *PAGE.lines[1].numbers], strict=True):
        assert [float(row[side]) for side in ("x", "y", "width", "height")] == list(each.box)
        assert float(row["confidence"]) == pytest.approx(each.confidence, abs=1e-6)


def test_csv_of_a_blank_page_is_a_row_that_says_why() -> None:
    assert answers.as_csv("a.png", None, BLANK) == "a.png,,,,,,,,,true,blank: no ink found\n"


def test_a_name_cannot_command_the_terminal_or_break_the_line() -> None:
    name = "\x1b[2J\n\udcff.png"
    assert answers.as_text(name, None, BLANK) == "\\x1b[2J\\x0a\ufffd.png: blank: no ink found\n"
    assert json.loads(answers.error_line(ImageError(f"no {name}"), name, 2)) == {
        "file": "\x1b[2J\n\ufffd.png",
        "page": 2,
        "error": "no \x1b[2J\n\ufffd.png",
    }


def test_each_page_is_read_and_drawn_under_its_name(tmp_path: Path) -> None:
    reader = Reader(PAGE, PAGE, BLANK)
    answer = answers.of_reading(reader, answers.as_text, Drawings(tmp_path))  # type: ignore[arg-type]
    pixels = np.full((300, 400), 235, np.uint8)
    for file, page in (("in/scan.pdf", 1), ("other/scan.pdf", 1), ("-", None)):
        assert answer(file, page, pixels)
    assert reader.seen == [(300, 400)] * 3
    assert sorted(file.name for file in tmp_path.iterdir()) == ["scan-page-1-2.png", "scan-page-1.png", "stdin.png"]
