"""Training the networks for pages on synthetic pages that never repeat.

Every page follows from the seed, its step and its place in the batch alone, so any number of processes makes the same
pages, and a training that was stopped goes on with the ones it would have seen.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.datasets import Dataset, last_split, load_dataset
from inkdigits.datasets.typefaces import fingerprint, load_typefaces
from inkdigits.detection import LINES, PAGES, STEPS, graph, lining, network, refining
from inkdigits.detection import targets as objective
from inkdigits.detection.calibration import fitted, weighed
from inkdigits.detection.finder import FORMAT, KEY
from inkdigits.detection.onnx_layers import weights_of
from inkdigits.detection.progress import Progress, weights_hash
from inkdigits.detection.refining import Told
from inkdigits.detection.workers import ahead
from inkdigits.errors import RecipeError
from inkdigits.files import locked, write_atomically
from inkdigits.recipes import Optimizer, Schedule
from inkdigits.synthesis.typefaces import Face
from inkdigits.synthesis.typefaces import faces as rendered

if TYPE_CHECKING:
    from inkdigits.detection.learner import Learner

HEIGHT, WIDTH = 160, 320
"""Size of the pages, in pixels."""
BATCH = 16
SCHEDULE = Schedule(name="one-cycle", warmup=0.08, final=0.005)
RATE = 2e-3
"""The highest learning rate."""
OPTIMIZER = Optimizer(name="adamw", weight_decay=0.02, clip_norm=5.0, beta_2=0.999)
EPOCHS = 4
"""Times that the second network goes through what the first one found on its pages."""
HELD = 8
"""One in so many typefaces is held back."""
CHECKPOINT = "checkpoint.npz"
CLOSER, LINER = "closer.npz", "liner.npz"
"""Where the second network stands, and the third, ..."""
WORDERS = tuple(f"worder{time + 1}.npz" for time in range(lining.TIMES))
"""... and that one in its trainings with words."""
FILE = "pages.onnx"

_data: Any = None
"""Of a process that makes pages: the images and labels of MNIST, and typefaces."""


@dataclass(frozen=True)
class Card:
    """How a network for pages was made; in its ONNX file's metadata."""

    format: str
    seed: int
    steps: int
    batch: int
    pages: int
    lines: int
    data: dict[str, str]
    calibration: dict[str, float]
    hearing: dict[str, float]
    packages: dict[str, str]
    hardware: dict[str, Any]
    created: str


def train_pages(
    out: str | Path = "runs/pages",
    *,
    steps: int = STEPS,
    pages: int = PAGES,
    lines: int = LINES,
    seed: int = 0,
    typefaces: bool = False,
    resume: bool = False,
    told: Told | None = None,
    workers: int = 1,
) -> Path:
    """Train a network for pages on MNIST's training images and write `pages.onnx` into a folder.

    Args:
        out: the folder.
        steps: batches of 16 pages that the first network learns from.
        pages: that the second one learns from.
        lines: batches of 32 fields that the third one learns to read digits from; from `lining.more`, `lining.TIMES`
            times, some of them with words and signs, it learns to leave those out.
        seed: of the weights and the pages.
        typefaces: make pages of typefaces that look like handwriting, too; npm fetches them once.
        resume: go on with the unfinished training in `out`, which must have begun with the same numbers and seed.
        told: is told of progress.
        workers: processes that make pages, beside this one.

    Returns:
        The path of the file.

    Raises:
        RecipeError: the folder holds a training already and `resume` is not set, or there is none to resume.
        DatasetError: MNIST or the typefaces cannot be had.
        DivergenceError: the loss became infinite or not a number.
        InkdigitsError: another process is training there, or one that makes pages died.
    """
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(locked(folder)):
        data = load_dataset("mnist", "train")
        training, validation = last_split(data, 5000)
        faces = rendered(load_typefaces(progress=told is not None)) if typefaces else ()
        made_of = {"data": data.sha256, "typefaces": fingerprint() if faces else None}
        identity = {"steps": steps, "pages": pages, "lines": lines, "seed": seed, "batch": BATCH, **made_of}
        learner = _learner(seed, steps)
        progress = Progress(folder / CHECKPOINT, identity)
        begun = _begun(progress, learner, resume)
        if not resume:
            if (folder / FILE).exists():
                raise RecipeError(f"{folder} holds a network for pages already. Choose another folder.")
            for later in (CLOSER, LINER, *WORDERS):  # without a first network they are of no use
                (folder / later).unlink(missing_ok=True)
        for step, batch in enumerate(_batches(training, taught(faces), seed, begun, steps, workers), begun):
            learner.learn(step, batch)
            if told:
                told("learning to find", step + 1, steps)
            progress.keep(learner, step + 1, steps)
        refined(
            learner.average,
            folder / FILE,
            training,
            validation,
            steps=steps,
            seed=seed,
            pages=pages,
            lines=lines,
            faces=faces,
            workers=workers,
            told=told,
        )
        for done in (CHECKPOINT, CLOSER, LINER, *WORDERS):
            (folder / done).unlink(missing_ok=True)
    return folder / FILE


