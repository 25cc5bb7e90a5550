"""Sweeps: what they accept, what survives a kill, and that their figures are right."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from inkdigits import experiments
from inkdigits.datasets import sources
from inkdigits.errors import InkdigitsError, RecipeError
from inkdigits.experiments import Result, Run, parse_sweep, run_sweep
from inkdigits.experiments.results import effects_csv, results_csv
from inkdigits.experiments.worker import Worker
from inkdigits.recipes import Recipe
from inkdigits.training import Observer

SWEEP = """
name = "tiny"
description = "Two networks, two optimizers <each> with its own rate."
recipe = "quick"
seeds = [0, 1]

[set]
train_images = 600
validation_images = 500
epochs = 1
batch_size = 50

[factors]
architecture.name = ["mlp", "lenet5"]

[groups.optimizer]
sgd = { optimizer.name = "sgd", optimizer.learning_rate = 0.05 }
adam = { optimizer.name = "adam", optimizer.learning_rate = 0.003 }
"""
COMBINATIONS = [("mlp", "sgd"), ("mlp", "adam"), ("lenet5", "sgd"), ("lenet5", "adam")]


def rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((folder / "results.csv").read_text())))


def states(folder: Path) -> Counter[str]:
    connection = sqlite3.connect(f"file:{folder / 'study.db'}?mode=ro", uri=True)
    try:
        return Counter(state for (state,) in connection.execute("select state from trials"))
    finally:
        connection.close()


def made(seed: int, labels: tuple[str, str], accuracy: float) -> Result:
    return Result(Run(seed, labels), accuracy, 0.1, 1, 10, 2.0, 3.0, "2026-01-01T00:00:00+00:00")


@pytest.fixture(scope="module")
def training_images(data_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that holds MNIST's training files and nothing else: the test images cannot be read from it."""
    cache = tmp_path_factory.mktemp("training-images")
    (cache / "mnist").mkdir()
    for file in sources.FILES["train"]:
        found = next((data_cache / "mnist").glob(f"{file.name}*"))
        shutil.copy(found, cache / "mnist")
    return cache


