from __future__ import annotations

import csv
import importlib.util
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inkdigits import bundle as bundles
from inkdigits import preprocess
from inkdigits.bundle import Bundle
from inkdigits.calibration import OTHER, softmax, split
from inkdigits.calibration import answers as rows_of
from inkdigits.card import CARD_KEY, Card
from inkdigits.datasets import load_dataset
from inkdigits.errors import BundleError
from inkdigits.files import sha256_of
from inkdigits.preprocess import normalize
from inkdigits.recognizer import load
from pictures import picture

FILES = {"model.keras", "model.onnx", "history.csv"}


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads((folder / "model.json").read_text())
    change(document)
    (folder / "model.json").write_text(json.dumps(document))


def adopt(folder: Path, name: str) -> None:
    """Make the card vouch for what now stands in `name`, as an attacker would."""
    rewrite(folder, lambda card: card["files"].update({name: sha256_of(folder / name)}))


def test_a_trained_bundle_loads_and_its_card_says_how_it_was_made(trained: Path) -> None:
    card = Bundle.load(trained).card
    assert set(card.files) == FILES
    assert card.name == trained.name
    assert card.data["train"] == 12_000 and card.data["validation"] == 5_000
    assert card.training["epochs"] == 1 and card.training["cpu_seconds"] > 0
    assert card.validation["accuracy"] > 0.9
    assert 0 < card.temperature < 10 and 0 < card.reject_threshold < 1
    assert card.parameters == Bundle.load(trained).keras_model().count_params()
    assert {"python", "keras", "numpy", "inkdigits"} <= set(card.packages)


def test_history_has_one_row_per_epoch(trained: Path) -> None:
    with (trained / "history.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 1
    assert float(rows[0]["validation_accuracy"]) == Bundle.load(trained).card.validation["accuracy"]


def test_keras_and_onnx_hold_the_same_calibrated_network(trained: Path, mnist: Path) -> None:
    images = load_dataset("mnist", "test").images[:200]
    bundle = Bundle.load(trained)
    answers = load(trained).answer(images)
    logits = bundle.keras_model().predict(answers.seen, verbose=0)
    np.testing.assert_allclose(softmax(logits, bundle.card.temperature), answers.probabilities, atol=1e-5)


def test_the_onnx_file_alone_carries_the_card(trained: Path, tmp_path: Path) -> None:
    import onnx

    alone = tmp_path / "phone.onnx"
    alone.write_bytes((trained / "model.onnx").read_bytes())
    metadata = {entry.key: entry.value for entry in onnx.load(alone).metadata_props}
    inside = Card.from_json(metadata[CARD_KEY], "metadata")
    assert inside == Bundle.load(trained).card.with_files({})
    assert load(alone).card == inside


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("damage", ["flipped", "truncated", "emptied", "missing"])
def test_a_damaged_file_is_named_with_both_hashes(bundle: Path, name: str, damage: str) -> None:
    path = bundle / name
    content = bytearray(path.read_bytes())
    expected = sha256_of(bytes(content))
    if damage == "flipped":
        content[len(content) // 2] ^= 1
    changed = {"flipped": bytes(content), "truncated": bytes(content[:-1]), "emptied": b"", "missing": b""}[damage]
    path.write_bytes(changed)
    if damage == "missing":
        path.unlink()
    with pytest.raises(BundleError, match="damaged") as caught:
        Bundle.load(bundle)
    message = str(caught.value)
    assert name in message
    if damage != "missing":
        assert expected in message and sha256_of(changed) in message


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "JSON"),
        (b'{"format": "inkdigits/1"', "JSON"),
        (b"\xff\xfe\x00", "JSON"),
        (b"[" * 100_000, "JSON"),
        (b"[]", "foreign"),
        (b"null", "foreign"),
        (b'{"model_type": "bert"}', "foreign"),
        (b'{"format": 1}', "foreign"),
        (b'{"format": "otherdigits/1"}', "foreign"),
        (b'{"format": "inkdigits/2"}', "Upgrade"),
        (b'{"format": "inkdigits/1"}', "without name"),
    ],
)
def test_a_card_that_is_no_card_is_refused(bundle: Path, content: bytes, word: str) -> None:
    (bundle / "model.json").write_bytes(content)
    with pytest.raises(BundleError, match=word) as caught:
        Bundle.load(bundle)
    assert "model.json" in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", 3),
        ("architecture", {"name": "convnet"}),
        ("recipe", None),
        ("seed", -1),
        ("seed", True),
        ("data", {"name": "mnist"}),
        ("preprocessing", 0),
        ("temperature", 0),
        ("temperature", "1.0"),
        ("temperature", float("nan")),
        ("reject_threshold", 1.5),
        ("open_set", 1),
        ("open_set", None),
        ("conformal_threshold", -0.1),
        ("coverage", None),
        ("parameters", 1.5),
        ("validation", {"accuracy": 2, "loss": 0}),
        ("packages", []),
        ("hardware", "x86"),
        ("training", {"seconds": 1}),
        ("created", 2026),
        ("files", {"../../etc/passwd": "0" * 64}),
        ("files", {"model.onnx": "abc"}),
        ("files", {"..": "0" * 64}),
        ("files", {"a\\b": "0" * 64}),
    ],
)
def test_a_malformed_field_is_named(bundle: Path, field: str, value: Any) -> None:
    rewrite(bundle, lambda card: card.update({field: value}))
    with pytest.raises(BundleError, match=f"Expected {field} in"):
        Bundle.load(bundle)


