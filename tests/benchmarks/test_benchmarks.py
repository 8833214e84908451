import json
import re
import shutil
import sys
from csv import DictReader, DictWriter

import pytest
from forks import REPOSITORY, run_in_fork

import hf_brnn
from hf_brnn.hub.card import BASELINES_MARK

BENCHMARKS = REPOSITORY / "benchmarks"
SAMPLE = REPOSITORY / "hf_brnn" / "data" / "sample" / "tweets.csv"
QUICKSTART = REPOSITORY / "configs" / "quickstart.yaml"
SCRIPTS = ("accuracy", "processes", "scoring", "serving", "startup", "streaming", "tasks", "training")


@pytest.fixture
def load(monkeypatch):
    """Imports a benchmark as a module."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    yield lambda name: __import__(name)
    for path in BENCHMARKS.glob("*.py"):
        sys.modules.pop(path.stem, None)


def run(name, *arguments):
    """Runs a benchmark from a directory that is not the repository, and returns what it prints."""
    return run_in_fork(BENCHMARKS / f"{name}.py", *arguments, cwd=BENCHMARKS.parent.parent).stdout


def rows_of(output, title):
    """The rows of a printed table, without its header and the commas in its numbers."""
    lines = output.partition(f"**{title}")[2].partition("\n\n")[2].partition("\n\n")[0].strip().splitlines()
    return [
        [re.sub(r"(?<=\d),(?=\d{3})", "", cell.strip()) for cell in line.strip("|").split("|")] for line in lines[2:]
    ]


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_shows_how_to_run_a_benchmark(name):
    assert f"python benchmarks/{name}.py" in run(name, "--help")


def test_accuracy_measures_us_and_a_baseline_on_the_same_rows(tmp_path):
    output = run(
        "accuracy", "--config", QUICKSTART, "--data_files", SAMPLE, "--model", hf_brnn.PRETRAINED, "--rounds", 1,
        "--speed_rows", 20, "--baselines", "TF-IDF words", "--plot", tmp_path / "images" / "picture",
    )  # fmt: skip
    rows = rows_of(output, "180 test rows; baselines trained on")
    assert [row[0] for row in rows] == ["hf-brnn int8", "hf-brnn torch", "TF-IDF words"]
    assert all(0.5 < float(row[1]) < 1 for row in rows)
    assert "Accuracy lost by int8: " in output
    saved = json.loads((tmp_path / "images" / "picture.json").read_text())
    assert [row["what"] for row in saved["rows"]] == [row[0] for row in rows]
    assert (tmp_path / "images" / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert "</svg>" in (tmp_path / "images" / "picture.svg").read_text()


@pytest.mark.slow
def test_accuracy_trains_a_recipe_with_several_seeds(tmp_path):
    held_out = tmp_path / "held_out.csv"
    held_out.write_text("text,label\nwhat a lovely day,1\nthe worst film ever,0\n")
    output = run(
        "accuracy", "--config", QUICKSTART, "--data_files", SAMPLE, "--held_out_files", held_out, "--seeds", 2,
        "--rounds", 1, "--speed_rows", 20, "--baselines", "TF-IDF words", "--baseline_rows", 300,
    )  # fmt: skip
    for title in ("180 test rows; baselines trained on 300 rows", "2 held-out rows; baselines trained on 300 rows"):
        assert [row[0] for row in rows_of(output, title)] == ["hf-brnn torch, mean of 2 seeds", "TF-IDF words"]


def test_accuracy_writes_baselines_into_a_card(saved_folder, tmp_path):
    directory = shutil.copytree(saved_folder, tmp_path / "model")
    run(
        "accuracy", "--config", QUICKSTART, "--data_files", SAMPLE, "--model", directory, "--update_card",
        "--rounds", 1, "--speed_rows", 20, "--baselines", "TF-IDF words",
    )  # fmt: skip
    card = (directory / "README.md").read_text()
    assert "| TF-IDF words" in card
    figures = re.findall(r"\| (0\.\d+)", card.split(BASELINES_MARK)[1])
    assert len(figures) >= 6
    assert max(map(len, figures)) <= len("0.00012345")  # four digits


def test_scoring_measures_single_texts_cpu_time_and_whole_files():
    output = run(
        "scoring", "--data_files", SAMPLE, "--model", hf_brnn.PRETRAINED, "--tables", "one", "cpu", "file",
        "--texts", 50, "--rows", 100, "--rounds", 1, "--baselines", "TF-IDF words",
    )  # fmt: skip
    one = rows_of(output, "One text")
    assert [row[0] for row in one] == ["hf-brnn int8", "hf-brnn torch", "TF-IDF words"]
    assert all(0 < float(median) <= float(slow) for _, median, slow in one)
    assert [row[0] for row in rows_of(output, "CPU time per text, int8")] == ["tokenizing", "graph"]
    (predict,) = rows_of(output, "100 texts, parquet to parquet, whole process")
    assert predict[0] == "hf-brnn predict"


@pytest.mark.slow
def test_scoring_measures_many_texts_against_distilbert():
    output = run(
        "scoring", "--data_files", SAMPLE, "--model", hf_brnn.PRETRAINED, "--tables", "many", "--texts", 20,
        "--rounds", 1, "--baselines", "TF-IDF words",
    )  # fmt: skip
    rows = rows_of(output, "Many texts, all cores")
    assert [row[0] for row in rows[-2:]] == ["hf-brnn pipeline", "DistilBERT pipeline"]
    assert rows[-1][2] == "1"


def test_training_measures_an_epoch_against_a_bare_loop_and_a_baseline():
    output = run(
        "training", "--data_files", SAMPLE, "--config", QUICKSTART, "--tables", "epoch", "--rounds", 1,
        "--baselines", "TF-IDF words", "--max_rows", 200, "--hidden_size", 4, "--precision", "fp32",
    )  # fmt: skip
    trainer, _, loop, regression = rows_of(output, "One epoch of ")
    assert trainer[0] == "hf-brnn, Trainer (fp32)"
    assert trainer[2] == "1"
    assert "bare loop" in loop[0]
    assert regression[0] == "TF-IDF words, whole training"
    assert "Trainer against the bare loop: " in output


@pytest.mark.slow
def test_training_measures_steps_and_their_roofline():
    output = run(
        "training", "--data_files", SAMPLE, "--tables", "steps", "roofline", "profile", "deduplicated",
        "--steps", 1, "--rounds", 1,
    )  # fmt: skip
    assert len(rows_of(output, "A training step")) == 3
    operations, moved, step = rows_of(output, "Roofline of that step")
    assert float(step[-1]) == pytest.approx(float(step[3]) / max(float(operations[3]), float(moved[3])), rel=0.01)
    assert rows_of(output, "Where the time of that step goes")
    assert len(rows_of(output, "Milliseconds of a step with each distinct word")) == 8


def test_tasks_measures_a_recipe_and_baselines_by_the_metric_of_a_task(tmp_path):
    with SAMPLE.open(encoding="utf-8", newline="") as file:
        rows = [
            {"text": row["text"], "label": "not_irony" if row["sentiment"] == "0" else "irony"}
            for row in DictReader(file)
        ]
    (tmp_path / "irony").mkdir()
    for name, part in (("train", rows[:1200]), ("val", rows[1200:1400])):
        with (tmp_path / "irony" / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = DictWriter(file, ["text", "label"])
            writer.writeheader()
            writer.writerows(part)
    output = run(
        "tasks", "--tasks", tmp_path / "irony", "--configs", "quickstart", "--baselines", "TF-IDF", "TF-IDF, balanced",
        "--num_train_epochs", 3,
    )  # fmt: skip
    (row,) = rows_of(output, "Validation rows")
    assert row[:3] == ["irony", "1200", "F1 of irony"]
    ours, _, *regressions = map(float, row[3:])
    assert 0.6 < min(regressions) <= max(regressions) <= 1
    assert 0 <= ours <= 1


def test_tasks_knows_the_official_metrics(load):
    metric_of = load("tasks").metric_of
    labels, found = [0, 0, 1, 1, 2, 2], [0, 1, 1, 1, 2, 0]
    f1 = [0.5, 0.8, 2 / 3]
    assert metric_of("stance_climate", ["against", "favor", "none"])[1](labels, found) == pytest.approx(sum(f1[:2]) / 2)
    assert metric_of("emotion", ["a", "b", "c"])[1](labels, found) == pytest.approx(sum(f1) / 3)
    assert metric_of("semeval", ["a", "b", "c"])[1](labels, found) == pytest.approx((0.5 + 1 + 0.5) / 3)
    assert metric_of("irony", ["irony", "non_irony"])[1]([0, 0, 1, 1], [0, 1, 1, 1]) == pytest.approx(2 / 3)


def test_startup_says_which_answer_is_too_slow(load, monkeypatch, capsys):
    startup = load("startup")
    usage = load("timing").Usage

    def run_measured(command, check=True):
        return usage(9.0, 3.0 if command[-1] == "--help" else 0.25, 50.0)

    monkeypatch.setattr(startup, "run_measured", run_measured)
    startup.main(["--commands", "train", "predict", "--rounds", "1"])
    output = capsys.readouterr().out
    assert ["train --help", "3", "12", "12"] in rows_of(output, "CPU time of a process")
    assert "The slowest answer, train --help: 3 (goal: at most 2), **missed**" in output
    assert "CPU seconds of predict, one text: 0.25 (goal: at most 0.3), met" in output


def test_startup_knows_a_missing_file_for_each_command(load):
    assert set(load("startup").COMMANDS) == set(load("startup").MISSING_FILE)


@pytest.mark.slow
def test_startup_measures_processes(load):
    assert rows_of(run("startup", "--commands", "predict", "--rounds", 1), "CPU time of a process")[0][2] == "1"


def test_streaming_compares_the_memory_of_one_and_ten_copies(load, monkeypatch, capsys):
    streaming = load("streaming")
    usage = load("timing").Usage
    monkeypatch.setattr(
        streaming,
        "run_measured",
        lambda command: usage(1.0, 1.0, 100.0 * len(command[command.index("--data_files") :])),
    )
    streaming.main(["--data_files", "tweets.csv"])
    output = capsys.readouterr().out
    assert [row[2] for row in rows_of(output, "One epoch from a stream")] == ["200", "1100"]
    assert "MiB more for ten times the rows: 900 (goal: at most 200), **missed**" in output


def test_processes_compares_two_processes_with_one(load, monkeypatch, capsys):
    processes = load("processes")
    seconds = {1: 0.1, 2: 0.125}
    monkeypatch.setattr(processes, "launch", lambda count, steps, gradients: [seconds[count], count * 1e6])
    processes.main(["--rounds", "2"])
    one, two, _ = rows_of(capsys.readouterr().out, "512 rows per process")
    assert one[1:] == ["5120", "1", "1"]
    assert two[1:] == ["8192", "1.6", "2"]


@pytest.mark.slow
def test_processes_measures_launches():
    assert len(rows_of(run("processes", "--rounds", 1, "--steps", 1), "512 rows per process")) == 3


def test_contestants_run_in_turn_after_a_round_that_is_not_counted(load):
    timing = load("timing")
    order = []
    times = timing.in_turn({"ours": lambda: order.append("ours"), "theirs": lambda: order.append("theirs") or 7.0}, 2)
    assert order == ["ours", "theirs"] * 3
    assert times["theirs"] == [7.0, 7.0]
    assert timing.ratio([2.0, 9.0, 4.0], [1.0, 3.0, 4.0]) == 2.0


def test_a_process_that_fails_is_not_measured(load):
    with pytest.raises(RuntimeError, match="ended with 3"):
        load("timing").run_measured([sys.executable, "-c", "raise SystemExit(3)"])


def test_a_process_is_measured_by_its_cpu_time_and_memory(load):
    code = "import time; x = b'1' * 2**26; time.sleep(0.3)"
    usage = load("timing").run_measured([sys.executable, "-c", code])
    assert usage.seconds > 0.3
    assert 0 < usage.cpu_seconds < usage.seconds
    assert usage.peak_mib > 60


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("scoring", ["--data_files", "x.csv", "--model", "m", "--roundz", "1"], "Did you mean --rounds?"),
        ("training", ["--data_files", str(SAMPLE), "--config", "no.yaml"], "no.yaml"),
        ("accuracy", ["--config", "c", "--data_files", "x", "--update_card"], "--update_card needs --model"),
    ],
)
def test_wrong_arguments_are_refused(name, arguments, message):
    process = run_in_fork(BENCHMARKS / f"{name}.py", *arguments, check=False)
    assert process.returncode == 2
    assert message in process.stderr.splitlines()[-1]
