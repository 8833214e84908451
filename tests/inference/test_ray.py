import subprocess
import sys

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from forks import HANGS
from processes import REPOSITORY, run_python, wait_until

from hf_brnn.inference.ray import score_folder

pytestmark = pytest.mark.ray

MODEL = REPOSITORY / "hf_brnn" / "pretrained" / "brnn-sentiment140"
SHARD_ROWS = 1500
SHARDS = [*(f"part-{number}.parquet" for number in range(5)), "late/part-5.parquet"]
EMPTY_SHARD = "none.parquet"
BAD_ROW = 5 * SHARD_ROWS + 7


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Shards that keep a core busy for half a second each, the text of one row missing; one shard without rows; and
    what Spark leaves beside them."""
    folder = tmp_path_factory.mktemp("shards")
    (folder / "late").mkdir()
    for number, shard in enumerate([*SHARDS, EMPTY_SHARD]):
        ids = [] if shard == EMPTY_SHARD else list(range(number * SHARD_ROWS, (number + 1) * SHARD_ROWS))
        texts = [f"{'so happy' if row % 3 else 'so sad'} with number {row} " + "and again " * 40 for row in ids]
        if BAD_ROW in ids:
            texts[ids.index(BAD_ROW)] = None
        pq.write_table(
            pa.table({"id": pa.array(ids, pa.int64()), "text": pa.array(texts, pa.string())}), folder / shard
        )
    (folder / "_temporary").mkdir()
    (folder / "_temporary" / "part-0.parquet").write_bytes(b"half a file")
    return folder


# Columns besides label and score.
DOUBT = ("--all_scores", "--known_words", "--min_score", 0.9)


def arguments(source, target, *more):
    paths = ("--model", MODEL, "--input", source, "--output", target)
    return list(map(str, ("scripts/predict.py", "--engine", "ray", "--workers", 2, *paths, *more)))


def start(source, target, log):
    command = [sys.executable, *arguments(source, target, "--skip_bad_rows", *DOUBT)]
    with log.open("w") as file:
        return subprocess.Popen(command, cwd=REPOSITORY, stdout=file, stderr=subprocess.STDOUT)


def wait_for(condition, process, log):
    """Returns the condition's value as soon as it is true."""
    return wait_until(condition, process, log.read_text)


def files(folder, suffix=""):
    return {str(path.relative_to(folder)) for path in folder.rglob(f"*{suffix}") if path.is_file()}


def check_rows(target):
    assert files(target) == {*SHARDS, EMPTY_SHARD}
    rows = pa.concat_tables(pq.read_table(target / name) for name in sorted(files(target)))
    assert sorted([*rows["id"].to_pylist(), BAD_ROW]) == list(range(len(SHARDS) * SHARD_ROWS))
    assert rows["label"].null_count == rows["score"].null_count == 0


def busy_workers(target):
    """The processes that are writing a shard."""
    if not files(target, ".unfinished"):
        return []
    return [
        process
        for process in psutil.process_iter(["open_files"])
        if any(file.path.startswith(f"{target}/") for file in process.info["open_files"] or [])
    ]


@pytest.fixture(scope="module")
def scored(source, tmp_path_factory):
    """The output and the log of a run one of whose workers was killed in the middle of a shard."""
    target = tmp_path_factory.mktemp("scored")
    log = target.with_suffix(".log")
    process = start(source, target, log)
    wait_for(lambda: busy_workers(target), process, log)[0].kill()
    assert process.wait(HANGS) == 0, log.read_text()
    assert "A worker died or was killed" in log.read_text()
    return target, log.read_text()


def test_a_killed_worker_loses_and_repeats_no_row(scored):
    target, _ = scored
    check_rows(target)


def test_rows_left_out_are_listed(scored, source):
    _, log = scored
    assert f"Skipped {source / SHARDS[5]}, row 8: field 'text' is None, not a text" in log
    assert f"{len(SHARDS) * SHARD_ROWS - 1:,} rows written to" in log


