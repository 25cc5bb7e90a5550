"""Finding recipes: the shipped ones by name, a person's own by path."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path

from inkdigits.errors import RecipeError
from inkdigits.options import unknown
from inkdigits.recipes.recipe import Recipe


def recipe_names() -> tuple[str, ...]:
    """The shipped recipes, in alphabetical order."""
    files = resources.files("inkdigits.recipes").iterdir()
    return tuple(sorted(Path(file.name).stem for file in files if file.name.endswith(".toml")))


def load_recipe(name_or_path: str | Path) -> Recipe:
    """A shipped recipe by its name, or one of your own by the path of its TOML file.

    Raises:
        RecipeError: there is no such recipe, or it holds an unknown or impossible value.
    """
    text = str(name_or_path)
    if text in recipe_names():
        source = resources.files("inkdigits.recipes") / f"{text}.toml"
        return _parsed(source.read_text(encoding="utf-8"), text, f"recipe {text!r}")
    path = Path(text).expanduser()
    if path.suffix != ".toml":
        message = unknown(f"recipe {text!r}", text, list(recipe_names()))
        raise RecipeError(f"{message} Or give the path of a .toml file of your own.")
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"Expected a recipe's TOML file at {path}; it cannot be read: {error}.") from error
    return _parsed(content, path.stem, str(path))


def _parsed(content: str, name: str, where: str) -> Recipe:
    """A recipe from TOML; without a `name` in it, it is called after its file."""
    try:
        values = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"Expected TOML in {where}; {error}.") from error
    try:
        return Recipe.from_mapping({"name": name, **values})
    except RecipeError as error:
        raise RecipeError(f"{where}: {error}") from error
