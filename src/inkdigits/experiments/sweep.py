"""What a sweep asks: recipe fields x seeds, read from a TOML file and checked before anything is trained.

    name = "width"                       # optional; else the file's name
    description = "Does a wider network pay?"
    recipe = "quick"                     # what every run starts from: a recipe's name, its file, or a table [recipe]
    seeds = [0, 1, 2]                    # the outer loop: each seed goes through every combination before the next
    sample = 20                          # optional: this many combinations drawn at random instead of all

    [set]                                # fields that are the same in every run
    epochs = 1

    [factors]                            # a recipe field and the values it takes
    architecture.name = ["mlp", "lenet5"]

    [groups.optimizer]                   # a factor whose levels set several fields at once
    sgd = { optimizer.name = "sgd", optimizer.learning_rate = 0.1 }
    adam = { optimizer.name = "adam", optimizer.learning_rate = 0.002 }

Names with dots may be written as nested tables or with quotes; all three mean the same.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import random
import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from inkdigits.errors import RecipeError
from inkdigits.recipes import Recipe, load_recipe

_FIELDS = ("name", "description", "recipe", "seeds", "sample", "set", "factors", "groups")
# Not to be varied: columns of the results table, and fields without which runs are not comparable.
_COLUMNS = ("run", "seed", "name", "description")
_CLOSED = (*_COLUMNS, "validation", "validation_images", "threads")
_MAX_SEED = 2**31 - 1
_MAX_COMBINATIONS = 10_000


@dataclasses.dataclass(frozen=True)
class Level:
    """One value of a factor: how it is written in tables, and the recipe fields it sets."""

    label: str
    overrides: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Factor:
    """Something that is varied, with its levels in the order of the file."""

    name: str
    levels: tuple[Level, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the levels."""
        return tuple(level.label for level in self.levels)


@dataclasses.dataclass(frozen=True)
class Run:
    """One training: a seed and one level's label for each factor, in the order of `Sweep.factors`."""

    seed: int
    labels: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join((*self.labels, f"seed {self.seed}"))


@dataclasses.dataclass(frozen=True)
class Sweep:
    """A checked sweep: every combination of it is a valid recipe.

    `base` is the recipe that every run starts from, `fixed` the fields that `[set]` gives.
    """

    name: str
    description: str
    base: Recipe
    fixed: Mapping[str, Any]
    seeds: tuple[int, ...]
    sample: int | None
    factors: tuple[Factor, ...]

    def combinations(self) -> list[tuple[str, ...]]:
        """The labels of every combination that is tried: the whole grid, or `sample` of it drawn at random.

        The draw is the same each time and a smaller sample is a prefix of a larger one, so that a sweep can grow.
        """
        if self.sample is None:
            return list(itertools.product(*(factor.labels for factor in self.factors)))
        generator = random.Random(0)
        drawn: dict[tuple[str, ...], None] = {}
        while len(drawn) < self.sample:
            drawn[tuple(generator.choice(factor.labels) for factor in self.factors)] = None
        return list(drawn)

    def runs(self) -> list[Run]:
        """Every run in the order of execution. A machine that slows down meanwhile slows every combination alike."""
        combinations = self.combinations()
        return [Run(seed, labels) for seed in self.seeds for labels in combinations]

    def recipe(self, labels: tuple[str, ...]) -> Recipe:
        """The recipe of one combination.

        Fixed fields and the levels' are set together, as `Recipe.with_overrides` does it: a level that names another
        architecture or optimizer starts that section anew, and every other field then holds for it too.

        Raises:
            RecipeError: The combination asks for something impossible, such as an option its architecture lacks.
        """
        overrides = dict(self.fixed)
        for factor, label in zip(self.factors, labels, strict=True):
            overrides |= next(level for level in factor.levels if level.label == label).overrides
        return self.base.with_overrides(overrides)

    @property
    def validation_images(self) -> int:
        """How many training images are held back to judge every run by."""
        return self.recipe(self.combinations()[0]).validation_images

    def identity(self) -> dict[str, Any]:
        """What must stay the same for runs to be comparable: recipe, fixed fields and factors, as plain data.

        Seeds, the size of the sample and the description are not part of it: a sweep may grow.
        """
        factors = {f.name: {level.label: dict(level.overrides) for level in f.levels} for f in self.factors}
        recipe = {key: value for key, value in self.base.to_dict().items() if key not in _COLUMNS}
        identity = {"recipe": recipe, "set": dict(self.fixed), "factors": factors}
        plain: dict[str, Any] = json.loads(json.dumps(identity))
        return plain


