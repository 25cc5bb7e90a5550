"""A network opened up, as pictures with captions: what the report shows and `inkdigits inspect` saves."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inkdigits import drawing, files, inspection
from inkdigits.evaluation import figures
from inkdigits.inspection import BackendError

if TYPE_CHECKING:
    import keras

_WIDTH = 800  # CSS pixels that a mosaic may take
_MOST = 64  # filters or maps of one layer that are drawn
_POINTS = 2000  # pictures on the embedding map
_HEAT = np.array([201, 98, 43], np.float64)


@dataclass(frozen=True)
class Drawing:
    """One picture of something inside a network.

    Attributes:
        name: of its file, without a suffix.
        caption: under it.
        alt: what it shows, in words.
        pixels: (H, W) or (H, W, 3) uint8, or None when it is a matplotlib figure.
        fig: the figure, or None.
        scale: CSS pixels per pixel.
        kind: "ink" for gray pictures of ink.
    """

    name: str
    caption: str
    alt: str
    pixels: NDArray[np.uint8] | None = None
    fig: Any = None
    scale: int = 1
    kind: str = ""

    def html(self) -> str:
        """As a `<figure>`."""
        if self.pixels is None:
            return drawing.figure_html(drawing.svg(self.fig), self.caption, self.alt)
        return drawing.figure_html(drawing.image_html(self.pixels, self.alt, self.scale, self.kind), self.caption)

    def save(self, folder: Path) -> Path:
        """Write it as `name.svg`, or enlarged as `name.png`; returns the file's path."""
        if self.pixels is None:
            path = folder / f"{self.name}.svg"
            files.write_atomically(path, drawing.svg_file(self.fig, self.alt))
        else:
            path = folder / f"{self.name}.png"
            large = self.pixels.repeat(self.scale, axis=0).repeat(self.scale, axis=1)
            files.write_atomically(path, drawing.png(large))
        return path


@dataclass(frozen=True)
class Part:
    """A section of a page, made of drawings.

    Attributes:
        title: its heading.
        text: what to know first, plain.
        drawings: in order.
        container: a CSS class that lays them out; "" puts them below each other.
    """

    title: str
    text: str
    drawings: Sequence[Drawing] = ()
    container: str = ""

    def section(self) -> drawing.Section:
        """As a section of a page."""
        body = "".join(made.html() for made in self.drawings)
        body = f'<div class="{self.container}">{body}</div>' if self.container else body
        return drawing.Section(self.title, f"<p>{html.escape(self.text)}</p>{body}")


def learned(model: keras.Model) -> Part:
    """The part about the filters."""
    text = "Each small square is a filter: the pattern that a convolution looks for at every place of its input."
    if not inspection.convolutions(model):
        text = (
            "This network has no convolutions, so there are no filters. Each picture shows the weights of one neuron "
            "of the first layer: where ink speaks for it and where against it."
        )
    return Part("What it learned", text, filter_drawings(model))


def seen_by(model: keras.Model, seen: ArrayLike, what: str) -> Part:
    """The part about the feature maps of one picture, described by `what` ("a 7")."""
    return Part("What it sees", f"What each layer makes of {what}, first to last.", map_drawings(model, seen))


def looked_at(
    model: keras.Model, pictures: NDArray[np.float32], digits: Sequence[int], captions: Sequence[str]
) -> Part:
    """The part about saliency; with a Keras backend that cannot, it says so."""
    text = (
        "Beside the ink, in red, the pixels whose ink adds to the digit's score, in blue those that take away from it "
    )
    text += "(integrated gradients). Grad-CAM needs convolutions, which this network has not."
    if inspection.convolutions(model):
        text = (
            "Three pictures each: the ink; the regions where a late convolution finds what speaks for the digit, in "
            "orange (Grad-CAM); and the pixels whose ink adds to the digit's score, in red, or takes away from it, in "
            "blue (integrated gradients)."
        )
    try:
        made = saliency_drawings(model, pictures, digits, captions)
    except BackendError as error:  # the rest of the page is still worth having
        return Part("What it looks at", str(error))
    return Part("What it looks at", text, made, "triples")


