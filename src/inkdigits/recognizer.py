"""Recognizing digits with a trained model: `load` one, `classify` pictures of one digit each, `read` a whole picture.

    recognizer = load()
    recognizer.classify(["four.png", array])[0].digit

Runs on ONNX Runtime alone. No call changes what another one answers, so threads may share a Recognizer.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inkdigits import calibration
from inkdigits.errors import BundleError, ImageError, InkdigitsError
from inkdigits.reading import Digit, Reading, reading, single_digit

if TYPE_CHECKING:
    from inkdigits.card import Card
    from inkdigits.detection.finder import Finder, Found
    from inkdigits.runtimes import Answers, Runtime

WEIGHTS = Path(__file__).parent / "weights"
"""One folder per bundled model."""
PAGES = WEIGHTS / "pages" / "pages.onnx"
"""The network that finds the digits of whole pictures."""
PAGE_SURE = 0.5
"""Digits of a page with less confidence are rejected, unless another threshold is asked for."""
SEVERAL_REASON = "several digits"
NARROW = 0.3
"""What reaches from one side of a picture to the other, and is narrower than this part of it, is no digit."""
LARGER = 4.0
"""A find and what the network for single digits sees are the same ink when neither's box is so many times as large:
that may be a note on a table, and the find the digit on it."""
RUNS = Path("runs")
"""Where `inkdigits train` puts its bundles, below the working folder."""
PENDING_BYTES = 32 * 2**20
"""Decoded pictures wait for others of their shape until they take this much memory."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the model says about one picture of one digit.

    Attributes:
        digit: the most likely digit, 0..9.
        confidence: the calibrated probability, in [0, 1], that the picture shows a digit and that it is this one.
        probabilities: (10,) float32, calibrated: of each digit, if it is one; they sum to 1.
        rejected: True when the confidence is below the reject threshold, or the picture is blank: better ask a person.
        reason: why it is rejected, in words; None when it is not.
        candidates: the digits it may be, most likely first; they hold the true one as often as the card's `coverage`
            says, for pictures like those the model was validated on. Never empty; all ten for a blank picture.
        seen: (28, 28) float32, what the model saw: 0.0 paper, 1.0 ink.
    """

    digit: int
    confidence: float
    probabilities: NDArray[np.float32]
    rejected: bool
    reason: str | None
    candidates: tuple[int, ...]
    seen: NDArray[np.float32]

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values; `seen` as 28 rows of 28 whole numbers, 0 paper to 255 ink."""
        return {
            "digit": self.digit,
            "confidence": self.confidence,
            "probabilities": [float(probability) for probability in self.probabilities],
            "rejected": self.rejected,
            "reason": self.reason,
            "candidates": list(self.candidates),
            "seen": np.rint(self.seen * 255).astype(int).tolist(),
        }


