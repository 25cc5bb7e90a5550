"""Recipes: what ships is whole, what is written by hand is checked, and overrides do what they say."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inkdigits.errors import RecipeError
from inkdigits.recipes import Optimizer, Recipe, Schedule, load_recipe, recipe_names, sections
from inkdigits.training.optimization import learning_rates, make_optimizer


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipes_are_whole(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert 100 < len(recipe.description) < 1000, "one paragraph that says why"
    assert "\n" not in recipe.description
    assert recipe.train_images is None, "a shipped recipe uses all images"
    assert recipe.validation_images == 5000, "one validation split for all recipes"
    assert Recipe.from_mapping(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_recipes_for_every_wish_ship() -> None:
    assert {"quick", "standard", "small", "nano", "best", "default"} <= set(recipe_names())
    assert load_recipe("default").synthetic.others > 0, "the bundled model can tell what is no digit"
    assert not load_recipe("quick").synthetic.digits, "quick is quick"
    for name, most in (("small", 100_000), ("nano", 10_000)):
        assert load_recipe(name).architecture.options.build().count_params() < most


def test_a_recipe_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_recipe("quick").epochs = 3  # type: ignore[misc]


def test_a_recipe_of_your_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('epochs = 3\n[architecture]\nname = "mlp"\ndense = [32]\n[augmentation]\nrotation = 5\n')
    recipe = load_recipe(file)
    assert (recipe.name, recipe.epochs, recipe.architecture.name) == ("mine", 3, "mlp")
    assert recipe.architecture.to_dict()["dense"] == [32]
    assert recipe.augmentation.rotation == 5.0
    assert load_recipe(str(file)) == recipe


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("epochs = 3", "Expected a value for architecture"),
        ("[architecture]\ndense = [3]", "Expected architecture.name.*mlp"),
        ('[architecture]\nname = "mpl"', "Did you mean 'mlp'"),
        ('epoch = 3\n[architecture]\nname = "mlp"', "Did you mean 'epochs'"),
        ('optimizer = "sgd"\n[architecture]\nname = "mlp"', "Expected optimizer to be a table"),
        ('[architecture]\nname = "mlp"\n[loss]\nlabel_smoothing = 1', "loss.label_smoothing.*from 0 below 1"),
        ('[architecture]\nname = "mlp"\n[schedule]\ndrops = [0.5, 1.5]', "schedule.drops"),
        ('[architecture]\nname = "mlp"\n[augmentation]\nrotate = 5', "Did you mean 'rotation'"),
        ("epochs = ", "Expected TOML in"),
    ],
)
def test_a_faulty_recipe_is_refused_with_its_file(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(content)
    with pytest.raises(RecipeError, match=message) as caught:
        load_recipe(file)
    assert "mine.toml" in str(caught.value)


def test_a_missing_recipe_lists_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"Did you mean 'quick'.*Possible: .*standard"):
        load_recipe("quik")
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe(tmp_path / "none.toml")


def test_overrides_replace_single_values_and_leave_the_original() -> None:
    quick = load_recipe("quick")
    changed = quick.with_overrides(
        {"optimizer.learning_rate": 1e-3, "epochs": 7, "train_images": None, "architecture.activation": "gelu"}
    )
    assert (changed.optimizer.learning_rate, changed.epochs) == (1e-3, 7)
    assert changed.architecture.to_dict() == {**quick.architecture.to_dict(), "activation": "gelu"}
    assert quick == load_recipe("quick")
    assert quick.with_overrides({}) == quick


@pytest.mark.parametrize("turned", [False, True])
def test_another_name_starts_its_section_anew_in_any_order(turned: bool) -> None:
    overrides = {"architecture.name": "lenet5", "architecture.activation": "gelu", "optimizer.name": "sgd"}
    items = list(overrides.items())
    recipe = load_recipe("quick").with_overrides(dict(reversed(items) if turned else items))
    assert recipe.architecture.to_dict() == {
        "name": "lenet5",
        "filters": [6, 16],
        "dense": [120, 84],
        "activation": "gelu",
        "pooling": "average",
        "dropout": 0.0,
    }
    assert recipe.optimizer == Optimizer(name="sgd"), "the learning rate of adamw says nothing about sgd's"


def test_the_same_name_keeps_its_section() -> None:
    quick = load_recipe("quick")
    assert quick.with_overrides({"optimizer.name": quick.optimizer.name}) == quick


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"epoch": 3}, "Did you mean 'epochs'"),
        ({"optimiser.name": "sgd"}, "Did you mean 'optimizer'"),
        ({"optimizer.name": "sdg"}, "adam, adamw, rmsprop, lion, muon"),
        ({"optimizer.lr": 3}, "learning_rate"),
        ({"optimizer": 3}, "table"),
        ({"optimizer": 3, "optimizer.name": "sgd"}, "table"),
        ({"epochs": 2.5}, "whole number"),
        ({"epochs": "3"}, "whole number"),
        ({"batch_size": 0}, "from 1"),
        ({"name.x": 1}, "Unknown option"),
        ({"validation": "first"}, "stratified, last"),
        ({"synthetic.digits": -1}, "from 0"),
        ({"synthetic.letters": 3}, "Unknown option"),
        ({"architecture.name": None}, "Unknown architecture"),
    ],
)
def test_impossible_overrides_are_refused(overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe("quick").with_overrides(overrides)


def test_every_option_says_what_it_is() -> None:
    described = sections()
    assert set(described) == {
        "",
        "optimizer",
        "schedule",
        "loss",
        "averaging",
        "augmentation",
        "synthetic",
        "distillation",
    }
    for rows in described.values():
        assert all(possible and about for _, possible, about in rows)


def test_one_cycle_rises_and_falls() -> None:
    rates = learning_rates(Schedule("one-cycle", warmup=0.25, start=0.1, final=0.0), 2.0, 400)
    assert rates.dtype == np.float32
    assert rates.argmax() in (99, 100)
    assert (np.diff(rates[:100]) > 0).all()
    assert (np.diff(rates[100:]) < 0).all()
    assert rates[0] == pytest.approx(0.2, rel=0.05)
    assert rates.max() == pytest.approx(2.0, rel=0.01)
    assert rates[-1] < 1e-3


def test_the_other_schedules() -> None:
    assert (learning_rates(Schedule("constant"), 0.5, 10) == 0.5).all()
    steps = learning_rates(Schedule("step", drops=(0.5, 0.75), factor=0.1), 1.0, 8)
    np.testing.assert_allclose(steps, [1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01], rtol=1e-6)
    cosine = learning_rates(Schedule("cosine", final=0.1), 1.0, 100)
    assert (np.diff(cosine) < 0).all()
    assert cosine[0] == pytest.approx(1, abs=0.01)
    assert cosine[-1] == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "rmsprop", "lion", "muon"])
def test_optimizers_follow_the_recipe(name: str) -> None:
    """Each moves weights downhill; decay pulls kernels towards zero and leaves biases alone."""
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, name="hidden"), keras.layers.Dense(1)])
    for weight in model.trainable_variables:
        weight.assign(np.full(weight.shape, 1.0, np.float32))
    optimizer = make_optimizer(Optimizer(name=name, learning_rate=0.1, weight_decay=0.5, clip_norm=1.0))
    optimizer.build(model.trainable_variables)
    nothing = [np.zeros(weight.shape, np.float32) for weight in model.trainable_variables]
    optimizer.apply([keras.ops.convert_to_tensor(gradient) for gradient in nothing], model.trainable_variables)
    kernel, bias = (np.array(keras.ops.convert_to_numpy(w.value)) for w in model.trainable_variables[:2])
    np.testing.assert_allclose(kernel, 0.95, atol=1e-5)
    np.testing.assert_array_equal(bias, 1)
    slope = [np.full(weight.shape, 1.0, np.float32) for weight in model.trainable_variables]
    optimizer.apply([keras.ops.convert_to_tensor(gradient) for gradient in slope], model.trainable_variables)
    assert (np.array(keras.ops.convert_to_numpy(model.trainable_variables[1].value)) < 1).all()


def test_reading_recipes_loads_no_keras() -> None:
    code = "import sys, inkdigits.recipes as r; r.load_recipe('quick'); print('keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