def arranged(
    model: keras.Model, seen: NDArray[np.float32], labels: NDArray[np.integer], answers: NDArray[np.integer]
) -> Part:
    """The part about the embedding map."""
    text = "The layer before the scores turns each picture into a row of numbers. Pictures with like rows lie together."
    return Part("How it arranges digits", text, [embedding_drawing(model, seen, labels, answers)])


def filter_drawings(model: keras.Model) -> list[Drawing]:
    """The learned filters of every convolution, or a perceptron's first weights."""
    return [_filters(found) for found in inspection.filters(model)]


def _filters(found: inspection.Filters) -> Drawing:
    weights = found.weights
    height, width, inputs, outputs = weights.shape
    limit = float(np.quantile(np.abs(weights), 0.995))
    size = f"{height} x {width}"
    if found.kind == "Dense":
        chosen = _strongest(weights.reshape(-1, outputs))
        tiles, columns = weights[:, :, 0, chosen].transpose(2, 0, 1), 8
        what = f"The weights from the 28 x 28 pixels to {_of(len(chosen), outputs, 'neurons')}"
    elif inputs == 1 or found.kind == "DepthwiseConv2D":
        flat = weights.reshape(height, width, -1)
        chosen = _strongest(flat.reshape(-1, flat.shape[2]))
        tiles, columns = flat[:, :, chosen].transpose(2, 0, 1), 16
        what = f"{_of(len(chosen), flat.shape[2], 'filters')} of {size}"
    else:
        chosen = _strongest(weights.reshape(-1, outputs))
        rows = _strongest(weights.transpose(0, 1, 3, 2).reshape(-1, inputs))
        part = weights[:, :, rows][:, :, :, chosen]
        tiles, columns = part.transpose(2, 3, 0, 1).reshape(-1, height, width), len(chosen)
        what = (
            f"{_of(len(chosen), outputs, 'filters')} of {size} (columns) over {_of(len(rows), inputs, 'maps')} (rows)"
        )
    sheet = drawing.mosaic(drawing.signed_colors(tiles, limit), columns, gap=0 if height * width == 1 else 1)
    caption = f"{found.layer}: {what}. Red adds, blue takes away, white ignores."
    return Drawing(f"filters-{_file(found.layer)}", caption, caption, sheet, scale=_scale(sheet))


def map_drawings(model: keras.Model, seen: ArrayLike) -> list[Drawing]:
    """What each layer answers to one picture; layers that only feed an activation or a normalization are left out."""
    maps = [found for found in inspection.feature_maps(model, seen) if found.final]
    made = [_input(seen)]
    made += [_maps(found) if found.values.ndim == 3 else _vector(found) for found in maps]
    return made


def _input(seen: ArrayLike) -> Drawing:
    pixels = drawing.ink_on_paper(seen)
    return Drawing(
        "input", "What goes in: 28 x 28 pixels of ink.", "The digit that goes in.", pixels, scale=6, kind="ink"
    )


def _maps(found: inspection.FeatureMaps) -> Drawing:
    height, width, channels = found.values.shape
    chosen = _strongest(found.values.reshape(-1, channels))
    tiles = found.values[:, :, chosen].transpose(2, 0, 1)
    limit = float(np.abs(tiles).max()) or 1.0
    signed = bool(tiles.min() < -0.05 * limit)
    colored = drawing.signed_colors(tiles, limit) if signed else drawing.ink_on_paper(tiles / limit)
    sheet = drawing.mosaic(colored, 8 if width > 14 else 16, background=222)
    caption = f"{found.layer}: {_of(len(chosen), channels, 'maps')} of {height} x {width}."
    caption += " Red is above zero, blue below." if signed else " The more ink, the stronger."
    kind = "" if signed else "ink"
    return Drawing(f"maps-{_file(found.layer)}", caption, caption, sheet, scale=_scale(sheet), kind=kind)


