"""Looking inside: on networks small enough to work out by hand, and on one that was trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from inkdigits import architectures, inspection
from inkdigits.bundle import Bundle
from inkdigits.datasets import load_dataset
from inkdigits.errors import InkdigitsError
from inkdigits.evaluation import anatomy

layers = keras.layers


def logits(x: Any, ink: Any) -> keras.Model:
    return keras.Model(ink, layers.Dense(10, name="logits")(x))


@pytest.fixture(scope="module")
def convnet() -> keras.Model:
    keras.utils.set_random_seed(3)
    ink = keras.Input((28, 28), name="ink")
    x = layers.Reshape((28, 28, 1), name="image")(layers.Rescaling(2.0, -0.5)(ink))
    x = layers.Conv2D(4, 3, padding="same", name="first")(x)
    x = layers.MaxPooling2D(2, name="first_pool")(layers.Activation("relu", name="first_relu")(x))
    x = layers.DepthwiseConv2D(3, padding="same", name="deep")(x)
    x = layers.Conv2D(6, 1, name="point")(x)
    x = layers.Activation("tanh", name="point_tanh")(layers.BatchNormalization(name="point_norm")(x))
    x = layers.MaxPooling2D(2, name="point_pool")(x)
    return logits(layers.Flatten()(layers.Dropout(0.5)(x)), ink)


@pytest.fixture(scope="module")
def perceptron() -> keras.Model:
    keras.utils.set_random_seed(4)
    ink = keras.Input((28, 28), name="ink")
    x = layers.Dense(12, activation="tanh", name="hidden")(layers.Flatten()(ink))
    return logits(x, ink)


@pytest.fixture(scope="module")
def seen() -> np.ndarray:
    return np.random.default_rng(0).random((28, 28), np.float32)


def test_filters_are_the_weights_of_every_convolution(convnet: keras.Model) -> None:
    found = inspection.filters(convnet)
    assert [(filters.layer, filters.kind) for filters in found] == [
        ("first", "Conv2D"),
        ("deep", "DepthwiseConv2D"),
        ("point", "Conv2D"),
    ]
    assert [filters.weights.shape for filters in found] == [(3, 3, 1, 4), (3, 3, 4, 1), (1, 1, 4, 6)]
    for filters in found:
        assert np.array_equal(filters.weights, convnet.get_layer(filters.layer).get_weights()[0])


def test_a_perceptron_shows_its_first_weights_as_pictures(perceptron: keras.Model) -> None:
    (found,) = inspection.filters(perceptron)
    assert found.kind == "Dense" and found.weights.shape == (28, 28, 1, 12)
    weights = perceptron.get_layer("hidden").get_weights()[0]
    assert found.weights[5, 7, 0, 3] == weights[5 * 28 + 7, 3]


def test_a_network_without_anything_to_show_is_refused() -> None:
    ink = keras.Input((28, 28))
    with pytest.raises(InkdigitsError, match="GlobalAveragePooling1D"):
        inspection.filters(logits(layers.GlobalAveragePooling1D()(ink), ink))


def test_feature_maps_are_what_the_layers_answer(convnet: keras.Model, seen: np.ndarray) -> None:
    maps = {found.layer: found for found in inspection.feature_maps(convnet, seen)}
    assert list(maps) == [
        "first", "first_relu", "first_pool", "deep", "point", "point_norm", "point_tanh", "point_pool", "logits",
    ]  # fmt: skip
    assert maps["first"].values.shape == (28, 28, 4) and maps["logits"].values.shape == (10,)
    assert np.allclose(maps["first_relu"].values, np.maximum(maps["first"].values, 0))
    pooled = maps["first_relu"].values.reshape(14, 2, 14, 2, 4).max(axis=(1, 3))
    assert np.allclose(maps["first_pool"].values, pooled)
    assert np.allclose(maps["logits"].values, np.asarray(convnet(seen[None], training=False))[0], atol=1e-5)
    assert [name for name, found in maps.items() if not found.final] == ["first", "point", "point_norm"]


def test_grad_cam_by_hand(seen: np.ndarray) -> None:
    # One convolution that copies the ink and its negative, each summed up for digit 3 with its own weight: the
    # slopes are these weights everywhere, so the heat is 2 * ink - 1 * (-ink) = 3 * ink, scaled to 1.
    ink = keras.Input((28, 28))
    x = layers.Conv2D(2, 1, use_bias=False, name="copy")(layers.Reshape((28, 28, 1))(ink))
    model = logits(layers.Flatten()(x), ink)
    model.get_layer("copy").set_weights([np.array([1.0, -1.0]).reshape(1, 1, 1, 2)])
    weights = np.zeros((28, 28, 2, 10))
    weights[:, :, 0, 3], weights[:, :, 1, 3] = 2.0, -1.0
    weights[:, :, 0, 4] = -2.0
    model.get_layer("logits").set_weights([weights.reshape(-1, 10), np.zeros(10)])
    heat = inspection.grad_cam(model, seen)
    assert heat == pytest.approx(seen / seen.max(), abs=1e-5)
    assert np.array_equal(heat, inspection.grad_cam(model, seen, 3))
    assert not inspection.grad_cam(model, seen, 4).any()  # nothing speaks for a 4


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(("row", "column"), [(6, 20), (13, 13), (21, 8)])
def test_grad_cam_points_at_the_right_place(padding: str, row: int, column: int) -> None:
    # A lone spot of ink, and layers that only pass on: the heat must be where the spot is, however the maps shrink.
    ink = keras.Input((28, 28))
    x = layers.Reshape((28, 28, 1))(ink)
    for _ in range(2):
        x = layers.MaxPooling2D(2)(layers.Conv2D(1, 3, padding=padding, kernel_initializer="ones", use_bias=False)(x))
    model = logits(layers.GlobalAveragePooling2D()(x), ink)
    model.get_layer("logits").set_weights([np.ones((1, 10)), np.zeros(10)])
    spot = np.zeros((28, 28), np.float32)
    spot[row : row + 2, column : column + 2] = 1
    heat = inspection.grad_cam(model, spot)
    rows, columns = np.indices((28, 28))
    assert np.average(rows, weights=heat) == pytest.approx(row + 0.5, abs=1.1)
    assert np.average(columns, weights=heat) == pytest.approx(column + 0.5, abs=1.1)


def test_grad_cam_uses_the_last_convolution_before_pooling(convnet: keras.Model, seen: np.ndarray) -> None:
    heat = inspection.grad_cam(convnet, seen, 5)
    assert heat.shape == (28, 28) and heat.dtype == np.float32
    assert heat.min() >= 0 and heat.max() == pytest.approx(1)
    assert not np.allclose(heat, inspection.grad_cam(convnet, seen, 6))


def test_grad_cam_says_that_a_perceptron_has_no_convolutions(perceptron: keras.Model, seen: np.ndarray) -> None:
    with pytest.raises(InkdigitsError, match="needs convolutions"):
        inspection.grad_cam(perceptron, seen)


@pytest.mark.parametrize("kind", ["convnet", "perceptron"])
@pytest.mark.parametrize("digit", [None, 0, 7])
def test_integrated_gradients_are_complete(
    kind: str, digit: int | None, seen: np.ndarray, request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue(kind)
    ends = np.asarray(model(np.stack([seen, np.zeros_like(seen)]), training=False))
    chosen = int(ends[0].argmax()) if digit is None else digit
    found = inspection.integrated_gradients(model, seen, digit, steps=400)
    assert float(found.sum()) == pytest.approx(float(ends[0, chosen] - ends[1, chosen]), abs=0.02)


def test_integrated_gradients_of_a_linear_network_are_exact(seen: np.ndarray) -> None:
    ink = keras.Input((28, 28))
    model = logits(layers.Flatten()(ink), ink)
    weights = model.get_layer("logits").get_weights()[0].reshape(28, 28, 10)
    found = inspection.integrated_gradients(model, seen, 2, steps=3)
    assert found == pytest.approx(seen * weights[:, :, 2], abs=1e-5)


def test_paper_gets_no_attribution(convnet: keras.Model, seen: np.ndarray) -> None:
    half = seen.copy()
    half[14:] = 0
    assert not inspection.integrated_gradients(convnet, half, steps=5)[14:].any()


@pytest.mark.parametrize("function", [inspection.grad_cam, inspection.integrated_gradients])
def test_a_digit_out_of_range_is_refused(function: Any, convnet: keras.Model, seen: np.ndarray) -> None:
    with pytest.raises(InkdigitsError, match="0 to 9"):
        function(convnet, seen, 10)


@pytest.mark.parametrize("function", [inspection.feature_maps, inspection.grad_cam, inspection.integrated_gradients])
@pytest.mark.parametrize("picture", [np.zeros((1, 28, 28)), np.full((28, 28), 255.0), np.full((28, 28), -0.1)])
def test_only_what_a_model_sees_is_accepted(function: Any, picture: np.ndarray, convnet: keras.Model) -> None:
    with pytest.raises(InkdigitsError, match="as the model sees it"):
        function(convnet, picture)


def test_another_backend_is_named(convnet: keras.Model, seen: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(inspection.BackendError, match=r"'jax'.*KERAS_BACKEND=tensorflow"):
        inspection.grad_cam(convnet, seen)


def test_embedding_is_what_the_logits_are_made_of(convnet: keras.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "_CHUNK", 4)  # several chunks, the last one short
    images = np.random.default_rng(1).random((10, 28, 28), np.float32)
    features = inspection.embedding(convnet, images)
    weights, biases = convnet.get_layer("logits").get_weights()
    assert features.shape == (10, weights.shape[0])
    expected = np.asarray(convnet(images, training=False))
    assert np.allclose(features @ weights + biases, expected, atol=1e-4)


def test_project_keeps_groups_together_and_is_repeatable() -> None:
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(3), 30)
    features = random.normal(size=(90, 40)) + 12 * np.eye(40)[groups]
    points = inspection.project(features)
    assert points.shape == (90, 2) and points.dtype == np.float32
    assert np.array_equal(points, inspection.project(features))
    distances = np.linalg.norm(points[:, None] - points[None], axis=2) + np.eye(90) * 1e9
    assert (groups[distances.argmin(axis=1)] == groups).mean() > 0.95


def test_project_refuses_too_few_points() -> None:
    with pytest.raises(InkdigitsError, match="at least 4"):
        inspection.project(np.zeros((3, 5)))


def test_saliency_of_a_trained_network(trained: Path, mnist: Path) -> None:
    model = Bundle.load(trained).keras_model()
    test = load_dataset("mnist", "test")
    pictures = test.images[:8].astype(np.float32) / 255
    assert inspection.filters(model)[0].weights.shape[2] == 1
    for seen in pictures:
        ends = np.asarray(model(np.stack([seen, np.zeros_like(seen)]), training=False))
        digit = int(ends[0].argmax())
        found = inspection.integrated_gradients(model, seen, steps=200)
        gain = float(ends[0, digit] - ends[1, digit])
        assert float(found.sum()) == pytest.approx(gain, rel=0.05, abs=0.1)
        heat = inspection.grad_cam(model, seen)
        assert heat.shape == (28, 28) and heat.max() == pytest.approx(1) and heat.std() > 0.05


@pytest.mark.parametrize("name", architectures.names())
def test_every_architecture_can_be_opened_up(name: str, seen: np.ndarray) -> None:
    keras.utils.set_random_seed(5)
    model = architectures.build(name)
    parts = [anatomy.learned(model), anatomy.seen_by(model, seen, "noise")]
    parts.append(anatomy.looked_at(model, seen[None], [3], ["What speaks for 3"]))
    assert all(part.drawings for part in parts)
    names = [made.name for part in parts for made in part.drawings]
    assert len(names) == len(set(names))  # no file overwrites another
    pictures, tiles = parts[2].drawings[0].pixels, 2 if name == "mlp" else 3
    assert pictures is not None
    assert pictures.shape == (28, 28 * tiles + 2 * (tiles - 1), 3)
    assert ("no convolutions" in parts[0].text) == (name == "mlp")
