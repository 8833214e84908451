import os
import subprocess
import sys
import time

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import REPOSITORY, run_python

MODEL = REPOSITORY / "hf_brnn" / "pretrained" / "brnn-sentiment140"
SHARD_ROWS = 4000
SHARDS = [
    "part-0.parquet",
    "part-1.parquet",
    "part-2.parquet",
    "part-3.parquet",
    "part-4.parquet",
    "late/part-5.parquet",
]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Shards that keep a core busy for about a second each, and one without rows."""
    folder = tmp_path_factory.mktemp("shards")
    (folder / "late").mkdir()
    for number, shard in enumerate([*SHARDS, "none.parquet"]):
        rows = range(number * SHARD_ROWS, (number + 1) * SHARD_ROWS if shard in SHARDS else number * SHARD_ROWS)
        texts = [f"{'so happy' if row % 3 else 'so sad'} with number {row} " + "and again " * 40 for row in rows]
        pq.write_table(
            pa.table({"id": pa.array(rows, pa.int64()), "text": pa.array(texts, pa.string())}), folder / shard
        )
    return folder


def arguments(source, target, *more):
    paths = ("--model", MODEL, "--input", source, "--output", target)
    return list(map(str, ("scripts/predict.py", "--engine", "ray", "--workers", 2, *paths, *more)))


def start(source, target, log):
    with log.open("w") as file:
        return subprocess.Popen(
            [sys.executable, *arguments(source, target)], cwd=REPOSITORY, stdout=file, stderr=subprocess.STDOUT
        )


def wait_for(condition, process, log):
    """Returns the condition's value as soon as it is true."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"it never came to that\n{log.read_text()}")


def files(folder, suffix):
    return {str(path.relative_to(folder)): path for path in folder.rglob(f"*{suffix}")}


def scored_rows(target):
    return pa.concat_tables(pq.read_table(path) for path in files(target, ".parquet").values())


def check_rows(target):
    assert set(files(target, "")) - {"late"} == {*SHARDS, "none.parquet"}
    rows = scored_rows(target)
    assert sorted(rows["id"].to_pylist()) == list(range(len(SHARDS) * SHARD_ROWS))
    assert rows["score"].null_count == rows["label"].null_count == 0


@pytest.fixture(scope="module")
def scored(source, tmp_path_factory):
    """The output of a run one worker of which was killed in the middle of a shard."""
    target = tmp_path_factory.mktemp("scored")
    log = target.with_suffix(".log")
    process = start(source, target, log)
    wait_for(lambda: len(files(target, ".unfinished")) == 2, process, log)
    workers = [
        child for child in psutil.Process(process.pid).children(recursive=True) if "Scorer" in child.cmdline()[0]
    ]
    assert len(workers) == 2
    workers[0].kill()
    assert process.wait(120) == 0, log.read_text()
    assert "A worker died or was killed" in log.read_text()
    return target


def test_a_killed_worker_loses_and_repeats_no_row(scored):
    check_rows(scored)


def test_a_shard_keeps_its_rows_and_gets_the_scores_of_the_local_engine(scored, source, tmp_path):
    target = tmp_path / "local.parquet"
    run_python("scripts/predict.py", "--model", MODEL, "--input", source / SHARDS[-1], "--output", target)
    expected, found = pq.read_table(target), pq.read_table(scored / SHARDS[-1])
    assert found.schema == expected.schema
    assert found.equals(expected)
    assert pq.read_schema(scored / "none.parquet") == expected.schema


def test_a_second_start_leaves_finished_shards_alone(source, tmp_path):
    target, log = tmp_path / "scored", tmp_path / "log"
    process = start(source, target, log)
    processes = wait_for(
        lambda: files(target, ".parquet").keys() - {"none.parquet"} and files(target, ".unfinished"), process, log
    ) and [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for each in processes:
        each.kill()
    process.wait()
    psutil.wait_procs(processes)
    finished = {name: path.stat().st_mtime_ns for name, path in files(target, ".parquet").items()}
    unfinished = files(target, ".unfinished")
    assert unfinished
    assert 0 < len(finished) < len(SHARDS)

    again = run_python(*arguments(source, target))
    check_rows(target)
    assert {name: (target / name).stat().st_mtime_ns for name in finished} == finished
    new_rows = sum(pq.read_metadata(target / name).num_rows for name in {*SHARDS} - finished.keys())
    assert f"{new_rows:,} rows scored, 0 left out" in again.stdout

    third = run_python(*arguments(source, target), PATH="")
    assert "0 rows scored, 0 left out" in third.stdout


def test_a_row_that_cannot_be_used_stops_the_run_or_is_listed(tmp_path):
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    pq.write_table(pa.table({"text": ["good", None, "bad"]}), source / "rows.parquet")
    process = run_python(*arguments(source, target), check=False)
    problem = f"{source / 'rows.parquet'}, row 2: field 'text' is None, not a text"
    assert process.returncode
    assert problem in process.stderr
    assert not files(target, ".parquet")
    process = run_python(*arguments(source, target, "--skip_bad_rows"))
    assert problem in process.stderr
    assert "2 rows scored, 1 left out" in process.stdout
    assert scored_rows(target)["text"].to_pylist() == ["good", "bad"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pa.table({"tweet": ["x"]}), "{file}: no column 'text' among tweet."),
        (pa.table({"text": ["x"], "label": [1]}), "{file}: already has a column label, which the output would repeat."),
        (b"x", "{file}: not a readable parquet file"),
        (None, "{folder}: no folder with .parquet files."),
    ],
)
def test_shards_that_do_not_fit_are_named_before_any_work(source, tmp_path, content, message):
    file = tmp_path / "in" / "b.parquet"
    file.parent.mkdir()
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        pq.write_table(content, file)
    if content is not None:
        pq.write_table(pa.table({"text": ["x"]}), file.with_name("a.parquet"))
    process = run_python(*arguments(file.parent, tmp_path / "out"), check=False)
    last_line = process.stderr.splitlines()[-1]
    assert process.returncode
    assert last_line.startswith(message.format(file=file, folder=file.parent))
    assert "Traceback" not in process.stderr
    assert not files(tmp_path, "out/*.parquet")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--model", "runs/nowhere"), "runs/nowhere/onnx/model_quantized.onnx: no such file."),
        (("--output", "{source}/scored"), "the output folder can't lie in the input folder"),
        (("--engine", "local"), "--workers is for --engine ray"),
        (("--workers", "0"), "--workers must be 1 or more"),
    ],
)
def test_arguments_that_do_not_fit_are_named(source, tmp_path, more, message):
    more = [argument.format(source=source) for argument in more]
    process = run_python(*arguments(source, tmp_path, *more), check=False)
    assert process.returncode
    assert message in process.stderr.splitlines()[-1]
    assert not files(tmp_path, ".parquet")


def test_without_ray_the_command_that_installs_it_is_named(source, tmp_path):
    code = "import runpy, sys; sys.modules['ray'] = None; sys.path.insert(0, 'scripts'); import predict; "
    process = run_python("-c", code + "predict.main(sys.argv[1:])", *arguments(source, tmp_path)[1:], check=False)
    assert process.returncode
    assert 'pip install -c constraints.txt -e ".[onnx,ray]"' in process.stderr.splitlines()[-1]