class Recognizer:
    """A trained model, ready to recognize. Make one with `load`.

    Attributes:
        card: what is known about the model.
        reject_threshold: the confidence, in [0, 1], below which `classify` rejects an answer.
        page_threshold: the confidence below which `read` rejects a digit that the network for pages named.
    """

    def __init__(
        self,
        card: Card,
        runtime: Runtime,
        reject_threshold: float | None = None,
        threads: int | None = None,
        pages: Path = PAGES,
    ) -> None:
        """Put a model's card and its runtime together.

        Args:
            card: of the model.
            runtime: what runs it.
            reject_threshold: in [0, 1]; None takes the card's.
            threads: how many CPU threads finding the digits of a page may use; None lets ONNX Runtime choose.
            pages: the network that finds them; opened when it is needed.

        Raises:
            InkdigitsError: a threshold outside [0, 1].
        """
        threshold = card.reject_threshold if reject_threshold is None else float(reject_threshold)
        if not 0 <= threshold <= 1:
            raise InkdigitsError(f"Expected a reject threshold from 0 to 1. Received: {reject_threshold}.")
        self.card = card
        self.reject_threshold = threshold
        self.page_threshold = PAGE_SURE if reject_threshold is None else threshold
        self._runtime = runtime
        self._threads = threads
        self._pages = pages
        self._finder: Finder | None = None

    def __repr__(self) -> str:
        return f"Recognizer({self.card.name!r}, {self._runtime.name}, reject_threshold={self.reject_threshold:g})"

    def classify(self, images: Any) -> list[Prediction]:
        """Recognize one digit in each picture.

        Args:
            images: a list (or any iterable) of pictures, each a path, the bytes of an image file, a PIL image, or an
                array (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA, uint8 or float in [0, 1]; any size, ink dark
                or light. An array (N, H, W) or (N, H, W, C) is a batch. One picture alone is taken as a list of one;
                an array whose last of three axes is 1, 3 or 4 long is such a picture, not a batch.

        Returns:
            One Prediction per picture, in order. A picture gets the same answer in any company.

        Raises:
            ImageError: something is no picture; the message says which item it is.
        """
        answers = self.answer(images)
        each = zip(answers.probabilities, answers.digitness, answers.seen, strict=True)
        return [self._several_or(self._prediction(*one)) for one in each]

    def answer(self, images: Any) -> Answers:
        """Recognize one digit in each picture and give the bare arrays, for many pictures at once.

        Args:
            images: as `classify` takes them.

        Returns:
            probabilities (N, 10), digitness (N,), seen (N, 28, 28) and boxes (N, 4), in order; see `runtimes.Answers`.

        Raises:
            ImageError: as `classify`.
        """
        from inkdigits.images import to_pixels

        if isinstance(images, np.ndarray) and images.ndim == 0:
            raise ImageError("Expected pictures. Received: an array without axes.")
        if _alone(images):
            return self._runtime.answer(to_pixels(images)[None])
        if isinstance(images, np.ndarray) and images.dtype == np.uint8 and images.ndim in (3, 4) and len(images):
            if images.ndim == 4 and images.shape[3] == 1:
                images = images[..., 0]
            _named(0, images[0])  # all have its shape: one check speaks for all
            return self._runtime.answer(np.ascontiguousarray(images))
        return self._answer_each(_items(images))

    def read(self, image: Any) -> Reading:
        """Read a whole picture: all numbers on it, in lines.

        The digits are found and told apart by the network for pages that comes with inkdigits. Where it finds one
        digit only, this recognizer says which it is, as `classify` does, or refuses it; where it finds none but the
        picture as a whole is a digit, that one is read, unless it is a narrow stroke from side to side of the picture,
        such as the edge of a table.

        Args:
            image: one picture, as `classify` takes it.

        Returns:
            What stands there, with boxes in pixels of the upright picture; no text when nothing was found.

        Raises:
            ImageError: it is no picture.
        """
        from inkdigits.images import to_pixels

        pixels = to_pixels(image)
        size = (pixels.shape[1], pixels.shape[0])
        found = self._found(pixels)
        if len(found.boxes) > 1:
            return reading(_ordered(found, self.page_threshold), size)
        answers = self._runtime.answer(pixels[None])
        prediction = self._prediction(answers.probabilities[0], answers.digitness[0], answers.seen[0])
        if not len(found.boxes) and (prediction.rejected or _crosses(answers.boxes[0], size)):
            return single_digit(None, size, prediction.reason or calibration.NO_DIGIT_REASON)
        if not len(found.boxes) or _overlap(answers.boxes[0], found.boxes[0]):  # both speak of the same ink
            x, y, width, height = (float(side) for side in answers.boxes[0])
            digit = Digit(prediction.digit, prediction.confidence, (x, y, width, height), prediction.rejected)
            return single_digit(digit, size, prediction.reason)
        ((digit,),) = _ordered(found, self.page_threshold)[0]
        reason = calibration.reason(
            digit.confidence, found.probabilities[0], self.page_threshold, digitness=float(found.scores[0])
        )
        return single_digit(digit, size, reason)

    def _found(self, pixels: NDArray[np.uint8]) -> Found:
        if self._finder is None:
            from inkdigits.detection.finder import Finder

            self._finder = Finder(self._pages, self._threads)
        return self._finder.find(pixels)

    def _answer_each(self, images: Iterator[Any]) -> Answers:
        # Pictures of one shape run together, in one call; what waits for its call stays below PENDING_BYTES.
        waiting: dict[tuple[int, ...], list[tuple[int, NDArray[np.uint8]]]] = {}
        done: list[tuple[list[int], Answers]] = []
        size = 0

        def flush() -> None:
            for group in waiting.values():
                pixels = np.stack([pixels for _, pixels in group])
                done.append(([index for index, _ in group], self._runtime.answer(pixels)))
            waiting.clear()

        for index, image in enumerate(images):
            pixels = _named(index, image)
            waiting.setdefault(pixels.shape, []).append((index, pixels))
            size += pixels.nbytes
            if size > PENDING_BYTES:
                flush()
                size = 0
        flush()
        return _in_order(done)

    def _prediction(
        self, probabilities: NDArray[np.float32], digitness: np.float32, seen: NDArray[np.float32]
    ) -> Prediction:
        blank = not seen.any()
        digit = int(probabilities.argmax())
        confidence = float(probabilities[digit] * digitness)
        chosen = calibration.candidates(probabilities, self.card.conformal_threshold)
        reason = calibration.reason(
            confidence, probabilities, self.reject_threshold, digitness=float(digitness), blank=blank
        )
        probabilities, seen = probabilities.copy(), seen.copy()  # not a view that keeps the whole batch in memory
        probabilities.flags.writeable = seen.flags.writeable = False
        return Prediction(digit, confidence, probabilities, reason is not None, reason, chosen, seen)

    def _several_or(self, prediction: Prediction) -> Prediction:
        """A prediction that says so when what is no digit is several of them."""
        if prediction.reason != calibration.NO_DIGIT_REASON:
            return prediction
        there = self._found(np.rint(255 - 255 * prediction.seen).astype(np.uint8)).boxes
        return replace(prediction, reason=SEVERAL_REASON) if len(there) > 1 else prediction


