"""Recipes: everything that decides how a network is trained, as one checked TOML file each.

recipe = load_recipe("quick").with_overrides({"optimizer.learning_rate": 1e-3})
"""

from inkdigits.recipes.loading import load_recipe, recipe_names
from inkdigits.recipes.recipe import (
    Architecture,
    Averaging,
    Distillation,
    Loss,
    Optimizer,
    Recipe,
    Schedule,
    Synthetic,
    sections,
)

__all__ = [
    "Architecture",
    "Averaging",
    "Distillation",
    "Loss",
    "Optimizer",
    "Recipe",
    "Schedule",
    "Synthetic",
    "load_recipe",
    "recipe_names",
    "sections",
]
