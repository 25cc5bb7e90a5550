"""ONNX networks with weights of 8 bits: a quarter of the bytes, the same operators, nearly the same answers.

Every large weight becomes int8 with one scale per output channel (Krishnamoorthi, 2018), and one `DequantizeLinear`
turns it back; runtimes do that once, when they load the file. What passes between the layers stays float32.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

LARGE = 32
"""Weights of at least so many numbers are stored in 8 bits."""
_CHANNELS = {"Conv": 0, "MatMul": 1, "Gemm": 1}
"""Operators whose second input is a weight, and the axis of its output channels."""


def quantized(network: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a network whose weights take 8 bits and whose values have short names; it runs wherever ONNX does.

    Args:
        network: with one input and one output, which keep their names, and no subgraphs.
    """
    small = onnx.ModelProto()
    small.CopyFrom(network)
    small.producer_version = small.doc_string = ""
    graph = small.graph
    del graph.value_info[:]
    weights = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in list(graph.node):
        axis = _axis(node)
        if axis is not None and (weight := weights.get(node.input[1])) is not None and weight.size >= LARGE:
            name = node.input[1]
            values, scales = _rounded(weight, axis)
            weights |= {f"{name}/values": values, f"{name}/scales": scales}
            taken = [f"{name}/values", f"{name}/scales"]
            nodes.append(helper.make_node("DequantizeLinear", taken, [f"{name}/float"], axis=axis))
            node.input[1] = f"{name}/float"
        nodes.append(node)
    used = {name for node in nodes for name in node.input}
    short = _short_names(nodes, {graph.input[0].name, graph.output[0].name})
    for node in nodes:
        node.name = node.doc_string = ""
        node.input[:] = [short.get(name, name) for name in node.input]
        node.output[:] = [short.get(name, name) for name in node.output]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(numpy_helper.from_array(weights[name], short[name]) for name in weights if name in used)
    onnx.checker.check_model(small)
    return small


def _axis(node: onnx.NodeProto) -> int | None:
    """The axis of the output channels in the weight of a node that has one."""
    turned = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
    return 0 if turned else _CHANNELS.get(node.op_type)


def _rounded(weight: NDArray[np.float32], axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Whole numbers from -127 to 127, and what each channel's are to be multiplied by."""
    others = tuple(i for i in range(weight.ndim) if i != axis)
    scales = np.maximum(np.abs(weight).max(axis=others, keepdims=True), 1e-12) / 127
    return np.rint(weight / scales).astype(np.int8), scales.reshape(-1).astype(np.float32)


def _short_names(nodes: list[onnx.NodeProto], kept: set[str]) -> dict[str, str]:
    """A name of a letter or two for every value but those to be kept."""
    names = dict.fromkeys(name for node in nodes for name in (*node.input, *node.output) if name and name not in kept)
    return {name: np.base_repr(number + 10, 36).lower() for number, name in enumerate(names)}
