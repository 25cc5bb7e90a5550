"""Programs that read digits, behind one method: inkdigits, Tesseract and RapidOCR.

Every engine gets the same pictures and is told what to expect of them: a digit, a string of digits, or a page. Before
the two engines for printed text see a picture it is made as they like it: dark on light, at least 28 pixels high, with
a margin. Only the digits of what they say count.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

import inkdigits
from inkdigits.detection.finder import Finder
from inkdigits.recognizer import PAGES
from labelled import Kind, Pixels, pixels_of

RAPIDOCR_VARIABLE = "RAPIDOCR_PYTHON"
_WORKER = Path(__file__).parent / "rapidocr_worker.py"
_PATIENCE = 120  # seconds that Tesseract may take for one picture
_PAGE_MODES = {"digit": "10", "string": "7", "page": "6", "other": "10"}  # Tesseract's --psm
_HEIGHT, _MARGIN = 28, 10  # pixels
_CHUNK = 256  # pictures given to inkdigits at a time


@dataclass(frozen=True)
class Answer:
    """What an engine says about one picture.

    Attributes:
        text: digits; numbers joined by a space, lines by a line break.
        confidence: that the digit is right, in [0, 1]; nan when the engine does not say, or for strings.
        refused: whether it leaves the picture to a person, or found no digit.
    """

    text: str
    confidence: float = float("nan")
    refused: bool = False


BROKEN = Answer("", refused=True)
"""What counts when an engine fails on a picture."""


class Engine(Protocol):
    """Anything that reads digits."""

    name: str
    version: str

    def answers(self, pictures: Sequence[Pixels | Path], kind: Kind) -> Iterator[Answer]:
        """One answer per picture, in order; `BROKEN` where the engine fails."""
        ...

    def cpu_seconds(self) -> float:
        """The CPU time that this engine has taken so far."""
        ...


class MissingEngineError(Exception):
    """An engine is not installed; the message says how to get it."""


class Inkdigits:
    """This project: `classify` for single digits, `read` for strings and pages."""

    name = "inkdigits"

    def __init__(self, model: str = "default") -> None:
        """Load a model by its name or folder."""
        self._recognizer = inkdigits.load(model)
        card = self._recognizer.card
        pages = Finder(PAGES).card
        self.version = (
            f"{inkdigits.__version__}, model {card.name} of {card.created[:16]}, pages of {pages['created'][:16]}"
        )
        self._spent = 0.0

    def answers(self, pictures: Sequence[Pixels | Path], kind: Kind) -> Iterator[Answer]:
        """See `Engine.answers`."""
        step = _CHUNK if kind in ("digit", "other") else 1
        for start in range(0, len(pictures), step):
            chunk = pictures[start : start + step]
            before = time.process_time()
            given = self._classified(chunk) if step > 1 else [self._read(chunk[0])]
            self._spent += time.process_time() - before
            yield from given

    def cpu_seconds(self) -> float:
        """See `Engine.cpu_seconds`."""
        return self._spent

    def _classified(self, pictures: Sequence[Pixels | Path]) -> list[Answer]:
        try:
            predictions = self._recognizer.classify(list(pictures))
        except Exception:  # noqa: BLE001 - one bad picture must not cost the others their answer
            return [BROKEN] if len(pictures) == 1 else [self._classified([each])[0] for each in pictures]
        return [Answer(str(each.digit), each.confidence, each.rejected) for each in predictions]

    def _read(self, picture: Pixels | Path) -> Answer:
        try:
            reading = self._recognizer.read(picture)
        except Exception:  # noqa: BLE001 - counts as wrong
            return BROKEN
        return Answer(reading.text, refused=not reading.text)


class Tesseract:
    """Tesseract, the program, told to answer in digits."""

    name = "tesseract"

    def __init__(self) -> None:
        """Find the program.

        Raises:
            MissingEngineError: it is not installed.
        """
        program = shutil.which("tesseract")
        if program is None:
            raise MissingEngineError("Tesseract is not installed. Install it with: apt install tesseract-ocr")
        self._program = program
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        self.version = (said.stdout or said.stderr).split()[1]
        self._spent = 0.0

    def answers(self, pictures: Sequence[Pixels | Path], kind: Kind) -> Iterator[Answer]:
        """See `Engine.answers`."""
        for picture in pictures:
            before = _children_seconds()
            try:
                yield _digits_only(self._said(_png(picture), kind))
            except Exception:  # noqa: BLE001 - counts as wrong
                yield BROKEN
            self._spent += _children_seconds() - before

    def cpu_seconds(self) -> float:
        """See `Engine.cpu_seconds`."""
        return self._spent

    def _said(self, png: bytes, kind: Kind) -> str:
        command = [self._program, "stdin", "stdout", "--psm", _PAGE_MODES[kind], "--dpi", "150"]
        command += ["-c", "tessedit_char_whitelist=0123456789"]
        single = {**os.environ, "OMP_THREAD_LIMIT": "1"}
        done = subprocess.run(command, input=png, capture_output=True, check=True, timeout=_PATIENCE, env=single)
        return done.stdout.decode("utf-8", "replace")


class RapidOCR:
    """RapidOCR (PaddleOCR's networks on ONNX Runtime) in a Python of its own, which `$RAPIDOCR_PYTHON` names."""

    name = "rapidocr"

    def __init__(self) -> None:
        """See whether it starts.

        Raises:
            MissingEngineError: it is not installed.
        """
        self._python = os.environ.get(RAPIDOCR_VARIABLE, "")
        if not self._python:
            raise MissingEngineError(
                f"RapidOCR is not installed. Make an environment of its own (python -m venv DIR; DIR/bin/pip install "
                f"rapidocr-onnxruntime) and set {RAPIDOCR_VARIABLE}=DIR/bin/python"
            )
        try:
            with self._worker() as worker:
                self.version = str(_asked(worker, None)["version"])
        except (OSError, EOFError) as error:
            raise MissingEngineError(f"RapidOCR does not start with {self._python}: {error}") from None
        self._spent = 0.0

    def answers(self, pictures: Sequence[Pixels | Path], kind: Kind) -> Iterator[Answer]:
        """See `Engine.answers`."""
        with tempfile.TemporaryDirectory() as folder, self._worker() as worker:
            _asked(worker, None)
            file = Path(folder) / "picture.png"
            for picture in pictures:
                try:
                    file.write_bytes(_png(picture))
                except Exception:  # noqa: BLE001 - a picture that cannot be opened counts as wrong
                    yield BROKEN
                    continue
                try:
                    said = _asked(worker, {"file": str(file), "page": kind == "page"})
                except (EOFError, OSError):  # it has died: what is left counts as wrong, too
                    yield BROKEN
                    continue
                self._spent += said["cpu_seconds"]
                yield _digits_only(said["text"])

    def cpu_seconds(self) -> float:
        """See `Engine.cpu_seconds`."""
        return self._spent

    def _worker(self) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen([self._python, str(_WORKER)], stdin=pipe, stdout=pipe, text=True)


def _asked(worker: subprocess.Popen[str], question: dict[str, Any] | None) -> dict[str, Any]:
    """What the worker says to a question; without one, what it says of itself as it starts."""
    assert worker.stdin is not None and worker.stdout is not None
    if question is not None:
        worker.stdin.write(json.dumps(question) + "\n")
        worker.stdin.flush()
    line = worker.stdout.readline()
    if not line:
        raise EOFError("it ended")
    said: dict[str, Any] = json.loads(line)
    return said


ENGINES: dict[str, Any] = {"inkdigits": Inkdigits, "tesseract": Tesseract, "rapidocr": RapidOCR}


def versions() -> str:
    """Of what else an answer depends on."""
    import platform

    names = ("numpy", "onnxruntime", "opencv-python-headless", "pillow")
    return " ".join([*(f"{name} {metadata.version(name)}" for name in names), f"python {platform.python_version()}"])


def prepared(pixels: Pixels) -> Pixels:
    """A picture as engines for printed text like it: gray or RGB, dark on light, high enough, with a margin."""
    return framed(dark_on_light(pixels))


def framed(image: Pixels) -> Pixels:
    """A picture (H, W) or (H, W, 3) that is high enough, with a margin."""
    import cv2

    if image.shape[0] < _HEIGHT:
        factor = _HEIGHT / image.shape[0]
        image = np.asarray(cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC), np.uint8)
    color = np.atleast_1d(_paper(image)).tolist()
    return np.asarray(cv2.copyMakeBorder(image, *[_MARGIN] * 4, cv2.BORDER_CONSTANT, value=color), np.uint8)


def dark_on_light(pixels: Pixels) -> Pixels:
    """A picture without transparency, turned around where its border is dark."""
    image = opaque(pixels)
    return 255 - image if np.mean(_paper(image)) < 128 else image


def opaque(pixels: Pixels) -> Pixels:
    """A picture (H, W) or (H, W, 3), laid on white paper where it is transparent."""
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        return np.asarray(pixels[..., :3] * (pixels[..., 3:] / 255) + 255 - pixels[..., 3:], np.uint8)
    return pixels


def _paper(image: Pixels) -> NDArray[np.float64]:
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    return np.asarray(np.median(border, axis=0))


def _png(picture: Pixels | Path) -> bytes:
    import cv2

    image = prepared(pixels_of(picture))
    return bytes(cv2.imencode(".png", image if image.ndim == 2 else image[..., ::-1])[1])


def _digits_only(text: str) -> Answer:
    lines = (" ".join(re.findall("[0-9]+", line)) for line in text.splitlines())
    kept = "\n".join(line for line in lines if line)
    return Answer(kept, refused=not kept)


def _children_seconds() -> float:
    spent = os.times()
    return spent.children_user + spent.children_system