def _vector(found: inspection.FeatureMaps) -> Drawing:
    values = found.values.reshape(1, -1)
    columns = min(_MOST, values.shape[1])
    padded = np.zeros((-(-values.shape[1] // columns), columns), np.float32)
    padded.ravel()[: values.shape[1]] = values[0]
    sheet = drawing.signed_colors(padded)
    caption = f"{found.layer}: {values.shape[1]} values. Red is above zero, blue below."
    if values.shape[1] == 10:
        best = int(values.argmax())
        listed = ", ".join(f"{digit}: {value:.1f}" for digit, value in enumerate(values[0]))
        caption = f"{found.layer}: one score per digit from 0 to 9, the highest for {best} ({listed})."
    return Drawing(f"maps-{_file(found.layer)}", caption, caption, sheet, scale=min(40, _scale(sheet)))


def saliency_drawings(
    model: keras.Model, pictures: NDArray[np.float32], digits: Sequence[int], captions: Sequence[str]
) -> list[Drawing]:
    """For each picture, side by side: the ink, Grad-CAM (where there are convolutions), integrated gradients.

    Args:
        model: the network.
        pictures: (N, 28, 28) ink in [0, 1].
        digits: for each, the digit to explain.
        captions: for each, what to write under it.
    """
    has_maps = bool(inspection.convolutions(model))
    made = []
    for number, (seen, digit, caption) in enumerate(zip(pictures, digits, captions, strict=True), 1):
        tiles = [np.repeat(drawing.ink_on_paper(seen)[..., None], 3, axis=2)]
        if has_maps:
            tiles.append(_heat(seen, inspection.grad_cam(model, seen, digit)))
        tiles.append(_attribution(seen, inspection.integrated_gradients(model, seen, digit)))
        sheet = drawing.mosaic(np.stack(tiles), len(tiles), gap=2)
        alt = f"The ink, {'its Grad-CAM, ' if has_maps else ''}and its integrated gradients. {caption}."
        made.append(Drawing(f"saliency-{number}-for-{digit}", caption, alt, sheet, scale=3))
    return made


def _heat(seen: NDArray[np.float32], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    paper = drawing.ink_on_paper(seen)[..., None].astype(np.float64)
    alpha = 0.7 * heat[..., None].astype(np.float64)
    return np.asarray(np.rint(paper * (1 - alpha) + _HEAT * alpha), np.uint8)


def _attribution(seen: NDArray[np.float32], values: NDArray[np.float32]) -> NDArray[np.uint8]:
    limit = float(np.quantile(np.abs(values[values != 0]), 0.98)) if values.any() else 1.0
    faint = 1 - 0.12 * seen[..., None]  # a trace of the digit, so that the eye finds its place
    return np.asarray(np.rint(drawing.signed_colors(values, limit) * faint), np.uint8)


def embedding_drawing(
    model: keras.Model, seen: NDArray[np.float32], labels: NDArray[np.integer], answers: NDArray[np.integer]
) -> Drawing:
    """The map of up to 2,000 pictures, evenly taken from all, as the layer before the logits arranges them."""
    chosen = map_sample(len(seen))
    points = inspection.project(inspection.embedding(model, seen[chosen]))
    wrong = answers[chosen] != labels[chosen]
    fig = figures.embedding_map(points, labels[chosen], wrong)
    ringed = f" The {int(wrong.sum())} read wrong are ringed." if wrong.any() else ""
    caption = (
        f"{len(chosen):,} pictures arranged by t-SNE so that neighbors look alike to the layer before the scores; "
        f"colors and numbers are the true digits.{ringed} Distances between far groups mean little."
    )
    alt = f"A map of {len(chosen):,} pictures in which the same digits lie together in groups."
    return Drawing("embedding", caption, alt, fig=fig)


def map_sample(count: int) -> NDArray[np.intp]:
    """Which of so many pictures stand on the embedding map: at most 2,000, evenly taken."""
    return np.unique(np.linspace(0, count - 1, min(_POINTS, count)).astype(np.intp))


def _strongest(columns: NDArray[np.float32]) -> NDArray[np.intp]:
    """The columns of the largest norm, at most _MOST of them, in their order."""
    norms = np.linalg.norm(columns, axis=0)
    return np.sort(np.argsort(-norms, kind="stable")[:_MOST])


def _of(shown: int, total: int, what: str) -> str:
    return f"{total} {what}" if shown == total else f"the {shown} strongest of {total} {what}"


def _scale(sheet: NDArray[np.uint8]) -> int:
    return int(np.clip(_WIDTH // sheet.shape[1], 1, 24))


def _file(layer: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", layer).strip("-") or "layer"
