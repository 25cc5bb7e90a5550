"""Opening a model up on one picture: the figures as files, and a page that explains them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inkdigits import drawing, files, inspection
from inkdigits.bundle import Bundle
from inkdigits.datasets import Dataset, load_dataset
from inkdigits.errors import BundleError, DatasetError, ImageError
from inkdigits.evaluation import anatomy, figures, report
from inkdigits.evaluation.anatomy import Drawing, Part
from inkdigits.evaluation.words import percent
from inkdigits.recognizer import Prediction, Recognizer, load, located

_EXAMPLE = 0  # the test image that is looked at when none is given: a plain 7


@dataclass(frozen=True)
class Dissection:
    """What was opened up, and where the figures are.

    Attributes:
        model: the model's name.
        image: what was looked at.
        prediction: what the model says about it.
        convolutions: the names of its convolution layers; empty for a perceptron.
        page: the path of the page.
        files: the paths of the figures.
        note: what could not be drawn and why, or None.
    """

    model: str
    image: str
    prediction: Prediction
    convolutions: tuple[str, ...]
    page: Path
    files: tuple[Path, ...]
    note: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return {
            "model": self.model,
            "image": self.image,
            "prediction": self.prediction.to_dict(),
            "convolutions": list(self.convolutions),
            "page": str(self.page),
            "files": [str(path) for path in self.files],
            "note": self.note,
        }


def dissect(bundle: str | Path | Bundle, image: Any = None, *, out: Path, digit: int | None = None) -> Dissection:
    """Draw a model's filters, its feature maps and saliency for a picture, and the map of MNIST's test images.

    Args:
        bundle: a bundled model's name or a bundle folder; it must hold the Keras network.
        image: one picture as `Recognizer.classify` takes it; by default a test digit of MNIST.
        out: the folder for `index.html` and the figures (PNG and SVG); made when missing.
        digit: the digit that saliency explains; by default the answer and the next most likely digit.

    Raises:
        BundleError: the model cannot be loaded, or comes without its Keras network.
        ImageError: the picture cannot be read, or shows no ink.
        DatasetError: no picture was given and MNIST cannot be found.
        MissingExtraError: the `train` extra is not installed.
    """
    opened = _open(bundle)
    model = opened.keras_model()
    recognizer = load(opened.folder)
    data, note = _test_set(required=image is None)
    named = f"mnist/test, image {_EXAMPLE}" if image is None else _name(image)
    prediction = recognizer.classify([data.images[_EXAMPLE] if image is None and data is not None else image])[0]
    if not prediction.seen.any():
        raise ImageError(f"Expected a picture of a digit. Received: {named}, which is blank: no ink found.")
    parts = [_answer(prediction), anatomy.learned(model), anatomy.seen_by(model, prediction.seen, "the picture")]
    parts.append(_saliency(model, prediction, digit))
    if data is not None:
        parts.append(_map(model, recognizer, data))
    name = recognizer.card.name
    page = drawing.page(
        f"Inside {name}",
        f"The picture ({named}) is read as {prediction.digit}, {percent(prediction.confidence, 1)} sure.",
        [part.section() for part in parts],
        style=report.gallery_style(),
    )
    saved = [made.save(out) for part in parts for made in part.drawings]
    files.write_atomically(out / "index.html", page)
    layers = tuple(layer.name for layer in inspection.convolutions(model))
    return Dissection(name, named, prediction, layers, out / "index.html", tuple(saved), note)


def _open(bundle: str | Path | Bundle) -> Bundle:
    if isinstance(bundle, Bundle):
        return bundle
    path = located(bundle)
    if path.is_file():
        raise BundleError(
            f"Expected a bundle folder: opening a model up needs its Keras network. Received: the file {path}. "
            "Give the folder that `inkdigits train` wrote."
        )
    if not path.exists():
        load(bundle)  # raises, and lists the models that there are
    return Bundle.load(path)


def _test_set(*, required: bool) -> tuple[Dataset | None, str | None]:
    """MNIST's test images; without them only the map is missing, unless the picture should come from there."""
    try:
        return load_dataset("mnist", "test"), None
    except DatasetError as error:
        if required:
            raise
        return None, f"There is no map of the test images: {error}"


def _name(image: Any) -> str:
    return Path(image).name if isinstance(image, str | Path) else "the picture given"


def _answer(prediction: Prediction) -> Part:
    order = np.argsort(-prediction.probabilities, kind="stable")
    words = ", ".join(f"{digit}: {percent(float(prediction.probabilities[digit]))}" for digit in order[:3])
    text = f"Most likely digits: {words}."
    text += f" The answer is rejected: {prediction.reason}." if prediction.rejected else ""
    fig = figures.probabilities_figure(prediction.probabilities)
    made = Drawing("probabilities", "The probability of each digit.", f"A bar per digit. {text}", fig=fig)
    return Part("The answer", text, [made])


def _saliency(model: Any, prediction: Prediction, digit: int | None) -> Part:
    order = np.argsort(-prediction.probabilities, kind="stable")
    digits = [int(found) for found in order[:2]] if digit is None else [digit]
    captions = [f"What speaks for {digit}" for digit in digits]
    return anatomy.looked_at(model, np.stack([prediction.seen] * len(digits)), digits, captions)


def _map(model: Any, recognizer: Recognizer, data: Dataset) -> Part:
    chosen = data.subset(anatomy.map_sample(len(data)))
    answers = recognizer.answer(chosen.images)
    return anatomy.arranged(model, answers.seen, chosen.labels, answers.probabilities.argmax(axis=1))