def load(
    name_or_path: str | Path = "default",
    *,
    reject_threshold: float | None = None,
    threads: int | None = None,
    pages: str | Path = PAGES,
) -> Recognizer:
    """Load a trained model.

    Args:
        name_or_path: a bundled model's name, a bundle's folder, or an `.onnx` file that inkdigits wrote. A name wins
            over a folder of the same name; write `./default` for the folder.
        reject_threshold: the confidence, in [0, 1], below which answers are rejected; None takes the model's own.
        threads: how many CPU threads a call may use; None lets ONNX Runtime choose.
        pages: the `.onnx` file that `read` finds digits with, such as `inkdigits train-pages` writes; opened when it is
            needed.

    A bundle folder is checked by its SHA-256; an `.onnx` file that stands alone has nothing to be checked against but
    its own structure.

    Raises:
        BundleError: there is no such model (the message lists those there are), or it is damaged, foreign or newer.
    """
    if not isinstance(name_or_path, (str, os.PathLike)) or not str(name_or_path):
        raise BundleError(f"Expected a model's name, a bundle folder or an .onnx file. Received: {name_or_path!r}.")
    path = located(name_or_path)
    if path.is_dir():
        return _from_folder(path, reject_threshold, threads, Path(pages))
    if not path.is_file():
        raise BundleError(f"Expected a model's name, a bundle folder or an .onnx file. {_what_exists(name_or_path)}")
    return _from_onnx(path, reject_threshold, threads, Path(pages))


def located(name_or_path: str | os.PathLike[str]) -> Path:
    """Where a model is: a bundled model's name gives its folder; anything else is taken for a path."""
    if isinstance(name_or_path, str) and name_or_path in bundled():
        return WEIGHTS / name_or_path
    return Path(name_or_path)


def bundled() -> tuple[str, ...]:
    """The names of the models that come with inkdigits."""
    return tuple(sorted(path.parent.name for path in WEIGHTS.glob("*/model.json")))


def runs(folder: Path = RUNS) -> tuple[Path, ...]:
    """The bundle folders in `folder`, damaged ones too, sorted by name."""
    return tuple(sorted(path.parent for path in folder.glob("*/model.json")))


def _what_exists(asked: str | Path) -> str:
    names, folders = bundled(), runs()
    there = [f"bundled models: {', '.join(names)}"] if names else ["no bundled models"]
    there += [f"trained here: {', '.join(folder.as_posix() for folder in folders)}"] if folders else []
    return f"There is no {asked}. There are {'; '.join(there)}."


