import json
import shutil

import pytest
from processes import REPOSITORY, run_python

from hf_brnn import PRETRAINED_FOLDER

QUICKSTART = REPOSITORY / "configs" / "quickstart.yaml"
SAMPLE = REPOSITORY / "hf_brnn" / "sample" / "tweets.csv"


def test_the_startup_benchmark_prints_and_writes_its_table(exported_folder, tmp_path):
    process = run_python(
        "scripts/benchmark.py", "startup", "--model", exported_folder, "--rounds", 1, "--peers",
        "--output_dir", tmp_path,
    )  # fmt: skip
    results = json.loads((tmp_path / "startup.json").read_text())
    (table,) = results["tables"].values()
    assert {row["what"] for row in table} >= {"hf-brnn, OnnxClassifier", "hf-brnn, pipeline"}
    assert all(row["seconds"] > 0 for row in table)
    for part in (results["date"], "torch", "scripts/benchmark.py startup", "hf-brnn, OnnxClassifier"):
        assert part in (tmp_path / "startup.md").read_text()
    assert (tmp_path / "startup.md").read_text() in process.stdout + "\n"


def run_benchmark(folder, name, *arguments):
    """The tables that a benchmark writes, by title, over the sample."""
    run_python(
        "scripts/benchmark.py", name, "--data_files", SAMPLE, "--peers", "--rounds", 1, "--rows", 2000,
        "--output_dir", folder, *arguments,
    )  # fmt: skip
    return json.loads((folder / f"{name}.json").read_text())["tables"]


def test_the_training_benchmark_measures_an_epoch_a_step_and_its_floor(tmp_path):
    tables = run_benchmark(
        tmp_path, "train", "--tables", "One epoch", "least", "Where the time", "data path", "distinct"
    )
    epoch, shares, floor, data_path, distinct_words = tables.values()
    assert [row["what"].startswith("hf-brnn") for row in epoch] == [True] * 3
    assert epoch[0]["times ours, a row"] == 1
    assert all(row["fastest"] <= row["seconds"] <= row["slowest"] for row in epoch)
    whole, *shares = shares
    assert whole["what"] == "all"
    assert whole["share"] == 1
    # The kernels of torch's LSTM, or the matrix products of ours.
    assert any(kernel in row["what"] for kernel in ("rnn", "mm") for row in shares[:2])
    assert 0.8 < sum(row["share"] for row in shares) <= 1
    operations, moved, step = floor
    # A token or a word: two directions, four gates of 256 x 256 weights, two operations each, once and twice more
    products = operations["billions"] / (2 * 4 * 256 * 256 * 2 * 3 / 1e9)
    tokens = 512 * 15
    assert 0.1 < products / tokens - 1 < 0.5
    assert products == pytest.approx(round(products))
    assert step["times the higher"] == pytest.approx(
        step["milliseconds"] / max(operations["milliseconds"], moved["milliseconds"])
    )
    assert step["times the higher"] > 1
    assert [row["texts"] for row in data_path] == [2000, 2000]
    assert all(0.1 < row["times torch's"] < 10 for row in distinct_words)


def test_the_training_benchmark_takes_a_recipe_and_the_arguments_of_a_training(tmp_path):
    (epoch,) = run_benchmark(
        tmp_path, "train", "--tables", "One epoch", "--config", QUICKSTART, "--hidden_size", 4, "--precision", "fp32",
        "--validation_size", 100, "--test_size", 200,
    ).values()  # fmt: skip
    rows = sum(1 for _ in SAMPLE.open()) - 1
    assert [row["rows"] for row in epoch] == [rows - 300] * 3
    assert all("(fp32)" in row["what"] for row in epoch)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("processes", "--hidden_size", 4), "unrecognized arguments: --hidden_size 4"),
        (("train", "--data_files", SAMPLE, "--hiden_size", 4), "--hiden_size"),
        (("train", "--data_files", SAMPLE, "--config", "no.yaml"), "no.yaml: no such configuration file"),
    ],
)
def test_an_argument_that_a_benchmark_does_not_know_is_refused(arguments, message):
    process = run_python("scripts/benchmark.py", *arguments, check=False)
    assert process.returncode
    assert message in process.stderr.splitlines()[-1]


