"""Which recipe a measured row belongs to: recipes change and keep their names, so rows carry a fingerprint.

`neutral.json` holds the values that do not count: those that every recipe had when fingerprints began, and for each
option added since the value with which nothing changes. A default that changes later therefore changes fingerprints,
and an option that is added does not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from inkdigits import preprocess, synthesis
from inkdigits.recipes import Recipe, load_recipe, recipe_names

NEUTRAL: dict[str, Any] = json.loads((Path(__file__).parent / "neutral.json").read_text(encoding="utf-8"))
UNCOUNTED = ("name", "description", "seed")


def fingerprint(recipe: Recipe) -> str:
    """Of everything that decides what is trained, but the seed."""
    values = recipe.to_dict()
    architecture = {"name": recipe.architecture.name, **NEUTRAL["architectures"][recipe.architecture.name]}
    counted = _differing(values, NEUTRAL["recipe"] | {"architecture": architecture})
    made = f"{preprocess.VERSION} {synthesis.VERSION}"
    if (recipe.synthetic.digits or recipe.synthetic.others) and made != NEUTRAL["made"]:
        counted["made"] = made  # pictures of one digit are made by code, too
    counted = {key: value for key, value in counted.items() if key not in UNCOUNTED}
    return hashlib.sha256(json.dumps(counted, sort_keys=True).encode()).hexdigest()[:12]


def _differing(values: Mapping[str, Any], neutral: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are not neutral; the architecture's name always counts."""
    differing: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            inner = _differing(value, neutral[key])
            differing |= {key: {"name": value.get("name"), **inner}} if inner or key == "architecture" else {}
        elif key not in neutral or value != neutral[key]:
            differing[key] = value
    return differing


def shipped(name: str) -> str:
    """The fingerprint of a shipped recipe, or of one in a file, as it is now."""
    return fingerprint(load_recipe(name))


def current(rows: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """The rows of shipped recipes as they are now, and of ensembles of them ("5 x best")."""
    marks = {name: shipped(name) for name in recipe_names()}
    return [row for row in rows if marks.get(row["recipe"].split(" x ")[-1]) == row["recipe_hash"]]
