"""The network for lines alone, to compare the design of inkdigits with.

    python benchmarks/sequences.py
    python benchmarks/realworld.py DIR --engines sequences --only orand_dev notebook_number_crops_dev

It reads a whole field from left to right (`inkdigits.detection.lines`), and nothing finds the digits for it. What it
learns from is what `inkdigits train-pages --typefaces` teaches it. The network is written to runs/sequences/; a
training that was stopped goes on where it stood.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import rich.progress
from numpy.typing import NDArray

from engines import MissingEngineError
from inkdigits.datasets import last_split, load_dataset
from inkdigits.datasets.typefaces import fingerprint, load_typefaces
from inkdigits.detection import LINES, lining
from inkdigits.detection.lines import BLANK
from inkdigits.detection.progress import Progress
from inkdigits.detection.training import taught
from inkdigits.files import write_atomically
from inkdigits.synthesis.typefaces import faces

RUN = Path("runs/sequences")


def train(steps: int) -> None:
    """Train the network and write it, unless it was."""
    card, made = RUN / "card.json", {"steps": steps, "with words": lining.TIMES * lining.more(steps)}
    if card.exists() and json.loads(card.read_text(encoding="utf-8")).items() >= made.items():
        return
    RUN.mkdir(parents=True, exist_ok=True)
    data = last_split(load_dataset("mnist", "train"), 5000)[0]
    hands = taught(faces(load_typefaces(progress=True)))
    identity = {"steps": steps, "data": data.sha256, "typefaces": fingerprint()}
    with rich.progress.Progress() as bar:
        task = bar.add_task("", total=steps)

        def told(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        read = Progress(RUN / "read.npz", identity)
        worded = [Progress(RUN / f"worded{time + 1}.npz", identity) for time in range(lining.TIMES)]
        model = lining.trained(data, steps, 0, told=told, progress=read, faces=hands)
        model = lining.worded(model, data, steps, 0, told=told, progress=worded, faces=hands)
    model.save(RUN / "sequences.keras")
    write_atomically(card, json.dumps({**made, "created": datetime.now(UTC).isoformat(timespec="seconds")}))


class Reader:
    """The trained network."""

    def __init__(self) -> None:
        """Load it.

        Raises:
            MissingEngineError: it was not trained yet.
        """
        if not (RUN / "card.json").exists():  # it is written last
            raise MissingEngineError("sequences is not trained. Train it with: python benchmarks/sequences.py")
        import keras

        self._model: Any = keras.saving.load_model(RUN / "sequences.keras")
        self.card: dict[str, Any] = json.loads((RUN / "card.json").read_text(encoding="utf-8"))

    def read(self, pixels: NDArray[np.uint8]) -> str:
        """The digits of a field, ink darker than paper."""
        logits = self._model(lining.padded(lining.seen(pixels))[None], training=False)
        return text_of(np.asarray(logits)[0].argmax(1).tolist())


def text_of(path: Sequence[int]) -> str:
    """The digits that a path of most likely signs stands for: what repeats is one, unless `BLANK` is between."""
    kept = [sign for sign, before in zip(path, [BLANK, *path], strict=False) if sign != before]
    return "".join(str(sign) for sign in kept if sign != BLANK)


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=LINES, help=f"batches of {lining.BATCH} fields")
    train(parser.parse_args().steps)


if __name__ == "__main__":
    main()
