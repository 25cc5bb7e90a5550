"""Training: it learns, it is repeatable to the bit, and a crash costs at most one epoch."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from inkdigits.datasets import Dataset, load_dataset, stratified_split
from inkdigits.errors import BundleError, DatasetError, DivergenceError, RecipeError
from inkdigits.recipes import Recipe, load_recipe
from inkdigits.training import EpochRecord, Fitted, Observer, Progress, fit, train

# Everything that holds state or draws random numbers: dropout, batch statistics, augmentation, weight average.
TINY: dict[str, Any] = {
    "architecture.filters": [4, 8],
    "architecture.dense": [16],
    "architecture.dropout": 0.2,
    "train_images": 600,
    "validation_images": 200,
    "batch_size": 60,
    "epochs": 3,
    "averaging.decay": 0.9,
    "loss.label_smoothing": 0.1,
    "augmentation.rotation": 10,
    "augmentation.elastic": 0.5,
    "augmentation.thickness": 0.5,
    "augmentation.ease": 0.5,
}


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return load_recipe("quick").with_overrides(TINY)


@pytest.fixture(scope="module")
def splits(data_cache: Path) -> tuple[Dataset, Dataset]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INKDIGITS_CACHE", str(data_cache))
        return stratified_split(load_dataset("mnist", "train"), 200)


@pytest.fixture(scope="module")
def whole(recipe: Recipe, splits: tuple[Dataset, Dataset]) -> Fitted:
    """A training with seed 3 that nothing disturbed."""
    return fit(recipe, *splits, seed=3)


class Notebook(Observer):
    """Writes down what it is told; can stop the training in an epoch."""

    def __init__(self, stop_in: int | None = None) -> None:
        self.told: list[Any] = []
        self.stop_in = stop_in

    def on_start(self, recipe: Recipe, *, parameters: int, steps: int, history: Sequence[EpochRecord]) -> None:
        self.told.append(("start", parameters, steps, len(history)))

    def on_progress(self, progress: Progress) -> None:
        self.told.append(progress)
        if progress.epoch == self.stop_in and progress.step > 3:
            raise KeyboardInterrupt

    def on_epoch(self, record: EpochRecord) -> None:
        self.told.append(record)

    def on_end(self) -> None:
        self.told.append("end")


def weights(fitted: Fitted) -> list[np.ndarray]:
    return [np.array(weight) for weight in fitted.model.get_weights()]


def assert_same(first: list[np.ndarray], second: list[np.ndarray]) -> None:
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def bundle_weights(folder: Path) -> list[np.ndarray]:
    from inkdigits.bundle import Bundle

    return [np.array(weight) for weight in Bundle.load(folder).keras_model().get_weights()]


def test_learns_and_tells_how_it_goes(splits: tuple[Dataset, Dataset]) -> None:
    recipe = load_recipe("quick").with_overrides({"train_images": 3000, "epochs": 2, "batch_size": 100})
    notebook = Notebook()
    fitted = fit(recipe, *splits, seed=1, observer=notebook)
    assert fitted.history[-1].validation_accuracy > 0.9
    assert fitted.history[-1].loss < fitted.history[0].loss
    assert [record.epoch for record in fitted.history] == [1, 2]
    assert fitted.images == 3000

    first, *middle, last = notebook.told
    assert first == ("start", fitted.model.count_params(), 30, 0)
    assert last == "end"
    assert [record for record in middle if isinstance(record, EpochRecord)] == fitted.history
    progress = [each for each in middle if isinstance(each, Progress)]
    assert [each.step for each in progress if each.epoch == 2][-1] == 30
    assert len([each for each in progress if each.epoch == 2]) >= 10
    assert progress[-1].loss == pytest.approx(fitted.history[-1].loss)


def test_what_is_reported_is_what_the_model_answers(whole: Fitted, splits: tuple[Dataset, Dataset]) -> None:
    inputs = splits[1].images.astype(np.float32) / 255
    answers = np.array(whole.model(inputs))
    np.testing.assert_allclose(answers, whole.validation_logits, atol=1e-4)
    right = (answers.argmax(axis=1) == splits[1].labels).mean()
    assert whole.history[-1].validation_accuracy == pytest.approx(right)
    shares = np.exp(answers - answers.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    surprise = -np.log(shares[np.arange(200), splits[1].labels]).mean()
    assert whole.history[-1].validation_loss == pytest.approx(surprise, rel=1e-3)


def test_interrupted_and_resumed_is_bit_for_bit_uninterrupted(
    whole: Fitted, recipe: Recipe, splits: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        fit(recipe, *splits, seed=3, checkpoint=tmp_path / "c.npz", observer=Notebook(stop_in=2))
    notebook = Notebook()
    resumed = fit(recipe, *splits, seed=3, checkpoint=tmp_path / "c.npz", observer=notebook)
    assert notebook.told[0][-1] == 1, "one epoch was safe"
    assert_same(weights(resumed), weights(whole))
    for one, other in zip(resumed.history, whole.history, strict=True):
        assert (one.epoch, one.loss, one.validation_loss) == (other.epoch, other.loss, other.validation_loss)

    other = fit(recipe, *splits, seed=4)
    assert not all(np.array_equal(a, b) for a, b in zip(weights(other), weights(whole), strict=True))


def test_augmentation_eases_by_the_step_of_the_whole_training(
    recipe: Recipe, splits: tuple[Dataset, Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inkdigits.augmentation import strengths
    from inkdigits.training.engines import TensorFlowEngine

    given: list[np.ndarray] = []
    train_part = TensorFlowEngine._train

    def noted(engine: TensorFlowEngine, order: Any, rates: Any, eased: Any) -> float:
        given.append(eased)
        return train_part(engine, order, rates, eased)

    monkeypatch.setattr(TensorFlowEngine, "_train", noted)
    fit(recipe, *splits)
    expected = strengths(recipe.augmentation, 3 * 600 // 60)
    np.testing.assert_array_equal(np.concatenate(given), expected)
    given.clear()
    with pytest.raises(KeyboardInterrupt):
        fit(recipe, *splits, checkpoint=tmp_path / "c.npz", observer=Notebook(stop_in=2))
    given.clear()
    fit(recipe, *splits, checkpoint=tmp_path / "c.npz")
    np.testing.assert_array_equal(np.concatenate(given), expected[10:])


def test_a_checkpoint_of_something_else_is_refused(
    recipe: Recipe, splits: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    path = tmp_path / "c.npz"
    short = recipe.with_overrides({"epochs": 1})
    fit(short, *splits, seed=3, checkpoint=path)
    with pytest.raises(RecipeError, match="seed differs"):
        fit(short, *splits, seed=4, checkpoint=path)
    with pytest.raises(RecipeError, match="recipe differs"):
        fit(recipe, *splits, seed=3, checkpoint=path)
    with pytest.raises(RecipeError, match="train differs"):
        fit(short, splits[0].subset(np.arange(1000)), splits[1], seed=3, checkpoint=path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(RecipeError, match="damaged"):
        fit(short, *splits, seed=3, checkpoint=path)


def test_a_lost_loss_is_an_error_that_says_what_to_do(recipe: Recipe, splits: tuple[Dataset, Dataset]) -> None:
    hot = recipe.with_overrides(
        {
            "optimizer.name": "sgd",
            "optimizer.learning_rate": 10,
            "architecture.normalization": "none",
            "architecture.activation": "leaky_relu",
        }
    )
    with pytest.raises(DivergenceError, match=r"finite loss.*epoch.*optimizer.learning_rate"):
        fit(hot, *splits)


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop", "lion", "muon"])
def test_every_optimizer_trains(name: str, splits: tuple[Dataset, Dataset]) -> None:
    recipe = load_recipe("quick").with_overrides(
        {"architecture.name": "mlp", "architecture.dense": [32], "optimizer.name": name, "optimizer.clip_norm": 5.0,
         "train_images": 3000, "batch_size": 50, "epochs": 3, "optimizer.weight_decay": 0.01}
    )  # fmt: skip
    assert fit(recipe, *splits).history[-1].validation_accuracy > 0.7


def test_a_student_learns_what_its_teachers_answer(
    splits: tuple[Dataset, Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two teachers that call every digit by the next one's name are believed as far as the weight says."""
    from inkdigits.training import engines

    plain = load_recipe("quick").with_overrides(
        {"architecture.name": "mlp", "architecture.dense": [32], "train_images": 3000, "batch_size": 50, "epochs": 3}
    )
    teachers = {str(seed): fit(plain, *splits, seed=seed).model for seed in (1, 2)}
    for teacher in teachers.values():
        kernel, bias = teacher.get_layer("logits").get_weights()
        teacher.get_layer("logits").set_weights([np.roll(kernel, 1, axis=1), np.roll(bias, 1)])

    def right(weight: float, named: int) -> float:
        taught = plain.with_overrides({"distillation.weight": weight, "distillation.temperature": 2.0})
        student = fit(taught, *splits, seed=3, teachers=teachers)
        return float((student.validation_logits.argmax(1) == (student.validation_labels + named) % 10).mean())

    assert right(1.0, named=1) > 0.7 and right(0.0, named=0) > 0.7
    monkeypatch.setattr(engines, "TensorFlowEngine", engines.Engine)  # step by step, as on other backends
    assert right(1.0, named=1) > 0.7


