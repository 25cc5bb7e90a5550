"""The report of pictures of numbers: the score and every mistake, as one HTML page that needs nothing else."""

from __future__ import annotations

import html
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inkdigits import drawing, files, images
from inkdigits.drawing import Section
from inkdigits.evaluation.report import gallery_style
from inkdigits.evaluation.texts import TextEvaluation
from inkdigits.evaluation.words import percent

_SHOWN = 60  # pictures in the report; the table below them is complete
_SIDE = 360  # pixels: the longest side of a picture shown
_STYLE = """
.gallery.texts { grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr)); }
.gallery.texts img.pixels { max-width: 100%; image-rendering: auto; }
.gallery.texts p { white-space: pre-line; overflow-wrap: anywhere; }
"""


def write_report(folder: Path, evaluation: TextEvaluation) -> Path:
    """Write `index.html` into a folder, atomically, and return its path; the folder is made when missing."""
    path = Path(folder) / "index.html"
    files.write_atomically(path, report_html(evaluation))
    return path


def report_html(evaluation: TextEvaluation) -> str:
    """The page as text; see `write_report`."""
    low, high = (percent(end) for end in evaluation.confidence_interval)
    right = evaluation.n - evaluation.errors
    return drawing.page(
        f"How well {evaluation.model} reads numbers",
        f"{right:,} of the {evaluation.n:,} pictures of {evaluation.dataset} are read exactly as labelled: "
        f"{percent(evaluation.accuracy)} (95 % interval {low} to {high}).",
        [_mistakes(evaluation), _confidence(evaluation), _about(evaluation)],
        lead=_facts(evaluation),
        style=gallery_style() + _STYLE,
    )


def _facts(evaluation: TextEvaluation) -> str:
    return drawing.facts_html(
        [
            ("Exactly right", percent(evaluation.accuracy)),
            ("Digits right", percent(evaluation.accuracy_of_digits)),
            ("Character error rate", percent(evaluation.character_error_rate)),
            ("Handed to a person", percent(evaluation.rejected.share)),
            ("Accuracy of the rest", percent(evaluation.rejected.accuracy_of_accepted)),
        ]
    )


def _mistakes(evaluation: TextEvaluation) -> Section:
    wrong = evaluation.mistakes
    if not wrong:
        return Section("Every mistake", "<p>Not a single mistake.</p>")
    low, high = (percent(end) for end in evaluation.character_error_interval)
    text = (
        f"<p>The worst first. {evaluation.character_errors:,} changes to digits would make right what was read of the "
        f"{evaluation.characters:,} digits: a character error rate of {percent(evaluation.character_error_rate)} "
        f"(95 % interval {low} to {high}, as if digits were independent). However they are grouped, the digits of "
        f"{percent(evaluation.accuracy_of_digits)} of the pictures are right.</p>"
    )
    tiles = "".join(_tile(evaluation, index) for index in wrong[:_SHOWN])
    rows = [
        [
            evaluation.paths[index],
            _in_a_line(evaluation.labels[index]),
            _in_a_line(evaluation.answers[index]),
            int(evaluation.distances[index]),
        ]
        for index in wrong
    ]
    table = drawing.table_html(["Picture", "Label", "Read", "Changes"], rows, "All pictures that were read wrong.")
    return Section("Every mistake", f'{text}<ul class="gallery texts">{tiles}</ul>{table}')


def _tile(evaluation: TextEvaluation, index: int) -> str:
    label, answer = evaluation.labels[index], evaluation.answers[index] or "nothing"
    picture = drawing.image_html(_small(evaluation.files[index]), f"A picture of {label}, read as {answer}")
    rejected = ", rejected" if evaluation.is_rejected[index] else ""
    return (
        f"<li>{picture}<p><strong>{html.escape(label)}</strong>\nread as <strong>{html.escape(answer)}</strong></p>"
        f'<p class="note">{html.escape(evaluation.paths[index])}{rejected}</p></li>'
    )


def _small(file: Path) -> NDArray[np.uint8]:
    """A picture small enough for a page; (H, W) or (H, W, 3) uint8."""
    from PIL import Image

    picture = Image.fromarray(images.to_pixels(file))
    picture.thumbnail((_SIDE, _SIDE))
    if picture.mode == "RGBA":
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    return np.asarray(picture, np.uint8)


def _in_a_line(text: str) -> str:
    return text.replace("\n", " / ") or "nothing"


def _confidence(evaluation: TextEvaluation) -> Section:
    rejected = evaluation.rejected
    text = (
        f"<p>A picture is handed to a person when a digit in it has a confidence below {rejected.threshold:.3f}, or "
        f"when its reading has a reason not to be trusted: {rejected.count:,} of {evaluation.n:,} here, among them "
        f"{rejected.errors:,} of the {evaluation.errors:,} mistakes. Of the others "
        f"{percent(rejected.accuracy_of_accepted)} are exactly right.</p>"
    )
    return Section("How far to trust it", text)


def _about(evaluation: TextEvaluation) -> Section:
    rows = [
        ["Dataset", evaluation.dataset],
        ["Dataset SHA-256", evaluation.dataset_sha256],
        ["Pictures", f"{evaluation.n:,}"],
        ["Digits", f"{evaluation.characters:,}"],
        ["Model", evaluation.model],
    ]
    return Section("About this page", drawing.table_html(["What", "Value"], rows, "Where these numbers come from."))