@pytest.fixture(scope="module")
def killed(training_images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sweep whose process was killed by SIGKILL while its second or third run was in training."""
    home = tmp_path_factory.mktemp("killed")
    (home / "sweep.toml").write_text(SWEEP)
    environment = os.environ | {"INKDIGITS_CACHE": str(training_images), "HOME": str(home)}
    command = [sys.executable, "-m", "inkdigits", "experiment", "sweep.toml", "--out", "out"]
    out = home / "out"
    with (home / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=home, env=environment, stdout=log, stderr=log)
        try:
            until = time.monotonic() + 200
            while not ((out / "results.csv").exists() and rows(out) and states(out)["RUNNING"]):
                assert process.poll() is None and time.monotonic() < until, (home / "log").read_text()
                time.sleep(0.02)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    return home


@pytest.fixture(scope="module")
def finished(killed: Path, training_images: Path) -> tuple[Path, dict[str, object], list[dict[str, str]]]:
    """The same sweep, resumed by the command to its end: its folder, what --json printed, the rows before."""
    before = rows(killed / "out")
    assert 1 <= len(before) < 8
    assert states(killed / "out") == {"COMPLETE": len(before), "RUNNING": 1}
    from inkdigits.cli import app

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INKDIGITS_CACHE", str(training_images))
        arguments = ["experiment", str(killed / "sweep.toml"), "--out", str(killed / "out"), "--resume", "--json"]
        result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return killed / "out", json.loads(result.stdout), before


def test_a_killed_sweep_is_resumed_and_no_run_counts_twice_or_by_half(finished) -> None:
    folder, document, before = finished
    after = rows(folder)
    asked = [(seed, *labels) for seed in (0, 1) for labels in COMBINATIONS]  # the seed is the outer loop
    assert [(int(row["seed"]), row["architecture.name"], row["optimizer"]) for row in after] == asked
    assert after[: len(before)] == before  # what was finished is not done again
    assert states(folder) == {"COMPLETE": 8, "FAIL": 1}  # the run that was cut off, and its repetition
    assert (document["runs"], document["finished"], document["failed"], document["seeds"]) == (8, 8, [], [0, 1])
    for row in after:
        assert 0.2 < float(row["accuracy"]) < 1  # it has learned
        assert float(row["seconds"]) > 0 and float(row["cpu_seconds"]) > 0 and int(row["epochs"]) == 1
    assert {row["parameters"] for row in after if row["architecture.name"] == "lenet5"} == {"61706"}


def test_the_tables_agree_with_the_rows(finished) -> None:
    folder, document, _ = finished
    by_seed = [
        [float(r["accuracy"]) for r in rows(folder) if r["architecture.name"] == "mlp" and int(r["seed"]) == seed]
        for seed in (0, 1)
    ]
    first, second = (sum(values) / 2 for values in by_seed)
    level = document["effects"]["architecture.name"][0]
    assert level["level"] == "mlp" and level["runs"] == 4
    assert level["accuracy"]["mean"] == pytest.approx((first + second) / 2, abs=1e-6)
    assert level["accuracy"]["sd"] == pytest.approx(abs(first - second) / math.sqrt(2), abs=1e-6)
    effects = list(csv.DictReader(io.StringIO((folder / "report" / "effects.csv").read_text())))
    assert [(e["factor"], e["level"]) for e in effects] == [
        ("architecture.name", "mlp"),
        ("architecture.name", "lenet5"),
        ("optimizer", "sgd"),
        ("optimizer", "adam"),
    ]
    assert float(effects[0]["accuracy_mean"]) == pytest.approx(level["accuracy"]["mean"], abs=1e-5)
    combinations = list(csv.DictReader(io.StringIO((folder / "report" / "combinations.csv").read_text())))
    means = [float(row["accuracy_mean"]) for row in combinations]
    assert len(means) == 4 and means == sorted(means, reverse=True)


def test_the_report_stands_alone(finished) -> None:
    folder = finished[0] / "report"
    page = (folder / "index.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', page.replace('xlink:href="#', 'href="#'))
    assert not re.findall(r"url\((?!#)", page) and "<script" not in page and "@import" not in page
    assert page.count("<svg") == page.count('role="img"') == 5  # two choices, a pair, the combinations, the cost
    assert "&lt;each&gt;" in page and "<each>" not in page
    for label in ("mlp", "lenet5", "sgd", "adam", "0.05", "600", "95 %"):
        assert label in page
    assert sorted(file.name for file in folder.glob("*.svg")) == [
        "combinations.svg",
        "cost.svg",
        "effect-architecture-name.svg",
        "effect-optimizer.svg",
        "pair-architecture-name-optimizer.svg",
    ]


def test_a_sweep_grows_by_a_seed(finished, training_images: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("INKDIGITS_CACHE", str(training_images))
    out = shutil.copytree(finished[0], tmp_path / "out")
    before = rows(out)
    grown = parse_sweep(SWEEP.replace("[0, 1]", "[0, 1, 7]"))
    outcome = run_sweep(grown, out, resume=True)
    assert len(outcome.results) == 12 and rows(out)[:8] == before
    assert [row["seed"] for row in rows(out)[8:]] == ["7"] * 4
    assert experiments.main_effects(grown, outcome.results)["optimizer"][0].accuracy.n == 3


def test_no_sweep_has_asked_for_a_test_image(finished, training_images: Path) -> None:
    wanted = {file.name for file in sources.FILES["train"]}  # asking for the others would have fetched them
    assert {file.name.removesuffix(".gz") for file in training_images.rglob("*ubyte*")} == wanted


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0.003", "0.004", r"factors\.optimizer\.adam\.optimizer\.learning_rate"),
        ("epochs = 1", "epochs = 2", r"set\.epochs"),
        ('recipe = "quick"', 'recipe = "other.toml"', r"recipe\."),
        ('["mlp", "lenet5"]', '["mlp"]', r"factors\.architecture\.name"),
        ("[0, 1]", "[1, 2]", "seed 0"),
    ],
)
def test_another_sweep_is_refused_in_the_same_folder(
    finished, tmp_path: Path, old: str, new: str, message: str
) -> None:
    (tmp_path / "other.toml").write_text('[architecture]\nname = "convnet"\n')
    sweep = parse_sweep(SWEEP.replace(old, new), folder=tmp_path)
    before = (finished[0] / "results.csv").read_bytes()
    with pytest.raises(RecipeError, match=message):
        run_sweep(sweep, finished[0], resume=True)
    assert (finished[0] / "results.csv").read_bytes() == before


def test_a_sweep_begun_before_an_option_came_is_resumed(finished, tmp_path: Path) -> None:
    out = shutil.copytree(finished[0], tmp_path / "out")
    identity = json.loads((out / "sweep.json").read_text())
    del identity["recipe"]["augmentation"]["ease"], identity["recipe"]["distillation"]
    (out / "sweep.json").write_text(json.dumps(identity))
    before = (out / "results.csv").read_bytes()
    run_sweep(parse_sweep(SWEEP), out, resume=True)
    assert (out / "results.csv").read_bytes() == before, "every run had finished"


def test_a_folder_with_a_sweep_is_not_overwritten_nor_used_by_two(finished) -> None:
    with pytest.raises(RecipeError, match="--resume"):
        run_sweep(parse_sweep(SWEEP), finished[0])
    lock = sqlite3.connect(finished[0] / ".lock", isolation_level=None)
    try:
        lock.execute("BEGIN EXCLUSIVE")
        with pytest.raises(InkdigitsError, match="Another process"):
            run_sweep(parse_sweep(SWEEP), finished[0], resume=True)
    finally:
        lock.close()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "study.db").unlink(), "study.db. It is missing"),
        (lambda folder: (folder / "study.db").write_bytes(b"no database " * 500), "damaged or foreign"),
        (lambda folder: (folder / "sweep.json").unlink(), "sweep.json, which says"),
        (lambda folder: (folder / "sweep.json").write_text("{}"), "identity of a sweep"),
    ],
)
def test_damaged_files_of_a_sweep_are_named_and_its_results_kept(
    finished, tmp_path: Path, damage, message: str
) -> None:
    out = shutil.copytree(finished[0], tmp_path / "out")
    before = (out / "results.csv").read_bytes()
    damage(out)
    with pytest.raises(InkdigitsError, match=message):
        run_sweep(parse_sweep(SWEEP), out, resume=True)
    assert (out / "results.csv").read_bytes() == before


def test_a_training_that_diverges_is_a_finding(training_images: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("INKDIGITS_CACHE", str(training_images))
    text = SWEEP.replace("[0, 1]", "[3]").replace('["mlp", "lenet5"]', '["mlp"]')
    wild = text.replace('"sgd", optimizer.learning_rate = 0.05', '"sgd", optimizer.learning_rate = 10')
    outcome = run_sweep(parse_sweep(wild), tmp_path / "wild")
    best, diverged = experiments.ranking(outcome.sweep, outcome.results)
    assert (best.labels, diverged.labels) == (("mlp", "adam"), ("mlp", "sgd"))
    assert diverged.accuracy.mean == 0.1 and diverged.parameters == best.parameters
    assert (rows(tmp_path / "wild")[0]["loss"], rows(tmp_path / "wild")[0]["accuracy"]) == ("inf", "0.1")


def test_a_run_that_cannot_be_trained_does_not_count_and_is_tried_again(
    mnist: Path, tmp_path: Path, monkeypatch
) -> None:
    from inkdigits.cli import app

    tried = []
    measures = dataclasses.asdict(made(0, ("", ""), 0.9)) | {"loss": 0.5}
    del measures["run"]

    def train(self: object, recipe: Recipe, seed: int, observer: object) -> dict[str, object]:
        tried.append((seed, recipe.architecture.name, recipe.optimizer.name))
        if tried.count((1, "mlp", "adam")) == 1 and tried[-1] == (1, "mlp", "adam"):
            raise InkdigitsError("out of memory")
        return measures

    monkeypatch.setattr(Worker, "train", train)
    (tmp_path / "sweep.toml").write_text(SWEEP)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".study.db.part").write_bytes(b"what a crash at the very beginning leaves behind")
    arguments = ["experiment", str(tmp_path / "sweep.toml"), "--out", str(tmp_path / "out"), "--resume"]
    failed = CliRunner().invoke(app, arguments)
    assert isinstance(failed.exception, InkdigitsError)
    assert "1 of 8 runs failed" in str(failed.exception) and "out of memory" in str(failed.exception)
    assert len(tried) == 8 and [row["run"] for row in rows(tmp_path / "out")] == list("0123467")
    assert "out of memory" in (tmp_path / "out" / "report" / "index.html").read_text()
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 0 and tried[8:] == [(1, "mlp", "adam")]
    assert [row["run"] for row in rows(tmp_path / "out")] == list("01234567")
    assert "lenet5" in again.stdout and "95 % interval" in again.stdout


def test_a_training_process_that_dies_is_an_error_that_says_where_to_look(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    sweep = parse_sweep(SWEEP)
    with Worker(tmp_path / "log") as worker, pytest.raises(InkdigitsError, match=r"status 1; see .*log"):
        worker.train(sweep.recipe(COMBINATIONS[0]), 0, Observer())


BAD = [
    ("seeds = [0, 1]", "seeds = []", "seeds"),
    ("seeds = [0, 1]", "seeds = [1, 1]", "distinct"),
    ("seeds = [0, 1]", "seeds = [-1]", "whole numbers"),
    ("seeds = [0, 1]", "seed = 1", "Possible: name, description, recipe, seeds"),
    ("seeds = [0, 1]", "seeds = [0]\nsample = 5", "1 to 4"),
    ("seeds = [0, 1]", "seeds = [0", "TOML"),
    ('recipe = "quick"', 'recipe = "quik"', "Did you mean 'quick'"),
    ('recipe = "quick"', 'recipe = "no.toml"', "no.toml"),
    ('recipe = "quick"', "recipe = 3", "a name, a file or a table"),
    ('name = "tiny"', "name = 3", "'name' to be text"),
    ("epochs = 1", "epochs = 0", "epochs to be a whole number from 1"),
    ("epochs = 1", "epoch = 1", "Possible: name, architecture"),
    ("epochs = 1", "synthetic.digits = 100", "train on images alone"),
    ("epochs = 1", "synthetic.others = 100", "train on images alone"),
    ("epochs = 1", 'distillation.teachers = ["nano"]', "train on images alone"),
    ("epochs = 1", 'optimizer.name = "sgd"', "given by both"),
    ('["mlp", "lenet5"]', '["mlp", "lenet6"]', "Did you mean 'lenet5'"),
    ('["mlp", "lenet5"]', '"mlp"', "list of values"),
    ('["mlp", "lenet5"]', "[]", "at least one level"),
    ('["mlp", "lenet5"]', '["mlp", "mlp"]', "twice: mlp"),
    (
        '["mlp", "lenet5"]',
        '["mlp", "lenet5"]\narchitecture.kernel = [3, 5]',
        "architecture.name = mlp.*Possible: dense",
    ),
    ('["mlp", "lenet5"]', '["mlp"]\nseed = [1, 2]', "seeds = "),
    ('["mlp", "lenet5"]', '["mlp"]\nvalidation_images = [100, 200]', "same validation images"),
    ('["mlp", "lenet5"]', '["mlp"]\nvalidation = ["last", "stratified"]', "same validation images"),
    ('["mlp", "lenet5"]', '["mlp"]\nthreads = [1, 2]', "threads"),
    ('"adam", optimizer.learning_rate = 0.003', '"adan"', "one of sgd, adam"),
    ('"adam", optimizer.learning_rate = 0.003', '"adam", optimizer.learning_rate = "fast"', "a number above 0"),
    ('{ optimizer.name = "adam", optimizer.learning_rate = 0.003 }', '"adam"', "table of recipe fields"),
]


@pytest.mark.parametrize(("old", "new", "message"), BAD)
def test_a_bad_sweep_is_refused_with_what_is_possible(old: str, new: str, message: str) -> None:
    assert old in SWEEP
    with pytest.raises(RecipeError, match=message):
        parse_sweep(SWEEP.replace(old, new))


def test_a_sweep_needs_a_factor_and_a_file() -> None:
    with pytest.raises(RecipeError, match="nothing varies"):
        parse_sweep("seeds = [0]")
    with pytest.raises(RecipeError, match="architecture-activation-optimizer"):
        experiments.load_sweep("no-such-sweep")


def test_any_field_can_be_varied_and_every_level_sets_what_it_says() -> None:
    sweep = parse_sweep("""
        seeds = [0]
        [set]
        architecture.dropout = 0.25
        [factors]
        architecture.filters = [[8, 16], [16, 32, 64]]
        "architecture.pooling" = ["max", "average", "stride"]
        architecture.dense = [[], [64]]
        augmentation.rotation = [0, 10]
        [groups.optimizer]
        sgd = { optimizer.name = "sgd" }
    """)
    assert len(sweep.combinations()) == len(set(sweep.combinations())) == 24
    recipe = sweep.recipe(("8-16", "64", "stride", "10", "sgd"))
    options = recipe.architecture.options.to_dict()
    assert (options["filters"], options["pooling"], options["dense"]) == ([8, 16], "stride", [64])
    assert options["dropout"] == 0.25 and recipe.augmentation.rotation == 10 and recipe.optimizer.name == "sgd"


def test_fixed_fields_hold_for_every_architecture() -> None:
    sweep = parse_sweep(SWEEP.replace("epochs = 1", "epochs = 1\narchitecture.dropout = 0.4"))
    assert {sweep.recipe(labels).architecture.options.to_dict()["dropout"] for labels in COMBINATIONS} == {0.4}


def test_a_random_sample_is_part_of_the_grid_and_grows_at_its_end() -> None:
    grid = parse_sweep(SWEEP).combinations()
    samples = [parse_sweep(SWEEP.replace("seeds", f"sample = {n}\nseeds")).combinations() for n in (1, 3, 4)]
    assert samples[0] == samples[1][:1] and samples[1] == samples[2][:3] and sorted(samples[2]) == sorted(grid)


def test_shipped_sweeps_are_sound_and_listed() -> None:
    from inkdigits.cli import app

    listed = json.loads(CliRunner().invoke(app, ["experiment", "--list", "--json"]).stdout)
    assert [entry["name"] for entry in listed] == list(experiments.sweep_names())
    shipped = experiments.load_sweep("architecture-activation-optimizer")
    assert len(shipped.seeds) >= 3 and len(shipped.runs()) == len(shipped.seeds) * 5 * 3 * 3
    assert {"mlp", "lenet5", "convnet", "resnet", "separable"} == set(shipped.factors[0].labels)


def test_mean_sd_and_interval_by_hand() -> None:
    found = experiments.estimate([0.97, 0.98, 0.99])
    assert (found.n, found.mean, found.sd) == (3, pytest.approx(0.98), pytest.approx(0.01))
    half = 4.302653 * 0.01 / math.sqrt(3)  # the 97.5 % point of Student's t with 2 degrees of freedom
    assert (found.low, found.high) == (pytest.approx(0.98 - half, abs=1e-8), pytest.approx(0.98 + half, abs=1e-8))
    assert experiments.estimate([0.5]) == experiments.Estimate(1, 0.5, None, None, None)


def test_main_effects_average_within_seeds_and_compare_in_pairs() -> None:
    sweep = parse_sweep(SWEEP)
    # Seed 1 is worse by 0.10 throughout; lenet5 is better by 0.02 and 0.04: the pairs see it, the spread hides it.
    values = [0.80, 0.84, 0.82, 0.86, 0.70, 0.74, 0.74, 0.78]
    results = [made(run.seed, run.labels, value) for run, value in zip(sweep.runs(), values, strict=True)]
    mlp, lenet5 = experiments.main_effects(sweep, results)["architecture.name"]
    assert mlp.accuracy.mean == pytest.approx((0.82 + 0.72) / 2) and mlp.accuracy.sd == pytest.approx(
        0.1 / math.sqrt(2)
    )
    assert lenet5.difference is None and lenet5.accuracy.mean == pytest.approx(0.80)
    assert mlp.difference is not None and mlp.difference.mean == pytest.approx(-0.03)
    assert mlp.difference.sd == pytest.approx(0.02 / math.sqrt(2))
    assert experiments.ranking(sweep, results)[0].labels == ("lenet5", "adam")
    assert experiments.whole_seeds(sweep, results[:-1]) == [0]  # an unfinished seed would favor what has run
    assert experiments.main_effects(sweep, results[:-1])["architecture.name"][0].accuracy.mean == pytest.approx(0.82)
    assert experiments.ranking(sweep, results[1:4]) == []


def test_rows_stand_in_the_order_of_the_sweep_and_hold_what_went_astray() -> None:
    sweep = parse_sweep(SWEEP)
    last, first = made(1, ("lenet5", "adam"), 0.1), made(0, ("mlp", "sgd"), 0.9)
    table = list(csv.reader(io.StringIO(results_csv(sweep, [last, first]))))
    assert table[0][:5] == ["run", "seed", "architecture.name", "optimizer", "accuracy"]
    assert [row[:5] for row in table[1:]] == [["0", "0", "mlp", "sgd", "0.9"], ["7", "1", "lenet5", "adam", "0.1"]]


ROOT = Path(__file__).resolve().parents[1]


def test_the_committed_report_and_the_page_about_it_come_from_the_committed_rows() -> None:
    name = "architecture-activation-optimizer"
    sweep = experiments.load_sweep(name)
    table = csv.DictReader(io.StringIO((ROOT / f"benchmarks/results/sweep-{name}.csv").read_text()))
    results = [
        Result(
            run=Run(int(row["seed"]), (row["architecture"], row["activation"], row["optimizer"])),
            accuracy=float(row["accuracy"]),
            loss=float(row["loss"]),
            epochs=int(row["epochs"]),
            parameters=int(row["parameters"]),
            seconds=float(row["seconds"]),
            cpu_seconds=float(row["cpu_seconds"]),
            finished=row["finished"],
        )
        for row in table
    ]
    assert [result.run for result in results] == sweep.runs()
    effects = experiments.main_effects(sweep, results)
    assert (ROOT / f"docs/experiments/{name}/effects.csv").read_text() == effects_csv(effects)
    page = (ROOT / "docs/experiments.md").read_text(encoding="utf-8")
    for choice in (choice for choices in effects.values() for choice in choices):
        own, gap = choice.accuracy, choice.difference
        behind = "best"
        if gap is not None:
            assert gap.low is not None and gap.high is not None
            behind = f"{100 * gap.mean:+.2f} ({100 * gap.low:+.2f} to {100 * gap.high:+.2f})".replace("-", "−")
        assert own.sd is not None and own.low is not None and own.high is not None
        figures = f"{100 * own.mean:.2f} % ± {100 * own.sd:.2f} | {100 * own.low:.2f} to {100 * own.high:.2f} %"
        line = next(line for line in page.splitlines() if line.startswith(f"| `{choice.labels[0]}` |"))
        assert line.endswith(f" {figures} | {behind} | {choice.cpu_seconds:.1f} |")


def test_a_folder_with_a_trained_model_is_no_place_for_a_sweep(bundle: Path) -> None:
    with pytest.raises(RecipeError, match="holds a training"):
        run_sweep(parse_sweep(SWEEP), bundle)
    assert not (bundle / "study.db").exists()
