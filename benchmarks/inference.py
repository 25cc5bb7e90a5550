"""How fast trained models answer: in bulk, one picture at a time, whole pages, and with the start of the process.

    python benchmarks/inference.py default --rounds 5

Each measurement is a process of its own, held to one core or to two, and all take turns in every round. What is
measured, with MNIST's 10,000 test images:

| engine | what runs |
|---|---|
| `inkdigits` | `Recognizer.answer`: the ONNX file with its geometry, in ONNX Runtime |
| `keras` | Keras' `predict` of the same network, batches of 256, laid out before |
| `litert` | the network exported to LiteRT, with layout in numpy |
| `mnist-8` | an ONNX network like the model zoo's (5x5 convolutions of 8 and 16 maps), in ONNX Runtime, bare |
| `matmul` | what numpy gets out of the machine: products of 2048 x 2048 float32 matrices |
| `read` | `Recognizer.read`: a JPEG of 12 megapixels, a field of a form |
| `command` | `inkdigits read` on one picture, the start of the process included |

Rows go to benchmarks/results/inference.csv, one per figure and round.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import numpy as np
from numpy.typing import NDArray

from rows import RESULTS, append, machine, rows_of, today, versions

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "examples" / "four.jpg"
ENGINES = ("inkdigits", "keras", "litert", "mnist-8", "matmul", "read", "command")
OF_MODELS = ("inkdigits", "keras", "litert", "read", "command")
BULK, ONE = "images per second", "milliseconds for one"
VERSIONS = ("inkdigits", "onnxruntime", "keras", "tensorflow-cpu", "numpy", "python")
Figures = dict[str, float]
Answer = Callable[[NDArray[np.uint8]], Any]


def of_answers(answer: Answer, images: NDArray[np.uint8], operations: float = 0.0) -> Figures:
    """How many images per second in bulk, and the median time for one alone."""
    answer(images[:512]), answer(images[:1])
    speed = len(images) / _seconds(lambda: answer(images))
    one = [_seconds(lambda i=i: answer(images[i : i + 1])) for i in range(300)]  # type: ignore[misc]
    figures = {BULK: speed, ONE: 1000 * statistics.median(one)}
    return figures | ({"GFLOP/s in bulk": speed * operations / 1e9} if operations else {})


def inkdigits(name: str, cores: int) -> Figures:
    """The ONNX file, as people use it."""
    from inkdigits.recognizer import load

    return of_answers(load(name, threads=cores).answer, _images(), operations(name))


def keras(name: str, cores: int) -> Figures:
    """Keras' predict."""
    network = _bundle(name).keras_model()
    return of_answers(
        lambda x: network.predict(x.astype(np.float32) / 255, batch_size=256, verbose=0), _images(), operations(name)
    )


def litert(name: str, cores: int) -> Figures:
    """The exported LiteRT file."""
    from inkdigits.export import export
    from inkdigits.runtimes import LiteRTRuntime

    with tempfile.TemporaryDirectory() as folder:
        (exported,) = export(_bundle(name), ["litert"], folder)
        return of_answers(LiteRTRuntime(exported.path, cores).answer, _images(), operations(name))


