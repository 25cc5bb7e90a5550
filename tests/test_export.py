from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inkdigits import export as exports
from inkdigits import serving
from inkdigits.bundle import Bundle
from inkdigits.datasets import load_dataset
from inkdigits.errors import BundleError, ExportError
from inkdigits.export import Exported, Parity, Tolerance, check, compare, export
from inkdigits.files import sha256_of
from inkdigits.runtimes import KerasRuntime

ALL = ("onnx", "onnx-int8", "litert", "litert-int8", "savedmodel")


@pytest.fixture(scope="module")
def exported(trained: Path, data_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Exported]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INKDIGITS_CACHE", str(data_cache))
        return export(trained, ALL, tmp_path_factory.mktemp("phone") / "deep" / "out")


def test_every_format_is_written_and_agrees_with_keras(exported: list[Exported]) -> None:
    assert [entry.format for entry in exported] == list(ALL) == list(exports.FORMATS)
    names = ["model.onnx", "model-int8.onnx", "model.tflite", "model-int8.tflite", "savedmodel"]
    assert [entry.path.name for entry in exported] == names
    for entry in exported:
        assert entry.path.exists() and entry.bytes > 1000
        assert entry.parity.images == 1000
        assert entry.parity.largest_difference <= entry.tolerance.difference
        assert entry.parity.changed_answers <= entry.tolerance.changed * 1000
        assert entry.sha256 == (None if entry.path.is_dir() else sha256_of(entry.path))
    assert {path.name for path in exported[0].path.parent.iterdir()} == {*names, "export.json"}


def test_float_formats_are_exact_and_int8_is_small(exported: list[Exported]) -> None:
    onnx, small, litert, int8, savedmodel = exported
    for entry in (onnx, litert, savedmodel):
        assert entry.parity.largest_difference < 1e-4 and entry.parity.changed_answers == 0
    assert max(small.bytes, int8.bytes) < 0.5 * litert.bytes
    assert small.parity.largest_difference < 0.05


def test_what_was_found_is_stored_beside_the_files(exported: list[Exported], trained: Path) -> None:
    stored = json.loads((exported[0].path.parent / "export.json").read_text())
    assert stored["model"] == trained.name
    assert stored["source"] == Bundle.load(trained).card.files["model.keras"]
    assert stored["exports"] == [entry.to_dict() for entry in exported]
    assert stored["exports"][0]["path"] == "model.onnx"