def as_of_now(identity: Mapping[str, Any]) -> dict[str, Any]:
    """What `Sweep.identity` once was, as it would be today: options that came later are at their defaults.

    Raises:
        KeyError: it has no recipe.
        RecipeError: what it has is none.
    """
    recipe = Recipe.from_mapping({"name": "earlier", **identity["recipe"]}).to_dict()
    return {**identity, "recipe": {key: value for key, value in recipe.items() if key not in _COLUMNS}}


def sweep_names() -> tuple[str, ...]:
    """The names of the sweeps that come with inkdigits."""
    return tuple(sorted(file.name[:-5] for file in _shipped().iterdir() if file.name.endswith(".toml")))


def load_sweep(name_or_path: str | Path) -> Sweep:
    """Read and check a sweep: the name of one that comes with inkdigits, or a TOML file.

    Raises:
        RecipeError: No such sweep, not TOML, an unknown key, or a combination that is not a valid recipe. The message
            says what is possible.
    """
    name = str(name_or_path)
    if name in sweep_names():
        return parse_sweep((_shipped() / f"{name}.toml").read_text(encoding="utf-8"), name=name)
    path = Path(name_or_path)
    if not path.is_file():
        raise RecipeError(f"Expected a sweep file or one of {', '.join(sweep_names())}. Received: {name}")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"Expected a sweep in UTF-8 text at {path}. Received: {error}") from error
    return parse_sweep(text, name=path.stem, folder=path.parent)


