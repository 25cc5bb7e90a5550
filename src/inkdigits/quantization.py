"""ONNX files with smaller numbers: the same operators, nearly the same answers.

`quantized` makes weights of 8 bits, a quarter of the bytes: every large weight becomes int8 with one scale per output
channel (Krishnamoorthi, 2018), and one `DequantizeLinear` turns it back. `halved` makes numbers of 16 bits, half of the
bytes, and casts them back. Runtimes do either once, when they load the file; what passes between the layers stays
float32.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

LARGE = 32
"""Weights of at least so many numbers are stored in fewer bits."""
_CHANNELS = {"Conv": 0, "MatMul": 1, "Gemm": 1}
"""Operators whose second input is a weight, and the axis of its output channels."""


def quantized(network: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a network whose weights take 8 bits and whose values have short names; it runs wherever ONNX does.

    Args:
        network: with one input and one output, which keep their names, and no subgraphs.
    """
    small = onnx.ModelProto()
    small.CopyFrom(network)
    small.producer_name = small.producer_version = small.doc_string = ""
    own = [entry for entry in small.opset_import if not entry.domain]  # no other operators are used
    del small.opset_import[:], small.metadata_props[:]
    small.opset_import.extend(own)
    graph = small.graph
    graph.name = "inkdigits"
    del graph.value_info[:]
    weights = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in _flattened(list(graph.node), graph.output[0].name):
        axis = _axis(node)
        if axis is not None and (weight := weights.get(node.input[1])) is not None and weight.size >= LARGE:
            name = node.input[1]
            values, scales = _rounded(weight, axis)
            weights |= {f"{name}/values": values, f"{name}/scales": scales}
            taken = [f"{name}/values", f"{name}/scales"]
            turned = {} if axis == 1 else {"axis": axis}
            nodes.append(helper.make_node("DequantizeLinear", taken, [f"{name}/float"], **turned))
            node.input[1] = f"{name}/float"
        nodes.append(node)
    used = {name for node in nodes for name in node.input}
    short = _short_names(nodes, {graph.input[0].name, graph.output[0].name})
    for node in nodes:
        node.name = node.doc_string = ""
        told = [each for each in node.attribute if not _goes_without_saying(node.op_type, each)]
        del node.attribute[:]
        node.attribute.extend(told)
        node.input[:] = [short.get(name, name) for name in node.input]
        node.output[:] = [short.get(name, name) for name in node.output]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(numpy_helper.from_array(weights[name], short[name]) for name in weights if name in used)
    onnx.checker.check_model(small)
    return small


def _flattened(nodes: list[onnx.NodeProto], output: str) -> list[onnx.NodeProto]:
    """The same nodes, but reshaping to a shape that begins with an input's own first side, then one number, is Flatten.

    That is how converters say that all features of a picture come in one row.
    """
    made_by = {name: node for node in nodes for name in node.output}

    def origin(name: str) -> onnx.NodeProto | None:
        node = made_by.get(name)
        return origin(node.input[0]) if node is not None and node.op_type in ("Cast", "Slice", "Gather") else node

    for node in nodes:
        shape = origin(node.input[1]) if node.op_type == "Reshape" else None
        if shape is None or shape.op_type != "Concat" or len(shape.input) != 2 or shape.input[1] in made_by:
            continue
        first = origin(shape.input[0])
        if first is not None and first.op_type == "Shape":
            node.CopyFrom(helper.make_node("Flatten", [node.input[0]], list(node.output)))
    needed = {output}
    kept = []
    for node in reversed(nodes):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    return kept[::-1]


def halved(graph: onnx.GraphProto) -> None:
    """Store every large constant of a graph and its subgraphs as float16, followed by a cast back; in place."""
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                halved(attribute.g)
        nodes.append(node)
        if node.op_type != "Constant" or node.attribute[0].t.data_type != TensorProto.FLOAT:
            continue
        array = numpy_helper.to_array(node.attribute[0].t)
        if array.size >= LARGE:
            name, half = node.output[0], f"{node.output[0]}h"
            node.output[0] = half
            node.attribute[0].t.CopyFrom(numpy_helper.from_array(array.astype(np.float16), f"{half}c"))
            nodes.append(helper.make_node("Cast", [half], [name], to=TensorProto.FLOAT))
    taken = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(taken)


def _axis(node: onnx.NodeProto) -> int | None:
    """The axis of the output channels in the weight of a node that has one."""
    turned = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
    return 0 if turned else _CHANNELS.get(node.op_type)


def _goes_without_saying(operator: str, attribute: onnx.AttributeProto) -> bool:
    """Whether an attribute of a convolution or pooling is what it would be if it were left out."""
    if operator not in ("Conv", "MaxPool", "AveragePool"):
        return False
    value = helper.get_attribute_value(attribute)
    plain = {"dilations": 1, "strides": 1, "pads": 0, "group": 1, "ceil_mode": 0, "storage_order": 0}
    if attribute.name in plain:
        return set(value if isinstance(value, list) else [value]) == {plain[attribute.name]}
    return operator == "Conv" and attribute.name == "kernel_shape"  # the weight says it, too


def _rounded(weight: NDArray[np.float32], axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Whole numbers from -127 to 127, and what each channel's are to be multiplied by."""
    others = tuple(i for i in range(weight.ndim) if i != axis)
    scales = np.maximum(np.abs(weight).max(axis=others, keepdims=True), 1e-12) / 127
    return np.rint(weight / scales).astype(np.int8), scales.reshape(-1).astype(np.float32)


def _short_names(nodes: list[onnx.NodeProto], kept: set[str]) -> dict[str, str]:
    """A name of a letter or two for every value but those to be kept."""
    names = dict.fromkeys(name for node in nodes for name in (*node.input, *node.output) if name and name not in kept)
    return {name: np.base_repr(number + 10, 36).lower() for number, name in enumerate(names)}
