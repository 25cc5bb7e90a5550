"""Smaller numbers in ONNX files: close to the originals, in far fewer bytes, in subgraphs too."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from inkdigits.operators import OPSET, Ops
from inkdigits.quantization import LARGE, _rounded, halved, quantized
from inkdigits.runtimes import open_onnx


def model(weights: np.ndarray, operator: str = "MatMul", **attributes: int) -> onnx.ModelProto:
    """x -> operator(x, weights) + 1, its values named at length."""
    nodes = [
        helper.make_node(operator, ["input", "the/weights:0"], ["the/product:0"], **attributes),
        helper.make_node("Add", ["the/product:0", "one"], ["output"]),
    ]
    shape = ["N", weights.shape[1 if attributes.get("transB") else 0]]
    inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)]
    outputs = [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["N", "M"])]
    stored = [numpy_helper.from_array(weights, "the/weights:0"), numpy_helper.from_array(np.float32([1]), "one")]
    graph = helper.make_graph(nodes, "g", inputs, outputs, stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.mark.parametrize(("operator", "attributes"), [("MatMul", {}), ("Gemm", {}), ("Gemm", {"transB": 1})])
def test_each_output_channel_keeps_its_scale(operator: str, attributes: dict[str, int]) -> None:
    rng = np.random.default_rng(0)
    weights = (rng.normal(size=(40, 6)) * 10.0 ** np.arange(-3, 3)).astype(np.float32)  # of very different sizes
    network = model(weights.T.copy() if attributes else weights, operator, **attributes)
    x = rng.random((5, 40), np.float32)
    small = quantized(network)
    expected, given = (open_onnx(each.SerializeToString()).run(None, {"input": x})[0] for each in (network, small))
    assert np.abs((given - 1) / (expected - 1) - 1).max() < 0.1, "relative to each channel"
    assert len(small.SerializeToString()) < 0.6 * len(network.SerializeToString())
    assert network.graph.node[0].input[1] == "the/weights:0", "the original is left alone"
    assert small.graph.input[0].name == "input" and small.graph.output[0].name == "output"


def test_small_weights_stay_as_they_are() -> None:
    few = quantized(model(np.ones((LARGE - 1, 1), np.float32)))
    assert [node.op_type for node in few.graph.node] == ["MatMul", "Add"]


@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-30, 1e-3, 1.0, 1e6]), st.integers(0, 1))
def test_rounding_is_never_off_by_more_than_half_a_step(seed: int, size: float, axis: int) -> None:
    weight = (np.random.default_rng(seed).normal(size=(5, 7)) * size).astype(np.float32)
    values, scales = _rounded(weight, axis)
    assert values.dtype == np.int8 and np.abs(values).max() <= 127
    steps = np.expand_dims(scales, 1 - axis)
    assert (np.abs(values * steps - weight) <= 0.501 * steps).all()


def test_constants_of_subgraphs_are_halved_too() -> None:
    ops, large = Ops(), np.linspace(-1, 1, 2000, dtype=np.float32)
    chosen = ops.either("which", lambda inner: [inner.constant(large)], lambda inner: [inner.constant(2 * large)])
    result = ops.Add(ops.Add(chosen[0], large), 0.1)
    inputs = [("which", TensorProto.BOOL, [])]
    graph = ops.graph([(result, TensorProto.FLOAT, [2000])], inputs)
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    before = network.SerializeToString()
    halved(network.graph)
    onnx.checker.check_model(network)
    after = network.SerializeToString()
    assert len(after) < 0.55 * len(before)
    for which, factor in ((True, 2), (False, 3)):
        (answer,) = open_onnx(after).run(None, {"which": np.array(which)})
        np.testing.assert_allclose(answer, factor * large + 0.1, atol=3e-3)


def test_a_shared_weight_is_stored_once_and_names_stay_apart() -> None:
    weights = np.random.default_rng(1).normal(size=(8, 8)).astype(np.float32)
    names = ["x", *(f"product {i}" for i in range(40)), "z"]  # more than there are letters
    nodes = [helper.make_node("MatMul", [names[i], "shared"], [names[i + 1]]) for i in range(41)]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 8]) for name in ("x", "z")]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], [numpy_helper.from_array(weights / 4, "shared")])
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    small = quantized(network)
    assert [node.op_type for node in small.graph.node].count("DequantizeLinear") == 1
    assert all(name.isidentifier() for node in small.graph.node for name in (*node.input, *node.output))
    x = np.ones((2, 8), np.float32)
    expected, given = (open_onnx(each.SerializeToString()).run(None, {"x": x})[0] for each in (network, small))
    np.testing.assert_allclose(given, expected, atol=0.3 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("start", "rest", "shaped", "flat"),
    [(0, [-1], "x", True), (1, [-1], "x", False), (0, [28, -1], "x", False), (0, [-1], "other", False)],
)
def test_only_what_keeps_the_first_side_is_flattened(start: int, rest: list[int], shaped: str, flat: bool) -> None:
    ops = Ops()
    first = ops.Slice(ops.Shape(shaped), np.array([start]), np.array([start + 1]))
    result = ops.Reshape("x", ops.Concat(first, np.array(rest), axis=0))
    stored = [numpy_helper.to_array(node.attribute[0].t) for node in ops.nodes if node.op_type == "Constant"]
    named = [node.output[0] for node in ops.nodes if node.op_type == "Constant"]
    nodes = [node for node in ops.nodes if node.op_type != "Constant"]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 28, 28]) for name in ("x", "other")]
    output = [helper.make_tensor_value_info(result, TensorProto.FLOAT, None)]
    output[0].type.tensor_type.shape.dim.add()
    initial = [numpy_helper.from_array(array, name) for array, name in zip(stored, named, strict=True)]
    graph = helper.make_graph(nodes, "g", ends, output, initial)
    small = quantized(helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9))
    assert ("Flatten" in [node.op_type for node in small.graph.node]) == flat
