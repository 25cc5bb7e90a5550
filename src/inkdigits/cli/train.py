"""`inkdigits train`."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from inkdigits.cli import console
from inkdigits.errors import RecipeError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from inkdigits.recipes import Recipe
    from inkdigits.training import EpochRecord, Observer


def command(
    recipe: str = typer.Option("quick", metavar="NAME|FILE", help="A shipped recipe (see --list) or a TOML file."),
    out: Path | None = typer.Option(
        None, "--out", "-o", metavar="DIR", help="The bundle's folder.", show_default="runs/NAME"
    ),
    seed: int | None = typer.Option(None, metavar="N", help="Of weights, order, augmentation and dropout."),
    epochs: int | None = typer.Option(None, metavar="N", help="Times that training sees every image."),
    overrides: list[str] = typer.Option(
        [], "--set", metavar="KEY=VALUE", help="Change one option, such as optimizer.learning_rate=1e-3. Repeatable."
    ),
    data: str | None = typer.Option(
        None, metavar="NAME|FOLDER", help="Train on a dataset of your own.", show_default="mnist"
    ),
    resume: Path | None = typer.Option(
        None, metavar="DIR", help="Go on with the training that was stopped in this folder."
    ),
    force: bool = typer.Option(False, "--force", help="Replace what is in the folder."),
    tensorboard: bool = typer.Option(False, "--tensorboard", help="Write TensorBoard logs to DIR/tensorboard."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
    listing: bool = typer.Option(False, "--list", help="Show recipes, architectures and all options; train nothing."),
) -> None:
    """Train a model and write it as a bundle.

    Every finished epoch is kept: after Ctrl-C, a crash or a power cut, `--resume DIR` goes on to the same weights.
    """
    if listing:
        _list(as_json)
        return
    folder = resume or out
    if resume is not None:
        chosen = {"recipe": recipe, "seed": seed, "epochs": epochs, "data": data, "out": out}
        given = [name for name, value in chosen.items() if value not in (None, "quick")]
        given += (["set"] if overrides else []) + (["force"] if force else [])
        if given:
            names = ", ".join(f"--{name}" for name in given)
            raise typer.BadParameter(f"goes with no {names}: they stay as they began", param_hint="--resume")
    plan = _plan(recipe, _settings(overrides), seed=seed, epochs=epochs)

    from inkdigits.training import train

    with _Live() as live:
        try:
            bundle = train(
                plan, out=folder, data=data, resume=resume is not None, force=force,
                tensorboard=tensorboard, observer=live.observer,
            )  # fmt: skip
        except KeyboardInterrupt:
            if live.begun:
                live.console.print(
                    f"Stopped. Go on with: inkdigits train --resume {folder or f'runs/{live.begun}'}", markup=False
                )
            raise
    _print(bundle, as_json)


def _plan(name: str, settings: dict[str, Any], **others: int | None) -> Recipe:
    """The recipe, with what flags change in it. A wrong value of a flag is wrong usage; one in a file is not."""
    from inkdigits.recipes import load_recipe

    recipe = load_recipe(name)
    try:
        return recipe.with_overrides(settings | {key: value for key, value in others.items() if value is not None})
    except RecipeError as error:
        raise typer.BadParameter(str(error)) from None


def _settings(pairs: Sequence[str]) -> dict[str, Any]:
    """ "a.b=1e-3" -> {"a.b": 0.001}. Values are TOML; what is not is taken as text, and `none` as nothing."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.strip():
            raise typer.BadParameter(f"expected KEY=VALUE; got {pair!r}", param_hint="--set")
        text = text.strip()
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = None if text.lower() == "none" else text
        found[key.strip()] = value
    return found


def _print(folder: Path, as_json: bool) -> None:
    """What came out: figures of the last epoch, and what to type next."""
    import json

    card = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    if as_json:
        console.print_json({"bundle": str(folder), **card})
        return
    from rich.markup import escape

    validation, training = card["validation"], card["training"]
    out, shown = console.stdout(), escape(str(folder))
    out.print(
        f"[bold]{shown}[/]: {validation['accuracy']:.2%} of {card['data']['validation']:,} validation images right, "
        f"{card['parameters']:,} parameters, {training['seconds']:.1f} s ({training['cpu_seconds']:.1f} CPU-seconds).",
        soft_wrap=True,
    )
    out.print(f"Next: [bold]inkdigits evaluate {shown} --report {shown}/report[/]", soft_wrap=True)