def test_missing_and_unknown_fields_are_named(bundle: Path) -> None:
    rewrite(bundle, lambda card: card.update({"surprise": card.pop("seed")}))
    with pytest.raises(BundleError, match="without seed and with surprise"):
        Bundle.load(bundle)


def test_a_card_edited_by_hand_is_refused_when_the_model_is_used(bundle: Path) -> None:
    rewrite(bundle, lambda card: card.update(temperature=card["temperature"] * 2))
    with pytest.raises(BundleError, match=r"model\.json.*edited"):
        load(bundle)


def test_folders_that_are_no_bundles_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    for name, word in (("empty", "holds no model.json"), ("file", "a file"), ("missing", "nothing there")):
        with pytest.raises(BundleError, match=word):
            Bundle.load(tmp_path / name)


def test_a_bundle_for_recognizing_only_says_what_it_lacks(bundle: Path) -> None:
    rewrite(bundle, lambda card: card.update(files={"model.onnx": card["files"]["model.onnx"]}))
    (bundle / "model.keras").unlink()
    slim = Bundle.load(bundle)
    assert load(bundle).classify([np.zeros((28, 28), np.uint8)])[0].rejected
    with pytest.raises(BundleError, match=r"model\.keras.*only holds model\.onnx"):
        slim.keras_model()


def hostile_config(kind: str) -> dict[str, Any]:
    layer: dict[str, Any] = {
        "lambda": {"module": "keras.layers", "class_name": "Lambda", "config": {"name": "x"}},
        "marshalled": {"class_name": "__lambda__", "config": {"value": "4wAAAA=="}},
        "function": {"module": "builtins", "class_name": "function", "config": "eval", "registered_name": "function"},
        "download": {"module": "keras.utils", "class_name": "get_file", "config": {"origin": "http://127.0.0.1/"}},
        "loader": {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "/tmp"}},
        "torch": {"module": "keras.layers", "class_name": "TorchModuleWrapper", "config": {}},
        "registered": {"module": "keras.layers", "class_name": "Dense", "registered_name": "evil>Dense", "config": {}},
        "outside": {"module": "os", "class_name": "system", "config": "true"},
        "ours": {"module": "subprocess", "class_name": "Popen", "registered_name": "inkdigits>Popen", "config": {}},
    }[kind]
    return {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": {"layers": [layer]},
        "registered_name": "Functional",
    }