def test_the_card_names_the_teachers(trained: Path, mnist: Path, tmp_path: Path) -> None:
    from inkdigits.bundle import KERAS_FILE, Bundle

    wish = {**TINY, "epochs": 1, "distillation.teachers": [str(trained)]}
    card = Bundle.load(train("quick", out=tmp_path / "student", overrides=wish)).card
    assert card.training["teachers"] == [Bundle.load(trained).card.files[KERAS_FILE]]
    with pytest.raises(BundleError, match="nowhere"):
        train("quick", out=tmp_path / "other", overrides={**wish, "distillation.teachers": ["nowhere"]})


def test_what_a_recipe_asks_for_must_be_given(splits: tuple[Dataset, Dataset], trained: Path) -> None:
    for wish in ({"synthetic.digits": 5}, {"distillation.teachers": ["default"]}):
        with pytest.raises(RecipeError, match="`inkdigits train`"):
            fit(load_recipe("quick").with_overrides(wish), *splits)
    with pytest.raises(RecipeError, match="named twice"):
        train("quick", out="runs/twice", overrides={"distillation.teachers": [str(trained), str(trained)]})


def test_a_training_begun_before_an_option_came_is_resumed(
    recipe: Recipe, splits: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    from dataclasses import replace

    from inkdigits.training.checkpoints import Checkpoint

    path = tmp_path / "checkpoint.npz"
    fit(recipe.with_overrides({"epochs": 1}), *splits, checkpoint=path)
    stored = Checkpoint.load(path)
    older = {key: value for key, value in stored.identity["recipe"].items() if key != "distillation"}
    replace(stored, identity={**stored.identity, "recipe": older}).save(path)
    assert len(fit(recipe.with_overrides({"epochs": 1}), *splits, checkpoint=path).history) == 1
    replace(stored, identity={**stored.identity, "teachers": ["0" * 64]}).save(path)
    with pytest.raises(RecipeError, match="its teachers differs"):
        fit(recipe.with_overrides({"epochs": 1}), *splits, checkpoint=path)


def test_a_recipe_chooses_its_threads(data_cache: Path, tmp_path: Path) -> None:
    code = (
        "import sys, inkdigits, tensorflow as tf\n"
        "inkdigits.train('quick', out=sys.argv[1], overrides={'train_images': 256, 'batch_size': 64})\n"
        "print(tf.config.threading.get_intra_op_parallelism_threads())\n"
    )
    environment = {**os.environ, "INKDIGITS_CACHE": str(data_cache)}
    command = [sys.executable, "-c", code, str(tmp_path / "run")]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.split()[-1] == "1"


def test_the_engine_for_other_backends_follows_the_same_recipe(
    recipe: Recipe, splits: tuple[Dataset, Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Step by step through Keras gives what the single graph gives, but for rounding."""
    from inkdigits.training import engines

    plain = recipe.with_overrides({"epochs": 1, "train_images": 300})
    monkeypatch.setattr(engines, "REPORTS", 1)  # all steps in one call: each must find its own rate and strength
    graph = fit(plain, *splits, seed=5)
    monkeypatch.setattr(engines, "TensorFlowEngine", engines.Engine)
    steps = fit(plain, *splits, seed=5)
    assert steps.history[0].loss == pytest.approx(graph.history[0].loss, rel=1e-3)
    np.testing.assert_allclose(steps.validation_logits, graph.validation_logits, atol=0.05)


def test_train_writes_a_bundle_that_can_be_used(trained: Path) -> None:
    from inkdigits.bundle import Bundle

    bundle = Bundle.load(trained)
    assert bundle.card.architecture["name"] == "convnet"
    assert bundle.card.seed == 0
    assert bundle.card.recipe["train_images"] == 12_000
    assert (bundle.card.data["train"], bundle.card.data["validation"]) == (12_000, 5000)
    assert bundle.card.training["cpu_seconds"] > 0
    with (trained / "history.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == bundle.card.training["epochs"] == 1
    assert float(rows[-1]["validation_accuracy"]) == pytest.approx(bundle.card.validation["accuracy"])
    assert not (trained / "checkpoint.npz").exists()


@pytest.fixture(scope="module")
def opened(data_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """A tiny training with synthetic pictures, some of no digit; and what was told of making them."""
    told: list[Any] = []

    class Counter(Observer):
        def on_crops(self, done: int, total: int) -> None:
            told.append((done, total))

        def on_start(self, recipe: Recipe, *, parameters: int, steps: int, history: Sequence[EpochRecord]) -> None:
            told.append(("start", steps))

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INKDIGITS_CACHE", str(data_cache))
        folder = train(
            "quick", out=tmp_path_factory.mktemp("opened") / "run", observer=Counter(), overrides=SYNTHETIC, seed=2
        )
    return folder, told


SYNTHETIC = {**TINY, "epochs": 1, "synthetic.digits": 40, "synthetic.others": 20, "validation": "last"}


def test_training_with_what_is_no_digit_makes_an_open_set_model(opened: tuple[Path, list[Any]]) -> None:
    from inkdigits.bundle import Bundle

    folder, told = opened
    card = Bundle.load(folder).card
    assert card.open_set and card.recipe["synthetic"] == {"digits": 40, "others": 20}
    assert card.data["train"] == 660 and card.data["validation"] == 200
    assert told[-1] == ("start", 11), "660 pictures in batches of 60"
    assert told[-2] == (63, 63) and told[:-2] == sorted(told[:-2]), "with three that are held back"
    assert not (folder / "crops.npz").exists() and not (folder / "checkpoint.npz").exists()


def test_keras_onnx_and_litert_agree_on_what_is_a_digit(
    opened: tuple[Path, list[Any]], mnist: Path, tmp_path: Path
) -> None:
    from inkdigits.bundle import Bundle
    from inkdigits.export import export
    from inkdigits.runtimes import KerasRuntime, LiteRTRuntime, OnnxRuntime
    from inkdigits.synthesis.crops import Crops

    bundle = Bundle.load(opened[0])
    (litert,) = export(bundle, ["litert"], tmp_path)
    test = load_dataset("mnist", "test").subset(np.arange(300))
    made = Crops(test.images, test.labels)
    pictures = np.stack(
        [
            *test.images[:15],
            *(made.other(np.random.default_rng(i)).seen for i in range(15)),
            np.zeros((28, 28), np.uint8),
        ]
    )
    first, *others = (
        runtime.answer(pictures)
        for runtime in (
            OnnxRuntime(bundle.folder / "model.onnx"),
            KerasRuntime(bundle.keras_model(), bundle.card.temperature, open_set=True),
            LiteRTRuntime(litert.path),
        )
    )
    assert 0 < first.digitness[:-1].min() < first.digitness.max() < 1 and first.digitness[-1] == 0
    for answers in others:
        np.testing.assert_allclose(answers.probabilities, first.probabilities, atol=1e-4)
        np.testing.assert_allclose(answers.digitness, first.digitness, atol=1e-4)


def test_few_pictures_of_no_digit_make_an_open_set_model_too(mnist: Path, tmp_path: Path) -> None:
    from inkdigits.training.crops import made_crops

    recipe = load_recipe("quick").with_overrides({"synthetic.others": 2})
    parts = stratified_split(load_dataset("mnist", "train").subset(np.arange(600)), 100)
    made = made_crops(recipe, *parts, tmp_path / "crops.npz", Observer())
    assert made is not None
    assert made.labels.tolist() == [10, 10] and made.held_labels.tolist() == [10]
    again = made_crops(recipe, *parts, tmp_path / "crops.npz", Notebook())
    assert again is not None and np.array_equal(again.images, made.images), "from the file"
    content = (tmp_path / "crops.npz").read_bytes()
    (tmp_path / "crops.npz").write_bytes(content[: len(content) // 2])
    anew = made_crops(recipe, *parts, tmp_path / "crops.npz", Observer())
    assert anew is not None and np.array_equal(anew.held_images, made.held_images)
    assert made_crops(load_recipe("quick"), *parts, tmp_path / "none.npz", Observer()) is None
    assert not (tmp_path / "none.npz").exists()


def test_crops_are_made_of_images_of_any_size(mnist: Path, tmp_path: Path) -> None:
    from inkdigits.training.crops import made_crops

    few = load_dataset("mnist", "train").subset(np.arange(400))
    framed = Dataset(np.pad(few.images, ((0, 0), (2, 2), (2, 2))), few.labels, "framed")
    recipe = load_recipe("quick").with_overrides({"synthetic.digits": 3, "train_images": 200})
    made = made_crops(recipe, *stratified_split(framed, 100), tmp_path / "crops.npz", Observer())
    assert made is not None and made.images.shape == (3, 28, 28)


def test_without_images_of_a_digit_no_crops_are_made(mnist: Path, tmp_path: Path) -> None:
    from inkdigits.datasets import last_split
    from inkdigits.training.crops import made_crops

    few = load_dataset("mnist", "train").subset(np.arange(300))
    ordered = few.subset(np.argsort(few.labels, kind="stable"))
    recipe = load_recipe("quick").with_overrides({"synthetic.digits": 3})
    with pytest.raises(DatasetError, match=r"no 0 and no 1 .*held back"):
        made_crops(recipe, *last_split(ordered, 30), tmp_path / "crops.npz", Observer())


def test_the_test_images_are_never_touched(mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from inkdigits.training import running

    def guarded(name: str, split: str, **options: Any) -> Dataset:
        assert split == "train"
        return load_dataset(name, split, **options)

    monkeypatch.setattr(running, "load_dataset", guarded)
    train("quick", out=tmp_path / "run", overrides={**TINY, "epochs": 1}, seed=1)


def test_a_folder_with_work_in_it_is_not_overwritten(mnist: Path, tmp_path: Path, bundle: Path) -> None:
    before = (bundle / "model.json").read_bytes()
    with pytest.raises(RecipeError, match=r"holds a trained model.*--out.*--force"):
        train("quick", out=bundle, overrides=TINY)
    assert train(resume=True, out=bundle) == bundle, "nothing to go on with: it is finished"
    assert (bundle / "model.json").read_bytes() == before
    with pytest.raises(RecipeError, match="no checkpoint"):
        train(resume=True, out=tmp_path / "nothing")
    with pytest.raises(RecipeError, match="when resuming"):
        train(resume=True, out=bundle, epochs=3)
    with pytest.raises(KeyboardInterrupt):
        train("quick", out=tmp_path / "half", overrides=TINY, observer=Notebook(stop_in=1))
    with pytest.raises(RecipeError, match=r"unfinished training.*--resume"):
        train("quick", out=tmp_path / "half", overrides=TINY)


COMMAND = [sys.executable, "-m", "inkdigits", "train"]
SETTINGS = [f"--set={key}={json.dumps(value)}" for key, value in TINY.items() if key != "epochs"]


def test_kill_minus_nine_and_resume_ends_with_the_same_weights(mnist: Path, tmp_path: Path) -> None:
    """The real thing: a process is killed in the middle of an epoch, another goes on, a third was never disturbed."""
    options = ["--recipe", "quick", "--seed", "7", "--epochs", "20", *SETTINGS]
    killed = tmp_path / "killed"
    process = subprocess.Popen([*COMMAND, *options, "--out", str(killed)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not _epochs_safe(killed) >= 3:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL
    assert not (killed / "model.json").exists()

    again = subprocess.run(
        [*COMMAND, "--resume", str(killed), "--json"], capture_output=True, text=True, check=True, timeout=240
    )
    assert "going on after epoch" in again.stderr
    assert json.loads(again.stdout)["training"]["epochs"] == 20
    whole = tmp_path / "whole"  # in a process of its own as well: this one may calculate with more threads
    subprocess.run([*COMMAND, *options, "--out", str(whole)], stderr=subprocess.DEVNULL, check=True, timeout=240)
    assert_same(bundle_weights(killed), bundle_weights(whole))
    assert sorted(file.name for file in killed.iterdir()) == sorted(file.name for file in whole.iterdir())


def _epochs_safe(folder: Path) -> int:
    from inkdigits.training.checkpoints import Checkpoint

    try:
        return len(Checkpoint.load(folder / "checkpoint.npz").history)
    except RecipeError:
        return -1


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    from inkdigits.cli import app

    runner = CliRunner()
    for arguments, message in [
        (["--set", "epochs"], "KEY=VALUE"),
        (["--resume", str(tmp_path), "--epochs", "3"], "--epochs"),
        (["--resume", str(tmp_path), "--recipe", "standard"], "--recipe"),
        (["--set", "optimizer.learning_rate=-1"], "learning_rate"),
        (["--set", "optimiser.name=sgd"], "optimizer"),
        (["--epochs", "0"], "epochs"),
        (["--seed", "-1"], "seed"),
    ]:
        result = runner.invoke(app, ["train", *arguments])
        assert result.exit_code == 2
        assert message in result.stderr
    result = runner.invoke(app, ["train", "--recipe", "quik"])
    assert isinstance(result.exception, RecipeError)
    (tmp_path / "mine.toml").write_text("epochs = 0")
    result = runner.invoke(app, ["train", "--recipe", str(tmp_path / "mine.toml")])
    assert isinstance(result.exception, RecipeError)  # the file is wrong, not the usage


def test_the_command_lists_what_there_is() -> None:
    from inkdigits.cli import app

    text = CliRunner().invoke(app, ["train", "--list"]).stdout
    for name in ("quick", "standard", "separable", "architecture", "optimizer.learning_rate", "augmentation.thickness"):
        assert name in text
    listed = json.loads(CliRunner().invoke(app, ["train", "--list", "--json"]).stdout)
    assert set(listed) == {"recipes", "architectures"}


def test_settings_are_read_as_toml_or_text() -> None:
    from inkdigits.cli.train import _settings

    pairs = ["a.b=1e-3", "c=[1, 2]", "d=gelu", "e=true", "f=none", 'g="x=y"']
    assert _settings(pairs) == {"a.b": 1e-3, "c": [1, 2], "d": "gelu", "e": True, "f": None, "g": "x=y"}


def test_tensorboard_logs_are_written_when_asked_for(mnist: Path, tmp_path: Path) -> None:
    folder = train("quick", out=tmp_path / "run", overrides={**TINY, "epochs": 1}, tensorboard=True)
    logs = list((folder / "tensorboard").glob("events.*"))
    assert len(logs) == 1
    assert b"accuracy/validation" in logs[0].read_bytes()
    shutil.rmtree(folder)