@pytest.mark.parametrize("name", ["model.tflite", "model-int8.tflite"])
def test_litert_files_keep_their_documented_contract(exported: list[Exported], name: str, mnist: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(exported[0].path.with_name(name)))
    (inputs,), (outputs,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert inputs["dtype"] == outputs["dtype"] == np.float32
    assert inputs["shape_signature"].tolist() == [-1, 28, 28]
    test = load_dataset("mnist", "test").subset(np.arange(50))
    interpreter.resize_tensor_input(inputs["index"], [50, 28, 28])
    interpreter.allocate_tensors()
    interpreter.set_tensor(inputs["index"], test.images.astype(np.float32) / 255)
    interpreter.invoke()
    probabilities = interpreter.get_tensor(outputs["index"])
    assert probabilities.shape == (50, 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=0.02)
    assert (probabilities.argmax(axis=1) == test.labels).mean() > 0.9


def open_bundle(folder: Path) -> Bundle:
    """A tiny network, each digit's mean image, that was calibrated with pictures of no digit, as a bundle."""
    import keras

    from inkdigits import bundle as bundles

    inputs = keras.Input((28, 28))
    layer = keras.layers.Dense(10)
    network = keras.Model(inputs, layer(keras.layers.Flatten()(inputs)))
    digits = load_dataset("mnist", "train").subset(np.arange(2000))
    means = np.stack([digits.images[digits.labels == digit].mean(0).ravel() for digit in range(10)], axis=1) / 255
    layer.set_weights([0.05 * (means - means.mean(1, keepdims=True)), np.zeros(10)])
    labels = np.arange(55) % 11
    logits = np.random.default_rng(0).normal(0, 1, (55, 10)) + 3 * np.eye(11)[labels][:, :10]
    return bundles.save(
        folder,
        network,
        recipe={"name": "test"},
        architecture={"name": "tiny", "options": {}},
        seed=0,
        data={"name": "mnist/train", "sha256": "0" * 64, "train": 1, "validation": 50},
        validation_logits=logits,
        validation_labels=labels,
        history=[{"epoch": 1}],
        training={"seconds": 1.0, "cpu_seconds": 1.0, "epochs": 1},
    )


def test_every_format_of_an_open_set_network_also_says_whether_it_is_a_digit(mnist: Path, tmp_path: Path) -> None:
    bundle = open_bundle(tmp_path / "open")
    assert bundle.card.open_set
    images = load_dataset("mnist", "test").images[:50]
    model, card = bundle.keras_model(), bundle.card
    expected = KerasRuntime(model, card.temperature, card.open_set).answer(images)
    assert 0 < expected.digitness.min() < expected.digitness.max() < 1
    for entry in export(bundle, ["onnx", "onnx-int8", "litert", "savedmodel"], tmp_path / "out"):
        near = 1e-4 if entry.tolerance.changed == 0 else 0.05
        assert entry.parity.largest_difference < near
        answers = exports.FORMATS[entry.format].runtime(entry.path).answer(images)
        np.testing.assert_allclose(answers.probabilities, expected.probabilities, atol=near)
        np.testing.assert_allclose(answers.digitness, expected.digitness, atol=near)


def test_a_file_that_takes_everything_for_a_digit_is_refused(
    mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_closed(bundle: Bundle, model: Any, path: Path) -> None:
        serving.calibrated(model, bundle.card.temperature).export(path, format="tf_saved_model", verbose=False)

    wrong = dataclasses.replace(exports.FORMATS["savedmodel"], write=write_closed)
    monkeypatch.setitem(exports.FORMATS, "savedmodel", wrong)
    with pytest.raises(ExportError, match="agree with Keras"):
        export(open_bundle(tmp_path / "open"), ["savedmodel"], tmp_path / "out")


def test_the_small_onnx_file_keeps_its_documented_contract(exported: list[Exported]) -> None:
    import onnx

    path = exported[1].path
    graph = onnx.load(path).graph
    stored = {each.name: each for each in graph.initializer}
    turned = [node for node in graph.node if node.op_type == "DequantizeLinear"]
    assert len(turned) == 5, "three convolutions, two dense layers"
    assert all(stored[node.input[0]].data_type == onnx.TensorProto.INT8 for node in turned)
    assert {"Flatten"} == {"Flatten", "Shape", "Concat"}.intersection(node.op_type for node in graph.node)
    floats = sum(int(np.prod(each.dims)) for each in graph.initializer if each.data_type == onnx.TensorProto.FLOAT)
    assert floats < 0.1 * sum(int(np.prod(stored[node.input[0]].dims)) for node in turned)
    with pytest.raises(BundleError, match="network made by inkdigits"):
        exports.FORMATS["onnx-int8"].runtime(exported[0].path)


def test_int8_calculates_with_integers_only(exported: list[Exported]) -> None:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(exported[3].path))
    interpreter.allocate_tensors()
    ends = {interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]}
    kinds = {entry["dtype"] for entry in interpreter.get_tensor_details() if entry["index"] not in ends}
    assert np.int8 in kinds
    assert kinds <= {np.int8, np.int32, np.int64}


def test_the_exported_onnx_file_can_be_loaded_alone(exported: list[Exported], trained: Path) -> None:
    from inkdigits.recognizer import load

    assert load(exported[0].path).card == Bundle.load(trained).card.with_files({})


