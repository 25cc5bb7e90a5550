"""RapidOCR as a program: a question per line on stdin, an answer per line on stdout, both JSON.

It runs in an environment of its own, with rapidocr-onnxruntime installed and nothing of this project.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import metadata
from typing import Any

import cv2
from rapidocr_onnxruntime import RapidOCR

Found = list[tuple[list[list[float]], str, float]]
"""Corners, text and score of each piece of text."""


def main() -> None:
    """Answer until stdin ends."""
    engine = RapidOCR(intra_op_num_threads=1)
    say({"version": metadata.version("rapidocr-onnxruntime")})
    for line in sys.stdin:
        question = json.loads(line)
        before = time.process_time()
        try:
            text = read(engine, question["file"], page=question["page"])
        except Exception:  # noqa: BLE001 - a picture it cannot take counts as wrong
            text = ""
        say({"text": text, "cpu_seconds": time.process_time() - before})


def say(document: dict[str, Any]) -> None:
    """Write one line."""
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def read(engine: Any, file: str, *, page: bool) -> str:
    """The text of a picture: of a page what is found on it; else the picture is taken for one line of text."""
    image = cv2.imread(file)
    if page:
        return in_lines(engine(image)[0] or [])
    found = engine(image, use_det=False, use_cls=False)[0] or []
    return " ".join(text for text, _ in found)


def in_lines(found: Found) -> str:
    """Pieces of text in reading order: a piece is on the line whose first piece's middle is within its height."""
    lines: list[tuple[float, Found]] = []
    for piece in sorted(found, key=lambda piece: middle(piece)[1]):
        heights = [y for _, y in piece[0]]
        if lines and abs(middle(piece)[1] - lines[-1][0]) < (max(heights) - min(heights)) / 2:
            lines[-1][1].append(piece)
        else:
            lines.append((middle(piece)[1], [piece]))
    return "\n".join(" ".join(piece[1] for piece in sorted(line, key=middle)) for _, line in lines)


def middle(piece: tuple[list[list[float]], str, float]) -> tuple[float, float]:
    """The center of a piece, x first."""
    corners = piece[0]
    return sum(x for x, _ in corners) / len(corners), sum(y for _, y in corners) / len(corners)


if __name__ == "__main__":
    main()
