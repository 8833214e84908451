import subprocess
import sys

import pandas as pd
import psutil
import pytest
from commands import run_main
from processes import REPOSITORY, run_new_python, wait_for_end, wait_until

from hf_brnn import PRETRAINED_FOLDER
from hf_brnn.commands.predict import main

ROWS = 45_000


def arguments(source, target, *more):
    return ["-m", "hf_brnn", "predict", PRETRAINED_FOLDER, "--input", source, "--output", target, *more]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "in.parquet"
    texts = [f"{'happy' if row % 3 else 'sad'} {row} " + "really " * (row % 17) for row in range(ROWS)]
    pd.DataFrame({"text": texts}).to_parquet(path)
    return path


@pytest.fixture
def start(tmp_path):
    """Starts a long run, and returns it and its workers once they have begun."""
    source = tmp_path / "in.csv"
    source.write_text("text\n" + "so happy today\n" * 1_000_000)
    runs = []

    def start():
        command = [*map(str, (sys.executable, *arguments(source, tmp_path / "out.csv", "--workers", 2)))]
        run = psutil.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True)
        runs.append(run)
        wait_until(lambda: list(tmp_path.glob("out.csv.*.part")), run)
        return run, [child for child in run.children() if "spawn_main" in " ".join(child.cmdline())]

    yield start
    for run in runs:
        if run.poll() is None:
            run.kill()


def test_any_number_of_workers_gives_the_same_rows(source, tmp_path):
    for workers in (1, 2, 3):
        run_new_python(*arguments(source, tmp_path / f"{workers}.parquet", "--workers", workers, "--all_scores"))
    expected = pd.read_parquet(tmp_path / "1.parquet")
    assert expected["text"].tolist() == pd.read_parquet(source)["text"].tolist()
    for workers in (2, 3):
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / f"{workers}.parquet"), expected)


def test_a_row_that_cannot_be_read_ends_all_workers(source, tmp_path):
    texts = pd.read_parquet(source)["text"].tolist()
    texts[ROWS - 2] = None
    pd.DataFrame({"text": texts}).to_parquet(tmp_path / "in.parquet")
    process = run_new_python(*arguments(tmp_path / "in.parquet", tmp_path / "out.csv", "--workers", 2), check=False)
    assert process.returncode == 1
    assert f"row {ROWS - 1}: field 'text' is None, not a text" in process.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


def test_a_killed_worker_ends_the_run_with_an_error(start, tmp_path):
    run, workers = start()
    assert len(workers) == 2
    workers[0].kill()
    _, errors = run.communicate()
    assert run.returncode == 1
    assert errors.splitlines()[-1].endswith("Use fewer workers (--workers).")
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_workers_end_when_the_run_is_killed(start):
    run, workers = start()
    run.kill()
    run.wait()
    for worker in workers:
        wait_for_end(worker)


def test_workers_need_the_int8_graph(saved_folder, source, tmp_path, capsys):
    files = ("--input", source, "--output", tmp_path / "out.csv")
    ended = run_main(main, saved_folder, *files, "--workers", 2, capsys=capsys)
    assert ended.code == 1
    assert f"{saved_folder} has no int8 graph, which --workers needs. Write it (hf-brnn export" in ended.stderr


def test_workers_are_for_files(capsys):
    ended = run_main(main, PRETRAINED_FOLDER, "so happy", "--workers", 2, capsys=capsys)
    assert (ended.code, "--workers is for --input FILE, but texts are given" in ended.stderr) == (2, True)
