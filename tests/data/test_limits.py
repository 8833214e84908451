"""Small files that once took gigabytes are read in little memory, or a limit is named."""

import gzip
import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from processes import run_python

from hf_brnn.data import files, json_file
from hf_brnn.data.batches import BATCH_CHARACTERS, BATCH_FIELDS
from hf_brnn.data.files import read_batches
from hf_brnn.data.open_file import MAX_LINE_CHARACTERS

MEGABYTE = 2**20
READ = """\
import re, sys
from pathlib import Path
from hf_brnn.data.files import read_batches

rows, bad_rows = 0, []
for batch in read_batches(Path(sys.argv[1]), bad_rows.append):
    rows += len(batch.table)
    [column.to_pylist() for column in batch.table.columns]
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]
print(int(peak) // 2**10, rows, *bad_rows[:1])
"""


def write_dictionary(path):
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 600, pa.int32()), ["a" * MEGABYTE])
    pq.write_table(pa.table({"text": texts}), path, compression="zstd")


def write_words(path):
    words = pa.ListArray.from_arrays(list(range(61)), pa.array(["a" * MEGABYTE] * 60))
    table = pa.table({"words": words})
    with pq.ParquetWriter(path, table.schema, compression="zstd") as writer:
        for _ in range(10):
            writer.write_table(table)


def write_feather(path):
    batch = pa.record_batch({"text": ["a" * MEGABYTE] * 10})
    with pa.ipc.new_file(path, batch.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        for _ in range(60):
            writer.write_batch(batch)


def write_gzip(*parts):
    def write(path):
        with gzip.open(path, "wb", compresslevel=1) as file:
            for part, times in parts:
                for _ in range(times):
                    file.write(part)

    return write


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("name", "write", "rows", "problem"),
    [
        ("dictionary.parquet", write_dictionary, 600, ""),
        ("words.parquet", write_words, 600, ""),
        ("chunks.feather", write_feather, 600, ""),
        pytest.param(
            "lines.csv.gz", write_gzip((b"text\n", 1), (b"a" * MEGABYTE + b"\n", 300)), 300, "", marks=pytest.mark.slow
        ),
        ("line.csv.gz", write_gzip((b"text\n", 1), (b"a" * MEGABYTE, 400)), 0, "line 2: more than 16,777,216"),
        pytest.param(
            "line.jsonl.gz",
            write_gzip((b"a" * MEGABYTE, 400)),
            0,
            "line 1: more than 16,777,216",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "line.txt.gz",
            write_gzip((b"a" * MEGABYTE, 400), (b"\nb\n", 1)),
            1,
            "line 1: more than 16,777,216",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_memory_is_bounded(tmp_path, name, write, rows, problem):
    path = tmp_path / name
    write(path)
    assert path.stat().st_size < 3 * MEGABYTE
    peak, found, *said = run_python("-c", READ, path).stdout.split(maxsplit=2)
    assert int(found) == rows
    assert problem in "".join(said)
    assert int(peak) < 350


def test_values_that_only_a_row_group_to_come_holds_are_bounded(tmp_path):
    path = tmp_path / "a.parquet"
    texts = ["b"] * 20_000 + ["a" * MEGABYTE] * 100
    pq.write_table(pa.table({"text": texts}), path, row_group_size=20_000)
    batches = list(read_batches(path, pytest.fail))
    assert [text for batch in batches for text in batch.table["text"].to_pylist()] == texts
    assert max(batch.table.nbytes for batch in batches) < 1.1 * BATCH_CHARACTERS


def test_a_quote_that_is_never_closed_takes_no_more_than_a_row(tmp_path, monkeypatch):
    monkeypatch.setattr("hf_brnn.data.open_file.MAX_LINE_CHARACTERS", 1000)
    monkeypatch.setattr("hf_brnn.data.csv_file.MAX_LINE_CHARACTERS", 1000)
    (tmp_path / "a.csv").write_text('text\n"open\n' + "good morning\n" * 200)
    bad_rows = []
    rows = [row for batch in read_batches(tmp_path / "a.csv", bad_rows.append) for row in batch.table.to_pylist()]
    assert "line 2: more than 1,000 characters, the limit for a row, up to line 79" in str(bad_rows[0])
    assert len(rows) == 202 - 79


def test_rows_after_a_line_that_is_too_long_keep_their_numbers(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text\na\n" + "b" * (3 * MAX_LINE_CHARACTERS) + "\nc\n")
    bad_rows = []
    (batch,) = read_batches(path, bad_rows.append)
    assert (batch.numbers, [bad_row.number for bad_row in bad_rows]) == ([2, 4], [3])


@pytest.mark.parametrize("nested", [False, True])
def test_rows_with_different_fields_do_not_make_wide_batches(tmp_path, nested):
    path = tmp_path / "a.jsonl"
    fields = [{f"key {number}": 1} for number in range(5000)]
    rows = [{"text": "a", "more": each} if nested else {"text": "a"} | each for each in fields]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = 0
    for batch in read_batches(path, pytest.fail):
        columns = batch.table.flatten().num_columns
        assert len(batch.table) * columns < 6 * BATCH_FIELDS
        found += len(batch.table)
    assert found == 5000


def test_too_many_fields_are_named(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({f"key {number}": 1}) + "\n" for number in range(10_001)))
    with pytest.raises(ValueError, match=r"line 10001: the rows up to this one have more than 10,000 different fields"):
        list(read_batches(path, pytest.fail))
    path.write_text(json.dumps({"text": "a", "more": [{f"key {number}": 1} for number in range(2000)]}) + "\n")
    bad_rows = []
    list(read_batches(path, bad_rows.append))
    assert str(bad_rows[0]).endswith("line 1: 2,001 objects times 2,002 different fields, more than 1,048,576")


def test_an_array_that_is_too_long_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(json_file, "MAX_CHARACTERS", 100)
    (tmp_path / "a.json").write_text(json.dumps([{"text": "a" * 50}] * 3))
    with pytest.raises(ValueError, match=r"a\.json: a json array or table of more than 100 characters"):
        list(read_batches(tmp_path / "a.json", pytest.fail))


def test_xlsx_files_are_read_and_bounded(tmp_path, monkeypatch):
    pytest.importorskip("python_calamine")
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["text", "n"], ["so happy", 1], ["so sad", None]):
        book.active.append(row)
    path = Path(tmp_path / "a.xlsx")
    book.save(path)
    (batch,) = read_batches(path, pytest.fail)
    assert batch.table.to_pylist()[0] == {"text": "so happy", "n": "1"}
    assert batch.numbers == [2, 3]
    monkeypatch.setattr(files, "MAX_EXCEL_BYTES", 1000)
    with pytest.raises(ValueError, match=r"a\.xlsx: [\d,]+ bytes when unpacked, but at most 1,000 are read"):
        read_batches(path, pytest.fail)
