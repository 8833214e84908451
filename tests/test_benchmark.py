import json
import shutil

import pytest
from conftest import REPOSITORY, run_python


def test_the_startup_benchmark_prints_and_writes_its_table(exported_folder, tmp_path):
    process = run_python(
        "scripts/benchmark.py", "startup", "--model", exported_folder, "--rounds", 1, "--output_dir", tmp_path
    )
    results = json.loads((tmp_path / "startup.json").read_text())
    (table,) = results["tables"].values()
    assert {row["what"] for row in table} >= {"hf-brnn, OnnxClassifier", "hf-brnn, pipeline"}
    assert all(row["seconds"] > 0 for row in table)
    for part in (results["date"], "torch", "scripts/benchmark.py startup", "hf-brnn, OnnxClassifier"):
        assert part in (tmp_path / "startup.md").read_text()
    assert (tmp_path / "startup.md").read_text() in process.stdout + "\n"


def test_the_accuracy_benchmark_measures_a_peer_and_us_on_the_same_rows(tmp_path):
    recipe = tmp_path / "short.yaml"
    recipe.write_text(f"{(REPOSITORY / 'configs' / 'quickstart.yaml').read_text()}\nmax_rows: 600\n")
    sample = REPOSITORY / "hf_brnn" / "sample" / "tweets.csv"
    peer = "TF-IDF of words + logistic regression"
    run_python(
        "scripts/benchmark.py", "accuracy", "--config", recipe, "--data_files", sample,
        "--seeds", 2, "--peers", peer, "--output_dir", tmp_path,
    )  # fmt: skip
    measured, behaviour = json.loads((tmp_path / "accuracy.json").read_text())["tables"].values()
    assert [row["what"] for row in measured] == ["hf-brnn, short.yaml, mean of 2 seeds", peer]
    for row in measured:
        assert 0.5 < row["accuracy"] <= 1
        assert row["train seconds"] > 0
        assert row["MB on disk"] > 0
    negation = next(row for row in behaviour if row["capability"] == "negation")
    assert 0 < negation[peer] <= 1
    assert 0 < negation["hf-brnn"] <= 1


def test_the_peers_of_a_model_are_written_into_its_card(saved_folder, tmp_path):
    folder = shutil.copytree(saved_folder, tmp_path / "quickstart")
    sample = REPOSITORY / "hf_brnn" / "sample" / "tweets.csv"
    peer = "TF-IDF of words + logistic regression"
    run_python(
        "scripts/benchmark.py", "accuracy", "--config", REPOSITORY / "configs" / "quickstart.yaml",
        "--data_files", sample, "--model", folder, "--peers", peer, "--update_card", "--output_dir", tmp_path / "out",
    )  # fmt: skip
    results = json.loads((tmp_path / "out" / "accuracy.json").read_text())
    ours, theirs = next(iter(results["tables"].values()))
    metrics = json.loads((folder / "metrics.json").read_text())["test"]
    assert ours["accuracy"] == pytest.approx(metrics["accuracy"], abs=1 / metrics["rows"])
    card = (folder / "README.md").read_text()
    for part in (peer, f"{theirs['accuracy']:.4g}", results["date"], results["command"]):
        assert part in card
    assert str(tmp_path) not in card