def zoo(name: str, cores: int) -> Figures:
    """A network like the model zoo's mnist-8, with random weights: only its speed is asked for."""
    import onnx
    from onnx import TensorProto, helper

    from inkdigits.operators import OPSET, Ops
    from inkdigits.runtimes import open_onnx

    ops, rng = Ops(), np.random.default_rng(0)

    def weights(*shape: int) -> NDArray[np.float32]:
        return rng.normal(0, 0.1, shape).astype(np.float32)

    x = ops.Relu(ops.Conv("image", weights(8, 1, 5, 5), weights(8), auto_pad="SAME_UPPER"))
    x = ops.MaxPool(x, kernel_shape=[2, 2], strides=[2, 2])
    x = ops.Relu(ops.Conv(x, weights(16, 8, 5, 5), weights(16), auto_pad="SAME_UPPER"))
    x = ops.MaxPool(x, kernel_shape=[3, 3], strides=[3, 3])
    x = ops.Add(ops.MatMul(ops.Flatten(x), weights(256, 10)), weights(10))
    graph = ops.graph([(x, TensorProto.FLOAT, ["N", 10])], [("image", TensorProto.FLOAT, ["N", 1, 28, 28])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    onnx.checker.check_model(model)
    session = open_onnx(model.SerializeToString(), cores)

    def answer(images: NDArray[np.uint8]) -> None:
        for start in range(0, len(images), 256):
            session.run(None, {"image": images[start : start + 256, None].astype(np.float32)})

    return of_answers(answer, _images(), 2 * (28 * 28 * 25 * 8 + 14 * 14 * 25 * 8 * 16 + 2560))


def matmul(name: str, cores: int) -> Figures:
    """What numpy gets out of the machine."""
    matrix = np.random.default_rng(0).random((2048, 2048), np.float32)
    best = min(_seconds(lambda: matrix @ matrix) for _ in range(6))
    return {"GFLOP/s in bulk": 2 * 2048**3 / best / 1e9}


def read(name: str, cores: int) -> Figures:
    """Whole pictures: synthetic pages, enlarged to a photo's size, and a field of a form."""
    import cv2

    from inkdigits.datasets import load_dataset
    from inkdigits.recognizer import load
    from inkdigits.synthesis.pages import page

    data, recognizer = load_dataset("mnist", "train"), load(name, threads=cores)
    photo = page(np.random.default_rng(3), data.images, data.labels, 750, 1000).pixels
    field = page(np.random.default_rng(3), data.images, data.labels, 60, 180).pixels
    photo = cv2.resize(photo, (4000, 3000), interpolation=cv2.INTER_CUBIC)
    encoded = bytes(cv2.imencode(".jpg", photo[..., ::-1])[1])
    recognizer.read(encoded), recognizer.read(field)
    large = statistics.median(_seconds(lambda: recognizer.read(encoded)) for _ in range(5))
    small = statistics.median(_seconds(lambda: recognizer.read(field)) for _ in range(50))
    return {"seconds for a JPEG of 12 megapixels": large, "milliseconds for a field of 60 x 180": 1000 * small}


def command(name: str, cores: int) -> Figures:
    """The command, process start included."""
    program = Path(sys.executable).with_name("inkdigits")
    arguments = [str(program), "read", str(SAMPLE), "--model", name]
    taken = [_seconds(lambda: subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)) for _ in range(4)]
    return {"seconds from start to answer": statistics.median(taken[1:])}


def operations(name: str) -> float:
    """Floating-point operations of one forward pass: two for each multiplication of a convolution or dense layer."""
    total = 0
    for layer in _bundle(name).keras_model().layers:
        kind = type(layer).__name__
        if kind in ("Conv2D", "DepthwiseConv2D"):
            height, width = layer.output.shape[1:3]
            total += 2 * height * width * int(np.prod(layer.kernel.shape))
        elif kind == "Dense":
            total += 2 * int(np.prod(layer.kernel.shape))
    return float(total)


def _bundle(name: str) -> Any:
    from inkdigits.bundle import Bundle
    from inkdigits.recognizer import located

    return Bundle.load(located(name))


def _images() -> NDArray[np.uint8]:
    from inkdigits.datasets import load_dataset

    return load_dataset("mnist", "test").images


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measured(engine: str, name: str, cores: int) -> Figures:
    """One engine's figures, in this process, which is held to so many cores from here on."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    engines: dict[str, Callable[[str, int], Figures]] = {
        "inkdigits": inkdigits, "keras": keras, "litert": litert, "mnist-8": zoo, "matmul": matmul, "read": read,
        "command": command,
    }  # fmt: skip
    return engines[engine](name, cores)


def planned(models: list[str]) -> Iterator[tuple[str, str, int]]:
    """What runs in each round: (engine, model, cores)."""
    for cores in range(1, min(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2) + 1):
        for engine in ENGINES:
            for name in models if engine in OF_MODELS else models[:1]:
                yield engine, name, cores


def rows(engine: str, name: str, cores: int, figures: Figures) -> Iterator[dict[str, object]]:
    """A row for each figure; `files` says when those that answered were made."""
    from inkdigits.bundle import hardware, packages
    from inkdigits.detection.finder import Finder
    from inkdigits.recognizer import PAGES, load

    here, installed = machine(hardware()), versions(packages(), VERSIONS)
    files = [f"model of {load(name).card.created[:16]}"] if engine in OF_MODELS else []
    files += [f"pages of {Finder(PAGES).card['created'][:16]}"] if engine in ("read", "command") else []
    for figure, value in figures.items():
        yield {
            "engine": engine,
            "model": name if engine in OF_MODELS else "",
            "files": ", ".join(files),
            "cores": cores,
            "figure": figure,
            "value": f"{value:.4g}",
            "hardware": here,
            "versions": installed,
            "date": today(),
        }


def main() -> None:
    """Measure in turns, then print each figure's median."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=["default"], help="bundled models or bundles' folders")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES), metavar="ENGINE")
    parser.add_argument("--results", type=Path, default=RESULTS / "inference.csv")
    parser.add_argument("--here", nargs=3, metavar=("ENGINE", "MODEL", "CORES"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        print(json.dumps(measured(given.here[0], given.here[1], int(given.here[2]))))
        return
    for _ in range(given.rounds):
        for engine, name, cores in planned(given.models):
            if engine not in given.engines:
                continue
            arguments = [sys.executable, __file__, "--here", engine, name, str(cores)]
            threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(cores))
            said = subprocess.run(
                arguments, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | threads
            ).stdout
            append(given.results, list(rows(engine, name, cores, json.loads(said.splitlines()[-1]))))
            print(engine, name, f"{cores} cores", said.splitlines()[-1], flush=True)
    summarize(rows_of(given.results))


def summarize(rows: list[dict[str, str]]) -> None:
    """Print the median of each figure."""
    for key in dict.fromkeys((row["engine"], row["model"], row["cores"], row["figure"]) for row in rows):
        values = [float(r["value"]) for r in rows if (r["engine"], r["model"], r["cores"], r["figure"]) == key]
        print(*key, f"{statistics.median(values):.4g} (n {len(values)})")


if __name__ == "__main__":
    main()