def test_the_scoring_benchmark_measures_a_folder_without_a_float_graph(tmp_path):
    names = ["One text", "Accuracy of the graphs", "predict.py"]
    one_text, graphs, predict = run_benchmark(
        tmp_path, "score", "--model", PRETRAINED_FOLDER, "--tables", *names
    ).values()
    assert [row["what"] for row in one_text] == ["hf-brnn, ONNX int8", "hf-brnn, torch fp32"]
    assert all(0 < row["median ms"] <= row["99% ms"] for row in one_text)
    assert [row["what"] for row in graphs] == ["torch fp32", "ONNX int8"]
    assert graphs[1]["accuracy"] == pytest.approx(graphs[0]["accuracy"], abs=0.01)
    assert predict[0]["rows"] == 2000


def test_the_ablation_leaves_out_one_part_at_a_time(tmp_path):
    recipe = tmp_path / "short.yaml"
    recipe.write_text(
        f"{(REPOSITORY / 'configs' / 'quickstart.yaml').read_text()}\nmax_rows: 300\nnum_train_epochs: 1\n"
        "pooling: last\nembedding_dropout: 0.1\nword_dropout: 0\nclassifier_dropout: 0\ncell_type: gru\n"
        "lr_scheduler_type: constant_with_warmup\n"
    )
    (rows,) = run_benchmark(tmp_path, "ablation", "--config", recipe, "--seeds", 1, "--validation_rows", 50).values()
    assert [row["what"] for row in rows] == ["the recipe", "without embedding dropout"]
    assert rows[1]["against the recipe"] == f"{rows[1]['accuracy'] - rows[0]['accuracy']:+.4f}"


def test_the_accuracy_benchmark_measures_a_peer_and_us_on_the_same_rows(tmp_path):
    recipe = tmp_path / "short.yaml"
    recipe.write_text(
        f"{(REPOSITORY / 'configs' / 'quickstart.yaml').read_text()}\nmax_rows: 600\nnum_train_epochs: 6\n"
    )
    held_out = tmp_path / "held_out.csv"
    held_out.write_text("text,label\nwhat a lovely day,1\nthe worst film ever,0\n")
    peer = "TF-IDF of words + logistic regression"
    run_python(
        "scripts/benchmark.py", "accuracy", "--config", recipe, "--data_files", SAMPLE,
        "--seeds", 2, "--peers", peer, "--output_dir", tmp_path, "--held_out_files", held_out,
    )  # fmt: skip
    tables = json.loads((tmp_path / "accuracy.json").read_text())["tables"]
    measured, on_held_out, behaviour = tables.values()
    assert list(tables)[1].endswith("2 held out rows")
    for table in (measured, on_held_out):
        assert [row["what"] for row in table] == ["hf-brnn, short.yaml, mean of 2 seeds", peer]
    assert all(row["accuracy"] in (0, 0.25, 0.5, 0.75, 1) for row in on_held_out)
    for row in measured:
        assert 0.5 < row["accuracy"] <= 1
        assert row["train seconds"] > 0
        assert row["MB on disk"] > 0
    negation = next(row for row in behaviour if row["capability"] == "negation")
    assert 0 < negation[peer] <= 1
    assert 0 < negation["hf-brnn"] <= 1


def test_the_peers_of_a_model_are_written_into_its_card(saved_folder, tmp_path):
    folder = shutil.copytree(saved_folder, tmp_path / "quickstart")
    peer = "TF-IDF of words + logistic regression"
    held_out = tmp_path / "held_out.csv"
    held_out.write_text("text,label\nwhat a nice and quiet evening that was,1\nthe third delay in a row today,0\n")
    run_python(
        "scripts/benchmark.py", "accuracy", "--config", REPOSITORY / "configs" / "quickstart.yaml",
        "--data_files", SAMPLE, "--held_out_files", held_out, "--model", folder, "--peers", peer,
        "--update_card", "--output_dir", tmp_path / "out",
    )  # fmt: skip
    results = json.loads((tmp_path / "out" / "accuracy.json").read_text())
    ours, theirs = next(iter(results["tables"].values()))
    metrics = json.loads((folder / "metrics.json").read_text())["test"]
    assert ours["accuracy"] == pytest.approx(metrics["accuracy"], abs=1 / metrics["rows"])
    card = (folder / "README.md").read_text()
    parts = (f"Beside peers on {metrics['rows']} test rows:", "Beside peers on 2 held out rows:")
    for part in (*parts, peer, f"{theirs['accuracy']:.4g}", results["date"], results["command"]):
        assert part in card
    assert str(tmp_path) not in card