class _Live(console.Bar):
    """A bar where a person watches, one line for each epoch anywhere."""

    def __init__(self) -> None:
        super().__init__(speed_over=60)
        self.begun = ""  # the recipe's name, once there is something to go on with

    @property
    def observer(self) -> Observer:
        """What `train` tells."""
        from inkdigits.training import Observer, Progress

        live = self

        class Told(Observer):
            accuracy = ""

            def on_start(self, recipe: Recipe, *, parameters: int, steps: int, history: Sequence[EpochRecord]) -> None:
                live.begun = recipe.name
                name = recipe.architecture.name
                live.console.print(
                    f"recipe {recipe.name}, {name}, {parameters:,} parameters, seed {recipe.seed}, "
                    f"{recipe.epochs} epochs of {steps} steps",
                    markup=False,
                )
                if history:
                    live.console.print(f"going on after epoch {history[-1].epoch}")
                self.epochs, self.steps = recipe.epochs, steps
                live.progress.update(live.task, total=recipe.epochs * steps, completed=len(history) * steps)

            def on_crops(self, done: int, total: int) -> None:
                live.progress.update(
                    live.task, total=total, completed=done, description="making pictures", figures=f"{done:,}/{total:,}"
                )

            def on_progress(self, progress: Progress) -> None:
                live.progress.update(
                    live.task,
                    completed=(progress.epoch - 1) * self.steps + progress.step,
                    description=f"epoch {progress.epoch}/{self.epochs}",
                    figures=f"{progress.steps_per_second:.1f} steps/s  loss {progress.loss:.4f}{self.accuracy}",
                )

            def on_epoch(self, record: EpochRecord) -> None:
                self.accuracy = f"  validation {record.validation_accuracy:.2%}"
                live.console.print(
                    f"epoch {record.epoch}/{self.epochs}  loss {record.loss:.4f}  validation loss "
                    f"{record.validation_loss:.4f}  accuracy {record.validation_accuracy:.2%}  {record.seconds:.1f} s"
                )

        return Told()


def _list(as_json: bool) -> None:
    """Everything that can be named: recipes, architectures with their options, and the options of every recipe."""
    from inkdigits import architectures
    from inkdigits.recipes import load_recipe, recipe_names, sections

    recipes = {name: load_recipe(name) for name in recipe_names()}
    families = {name: architectures.known(name) for name in architectures.names()}
    if as_json:
        described = {"recipes": {name: recipe.to_dict() for name, recipe in recipes.items()}}
        described["architectures"] = {name: family().to_dict() for name, family in families.items()}
        console.print_json(described)
        return
    out = console.stdout()
    out.print("[bold]Recipes[/] (--recipe)")
    for name, each in recipes.items():
        out.print(_rows([(name, f"{each.architecture.name}, {each.epochs} epochs", each.description)]))
    out.print("\n[bold]Architectures[/] (--set architecture.name=NAME; their options: --set architecture.OPTION=VALUE)")
    for name, family in families.items():
        out.print(f"\n[bold]{name}[/]  {(family.__doc__ or '').splitlines()[0]}")
        out.print(_rows(family.describe()))
    out.print("\n[bold]Options of every recipe[/] (--set SECTION.OPTION=VALUE)")
    for name, section in sections().items():
        out.print(f"\n[bold]{name or 'training'}[/]")
        out.print(_rows([(f"{name}.{row[0]}" if name else row[0], *row[1:]) for row in section]))


def _rows(rows: Sequence[tuple[str, str, str]]) -> RenderableType:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column()
    for name, possible, about in rows:
        table.add_row(escape(name), f"{escape(about)} [dim]({escape(possible)})[/]" if about else escape(possible))
    return table
