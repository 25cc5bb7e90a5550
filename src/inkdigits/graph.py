"""A network as one ONNX file: it takes pictures, sees them as `inkdigits.preprocess` does, and gives digits.

Input `pixels`: uint8 (N, H, W, C), any size, C 1 (gray), 3 (RGB) or 4 (RGBA). Outputs: `probabilities` (N, 10) of the
digits if the picture shows one, `digitness` (N,), the probability that it does (1.0 from a network that was not trained
to tell), `seen` (N, 28, 28) and `boxes` (N, 4) as `preprocess.Normalized` describes them; all float32. A picture
without ink gets 0.1 for every digit and a digitness of 0.0. A network that was trained to tell sees pictures in other
ways, too, where `trial` says so. Only standard operators of opset 18 are used, so every runtime of ONNX can run the
file.

The functions below read like those of `trial` whose names they bear, and those of `geometry` like `preprocess`; see
there for what the steps mean.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import TensorProto, helper

from inkdigits import calibration, trial
from inkdigits.geometry import colors, evenly_lit, in_frames, no_ink, normalize_batch, sample, scaled, stack
from inkdigits.operators import OPSET, Ops, Value
from inkdigits.preprocess import SIZE
from inkdigits.trial import WAYS


def build(network: onnx.ModelProto, metadata: Mapping[str, str] | None = None) -> onnx.ModelProto:
    """Put the geometry in front of a network.

    Args:
        network: ONNX model with one input (N, 28, 28) float32 (0.0 paper, 1.0 ink) and one output (N, 10) or (N, 11)
            float32 of calibrated probabilities, see `calibration.answers`.
        metadata: written into the model's `metadata_props`.

    Returns:
        A model with the inputs and outputs that this module's docstring states; checked by `onnx.checker`.
    """
    ops = Ops()
    seen, boxes, votes = normalize_batch(ops, "pixels")
    asked = _Network(network)
    probabilities, digitness = asked.split(ops, seen)
    values = [probabilities, digitness, seen, boxes]
    if asked.open_set:
        doubtful = _doubtful(ops, votes, digitness)

        def tried(inner: Ops) -> list[Value]:
            return _tried(inner, asked, doubtful, votes, values)

        some = ops.Greater(ops.total(ops.whole(doubtful)), 0)
        values = ops.either(some, tried, lambda _: values)
    names, kinds = ("probabilities", "digitness", "seen", "boxes"), (["N", 10], ["N"], ["N", SIZE, SIZE], ["N", 4])
    for name, value in zip(names, values, strict=True):
        ops.nodes.append(helper.make_node("Identity", [value], [name]))
    graph = helper.make_graph(
        ops.nodes,
        "inkdigits",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["N", "H", "W", "C"])],
        [helper.make_tensor_value_info(*each) for each in zip(names, [TensorProto.FLOAT] * 4, kinds, strict=True)],
        initializer=asked.weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="inkdigits")
    model.ir_version = 9
    helper.set_model_props(model, dict(metadata or {}))
    onnx.checker.check_model(model)
    return model


class _Network:
    """Writes the network, as often as it is asked; its weights are there once.

    Attributes:
        weights: the initializers.
        open_set: whether it was trained to tell what is no digit.
    """

    def __init__(self, network: onnx.ModelProto) -> None:
        self._graph = network.graph
        used = dict.fromkeys(name for node in self._graph.node for name in node.input)
        there = {array.name: array for array in self._graph.initializer}
        self._names = {name: f"weights{index}" for index, name in enumerate(name for name in used if name in there)}
        self.weights = [onnx.TensorProto.FromString(there[name].SerializeToString()) for name in self._names]
        for array in self.weights:
            array.name = self._names[array.name]  # the file does not depend on what a converter calls things
        self.open_set = self._graph.output[0].type.tensor_type.shape.dim[1].dim_value == calibration.OTHER + 1

    def split(self, ops: Ops, seen: Value) -> list[Value]:
        """What it says of ink (N, 28, 28), as `calibration.split` does: probabilities (N, 10), digitness (N,)."""
        names = {**self._names, self._graph.input[0].name: seen}
        names |= {name: ops.name() for node in self._graph.node for name in node.output}
        for node in self._graph.node:
            inputs, outputs = ([names.get(name, name) for name in side] for side in (node.input, node.output))
            written = helper.make_node(node.op_type, inputs, outputs, domain=node.domain)
            written.attribute.extend(node.attribute)
            ops.nodes.append(written)
        answers = names[self._graph.output[0].name]
        some_ink = ops.Greater(ops.largest(seen, 1, 2), 0.0)
        digits = ops.part(answers, 0, 10, 1)
        total = ops.total(digits, 1) if self.open_set else ops.real(ops.GreaterOrEqual(ops.largest(digits, 1), 0.0))
        known = ops.And(some_ink, ops.Greater(total, calibration.TINY))
        each = ops.Div(digits, ops.Unsqueeze(ops.Max(total, calibration.TINY), [1]))
        return [ops.Where(ops.Unsqueeze(known, [1]), each, 0.1), ops.Mul(total, ops.real(some_ink))]


def _doubtful(ops: Ops, votes: Value, digitness: Value) -> Value:
    """(N,) bool."""
    size = ops.Abs(votes)
    return ops.Or(ops.Less(size, trial.PLAIN), ops.And(ops.Less(digitness, trial.UNSURE), ops.Less(size, np.inf)))


def _tried(ops: Ops, asked: _Network, doubtful: Value, votes: Value, values: list[Value]) -> list[Value]:
    """The values (N, ...), probabilities and so on, those that are doubtful seen in the best way."""
    where = ops.Squeeze(ops.NonZero(doubtful), [0])
    votes, *guessed = (ops.Gather(value, where, axis=0) for value in (votes, *values))
    pixels = ops.Gather("pixels", where, axis=0)
    seen, boxes = ops.call("Scan", pixels, votes, outputs=2, body=_ways(ops), num_scan_inputs=2)
    seen = ops.Reshape(seen, np.array([-1, SIZE, SIZE], np.int64))
    probabilities, digitness = asked.split(ops, seen)
    inked = ops.Greater(ops.largest(seen, 1, 2), 0.0)
    taken, way, sure = _best(ops, votes, (guessed[0], guessed[1]), inked, probabilities, digitness)
    rows = ops.Add(ops.Mul(ops.Range(0, ops.size(where, 0), 1), WAYS), way)
    others = [ops.Gather(ops.Reshape(value, shape), rows, axis=0) for value, shape in (
        (probabilities, [-1, 10]), (seen, [-1, SIZE, SIZE]), (boxes, [-1, 4])
    )]  # fmt: skip
    old = [guessed[0], *guessed[2:]]
    axes = [1], [1, 2], [1]
    best = [ops.Where(ops.Unsqueeze(taken, each), *two) for each, *two in zip(axes, others, old, strict=True)]
    best.insert(1, sure)
    return [ops.ScatterND(value, ops.Unsqueeze(where, [1]), new) for value, new in zip(values, best, strict=True)]


def _ways(parent: Ops) -> onnx.GraphProto:
    """`trial.ways`: (H, W, C) uint8 and a vote -> (4, 28, 28) ink and (4, 4) boxes."""
    ops = Ops(parent)
    picture, vote = ops.name(), ops.name()
    color, step = colors(ops, picture)
    height, width = ops.real(ops.size(color, 1)), ops.real(ops.size(color, 2))
    zero = ops.constant(0.0)
    small = sample(ops, color, (zero, height, zero, width), *scaled(ops, height, width, trial.SIDE))
    shown = []
    for planes in (small, ops.Sub(255.0, small)):
        planes = ops.Unsqueeze(planes, [0])
        shown += [
            evenly_lit(ops, planes, reach, smooth) for reach, smooth in zip(trial.REACHES, (False, True), strict=True)
        ]
    dark = np.repeat([True, False], len(trial.REACHES))
    open_to = ops.Or(ops.Less(vote, trial.PLAIN), dark)
    body = Ops(ops)
    one, goes = body.name(), body.name()
    seen, box = body.either(goes, lambda inner: in_frames(inner, one, inner.constant(1.0))[:2], no_ink)
    seen, box = body.Reshape(seen, [SIZE, SIZE]), body.Reshape(box, [4])
    start, size = body.part(box, 0, 2, 0), body.part(box, 2, 4, 0)
    whole = body.real(stack(body, body.size(one, 2), body.size(one, 1)))
    gaps = body.Concat(start, body.Sub(whole, body.Add(start, size)), axis=0)
    few = body.LessOrEqual(body.total(body.real(body.Less(gaps, 0.5))), float(trial.OPEN_SIDES))
    seen, box = (body.Mul(value, body.real(few)) for value in (seen, box))
    results = [(seen, TensorProto.FLOAT, [SIZE, SIZE]), (box, TensorProto.FLOAT, [4])]
    graph = body.graph(results, [(one, TensorProto.FLOAT, ["c", "h", "w"]), (goes, TensorProto.BOOL, [])])
    seen, boxes = ops.call("Scan", ops.Concat(*shown, axis=0), open_to, outputs=2, body=graph, num_scan_inputs=2)
    x = ops.Mul(ops.Div(width, ops.real(ops.size(small, 2))), ops.real(step))
    y = ops.Mul(ops.Div(height, ops.real(ops.size(small, 1))), ops.real(step))
    boxes = ops.Mul(boxes, stack(ops, x, y, x, y))
    outputs = [(seen, TensorProto.FLOAT, [WAYS, SIZE, SIZE]), (boxes, TensorProto.FLOAT, [WAYS, 4])]
    return ops.graph(outputs, [(picture, TensorProto.UINT8, ["H", "W", "C"]), (vote, TensorProto.FLOAT, [])])


def _best(
    ops: Ops, votes: Value, guess: tuple[Value, Value], inked: Value, probabilities: Value, digitness: Value
) -> tuple[Value, Value, Value]:
    """`trial.best`; what is of each way is flat here: inked (4 M,), probabilities (4 M, 10), digitness (4 M,)."""
    guessed, each, pairs = guess[1], np.array([-1, WAYS], np.int64), np.array([-1, 2, 2], np.int64)
    logits, digits = _logits(ops, digitness), ops.ArgMax(probabilities, axis=1, keepdims=0)
    same = ops.Equal(ops.Reshape(digits, each), ops.ArgMax(guess[0], axis=1, keepdims=1))
    likewise = ops.And(same, ops.Reshape(ops.Greater(digitness, 0.5), each))
    logits, digits = ops.Reshape(logits, pairs), ops.Reshape(digits, pairs)
    alone = ops.Sub(logits, trial.ALONE)
    alike = ops.Equal(ops.part(digits, 0, 1, 2), ops.part(digits, 1, 2, 2))
    lesser = ops.Min(ops.part(logits, 0, 1, 2), ops.part(logits, 1, 2, 2))
    narrow = ops.part(alone, 0, 1, 2)
    narrow = ops.Where(alike, ops.Max(narrow, lesser), narrow)
    scores = ops.Concat(narrow, ops.part(alone, 1, 2, 2), axis=2)
    on_dark = ops.Unsqueeze(ops.LessOrEqual(votes, -trial.PLAIN), [1, 2])
    unusual = ops.Equal(on_dark, np.array([[[True], [False]]]))
    scores = ops.Sub(scores, ops.Mul(ops.real(unusual), trial.UNUSUAL))
    scores = ops.Where(ops.Reshape(inked, each), ops.Reshape(scores, each), -np.inf)
    score = ops.largest(scores, 1)
    way, there = ops.ArgMax(scores, axis=1, keepdims=0), ops.Greater(guessed, 0.0)
    less = ops.Sub(_logits(ops, guessed), trial.GUESSED)
    taken = ops.Greater(score, ops.Where(there, less, 0.0))
    nowhere = ops.Equal(ops.total(ops.whole(likewise), 1), 0)
    unlikely = ops.And(ops.And(ops.Less(ops.Abs(votes), trial.PLAIN), there), nowhere)
    kept = ops.Where(unlikely, ops.Sigmoid(less), guessed)
    return taken, way, ops.Where(taken, ops.Sigmoid(score), kept)


def _logits(ops: Ops, probabilities: Value) -> Value:
    least = trial.SUREST
    return ops.Sub(ops.Log(ops.Max(probabilities, least)), ops.Log(ops.Max(ops.Sub(1.0, probabilities), least)))
