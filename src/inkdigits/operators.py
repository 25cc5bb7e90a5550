"""ONNX operators as calls: `ops.MatMul(a, b)`, so that a graph reads like the numpy it stands for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 18
Value = str  # the name of a value in the graph


class Ops:
    """A graph in the making: `ops.MatMul(a, b)` adds a node and returns the name of its output.

    Numbers and arrays among the inputs become constants: int -> int64, float -> float32.
    """

    def __init__(self, parent: Ops | None = None) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self._counter: list[int] = parent._counter if parent else [0]
        self._constants: dict[tuple[str, tuple[int, ...], bytes], Value] = {}

    def name(self) -> str:
        """A name that no other value of the graph or its subgraphs has."""
        self._counter[0] += 1
        return f"v{self._counter[0]}"

    def constant(self, value: Any) -> Value:
        """A constant, once in a graph: int -> int64, float -> float32, bool and arrays as they are."""
        array = np.asarray(value)
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        key = array.dtype.str, array.shape, array.tobytes()
        if key not in self._constants:
            name = self._constants[key] = self.name()
            tensor = numpy_helper.from_array(array, f"{name}c")
            self.nodes.append(helper.make_node("Constant", [], [name], value=tensor))
        return self._constants[key]

    def call(self, operator: str, *inputs: Any, outputs: int = 1, **attributes: Any) -> list[Value]:
        """Add a node with several outputs."""
        names = [x if isinstance(x, str) else self.constant(x) for x in inputs]  # "": an input left out
        results = [self.name() for _ in range(outputs)]
        self.nodes.append(helper.make_node(operator, names, results, **attributes))
        return results

    def __getattr__(self, operator: str) -> Callable[..., Value]:
        if not operator[0].isupper():
            raise AttributeError(operator)

        def add(*inputs: Any, **attributes: Any) -> Value:
            return self.call(operator, *inputs, **attributes)[0]

        return add

    def graph(self, outputs: list[tuple[Value, int, Any]], inputs: list[tuple[Value, int, Any]]) -> onnx.GraphProto:
        """The nodes so far as a graph; inputs and outputs are (name, element type, shape)."""
        infos = [[helper.make_tensor_value_info(*entry) for entry in entries] for entries in (inputs, outputs)]
        return helper.make_graph(self.nodes, self.name(), infos[0], infos[1])

    # What numpy writes with operators and methods.
    def total(self, x: Value, *axes: int, keep: bool = False) -> Value:
        """The sum over axes; over everything when none are given."""
        return self._reduce("ReduceSum", x, axes, keep)

    def mean(self, x: Value, *axes: int, keep: bool = False) -> Value:
        """The mean over axes; over everything when none are given."""
        return self._reduce("ReduceMean", x, axes, keep)

    def largest(self, x: Value, *axes: int) -> Value:
        """The maximum over axes; over everything when none are given."""
        return self._reduce("ReduceMax", x, axes, keep=False)

    def _reduce(self, operator: str, x: Value, axes: tuple[int, ...], keep: bool) -> Value:
        where = [self.constant(np.array(axes, np.int64))] if axes else []
        return self.call(operator, x, *where, keepdims=int(keep))[0]

    def real(self, x: Value) -> Value:
        """As float32."""
        return self.Cast(x, to=TensorProto.FLOAT)

    def whole(self, x: Value) -> Value:
        """As int64; what is behind the point is cut off."""
        return self.Cast(x, to=TensorProto.INT64)

    def transpose(self, x: Value) -> Value:
        """The transpose of a matrix."""
        return self.Transpose(x, perm=[1, 0])

    def part(self, x: Value, start: Any, end: Any, axis: int) -> Value:
        """`x[start:end]` along one axis; start and end are integers or scalars of the graph."""
        ends = [self.Reshape(e, [1]) if isinstance(e, str) else np.array([e], np.int64) for e in (start, end)]
        return self.Slice(x, ends[0], ends[1], np.array([axis], np.int64))

    def size(self, x: Value, axis: int) -> Value:
        """The length of an axis, an int64 scalar."""
        return self.Squeeze(self.Shape(x, start=axis, end=axis + 1), [0])

    def either(self, condition: Value, then: Callable[[Ops], list[Value]], other: Callable[[Ops], list[Value]]) -> Any:
        """Run one of two subgraphs; both return the same number of values, of types float32 or bool."""
        branches = []
        for function in (then, other):
            inner = Ops(self)
            results = [inner.Identity(value) for value in function(inner)]
            infos = [helper.make_empty_tensor_value_info(value) for value in results]
            branches.append(helper.make_graph(inner.nodes, self.name(), [], infos))
        count = len(branches[0].output)
        return self.call("If", condition, outputs=count, then_branch=branches[0], else_branch=branches[1])