def _from_folder(folder: Path, reject_threshold: float | None, threads: int | None, pages: Path) -> Recognizer:
    from inkdigits.bundle import ONNX_FILE, Bundle
    from inkdigits.runtimes import OnnxRuntime

    bundle = Bundle.load(folder)
    runtime = OnnxRuntime(bundle.read(ONNX_FILE), threads=threads)
    inside = _inner_card(runtime.metadata, folder / ONNX_FILE)
    if not inside.same_model(bundle.card):
        # model.json vouches for the other files; this is what vouches for model.json.
        raise BundleError(
            f"Expected {folder / 'model.json'} to describe the model in {ONNX_FILE}. It says something else: "
            "it was edited or is damaged. Copy the whole folder again or train it anew."
        )
    return Recognizer(bundle.card, runtime, reject_threshold, threads, pages)


def _from_onnx(path: Path, reject_threshold: float | None, threads: int | None, pages: Path) -> Recognizer:
    from inkdigits.runtimes import OnnxRuntime

    if path.suffix.lower() != ".onnx":
        raise BundleError(f"Expected a model's name, a bundle folder or an .onnx file. Received: the file {path}.")
    runtime = OnnxRuntime(path, threads=threads)
    return Recognizer(_inner_card(runtime.metadata, path), runtime, reject_threshold, threads, pages)


def _inner_card(metadata: Mapping[str, str], path: Path) -> Card:
    from inkdigits.card import CARD_KEY, Card

    if CARD_KEY not in metadata:
        raise BundleError(
            f"Expected an .onnx file that holds a whole model of inkdigits. {path} is foreign, or the network alone "
            f"as `inkdigits export --format onnx-int8` writes it: its metadata holds no '{CARD_KEY}'."
        )
    return Card.from_json(metadata[CARD_KEY], f"the card in {path}")


def _ordered(found: Found, threshold: float) -> list[list[list[Digit]]]:
    """What was found, as digits in lines of numbers; rejected with less confidence than the threshold."""
    from inkdigits.ordering import lines

    confidences = found.scores * found.probabilities.max(axis=1)
    digits = [
        Digit(int(row.argmax()), float(sure), (float(x), float(y), float(width), float(height)), bool(sure < threshold))
        for row, sure, (x, y, width, height) in zip(found.probabilities, confidences, found.boxes, strict=True)
    ]
    return [[[digits[index] for index in number] for number in line] for line in lines(found.boxes)]


def _overlap(first: NDArray[np.float32], second: NDArray[np.float32]) -> bool:
    """Whether two boxes share more than half of the smaller one, and neither is `LARGER` times as large or more."""
    across = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
    down = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
    smaller, larger = sorted((first[2] * first[3], second[2] * second[3]))
    return bool(max(across, 0) * max(down, 0) > 0.5 * smaller and larger < LARGER * smaller)


def _crosses(box: NDArray[np.float32], size: tuple[int, int]) -> bool:
    """Whether a box is narrow and reaches from one side to the other of a picture of `size` (width, height)."""
    parts = box[2] / size[0], box[3] / size[1]
    return bool(min(parts) < NARROW and max(parts) > 0.99)


def _alone(images: Any) -> bool:
    if isinstance(images, np.ndarray):
        return images.ndim == 2 or (images.ndim == 3 and images.shape[2] in (1, 3, 4))
    single = isinstance(images, (str, os.PathLike, bytes, bytearray, memoryview))
    return single or (hasattr(images, "getbands") and hasattr(images, "convert"))


def _items(images: Any) -> Iterator[Any]:
    if not isinstance(images, Iterable) or isinstance(images, (Mapping, Set)):
        raise ImageError(
            "Expected a picture or a list of pictures (paths, bytes, PIL images, arrays). "
            f"Received: {type(images).__name__}."
        )
    return iter(images)


def _named(index: int, image: Any) -> NDArray[np.uint8]:
    from inkdigits.images import to_pixels

    try:
        return to_pixels(image)
    except ImageError as error:
        raise ImageError(f"images[{index}]: {error}") from error


def _in_order(parts: list[tuple[list[int], Answers]]) -> Answers:
    from inkdigits.runtimes import Answers

    count = sum(len(indices) for indices, _ in parts)
    probabilities = np.empty((count, 10), np.float32)
    digitness = np.empty(count, np.float32)
    seen = np.empty((count, 28, 28), np.float32)
    boxes = np.empty((count, 4), np.float32)
    for indices, answers in parts:
        probabilities[indices] = answers.probabilities
        digitness[indices] = answers.digitness
        seen[indices] = answers.seen
        boxes[indices] = answers.boxes
    return Answers(probabilities, digitness, seen, boxes)