def refined(
    model: Any,
    path: Path,
    training: Dataset,
    validation: Dataset,
    *,
    steps: int,
    seed: int,
    pages: int = PAGES,
    lines: int = LINES,
    faces: Sequence[Face] = (),
    workers: int = 1,
    told: Told | None = None,
) -> None:
    """Teach two more networks, one to look closer at what a trained one finds and one to read lines; write their file.

    Where they stand is kept beside the file, and a call after one that was stopped goes on from there.

    Args:
        model: the network that finds.
        path: of the file.
        training: digits to make pages of.
        validation: digits to make the pages and fields of that all are calibrated on.
        steps: that `model` was trained for.
        seed: of the pages and the networks' weights.
        pages: that the second one learns from.
        lines: batches of fields that the third one learns to read digits from; see `train_pages`.
        faces: typefaces to make pages and fields of; some are held back, as some digits are.
        workers: processes that make pages, beside this one.
        told: is told of progress.

    Raises:
        RecipeError: what was kept is of another training.
        DivergenceError: the loss became infinite or not a number.
        InkdigitsError: a process that makes pages died.
    """
    from inkdigits.bundle import hardware, packages
    from inkdigits.runtimes import open_onnx

    # What is kept of the third network is taken up again at once; what the second learns from must be found anew.
    made_of = {"data": training.sha256, "typefaces": fingerprint() if faces else None}
    identity = {"lines": lines, "seed": seed, **made_of}
    progress = Progress(path.with_name(LINER), identity)
    reader = lining.trained(training, lines, seed, workers, told, progress, taught(faces))
    kept = [Progress(path.with_name(name), identity) for name in WORDERS]
    line = weights_of(lining.worded(reader, training, lines, seed, workers, told, kept, taught(faces)))
    weights = weights_of(model)
    every = workers + 1  # nothing is learned meanwhile
    found = refining.collected(weights, training, pages, seed + 2**32, every, told, taught(faces))
    identity = {"first network": weights_hash(model), "pages": pages, "seed": seed, "epochs": EPOCHS, **made_of}
    closer = refining.trained(found, EPOCHS, seed, told, Progress(path.with_name(CLOSER), identity))
    held = refining.collected(weights, validation, max(20, pages // 20), seed + 2**33, every, told, held_back(faces))
    networks = weights, weights_of(closer), fitted(held, refining.logits(closer, held.crops))
    session = open_onnx(graph.build(*networks, line=line).SerializeToString(), every)
    rngs = (np.random.default_rng([seed + 8, index]) for index in range(max(20, pages // 20)))
    digits = validation.images, validation.labels
    hearing = weighed(session, (lining.field(rng, *digits, lining.PARTS[-1], held_back(faces)) for rng in rngs))
    drawn_from = {"typefaces": fingerprint()} if faces else {}
    card = Card(
        format=FORMAT,
        seed=seed,
        steps=steps,
        batch=BATCH,
        pages=pages,
        lines=lines,
        data={"name": "mnist", "training": training.sha256, "validation": validation.sha256, **drawn_from},
        calibration=asdict(networks[2]),
        hearing=asdict(hearing),
        packages=packages(),
        hardware=hardware(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    built = graph.build(*networks, line=line, hearing=hearing, metadata={KEY: json.dumps(asdict(card))})
    write_atomically(path, built.SerializeToString())


def taught(faces: Sequence[Face]) -> Sequence[Face]:
    """Those that are learned from."""
    return tuple(face for index, face in enumerate(faces) if index % HELD != HELD - 1)


def held_back(faces: Sequence[Face]) -> Sequence[Face]:
    """Those that are held back, for calibration."""
    return tuple(faces[HELD - 1 :: HELD])


def _learner(seed: int, steps: int) -> Learner:
    """The network that finds, before its first step."""
    import tensorflow as tf

    from inkdigits.detection import layers, learner  # bring Keras, which processes that make pages do without
    from inkdigits.training.optimization import learning_rates

    shape = (BATCH, HEIGHT // network.STRIDE, WIDTH // network.STRIDE)
    batch = [
        tf.TensorSpec((BATCH, HEIGHT, WIDTH, 3), tf.uint8),
        tf.TensorSpec(shape, tf.float32),
        tf.TensorSpec(shape, tf.int32),
        tf.TensorSpec((*shape, 4), tf.float32),
        tf.TensorSpec(shape, tf.float32),
    ]
    rates = learning_rates(SCHEDULE, RATE, steps)
    return learner.Learner(layers.finding, objective.loss, batch, OPTIMIZER, rates, seed)


def _begun(progress: Progress, learner: Learner, resume: bool) -> int:
    """Bring the learner to where the checkpoint stands; returns the steps done."""
    folder, there = progress.path.parent, progress.path.exists()
    if resume and not there:
        raise RecipeError(f"Expected an unfinished training in {folder}; there is none.")
    if there and not resume:
        raise RecipeError(f"{folder} holds an unfinished training. Go on with it (--resume), or choose another.")
    return progress.resume(learner)


def _batches(
    data: Dataset, faces: Sequence[Face], seed: int, first: int, steps: int, workers: int
) -> Iterator[tuple[NDArray[Any], ...]]:
    """The batches of steps `first` to `steps`, made by other processes ahead of time."""
    tasks = [(seed, step) for step in range(first, steps)]
    return ahead(_batch, tasks, workers, _begin, data.images, data.labels, faces)


def _begin(*given: Any) -> None:
    global _data
    _data = given


def _batch(seed: int, step: int) -> tuple[NDArray[Any], ...]:
    images, labels, faces = _data
    return batch(images, labels, seed, step, faces)


def batch(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], seed: int, step: int, faces: Sequence[Face] = ()
) -> tuple[NDArray[Any], ...]:
    """The pages of one step and what should be answered: pixels (16, H, W, 3) uint8 and stacked `Targets`."""
    from inkdigits.synthesis.pages import page

    rngs = (np.random.default_rng([seed, step, i]) for i in range(BATCH))
    pages = [page(rng, images, labels, HEIGHT, WIDTH, faces=faces) for rng in rngs]
    wanted = [objective.targets(one) for one in pages]
    return np.stack([one.pixels for one in pages]), *(np.stack(part) for part in zip(*wanted, strict=True))