def test_a_shard_keeps_its_rows_and_gets_the_scores_of_the_local_engine(scored, source, tmp_path):
    target, _ = scored
    local = tmp_path / "local.parquet"
    run_python("scripts/predict.py", "--model", MODEL, "--input", source / SHARDS[0], "--output", local, *DOUBT)
    expected, found = pq.read_table(local), pq.read_table(target / SHARDS[0])
    assert found.equals(expected)
    assert found.column_names[-5:] == ["label", "score", "score_NEGATIVE", "score_POSITIVE", "known_words"]
    assert "unsure" in found["label"].to_pylist()
    assert pq.read_schema(target / EMPTY_SHARD) == found.schema


@pytest.mark.slow
def test_a_second_start_leaves_finished_shards_alone(source, tmp_path):
    target, log = tmp_path / "scored", tmp_path / "log"
    process = start(source, target, log)
    wait_for(lambda: files(target, ".unfinished") and files(target, ".parquet") - {EMPTY_SHARD}, process, log)
    driver = psutil.Process(process.pid)
    processes = [driver, *driver.children(recursive=True)]
    for each in processes:
        each.kill()
    psutil.wait_procs(processes, timeout=HANGS)
    finished = {name: (target / name).stat().st_mtime_ns for name in files(target, ".parquet")}
    assert files(target, ".unfinished")
    assert not set(SHARDS) <= finished.keys()

    again = run_python(*arguments(source, target, "--skip_bad_rows", *DOUBT))
    check_rows(target)
    assert {name: (target / name).stat().st_mtime_ns for name in finished} == finished
    new_rows = sum(pq.read_metadata(target / name).num_rows for name in set(SHARDS) - finished.keys())
    assert f"{new_rows:,} rows written to" in again.stdout


def test_a_row_that_cannot_be_used_stops_the_run(tmp_path):
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    pq.write_table(pa.table({"text": ["good", None, "bad"]}), source / "rows.parquet")
    target.mkdir()
    left = target / f"rows.parquet.{'0' * 32}.unfinished"
    left.write_bytes(b"of an earlier run")
    (target / "novel.unfinished").write_bytes(b"of somebody")
    process = run_python(*arguments(source, target), check=False)
    assert process.returncode
    assert f"{source / 'rows.parquet'}, row 2: field 'text' is None, not a text" in process.stderr
    assert "Traceback" not in process.stderr
    assert not files(target, ".parquet") and not left.exists()
    assert (target / "novel.unfinished").read_bytes() == b"of somebody"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pa.table({"words": ["x"]}), "{file}: no column of texts among words. Add --text_column NAME."),
        (b"x", "{file}: not a readable parquet file"),
    ],
)
def test_a_shard_that_does_not_fit_is_named_before_any_work(tmp_path, content, message):
    file = tmp_path / "in" / "b.parquet"
    file.parent.mkdir()
    pq.write_table(pa.table({"text": ["x"]}), file.with_name("a.parquet"))
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        pq.write_table(content, file)
    with pytest.raises(ValueError) as error:
        score_folder(MODEL, str(file.parent), str(tmp_path / "out"))
    assert str(error.value).startswith(message.format(file=file))
    assert not files(tmp_path / "out")


def test_folders_that_do_not_fit_are_named(source, tmp_path):
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "nowhere"):
        with pytest.raises(FileNotFoundError, match=f"{folder}: no folder with .parquet files"):
            score_folder(MODEL, str(folder), str(tmp_path / "out"))
    for folder in (source, source / "scored"):
        with pytest.raises(ValueError, match=f"{folder}: the output folder can't be inside the input folder {source}"):
            score_folder(MODEL, str(source), str(folder))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--model", "runs/nowhere"), "runs/nowhere: there is no such directory"),
        (("--workers", "0"), "--workers is 0, expected 1 or more"),
        (("--batch_size", "0"), "--batch_size is 0, expected 1 or more"),
    ],
)
def test_arguments_that_do_not_fit_are_named(source, tmp_path, more, message):
    process = run_python(*arguments(source, tmp_path, *more), check=False)
    assert process.returncode
    assert message in process.stderr.splitlines()[-1]
    assert not files(tmp_path)


def test_without_ray_the_command_that_installs_it_is_named(source, tmp_path):
    code = "import sys; sys.modules['ray'] = None; sys.path.insert(0, 'scripts'); import predict; "
    process = run_python("-c", code + "predict.main(sys.argv[1:])", *arguments(source, tmp_path)[1:], check=False)
    assert process.returncode
    assert "needs ray, which is not installed. Run pip install 'hf-brnn[ray]'" in process.stderr.splitlines()[-1]
