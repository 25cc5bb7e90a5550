"""Looking inside a network: what it learned, what it sees, what it looks at. Arrays come out; others draw them.

Every function takes a Keras model as `Bundle.keras_model()` gives it, (N, 28, 28) float32 ink in [0, 1] (0.0 paper,
1.0 ink) -> (N, 10) logits, and a picture as the model sees it: `seen` (28, 28), what `Prediction.seen` holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inkdigits.errors import InkdigitsError, MissingExtraError

if TYPE_CHECKING:
    import keras

Array = NDArray[np.float32]
SIZE = 28
_SMALLEST_MAP = 6  # pixels: smaller maps hardly tell places apart
_CHUNK = 500  # pictures per call: bounds the memory of intermediate maps
_QUIET = ("InputLayer", "Rescaling", "Normalization", "Reshape", "Flatten", "Dropout", "SpatialDropout2D")


class BackendError(InkdigitsError):
    """The active Keras backend gives no slopes here."""


@dataclass(frozen=True)
class Filters:
    """The weights of one layer.

    Attributes:
        layer: the layer's name.
        kind: its class, "Conv2D", "DepthwiseConv2D", "SeparableConv2D" or "Dense".
        weights: (height, width, inputs, outputs) float32. A first Dense layer comes as (28, 28, 1, outputs).
    """

    layer: str
    kind: str
    weights: Array


@dataclass(frozen=True)
class FeatureMaps:
    """What one layer answers to one picture.

    Attributes:
        layer: the layer's name.
        kind: its class.
        values: (height, width, channels) or, without places, (units,); float32.
        final: False for what only feeds the layer right after it (a convolution before its activation, say).
    """

    layer: str
    kind: str
    values: Array
    final: bool


def convolutions(model: keras.Model) -> list[Any]:
    """The convolution layers, in order; empty for a multilayer perceptron."""
    return [layer for layer in model.layers if type(layer).__name__.endswith(("Conv2D", "Conv2DTranspose"))]


def filters(model: keras.Model) -> tuple[Filters, ...]:
    """The learned filters of every convolution, first to last.

    A network without convolutions gives the weights of its first dense layer, one 28x28 picture per neuron: how much
    ink at each place speaks for it.

    Raises:
        InkdigitsError: the network has neither convolutions nor a dense layer on the 784 pixels.
    """
    found: list[Filters] = []
    for layer in convolutions(model):
        kind = type(layer).__name__
        if kind == "SeparableConv2D":
            found.append(Filters(layer.name, kind, _array(layer.depthwise_kernel)))
            found.append(Filters(f"{layer.name} (pointwise)", kind, _array(layer.pointwise_kernel)))
        else:
            found.append(Filters(layer.name, kind, _array(layer.kernel)))
    if found:
        return tuple(found)
    for layer in model.layers:
        if type(layer).__name__ == "Dense":
            weights = _array(layer.kernel)
            if weights.shape[0] == SIZE * SIZE:
                return (Filters(layer.name, "Dense", weights.reshape(SIZE, SIZE, 1, -1)),)
            break
    raise InkdigitsError(
        "Expected a network with convolutions, or with a dense layer on the 784 pixels. "
        f"Received layers: {', '.join(type(layer).__name__ for layer in model.layers)}."
    )


def feature_maps(model: keras.Model, seen: ArrayLike) -> tuple[FeatureMaps, ...]:
    """What every layer answers to a picture, first to last; layers that only reshape, rescale or drop are left out.

    Args:
        model: the network.
        seen: (28, 28) float in [0, 1].
    """
    picture = _picture(seen)
    layers = [layer for layer in model.layers if type(layer).__name__ not in _QUIET]
    answers = _probe(model, layers)(picture[None], training=False)
    maps = []
    for index, (layer, answer) in enumerate(zip(layers, answers, strict=True)):
        following = type(layers[index + 1]).__name__ if index + 1 < len(layers) else ""
        final = not following.endswith(("Activation", "ReLU", "Normalization", "Softmax"))
        maps.append(FeatureMaps(layer.name, type(layer).__name__, _array(answer)[0], final))
    return tuple(maps)


def grad_cam(model: keras.Model, seen: ArrayLike, digit: int | None = None) -> Array:
    """Where a late convolution finds what speaks for a digit (Selvaraju et al. 2017, "Grad-CAM").

    The maps of the convolution, each weighted by the mean slope of the digit's logit over it, summed, negative sums
    cut off, enlarged to 28x28 so that each value stands in the middle of the pixels it was computed from, and scaled
    so that the largest is 1. It is the last convolution whose maps still tell places apart (at least 6x6), else the
    last.

    Args:
        model: a network with convolutions.
        seen: (28, 28) float in [0, 1].
        digit: the digit to explain; by default the one the network answers.

    Returns:
        (28, 28) float32 in [0, 1]; all 0 when nothing speaks for the digit.

    Raises:
        InkdigitsError: no convolutions, or a digit out of range.
        BackendError: a Keras backend other than TensorFlow.
    """
    tensorflow = _tensorflow()
    picture = _picture(seen)
    layer = _last_maps(model)
    with tensorflow.GradientTape() as tape:
        ink = tensorflow.convert_to_tensor(picture[None])
        tape.watch(ink)
        maps, logits = _probe(model, [layer, model.layers[-1]])(ink, training=False)
        score = logits[:, _digit(digit, logits)]
    slopes = _array(tape.gradient(score, maps))[0]
    heat = np.maximum((_array(maps)[0] * slopes.mean(axis=(0, 1))).sum(axis=-1), 0)
    stride = _stride(model, layer)
    large = _enlarging(heat.shape[0], stride) @ heat @ _enlarging(heat.shape[1], stride).T
    top = float(large.max())
    return np.asarray(large / top if top > 0 else large, np.float32)


def integrated_gradients(model: keras.Model, seen: ArrayLike, digit: int | None = None, *, steps: int = 100) -> Array:
    """How much each pixel's ink adds to a digit's logit (Sundararajan et al. 2017, "Axiomatic Attribution").

    The mean slope along the straight way from blank paper to the picture, times the ink. The values add up to the
    logit of the picture less the logit of blank paper (completeness), the closer the more steps; paper gets 0.

    Args:
        model: the network.
        seen: (28, 28) float in [0, 1].
        digit: the digit to explain; by default the one the network answers.
        steps: points on the way, each in the middle of its stretch.

    Returns:
        (28, 28) float32 in logits per pixel, positive where the ink speaks for the digit.

    Raises:
        InkdigitsError: a digit out of range.
        BackendError: a Keras backend other than TensorFlow.
    """
    tensorflow = _tensorflow()
    picture = _picture(seen)
    chosen = _digit(digit, model(picture[None], training=False))
    shares = ((np.arange(steps) + 0.5) / steps).astype(np.float32)
    slopes = np.zeros((SIZE, SIZE), np.float64)
    for start in range(0, steps, _CHUNK):
        way = tensorflow.convert_to_tensor(shares[start : start + _CHUNK, None, None] * picture)
        with tensorflow.GradientTape() as tape:
            tape.watch(way)
            score = model(way, training=False)[:, chosen]
        slopes += _array(tape.gradient(score, way)).sum(axis=0, dtype=np.float64)
    return np.asarray(picture * slopes / steps, np.float32)


def embedding(model: keras.Model, images: ArrayLike) -> Array:
    """What the layer before the logits says of each picture: near each other means alike to the network.

    Args:
        model: the network.
        images: (N, 28, 28) float in [0, 1].

    Returns:
        (N, D) float32.
    """
    import keras

    pictures = np.asarray(images, np.float32)
    probe = keras.Model(model.inputs[0], model.layers[-1].input)
    parts = [_array(probe(pictures[i : i + _CHUNK], training=False)) for i in range(0, len(pictures), _CHUNK)]
    rows = np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)
    return rows.reshape(len(rows), -1)


def project(features: ArrayLike, seed: int = 0) -> Array:
    """Points on a map whose neighbors are neighbors among the features too (t-SNE, van der Maaten and Hinton 2008).

    The features are first reduced to their 30 strongest directions (PCA). Distances between far groups mean little.

    Args:
        features: (N, D) float, N at least 4.
        seed: of the map.

    Returns:
        (N, 2) float32.

    Raises:
        InkdigitsError: fewer than 4 points.
        MissingExtraError: scikit-learn is not installed.
    """
    rows = np.asarray(features, np.float64)
    if len(rows) < 4:
        raise InkdigitsError(f"Expected at least 4 points to draw a map of. Received: {len(rows)}.")
    try:
        from sklearn.decomposition import PCA
        from sklearn.manifold import TSNE
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtraError("scikit-learn", "train") from error

    # PCA as the start keeps the large arrangement and makes the map the same every time; one thread, because on a busy
    # machine several spend more time waiting for each other than working.
    with threadpool_limits(1):
        if rows.shape[1] > 30 and len(rows) > 30:
            rows = PCA(30, random_state=seed).fit_transform(rows)
        made = TSNE(
            perplexity=min(30.0, (len(rows) - 1) / 3),
            init="pca" if rows.shape[1] > 1 else "random",
            angle=0.7,
            max_iter=500,
            random_state=seed,
            n_jobs=1,
        )
        return np.asarray(made.fit_transform(rows), np.float32)


def _last_maps(model: keras.Model) -> Any:
    """The layer whose maps Grad-CAM weighs: the activation of a late convolution, before any pooling."""
    found = convolutions(model)
    if not found:
        raise InkdigitsError(
            f"Grad-CAM needs convolutions; the network '{model.name}' has none. Use integrated gradients instead."
        )
    chosen = next((layer for layer in reversed(found) if min(layer.output.shape[1:3]) >= _SMALLEST_MAP), found[-1])
    shape = tuple(chosen.output.shape[1:3])
    maps = [layer for layer in model.layers[model.layers.index(chosen) :] if len(layer.output.shape) == 4]
    same = [layer for layer in maps if tuple(layer.output.shape[1:3]) == shape]
    return same[-1]


def _stride(model: keras.Model, layer: Any) -> int:
    """How many pixels of the picture lie between neighbors of a layer's maps: doubled at every halving before it."""
    stride, smallest = 1, SIZE
    for before in model.layers[: model.layers.index(layer) + 1]:
        shape = before.output.shape
        if len(shape) == 4 and shape[1] < 0.55 * smallest:
            stride *= 2
        if len(shape) == 4:
            smallest = min(smallest, shape[1])
    return stride