def test_exports_go_into_the_bundle_and_earlier_ones_stay_on_record(bundle: Path, mnist: Path) -> None:
    (first,) = export(bundle, ["savedmodel"])
    assert first.path == bundle / "export" / "savedmodel"
    export(bundle, ["onnx", "savedmodel", "onnx"])
    stored = json.loads((bundle / "export" / "export.json").read_text())
    assert sorted(entry["format"] for entry in stored["exports"]) == ["onnx", "savedmodel"]
    (bundle / "export" / "export.json").write_text("[damaged")
    export(bundle, ["onnx"])
    stored = json.loads((bundle / "export" / "export.json").read_text())
    assert [entry["format"] for entry in stored["exports"]] == ["onnx"]


def test_a_file_that_disagrees_is_not_written_and_leaves_the_old_one(
    bundle: Path, mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    (good,) = export(bundle, ["litert"], out)

    def write_another(_: Bundle, model: Any, path: Path) -> None:
        model.set_weights([weights * 0.9 for weights in model.get_weights()])
        serving.calibrated(model, 1.0).export(path, format="litert", verbose=False)

    wrong = dataclasses.replace(exports.FORMATS["litert"], write=write_another)
    monkeypatch.setitem(exports.FORMATS, "litert", wrong)
    with pytest.raises(ExportError, match="agree with Keras"):
        export(bundle, ["litert"], out)
    assert sha256_of(good.path) == good.sha256
    assert {path.name for path in out.iterdir()} == {"model.tflite", "export.json"}


def test_parity_counts_and_its_limits() -> None:
    expected = np.eye(10, dtype=np.float32)
    answers = expected.copy()
    answers[0] = [0.4, 0.6, *[0] * 8]
    found = compare(expected, answers)
    assert (found.images, found.changed_answers) == (10, 1)
    assert found.largest_difference == pytest.approx(0.6)
    check(found, Tolerance(0.61, 0.1), "x")
    for tolerance in (Tolerance(0.59, 0.1), Tolerance(0.61, 0.09)):
        with pytest.raises(ExportError, match="1 changed answers in 10"):
            check(found, tolerance, "x")
    with pytest.raises(ExportError, match="nan"):
        check(Parity(10, float("nan"), 0), Tolerance(1, 1), "x")


def test_wrong_wishes_are_refused(bundle: Path) -> None:
    with pytest.raises(ExportError, match=r"onnx, onnx-int8, litert, litert-int8, savedmodel.*coreml"):
        export(bundle, ["onnx", "coreml"])
    with pytest.raises(ExportError, match="none"):
        export(bundle, [])
    with pytest.raises(BundleError, match="nothing there"):
        export(bundle / "nowhere", ["onnx"])


def test_another_keras_backend_is_told_what_to_do(bundle: Path, mnist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ExportError, match="KERAS_BACKEND=tensorflow"):
        export(bundle, ["litert"])


@pytest.mark.parametrize("activation", ["gelu", "mish", "hard_silu"])
def test_activations_that_onnx_lacks_are_spelled_out(activation: str) -> None:
    import keras
    import onnxruntime

    inputs = keras.Input((28, 28))
    x = keras.layers.Dense(6, activation=activation)(keras.layers.Flatten()(inputs))
    served = serving.calibrated(keras.Model(inputs, keras.layers.Dense(10)(x)), 0.7)
    network = serving.to_onnx(served)
    session = onnxruntime.InferenceSession(network.SerializeToString(), providers=["CPUExecutionProvider"])
    images = np.random.default_rng(0).random((5, 28, 28), np.float32)
    (answers,) = session.run(None, {session.get_inputs()[0].name: images})
    np.testing.assert_allclose(answers, np.asarray(served(images)), atol=1e-6)


def test_exporting_prints_nothing(bundle: Path, mnist: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(bundle / "export", ignore_errors=True)
    capfd.readouterr()
    export(bundle, ["litert"])
    assert capfd.readouterr().out == ""


def test_a_card_that_was_edited_is_not_exported(bundle: Path) -> None:
    path = bundle / "model.json"
    card = json.loads(path.read_text())
    path.write_text(json.dumps(card | {"temperature": card["temperature"] * 5}))
    with pytest.raises(BundleError, match="edited or is damaged"):
        export(bundle, ["litert"])
