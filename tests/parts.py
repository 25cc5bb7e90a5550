"""Parts of graphs in the making, run on their own."""

from __future__ import annotations

from typing import Any

import onnxruntime
from onnx import TensorProto, helper

from inkdigits.operators import OPSET, Ops


def session_of(ops: Ops, inputs: list[str], outputs: list[str], number: int = TensorProto.FLOAT) -> Any:
    """Part of a graph on its own; an input is a scalar of bool where its name is `level`."""
    value = helper.make_tensor_value_info
    given = [value(name, TensorProto.BOOL if name == "level" else TensorProto.FLOAT, None) for name in inputs]
    given_back = [
        value(name, TensorProto.BOOL if index == 0 and number == TensorProto.BOOL else TensorProto.FLOAT, None)
        for index, name in enumerate(outputs)
    ]
    graph_ = helper.make_graph(ops.nodes, "g", given, given_back)
    made = helper.make_model(graph_, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    return onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