def _enlarging(count: int, stride: int) -> Array:
    """(28, count) weights: what lies `stride` pixels apart around the middle of the picture, interpolated linearly."""
    places = (np.arange(SIZE) + 0.5 - SIZE / 2) / stride + (count - 1) / 2
    near = np.clip(places, 0, count - 1)[:, None] - np.arange(count)[None, :]
    return np.asarray(np.maximum(1 - np.abs(near), 0), np.float32)


def _probe(model: keras.Model, layers: list[Any]) -> Callable[..., Any]:
    """The model with the answers of these layers as its outputs, as a list also when there is one."""
    import keras

    probe: Callable[..., Any] = keras.Model(model.inputs[0], [layer.output for layer in layers])
    return probe


def _array(tensor: Any) -> Array:
    import keras

    if isinstance(tensor, keras.Variable):  # convert_to_numpy does to variables what NumPy 2 deprecates
        return np.asarray(tensor.numpy(), np.float32)
    return np.asarray(keras.ops.convert_to_numpy(tensor), np.float32)


def _picture(seen: ArrayLike) -> Array:
    picture = np.asarray(seen, np.float32)
    if picture.shape != (SIZE, SIZE) or not (picture.min() >= 0 and picture.max() <= 1):
        raise InkdigitsError(
            "Expected a picture as the model sees it, (28, 28) with ink in [0, 1]. "
            f"Received: {picture.shape}, {picture.min(initial=0):g} to {picture.max(initial=0):g}. "
            "preprocess.normalize makes one of any picture."
        )
    return picture


def _digit(digit: int | None, logits: Any) -> int:
    if digit is None:
        return int(_array(logits)[0].argmax())
    if not 0 <= digit <= 9:
        raise InkdigitsError(f"Expected a digit from 0 to 9. Received: {digit}.")
    return int(digit)


def _tensorflow() -> Any:
    """TensorFlow, whose tape gives the slopes; with another backend active its tensors could not follow a model."""
    import keras

    if keras.backend.backend() != "tensorflow":
        raise BackendError(
            "Saliency needs the slopes of the network, which are taken with TensorFlow here. The active Keras backend "
            f"is '{keras.backend.backend()}'. Set KERAS_BACKEND=tensorflow and run again: bundles load on any backend."
        )
    import tensorflow

    return tensorflow
