"""Where the training of a network for pages stands, as a file beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inkdigits.errors import RecipeError
from inkdigits.training.checkpoints import Checkpoint

if TYPE_CHECKING:
    from inkdigits.detection.learner import Learner

EVERY = 250
"""Steps between checkpoints."""


@dataclass(frozen=True)
class Progress:
    """A file that holds the state of a training, and what a training must be to go on with it."""

    path: Path
    identity: Mapping[str, Any]

    def keep(self, learner: Learner, done: int, steps: int) -> None:
        """Write the state after `done` steps of `steps`: now and then, and after the last."""
        if done % EVERY == 0 or done == steps:
            Checkpoint({**self.identity, "done": done}, [], learner.state()).save(self.path)

    def resume(self, learner: Learner) -> int:
        """Bring a learner to where it stood; returns the steps done, 0 where nothing was kept.

        Raises:
            RecipeError: what was kept is of another training, or damaged.
        """
        if not self.path.exists():
            return 0
        checkpoint = Checkpoint.load(self.path)
        odd = [name for name, value in self.identity.items() if checkpoint.identity.get(name) != value]
        if odd:
            raise RecipeError(
                f"Expected {self.path} to hold a training with the same {', '.join(odd)}; it differs. Go on with what "
                "it began with, choose another folder, or remove the file."
            )
        learner.restore(checkpoint.state)
        return int(checkpoint.identity["done"])


def weights_hash(model: Any) -> str:
    """A SHA-256 of a Keras network's weights, to name the one that a training begins with."""
    return hashlib.sha256(b"".join(np.asarray(weight).tobytes() for weight in model.get_weights())).hexdigest()
