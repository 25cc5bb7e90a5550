"""`train`: fetch the data, fit, write the bundle; or go on where an earlier call was stopped."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from inkdigits.datasets import load_dataset
from inkdigits.errors import MissingExtraError, RecipeError
from inkdigits.files import locked
from inkdigits.recipes import Recipe, load_recipe
from inkdigits.training.checkpoints import Checkpoint
from inkdigits.training.crops import made_crops
from inkdigits.training.observers import Observer, Observers, TensorBoard
from inkdigits.training.preparation import divided

CHECKPOINT = "checkpoint.npz"
CROPS = "crops.npz"


def train(
    recipe: str | Path | Recipe = "quick",
    *,
    out: str | Path | None = None,
    seed: int | None = None,
    epochs: int | None = None,
    overrides: Mapping[str, Any] | None = None,
    resume: bool = False,
    force: bool = False,
    data: str | Path | None = None,
    observer: Observer | None = None,
    tensorboard: bool = False,
) -> Path:
    """Train a model on MNIST's training images, or on your own, and write it as a bundle.

    The test images are never touched. Every finished epoch is kept in `out`, so that a training that was stopped, even
    by a power cut, goes on with `resume=True` to the weights it would have had.

    Args:
        recipe: a shipped recipe's name, the path of a TOML file, or a Recipe.
        out: the bundle's folder; `runs/<recipe's name>` unless given.
        seed: instead of the recipe's.
        epochs: instead of the recipe's.
        overrides: other changes, such as {"optimizer.learning_rate": 1e-3}.
        resume: go on with the unfinished training in `out`; recipe, seed and data are those it began with, so give
            none of them. If it is finished, nothing is done.
        force: begin anew even if `out` holds a trained model or an unfinished training; that one is lost.
        data: "mnist" (unless given) or a dataset of your own, as `load_dataset` takes.
        observer: is told of every step forward.
        tensorboard: write TensorBoard logs into `out`/tensorboard.

    Returns:
        The bundle's folder.

    Raises:
        RecipeError: the recipe is unknown or impossible, `out` is taken, or there is nothing to resume in it.
        DivergenceError: the loss became infinite or not a number.
        DatasetError: the images cannot be had.
        InkdigitsError: another process is training in `out`.
        BundleError: a teacher of the recipe is missing or damaged.
        MissingExtraError: Keras or TensorBoard is not installed.
    """
    _require_keras()
    if resume:
        if seed is not None or epochs is not None or overrides or data is not None:
            raise RecipeError(
                "Expected no seed, epochs, overrides or data when resuming: they are those it began with."
            )
        return _resumed(Path(out) if out is not None else _default_folder(_chosen(recipe)), observer, tensorboard)
    chosen = _chosen(recipe).with_overrides(
        {**(overrides or {}), **_given(seed=seed, epochs=epochs)},
    )
    folder = Path(out) if out is not None else _default_folder(chosen)
    _make_room(folder, force)
    source = Path(data or "mnist")
    return _run(chosen, folder, str(source.absolute() if source.exists() else source), observer, tensorboard)


def _run(recipe: Recipe, folder: Path, data: str, observer: Observer | None, tensorboard: bool) -> Path:
    """Fit, with a checkpoint in the folder, and turn the result into a bundle; alone in the folder."""
    with contextlib.closing(locked(folder)):
        return _run_alone(recipe, folder, data, observer, tensorboard)


def _run_alone(recipe: Recipe, folder: Path, data: str, observer: Observer | None, tensorboard: bool) -> Path:
    from inkdigits import bundle
    from inkdigits.training.engines import use_threads
    from inkdigits.training.fitting import fit

    use_threads(recipe.threads)  # before anything calculates
    teachers = _teachers(recipe)
    whole = load_dataset(data, "train")
    training, validation = divided(recipe, whole)
    logs = TensorBoard(folder / "tensorboard") if tensorboard else None
    told = Observers(observer, logs)
    crops = made_crops(recipe, training, validation, folder / CROPS, told)
    fitted = fit(
        recipe,
        training,
        validation,
        crops=crops,
        teachers=teachers,
        checkpoint=folder / CHECKPOINT,
        observer=told,
        notes={"data": data},
    )
    bundle.save(
        folder,
        fitted.model,
        recipe=recipe.to_dict(),
        architecture={"name": recipe.architecture.name, "options": recipe.architecture.options.to_dict()},
        seed=recipe.seed,
        data={"name": whole.name, "sha256": whole.sha256, "train": fitted.images, "validation": len(validation)},
        validation_logits=fitted.validation_logits,
        validation_labels=fitted.validation_labels,
        history=[asdict(record) for record in fitted.history],
        training={
            "seconds": fitted.seconds,
            "cpu_seconds": fitted.cpu_seconds,
            "epochs": len(fitted.history),
            **({"teachers": list(teachers)} if teachers else {}),
        },
    )
    (folder / CHECKPOINT).unlink()
    (folder / CROPS).unlink(missing_ok=True)
    return folder


def _teachers(recipe: Recipe) -> dict[str, Any]:
    """SHA-256 of the networks that a recipe's student learns from -> the networks."""
    from inkdigits.bundle import KERAS_FILE, Bundle
    from inkdigits.recognizer import located

    bundles = [Bundle.load(located(name)) for name in recipe.distillation.teachers]
    found = {each.card.files[KERAS_FILE]: each.keras_model() for each in bundles}
    if len(found) < len(bundles):
        raise RecipeError("Expected distillation.teachers to be different networks; one is named twice.")
    return found


def _resumed(folder: Path, observer: Observer | None, tensorboard: bool) -> Path:
    if not (folder / CHECKPOINT).exists() and _finished(folder):
        return folder
    checkpoint = Checkpoint.load(folder / CHECKPOINT)
    try:
        recipe = Recipe.from_mapping(checkpoint.identity["recipe"])
        data = str(checkpoint.notes["data"])
    except KeyError as error:
        raise RecipeError(f"Expected {folder / CHECKPOINT} to say its {error}; it was not made by `train`.") from error
    return _run(recipe, folder, data, observer, tensorboard)


def _make_room(folder: Path, force: bool) -> None:
    """Refuse a folder that holds someone's work, or clear it if that is wanted."""
    unfinished, finished = (folder / CHECKPOINT).exists(), _finished(folder)
    if folder.exists() and not folder.is_dir():
        raise RecipeError(f"Expected a folder to write to; {folder} is a file.")
    if force:
        for name in (
            CHECKPOINT,
            CROPS,
            "model.json",
        ):  # without its card the old model is no bundle that --resume could find
            (folder / name).unlink(missing_ok=True)
    elif unfinished:
        raise RecipeError(
            f"{folder} holds an unfinished training. Go on with it (--resume {folder}), begin anew (--force), "
            "or choose another folder (--out)."
        )
    elif finished:
        raise RecipeError(
            f"{folder} holds a trained model already. Choose another folder (--out) or replace it (--force)."
        )


def _finished(folder: Path) -> bool:
    return (folder / "model.json").exists()


def _chosen(recipe: str | Path | Recipe) -> Recipe:
    return recipe if isinstance(recipe, Recipe) else load_recipe(recipe)


def _default_folder(recipe: Recipe) -> Path:
    return Path("runs") / recipe.name


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _require_keras() -> None:
    try:
        import keras  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("keras", "train") from error
