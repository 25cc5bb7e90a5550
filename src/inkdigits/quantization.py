"""ONNX files with smaller numbers: the same operators, nearly the same answers.

`quantized` makes weights of 8 bits, a quarter of the bytes: every large weight of a convolution or matrix product (its
second input) becomes int8 with one scale per output channel (Krishnamoorthi, 2018), and one `DequantizeLinear` turns it
back. `halved` makes numbers of 16 bits, half of the bytes, and casts them back. The files are small, not fast: what
passes between the layers stays float32, and a runtime may turn weights back whenever it needs them.
"""

from __future__ import annotations

import itertools
import string
from collections.abc import Mapping
from typing import Any

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
        network: with one output and no subgraphs; inputs and output keep their names.
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
    turned_back: set[str] = set()
    for node in _flattened(list(graph.node), weights, graph.output[0].name):
        axis = _axis(node)
        if axis is not None and (weight := weights.get(node.input[1])) is not None and weight.size >= LARGE:
            name = f"{node.input[1]}/{axis}"
            if name not in turned_back:  # several nodes may share a weight
                turned_back.add(name)
                values, scales = _rounded(weight, axis)
                weights |= {f"{name}/values": values, f"{name}/scales": scales}
                taken = [f"{name}/values", f"{name}/scales"]
                where = {} if axis == 1 else {"axis": axis}
                nodes.append(helper.make_node("DequantizeLinear", taken, [f"{name}/float"], **where))
            node.input[1] = f"{name}/float"
        nodes.append(node)
    used = {name for node in nodes for name in node.input}
    short = _short_names(nodes, {value.name for value in (*graph.input, *graph.output)})
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


def _flattened(nodes: list[onnx.NodeProto], weights: Mapping[str, NDArray[Any]], output: str) -> list[onnx.NodeProto]:
    """The same nodes, but reshaping to (first side as it is, one number) is Flatten, and what nobody uses is gone.

    That is how converters say that all features of a picture come in one row: Concat(Slice(Shape(x), 0, 1), [number]).
    """
    made_by = {name: node for node in nodes for name in node.output}

    def first_side_of(name: str) -> str | None:
        """The value whose first side a shape begins with, if that is all it begins with."""
        node = made_by.get(name)
        if node is None:
            return None
        if node.op_type == "Shape":
            return str(node.input[0])
        if node.op_type == "Slice" and [weights.get(each, np.ones(1)).tolist() for each in node.input[1:3]] != [
            [0],
            [1],
        ]:
            return None
        if node.op_type == "Gather" and weights.get(node.input[1], np.ones(1)).ravel()[0] != 0:
            return None
        return first_side_of(node.input[0]) if node.op_type in ("Cast", "Slice", "Gather") else None

    def as_it_came(name: str) -> str:
        """The value that a transposed one was before, if its first side stayed."""
        node = made_by.get(name)
        turned = node is not None and node.op_type == "Transpose" and node.attribute[0].ints[0] == 0
        return node.input[0] if node is not None and turned else name

    for node in nodes:
        shape = made_by.get(node.input[1]) if node.op_type == "Reshape" else None
        while shape is not None and shape.op_type == "Cast":
            shape = made_by.get(shape.input[0])
        if shape is None or shape.op_type != "Concat" or len(shape.input) != 2:
            continue
        rest = weights.get(shape.input[1])
        source = first_side_of(shape.input[0])
        if rest is not None and rest.size == 1 and source in (node.input[0], as_it_came(node.input[0])):
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
    """A name of a few letters for every value but those to be kept."""
    letters = string.ascii_lowercase
    names = dict.fromkeys(name for node in nodes for name in (*node.input, *node.output) if name and name not in kept)
    every = ("".join(word) for length in itertools.count(1) for word in itertools.product(letters, repeat=length))
    return dict(zip(names, (word for word in every if word not in kept), strict=False))
