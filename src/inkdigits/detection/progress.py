"""Where the training of a network for pages stands, as a file beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inkdigits.errors import RecipeError
from inkdigits.training.checkpoints import Checkpoint

if TYPE_CHECKING:
    from inkdigits.detection.learner import Learner

EVERY = 250
"""Steps between checkpoints."""


def keep(path: Path, identity: Mapping[str, Any], learner: Learner, done: int, steps: int) -> None:
    """Write the state after `done` steps of `steps`: now and then, and after the last."""
    if done % EVERY == 0 or done == steps:
        Checkpoint({**identity, "done": done}, [], learner.state()).save(path)


def resumed(path: Path, identity: Mapping[str, Any], learner: Learner) -> int:
    """Bring a learner to where it stood; returns the steps done, 0 where nothing was kept.

    Raises:
        RecipeError: what was kept is of another training, or damaged.
    """
    if not path.exists():
        return 0
    checkpoint = Checkpoint.load(path)
    odd = [name for name, value in identity.items() if checkpoint.identity.get(name) != value]
    if odd:
        raise RecipeError(f"Expected {path} to hold a training with the same {', '.join(odd)}; it differs.")
    learner.restore(checkpoint.state)
    return int(checkpoint.identity["done"])
