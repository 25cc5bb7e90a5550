"""The contract that every registered architecture keeps, and what each family promises beyond it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from inkdigits import architectures
from inkdigits.architectures import Family, register
from inkdigits.architectures.registry import _families
from inkdigits.errors import RecipeError

# The smallest options of each family, so that the contract stays cheap, and one unusual network of each.
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("mlp", {"dense": [16]}),
    ("mlp", {"dense": [], "dropout": 0}),
    ("mlp", {"dense": [16, 8], "normalization": "layer", "activation": "gelu"}),
    ("lenet5", {}),
    ("lenet5", {"pooling": "max", "activation": "relu", "filters": [4, 8], "dense": [20], "dropout": 0.5}),
    ("convnet", {"filters": [4, 8]}),
    ("convnet", {"filters": [4, 8, 8], "padding": "valid", "normalization": "group", "dense": [8], "dropout": 0.1}),
    ("convnet", {"filters": [4, 6], "depth": 2, "pooling": "stride", "normalization": "none", "head": "average"}),
    ("convnet", {"filters": [4], "width": 1.5, "kernel": 5, "pooling": "none", "head": "max", "activation": "mish"}),
    ("convnet", {"filters": [4, 4, 4, 4, 4], "pooling": "average", "normalization": "layer"}),
    ("convnet", {"filters": [4, 6], "depth": [2, 1], "padding": "valid", "crop": 3, "normalized_from": 2}),
    ("convnet", {"filters": [4, 6], "branches": 3, "crop": 3, "padding": "valid", "dropout": 0.1}),
    ("resnet", {"filters": [4, 8], "width": 0.5}),
    ("resnet", {"filters": [4, 4], "depth": 2, "normalization": "none", "activation": "silu", "dropout": 0.1}),
    ("separable", {"stem": 4, "filters": [8, 8]}),
    ("separable", {"stem": 4, "filters": [8], "depth": 2, "kernel": 5, "normalization": "group", "dropout": 0.1}),
]
each_variant = pytest.mark.parametrize(("name", "options"), VARIANTS, ids=lambda value: str(value)[:60])


def ink(count: int = 20) -> np.ndarray:
    """Ten patterns, one for each digit, with a little noise: (count, 28, 28) float32 in [0, 1]."""
    patterns = np.kron(np.random.default_rng(1).random((10, 7, 7)) > 0.6, np.ones((4, 4)))
    noise = np.random.default_rng(2).random((count, 28, 28)) * 0.1
    return np.clip(patterns[np.arange(count) % 10] * 0.9 + noise, 0, 1).astype(np.float32)


def answers(model: keras.Model, images: np.ndarray) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(model(images)))


def test_every_registered_family_is_put_to_the_contract() -> None:
    assert {"mlp", "lenet5", "convnet", "resnet", "separable"} <= set(architectures.names())
    assert {name for name, _ in VARIANTS} == set(architectures.names())


@each_variant
def test_takes_ink_and_returns_logits(name: str, options: dict[str, Any]) -> None:
    model = architectures.build(name, options)
    assert model.input_shape == (None, 28, 28)
    last = model.layers[-1]
    assert isinstance(last, keras.layers.Dense)
    assert (last.name, last.units, last.activation) == ("logits", 10, keras.activations.linear)
    for extreme in (np.zeros((3, 28, 28), np.float32), np.ones((3, 28, 28), np.float32), ink(3)):
        result = answers(model, extreme)
        assert result.shape == (3, 10)
        assert result.dtype == np.float32
        assert np.isfinite(result).all()


@each_variant
def test_survives_saving(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    model = architectures.build(name, options)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(answers(model, ink()), answers(again, ink()))


@each_variant
def test_learns(name: str, options: dict[str, Any]) -> None:
    keras.utils.set_random_seed(5)
    model = architectures.build(name, options)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(3e-3), loss)
    images, labels = ink(), np.arange(20) % 10
    losses = [float(model.train_on_batch(images, labels)) for _ in range(12)]
    assert np.mean(losses[-3:]) < losses[0], losses


def test_standardizes_ink_inside_the_graph() -> None:
    model = architectures.build("convnet", {"filters": [4]})
    inside = keras.Model(model.input, model.get_layer("standardize").output)
    assert np.abs(answers(inside, np.full((1, 28, 28), 0.1307, np.float32))).max() < 1e-5
    assert np.isclose(answers(inside, np.ones((1, 28, 28), np.float32)).max(), 0.8693 / 0.3081)


def test_width_and_depth_mean_what_they_say() -> None:
    def convolutions(options: dict[str, Any]) -> list[int]:
        model = architectures.build("convnet", {"filters": [4, 8], **options})
        return [layer.filters for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]

    assert convolutions({}) == [4, 8]
    assert convolutions({"width": 2.0}) == [8, 16]
    assert convolutions({"width": 0.01}) == [1, 1]
    assert convolutions({"depth": 3}) == [4, 4, 4, 8, 8, 8]


@pytest.mark.parametrize("pooling", ["max", "average", "stride", "none"])
def test_pooling_halves_between_stages(pooling: str) -> None:
    model = architectures.build("convnet", {"filters": [2, 2, 2], "pooling": pooling})
    assert model.get_layer("flat").input.shape == (None, *((28, 28) if pooling == "none" else (7, 7)), 2)


def test_pooling_before_the_activation_changes_nothing_for_relu() -> None:
    """The order that saves time is the order of the textbooks where maximum and a rising activation meet."""
    model = architectures.build("convnet", {"filters": [3, 3], "normalization": "none"})
    convolved = answers(keras.Model(model.input, model.get_layer("conv1_1").output), ink(2))
    textbook = np.maximum(convolved, 0).reshape(2, 14, 2, 14, 2, 3).max(axis=(2, 4))
    ours = answers(keras.Model(model.input, model.get_layer("conv1_1_relu").output), ink(2))
    np.testing.assert_allclose(ours, textbook, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("convnett", {}, "Did you mean 'convnet'.*lenet5, mlp, resnet, separable"),
        ("convnet", {"filter": [3]}, "Did you mean 'filters'.*activation"),
        ("convnet", {"activation": "rlu"}, "architecture.activation.*relu, leaky_relu.*'rlu'"),
        ("convnet", {"dropout": 1.0}, "from 0 below 1; got 1.0"),
        ("convnet", {"filters": []}, "at least one stage"),
        ("convnet", {"filters": [2] * 6}, "at most 5 stages"),
        ("convnet", {"filters": [2, 0]}, "each a whole number from 1"),
        ("convnet", {"filters": "16"}, "a list"),
        ("convnet", {"padding": "valid", "kernel": 9, "filters": [2, 2, 2]}, "stage 3"),
        ("convnet", {"depth": True}, "whole number.*got true"),
        ("convnet", {"depth": [1, 2], "filters": [2, 2, 2]}, "as many stages as filters, 3"),
        ("convnet", {"padding": "valid", "crop": 6, "filters": [2, 2, 2, 2]}, "stage 3"),
        ("lenet5", {"filters": [6]}, "two whole numbers"),
        ("mlp", {"dropout": "0.2"}, "a number"),
    ],
)
def test_refuses_what_is_not_possible(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        architectures.build(name, options)


def test_a_family_of_your_own_is_found_by_name_and_names_are_not_taken_twice() -> None:
    @register("test-tiny")
    @dataclass(frozen=True)
    class Tiny(Family):
        """Nothing but the last layer."""

        def build(self) -> keras.Model:
            ink = keras.Input((28, 28))
            return keras.Model(ink, keras.layers.Dense(10, name="logits")(keras.layers.Flatten()(ink)))

    try:
        assert architectures.build("test-tiny").output_shape == (None, 10)
        with pytest.raises(RecipeError, match="taken"):

            @register("test-tiny")
            @dataclass(frozen=True)
            class Other(Family):
                """Another one."""
    finally:
        del _families["test-tiny"]


def test_branches_see_the_same_image_side_by_side() -> None:
    options = {"filters": [4, 6], "padding": "valid"}
    one = architectures.build("convnet", options).count_params()
    three = architectures.build("convnet", {**options, "branches": 3})
    assert three.count_params() == 3 * one - 2 * 10, "nothing is shared but the ten biases of the logits"
    assert three.get_layer("branches").output.shape[-1] == 3 * three.get_layer("branch1_flat").output.shape[-1]
