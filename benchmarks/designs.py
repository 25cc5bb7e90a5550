"""Other designs for reading numbers and pages than the one that inkdigits has, as engines to compare it with.

`cut`: ink is cut apart where it is not connected, and `classify` says what each piece is, as most tutorials do.
`boxes`: the network for pages says where digits are, and `classify` alone says which.
`digitwise`: the networks for pages without the one that sees whole lines.
`sequences`: a network reads a field from left to right; benchmarks/sequences.py trains it first.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

import inkdigits
from engines import BROKEN, Answer, Inkdigits, framed, opaque
from inkdigits.detection.finder import Finder
from inkdigits.ordering import lines
from inkdigits.recognizer import PAGES
from labelled import Kind, Pixels, pixels_of
from sequences import Reader

_LIGHT = 0.4  # paper is judged in a window of this part of the picture's shorter side
_DARKER = 0.5  # ink is darker than the paper by this part of what the darkest is
_SMALL, _LARGE = 0.25, 3.0  # pieces lower or higher than so many times the median are no digits
_AROUND = 0.2  # margin that `classify` sees around a box, as a part of its longer side


class _Design:
    """Reads one picture after the other and takes the time."""

    name: str
    version: str
    _spent = 0.0

    def answers(self, pictures: Sequence[Pixels | Path], kind: Kind) -> Iterator[Answer]:
        """See `Engine.answers`."""
        for picture in pictures:
            before = time.process_time()
            try:
                answer = self._read(pixels_of(picture))
            except Exception:  # noqa: BLE001 - counts as wrong
                answer = BROKEN
            self._spent += time.process_time() - before
            yield answer

    def cpu_seconds(self) -> float:
        """See `Engine.cpu_seconds`."""
        return self._spent

    def _read(self, pixels: Pixels) -> Answer:
        raise NotImplementedError


class Sequences(_Design):
    """A field as a sequence; of a page, and of what is no digit, it knows nothing."""

    name = "sequences"

    def __init__(self, model: str = "default") -> None:
        """Load it; it asks no model for single digits."""
        self._reader = Reader()
        self.version = f"{self._reader.card['steps']} steps, of {self._reader.card['created'][:16]}"

    def _read(self, pixels: Pixels) -> Answer:
        text = self._reader.read(ink_on_paper(pixels))
        return Answer(text, refused=not text)


def ink_on_paper(pixels: Pixels) -> Pixels:
    """A picture without transparency, turned around where what stands out from its surroundings is light.

    Ink covers less than paper does, so gray levels around their local mean are skewed to its side.
    """
    import cv2

    image = opaque(pixels)
    gray = image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
    level = gray.astype(np.float32)
    out = level - cv2.GaussianBlur(level, (0, 0), max(3.0, min(gray.shape) / 2))
    return 255 - image if ((out - out.mean()) ** 3).mean() > 0 else image


class _Pieces(_Design):
    """Boxes from somewhere; `classify` says which digit is in each, or that it is none."""

    def __init__(self, model: str = "default") -> None:
        self._recognizer = inkdigits.load(model)
        card = self._recognizer.card
        self.version = f"{inkdigits.__version__}, model {card.name} of {card.created[:16]}"

    def _read(self, pixels: Pixels) -> Answer:
        pixels = framed(ink_on_paper(pixels))
        boxes = self._boxes(pixels)
        predictions = self._recognizer.classify([_part(pixels, box) for box in boxes])
        kept = [index for index, each in enumerate(predictions) if not each.rejected]
        rows = lines(boxes[kept])
        text = "\n".join(" ".join("".join(str(predictions[kept[i]].digit) for i in n) for n in row) for row in rows)
        return Answer(text, refused=not text)

    def _boxes(self, pixels: Pixels) -> NDArray[np.float64]:
        raise NotImplementedError


class Cut(_Pieces):
    """Connected ink."""

    name = "cut"

    def _boxes(self, pixels: Pixels) -> NDArray[np.float64]:
        """(n, 4): x, y, width, height of connected ink; pieces above each other are one."""
        import cv2

        gray = pixels if pixels.ndim == 2 else np.asarray(cv2.cvtColor(pixels[..., :3], cv2.COLOR_RGB2GRAY))
        side = max(15, int(_LIGHT * min(gray.shape)) | 1)
        ink = cv2.GaussianBlur(gray, (0, 0), side / 3).astype(np.float32) - gray
        mask = (ink > _DARKER * np.percentile(ink, 99.5)).astype(np.uint8)
        found = cv2.connectedComponentsWithStats(mask, connectivity=8)[2][1:, :4].astype(np.float64)
        if not len(found):
            return found
        found = found[found[:, 3] >= _SMALL * np.median(found[found[:, 3] >= 0.5 * found[:, 3].max(), 3])]
        found = found[found[:, 3] <= _LARGE * np.median(found[:, 3])]
        return _stacked(found[np.argsort(found[:, 0])])


class Boxes(_Pieces):
    """Found by the network for pages."""

    name = "boxes"

    def __init__(self, model: str = "default") -> None:
        super().__init__(model)
        self._finder = Finder(PAGES)
        self.version += f", pages of {self._finder.card['created'][:16]}"

    def _boxes(self, pixels: Pixels) -> NDArray[np.float64]:
        return self._finder.find(pixels).boxes.astype(np.float64)


class Digitwise(Inkdigits):
    """Every digit is found and looked at closer, but no network sees the line."""

    name = "digitwise"

    def __init__(self, model: str = "default") -> None:
        super().__init__(model)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "pages.onnx"
            path.write_bytes(without_lines().SerializeToString())
            self._recognizer = inkdigits.load(model, pages=path)
            self._recognizer.read(np.full((32, 32), 255, np.uint8))  # which opens the file


def without_lines() -> onnx.ModelProto:
    """The graph of the networks for pages, in which no line is asked about."""
    model = onnx.load(PAGES)
    (count,) = (
        node.input[0]
        for node in model.graph.node
        if any(inner.op_type == "LSTM" for body in node.attribute for inner in body.g.node)
    )
    (told,) = (node for node in model.graph.node if count in node.output)
    none = onnx.numpy_helper.from_array(np.array(0, np.int64))
    told.CopyFrom(onnx.helper.make_node("Constant", [], [count], value=none))
    return model


def _stacked(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Boxes sorted by x; those that lie above each other and touch, like the bar of a five, become one."""
    merged: list[NDArray[np.float64]] = []
    for box in boxes:
        if merged:
            last = merged[-1]
            shared = min(last[0] + last[2], box[0] + box[2]) - max(last[0], box[0])
            apart = max(last[1], box[1]) - min(last[1] + last[3], box[1] + box[3])
            if shared > 0.6 * min(last[2], box[2]) and apart < 0.3 * max(last[3], box[3]):
                start = np.minimum(last[:2], box[:2])
                end = np.maximum(last[:2] + last[2:], box[:2] + box[2:])
                merged[-1] = np.concatenate([start, end - start])
                continue
        merged.append(box)
    return np.stack(merged)


def _part(pixels: Pixels, box: NDArray[np.float64]) -> Pixels:
    """What a box shows, with a margin."""
    margin = _AROUND * box[2:].max()
    left, top = np.maximum(0, np.floor(box[:2] - margin)).astype(int)
    right, bottom = np.ceil(box[:2] + box[2:] + margin).astype(int)
    return np.ascontiguousarray(pixels[top : max(bottom, top + 1), left : max(right, left + 1)])


DESIGNS = {"cut": Cut, "boxes": Boxes, "digitwise": Digitwise, "sequences": Sequences}
