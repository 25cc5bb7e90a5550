"""From a trained Keras network to what is used: read it back safely, calibrate it, turn it into an ONNX graph.

Everything here needs the `train` extra; nothing here is needed to recognize digits.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inkdigits.errors import BundleError, MissingExtraError

if TYPE_CHECKING:
    import onnx

MAX_KERAS_BYTES = 2**30
"""The most bytes that a `.keras` archive may unpack to."""
_MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}
# What a network that reads digits is made of. A list of what is allowed, as Keras also knows layers that run code from
# the file (Lambda, TorchModuleWrapper), load another model (TFSMLayer) or read files (StringLookup).
_LAYER_NAMES = """
    Activation ActivityRegularization Add AlphaDropout Average AveragePooling2D BatchNormalization CenterCrop
    Concatenate Conv2D Conv2DTranspose Cropping2D Dense DepthwiseConv2D Dot Dropout ELU Flatten GaussianDropout
    GaussianNoise GlobalAveragePooling2D GlobalMaxPooling2D GroupNormalization Identity InputLayer LayerNormalization
    LeakyReLU Maximum MaxPooling2D Minimum Multiply Normalization PReLU Permute RMSNormalization ReLU Rescaling
    Resizing Reshape SeparableConv2D Softmax SpatialDropout2D Subtract UnitNormalization UpSampling2D ZeroPadding2D
"""
_LAYERS = frozenset(_LAYER_NAMES.split())
_PARTS = ("keras.initializers", "keras.regularizers", "keras.constraints")
_MODELS = {"Functional", "Sequential", "Model"}
_VALUES = {"__keras_tensor__", "__tensor__", "__numpy__", "__tuple__", "__slice__", "__ellipsis__"}


def load_keras(path: Path) -> Any:
    """Read a `.keras` file without running any code that the file brings along.

    Only layers that Keras or inkdigits define and that a digit network may be made of are accepted; `Lambda` layers,
    registered functions and layers that open other files are refused before Keras sees the file.

    Returns:
        The uncompiled keras.Model.

    Raises:
        BundleError: it is no `.keras` file, is damaged, or holds something that is refused.
        MissingExtraError: Keras is not installed.
    """
    config = _archived_config(path)
    check_config(config, path.name)
    keras = import_keras()
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        raise BundleError(f"Expected a Keras network in {path}. Keras cannot read it: {error}") from error


def import_keras() -> Any:
    """Keras, or a MissingExtraError that says how to install it."""
    try:
        import keras
    except ImportError:
        raise MissingExtraError("keras", "train") from None
    return keras


def _archived_config(path: Path) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            unknown = sorted(set(archive.namelist()) - _MEMBERS)
            size = sum(member.file_size for member in archive.infolist())
            if unknown or size > MAX_KERAS_BYTES:
                came = f"the files {', '.join(unknown)}" if unknown else f"{size:,} bytes"
                raise BundleError(
                    f"Expected {path} to hold only {', '.join(sorted(_MEMBERS))}, below {MAX_KERAS_BYTES:,} bytes. "
                    f"Received: {came}."
                )
            return json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise BundleError(f"Expected a .keras file. {path} is damaged or something else: {error}") from None


def check_config(config: Any, name: str) -> None:
    """Refuse the configuration of a Keras network that holds anything but known, harmless parts.

    Raises:
        BundleError: with the part's name.
    """
    if not isinstance(config, dict) or "class_name" not in config:
        raise BundleError(f"Expected {name} to describe a Keras network. It does not.")
    # The outermost losses and optimizers are never read, as models are loaded uncompiled.
    waiting: list[Any] = [{key: value for key, value in config.items() if key != "compile_config"}]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict) and "class_name" in item and not _allowed(item):
            raise BundleError(
                f"Expected {name} to be made of known layers. Received: {item.get('module')}."
                f"{item['class_name']}, which could run code from the file, so it is refused."
            )
        if isinstance(item, (dict, list)):
            waiting.extend(item.values() if isinstance(item, dict) else item)


def _allowed(config: dict[str, Any]) -> bool:
    module, kind, registered = config.get("module"), config["class_name"], config.get("registered_name")
    if not isinstance(kind, str) or not kind.isidentifier():
        return False
    if module is None:
        return kind in _VALUES
    if not isinstance(module, str):
        return False
    if registered not in (None, kind):
        return False
    if module == "keras.layers":
        return kind in _LAYERS
    if module in ("keras", "keras.models", "keras.src.models.functional", "keras.src.models.sequential"):
        return kind in _MODELS or kind == "DTypePolicy"
    return module in _PARTS or module.startswith("keras.src.ops.")


def calibrated(model: Any, temperature: float, open_set: bool = False) -> Any:
    """The network that is deployed: the same layers, then softmax(logits / temperature).

    Args:
        model: keras.Model, (N, 28, 28) float32 in [0, 1] -> (N, 10) logits.
        temperature: above 0.
        open_set: whether the logits compete with a fixed 0 for "no digit", see `calibration.answers`.

    Returns:
        keras.Model, (N, 28, 28) float32 -> (N, 10) float32 probabilities, or (N, 11) of an open-set network. It shares
        the weights of `model`.
    """
    keras = import_keras()
    scaled = keras.layers.Rescaling(1.0 / temperature, name="temperature")(model.output)
    if open_set:
        scaled = keras.ops.pad(scaled, ((0, 0), (0, 1)))
    serving = keras.Model(model.input, keras.layers.Softmax(name="probabilities")(scaled), name="inkdigits")
    import numpy as np

    serving(np.zeros((1, 28, 28), np.float32))  # exporters ask for a model that was called once
    return serving


def to_onnx(serving: Any) -> onnx.ModelProto:
    """Turn a calibrated Keras network into ONNX: (N, 28, 28) float32 -> (N, 10) float32 with a free N.

    Raises:
        BundleError: the network holds an operation that ONNX cannot say.
        MissingExtraError: onnx or tf2onnx is not installed.
    """
    try:
        import onnx
    except ImportError:
        raise MissingExtraError("onnx", "train") from None
    with tempfile.TemporaryDirectory() as folder, quiet():
        path = Path(folder) / "network.onnx"
        try:
            serving.export(path, format="onnx", verbose=False)
        except ImportError as error:
            raise MissingExtraError(error.name or "tf2onnx", "train") from None
        network = onnx.load(path)
    _spell_out_erfc(network)
    try:
        onnx.checker.check_model(network)
    except onnx.checker.ValidationError as error:
        raise BundleError(f"Expected a network that can be stored as ONNX. Received one that cannot: {error}") from None
    return network


def _spell_out_erfc(network: onnx.ModelProto) -> None:
    # tf2onnx leaves TensorFlow's Erfc (in the exact GELU) as it is, which ONNX lacks: erfc(x) = 1 - erf(x).
    import numpy as np
    from onnx import helper, numpy_helper

    nodes = []
    for node in network.graph.node:
        if node.op_type != "Erfc":
            nodes.append(node)
            continue
        erf = f"{node.output[0]}/erf"
        nodes.append(helper.make_node("Erf", node.input, [erf]))
        nodes.append(helper.make_node("Sub", ["inkdigits/one", erf], node.output))
    if len(nodes) != len(network.graph.node):
        del network.graph.node[:]
        network.graph.node.extend(nodes)
        network.graph.initializer.append(numpy_helper.from_array(np.float32(1.0), "inkdigits/one"))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the exporters of Keras and TensorFlow from printing and warning: what they say is no news to a user."""
    disabled = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