def parse_sweep(text: str, *, name: str = "sweep", folder: Path | None = None) -> Sweep:
    """Check the TOML text of a sweep.

    Args:
        text: The content of a sweep file.
        name: The sweep's name if the text gives none.
        folder: Where a recipe file named in the text is looked for; the working folder if None.

    Raises:
        RecipeError: As in `load_sweep`.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"Expected sweep '{name}' to be TOML. Received: {error}") from error
    if unknown := sorted(set(table) - set(_FIELDS)):
        raise RecipeError(f"Unknown key in sweep '{name}': {', '.join(unknown)}. Possible: {', '.join(_FIELDS)}")
    factors = _factors(table)
    fixed = dict(_flat(_table(table, "set")))
    _check_apart(factors, fixed)
    sweep = Sweep(
        name=_text(table, "name", name),
        description=_text(table, "description", ""),
        base=_base(table.get("recipe", "quick"), folder, name),
        fixed=fixed,
        seeds=_seeds(table.get("seeds")),
        sample=_sample(table.get("sample"), factors),
        factors=factors,
    )
    for labels in sweep.combinations():
        try:
            recipe = sweep.recipe(labels)
        except RecipeError as error:
            where = ", ".join(f"{f.name} = {label}" for f, label in zip(factors, labels, strict=True))
            raise RecipeError(f"Sweep '{sweep.name}' cannot run {where}: {error}") from error
        if not recipe.from_images_alone:
            raise RecipeError(
                f"Expected sweep '{sweep.name}' to train on images alone. Received a recipe with synthetic pictures or "
                "teachers: start from another, or set synthetic.digits = 0, synthetic.others = 0, "
                "distillation.teachers = []"
            )
    return sweep


def _shipped() -> Any:
    return resources.files("inkdigits.experiments")


def _base(recipe: Any, folder: Path | None, name: str) -> Recipe:
    if isinstance(recipe, dict):
        return Recipe.from_mapping({"name": name, **recipe})
    if not isinstance(recipe, str):
        raise RecipeError(f"Expected 'recipe' to be a name, a file or a table. Received: {recipe!r}")
    return load_recipe((folder or Path()) / recipe if recipe.endswith(".toml") else recipe)


def _factors(table: Mapping[str, Any]) -> tuple[Factor, ...]:
    factors = []
    for field, values in _flat(_table(table, "factors")):
        if not isinstance(values, list):
            raise RecipeError(f"Expected [factors] {field} to be a list of values. Received: {values!r}")
        levels = tuple(Level(_label(value), {field: value}) for value in values)
        factors.append(Factor(field, levels))
    for name, group in _table(table, "groups").items():
        if not isinstance(group, dict) or not all(isinstance(level, dict) and level for level in group.values()):
            raise RecipeError(
                f"Expected each level of [groups.{name}] to be a table of recipe fields, such as "
                f'sgd = {{ optimizer.name = "sgd", optimizer.learning_rate = 0.1 }}. Received: {group!r}'
            )
        levels = tuple(Level(label, dict(_flat(fields))) for label, fields in group.items())
        factors.append(Factor(name, levels))
    if not factors:
        raise RecipeError("Expected at least one factor under [factors] or [groups]. Received none: nothing varies")
    for factor in factors:
        _check_factor(factor)
    return tuple(factors)


def _check_factor(factor: Factor) -> None:
    labels = factor.labels
    if not labels:
        raise RecipeError(f"Expected at least one level of the factor {factor.name}. Received: an empty list")
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise RecipeError(f"Expected each level of {factor.name} once. Received twice: {', '.join(twice)}")
    fields = {field for level in factor.levels for field in level.overrides}
    if closed := sorted({factor.name, *fields} & set(_CLOSED)):
        raise RecipeError(
            f"Expected a factor that can be compared. Received: {', '.join(closed)}. Seeds are given by "
            "seeds = [0, 1, 2]; all runs are judged on the same validation images, and calculate with as many threads"
        )


def _check_apart(factors: tuple[Factor, ...], fixed: Mapping[str, Any]) -> None:
    owners = dict.fromkeys(fixed, "[set]")
    for factor in factors:
        for field in sorted({field for level in factor.levels for field in level.overrides}):
            if field in owners:
                raise RecipeError(
                    f"The field {field} is given by both {owners[field]} and the factor {factor.name}. Keep one"
                )
            owners[field] = f"the factor {factor.name}"


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested tables under dotted names, so that `a.b = 1` and `"a.b" = 1` mean the same."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _label(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "-".join(map(_label, value)) if isinstance(value, list) else str(value)


def _table(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise RecipeError(f"Expected [{key}] to be a table. Received: {value!r}")
    return value


def _text(table: Mapping[str, Any], key: str, default: str) -> str:
    value = table.get(key, default)
    if not isinstance(value, str):
        raise RecipeError(f"Expected '{key}' to be text. Received: {value!r}")
    return value


def _seeds(value: Any) -> tuple[int, ...]:
    fine = isinstance(value, list) and bool(value)
    fine = fine and all(type(seed) is int and 0 <= seed <= _MAX_SEED for seed in value)
    if not fine or len(set(value)) < len(value):
        raise RecipeError(f"Expected seeds = [0, 1, 2] or other distinct whole numbers from 0. Received: {value!r}")
    return tuple(value)


def _sample(value: Any, factors: tuple[Factor, ...]) -> int | None:
    possible = 1
    for factor in factors:
        possible *= len(factor.levels)
    if value is None and possible > _MAX_COMBINATIONS:
        raise RecipeError(
            f"Expected at most {_MAX_COMBINATIONS} combinations. Received: {possible}. Give fewer levels, "
            "or try some of them at random with: sample = 50"
        )
    most = min(possible, _MAX_COMBINATIONS)
    if value is not None and (type(value) is not int or not 1 <= value <= most):
        raise RecipeError(f"Expected sample to be a number from 1 to {most}. Received: {value!r}")
    return value
