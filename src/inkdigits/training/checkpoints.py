"""The state of a training as one file, so that a crash loses at most what came after it was written.

The file is an .npz archive of plain arrays plus one text member of JSON; reading it runs no code. It is replaced
atomically: there is always a whole one.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import RecipeError
from inkdigits.files import write_atomically
from inkdigits.training.observers import EpochRecord

FORMAT = 1
_JSON = "about.json"


@dataclass(frozen=True)
class Checkpoint:
    """Where a training stands after an epoch (or, with an empty history, before the first)."""

    identity: Mapping[str, Any]  # recipe, seed, data: what must be the same to go on
    history: list[EpochRecord]
    state: Mapping[str, NDArray[Any]]  # every variable of model, optimizer, average and random generators
    notes: Mapping[str, str] = field(default_factory=dict)  # for whoever goes on: nothing is compared with them

    def save(self, path: Path) -> None:
        """Write it, replacing the one before in a single step."""
        about = {
            "format": FORMAT,
            "identity": self.identity,
            "notes": dict(self.notes),
            "history": [asdict(record) for record in self.history],
        }
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            archive.writestr(_JSON, json.dumps(about, indent=1))
            for name, array in self.state.items():
                with archive.open(f"{name}.npy", "w") as member:
                    np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
        write_atomically(path, content.getvalue())

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Read one.

        Raises:
            RecipeError: it is missing, damaged, foreign, or from a newer version.
        """
        try:
            with zipfile.ZipFile(path) as archive:
                about = json.loads(archive.read(_JSON))
                names = [name for name in archive.namelist() if name != _JSON]
                state = {name.removesuffix(".npy"): _array(archive.read(name)) for name in names}
            if about["format"] != FORMAT:
                raise RecipeError(
                    f"Expected a checkpoint of format {FORMAT}; {path} has format {about['format']}. "
                    "Go on with the version of inkdigits that began this training."
                )
            history = [EpochRecord(**record) for record in about["history"]]
            return cls(about["identity"], history, state, about["notes"])
        except FileNotFoundError as error:
            raise RecipeError(f"Expected an unfinished training at {path.parent}; there is no {path.name}.") from error
        except (
            OSError,
            zipfile.BadZipFile,
            zlib.error,
            RuntimeError,
            ValueError,
            KeyError,
            TypeError,
            EOFError,
        ) as error:
            raise RecipeError(f"Expected a training's checkpoint at {path}; it is damaged: {error}.") from error


def named(groups: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Keras variables of several groups, each under a name that does not depend on the process."""
    return {f"{name}/{i:03d}": variable for name, group in groups.items() for i, variable in enumerate(group)}


def state_of(variables: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """A copy of variables' values."""
    return {name: np.array(variable.numpy()) for name, variable in variables.items()}


def restore(variables: Mapping[str, Any], state: Mapping[str, NDArray[Any]]) -> None:
    """Give variables the values that a checkpoint holds under their names.

    Raises:
        RecipeError: the state belongs to another network or optimizer.
    """
    mine = {name: tuple(variable.shape) for name, variable in variables.items()}
    given = {name: array.shape for name, array in state.items()}
    if mine != given:
        odd = sorted(name for name in mine.keys() | given.keys() if mine.get(name) != given.get(name))
        raise RecipeError(f"Expected the state of this network and optimizer; it differs in {', '.join(odd[:5])}.")
    for name, variable in variables.items():
        variable.assign(state[name])


def _array(content: bytes) -> NDArray[Any]:
    array: NDArray[Any] = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    return array