@pytest.mark.parametrize(
    "kind", ["lambda", "marshalled", "function", "download", "loader", "torch", "registered", "outside", "ours"]
)
def test_a_network_that_brings_code_is_refused_before_keras_sees_it(
    bundle: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    monkeypatch.setattr(keras.models, "load_model", lambda *a, **k: pytest.fail("Keras was asked to load it"))
    with zipfile.ZipFile(bundle / "model.keras") as archive:
        kept = {name: archive.read(name) for name in archive.namelist()}
    kept["config.json"] = json.dumps(hostile_config(kind)).encode()
    with zipfile.ZipFile(bundle / "model.keras", "w") as archive:
        for name, content in kept.items():
            archive.writestr(name, content)
    adopt(bundle, "model.keras")
    with pytest.raises(BundleError, match="refused"):
        Bundle.load(bundle).keras_model()


def test_a_keras_file_with_other_files_inside_or_that_is_none_is_refused(bundle: Path) -> None:
    with zipfile.ZipFile(bundle / "model.keras", "a") as archive:
        archive.writestr("assets/run.py", "raise SystemExit")
    adopt(bundle, "model.keras")
    with pytest.raises(BundleError, match=r"assets/run\.py"):
        Bundle.load(bundle).keras_model()
    (bundle / "model.keras").write_bytes(b"not a zip")
    adopt(bundle, "model.keras")
    with pytest.raises(BundleError, match=r"\.keras file"):
        Bundle.load(bundle).keras_model()


def saved_again(folder: Path, model: Any, others: int = 0) -> Bundle:
    random = np.random.default_rng(0)
    labels = np.r_[np.arange(50) % 10, np.full(others, OTHER)]
    return bundles.save(
        folder,
        model,
        recipe={"name": "test"},
        architecture={"name": "tiny", "options": {"sizes": (1, 2)}},
        seed=3,
        data={"name": "mnist/train", "sha256": "0" * 64, "train": 1, "validation": 50},
        validation_logits=np.eye(11)[labels][:, :10] * 3 + random.normal(0, 1, (len(labels), 10)),
        validation_labels=labels,
        history=[{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25, "note": "x"}],
        training={"seconds": 1.0, "cpu_seconds": 1.5, "epochs": 2},
    )


def tiny_network(*, hostile: bool = False) -> Any:
    import keras

    inputs = keras.Input((28, 28))
    x = keras.layers.Flatten()(inputs)
    x = keras.layers.Dense(4, activation="gelu")(x)
    if hostile:
        x = keras.layers.Lambda(lambda value: value * 2)(x)
    return keras.Model(inputs, keras.layers.Dense(10, name="logits")(x))


def test_labels_of_no_digit_make_an_open_set_model(tmp_path: Path) -> None:
    closed = saved_again(tmp_path / "closed", tiny_network())
    opened = saved_again(tmp_path / "open", tiny_network(), others=10)
    assert (closed.card.open_set, opened.card.open_set) == (False, True)
    seen = [normalize(picture(digit, stroke=stroke)).seen for digit in range(10) for stroke in (0.08, 0.15)]
    images = np.rint(np.stack(seen) * 255).astype(np.uint8)  # in the layout of MNIST: seen as they are
    assert (load(closed.folder).answer(images).digitness == 1).all()
    answers = load(opened.folder).answer(images)
    assert ((answers.digitness > 0) & (answers.digitness < 1)).all()
    logits = opened.keras_model().predict(answers.seen, verbose=0)
    digits, digitness = split(rows_of(logits, opened.card.temperature, open_set=True))
    np.testing.assert_allclose(answers.probabilities, digits, atol=1e-5)
    np.testing.assert_allclose(answers.digitness, digitness, atol=1e-5)
    for prediction, sure in zip(load(opened.folder).classify(images), answers.confidences, strict=True):
        assert prediction.confidence == pytest.approx(sure)


def test_save_returns_what_load_reads(tmp_path: Path) -> None:
    saved = saved_again(tmp_path / "deep" / "tiny", tiny_network())
    assert saved == Bundle.load(tmp_path / "deep" / "tiny")
    assert saved.card.architecture == {"name": "tiny", "options": {"sizes": [1, 2]}}
    assert (tmp_path / "deep" / "tiny" / "history.csv").read_text() == "epoch,loss,note\n1,0.5,\n2,0.25,x\n"
    assert load(tmp_path / "deep" / "tiny").classify([np.eye(28)])[0].seen.any()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["tiny"]


def test_save_over_a_bundle_replaces_it_and_drops_its_evaluation(bundle: Path) -> None:
    (bundle / "evaluation.json").write_text("{}")
    (bundle / "notes.txt").write_text("mine")
    saved_again(bundle, tiny_network())
    assert Bundle.load(bundle).card.seed == 3
    assert not (bundle / "evaluation.json").exists()
    assert (bundle / "notes.txt").read_text() == "mine"


def test_a_failed_save_leaves_the_old_bundle_and_no_litter(bundle: Path) -> None:
    before = Bundle.load(bundle).card
    with pytest.raises(BundleError, match="Lambda"):
        saved_again(bundle, tiny_network(hostile=True))
    assert Bundle.load(bundle).card == before
    assert [path.name for path in bundle.parent.iterdir()] == [bundle.name]


def test_a_save_cut_off_before_its_card_is_called_damaged(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bundles, "write_atomically", cut)
    with pytest.raises(KeyboardInterrupt):
        saved_again(bundle, tiny_network())
    with pytest.raises(BundleError, match="damaged"):
        Bundle.load(bundle)


def test_weights_for_the_package_are_the_bundle_under_another_name(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = Path(__file__).parents[1] / "benchmarks" / "bundle_weights.py"
    spec = importlib.util.spec_from_file_location("bundle_weights", script)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    target = module.bundle_weights(trained, "small", tmp_path)
    assert {path.name for path in target.iterdir()} == {"model.onnx", "model.json", "model.keras", "history.csv"}
    assert load(target).card.name == "small"
    assert load(target).card.same_model(load(trained).card)
    given, stored = (Bundle.load(folder).keras_model().get_weights() for folder in (trained, target))
    assert all(np.array_equal(one, other) for one, other in zip(given, stored, strict=True))
    assert (target / "model.keras").stat().st_size < 0.95 * (trained / "model.keras").stat().st_size
    again = module.bundle_weights(target, "small", tmp_path / "again")
    assert (again / "model.json").read_bytes() == (target / "model.json").read_bytes()
    assert load(again).card.created == load(trained).card.created
    monkeypatch.setattr(preprocess, "NEAR", 0.3)  # the geometry changes
    renewed = module.bundle_weights(target, "small", tmp_path / "renewed")
    assert (renewed / "model.onnx").read_bytes() != (target / "model.onnx").read_bytes()
    assert load(renewed).card.created > load(trained).card.created
