import contextlib
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hf_brnn.commands.parser import errors_in_one_line
from hf_brnn.data import writers
from hf_brnn.data.files import read_batches
from hf_brnn.data.writers import table_writer


def read(path):
    batches = list(read_batches(path, pytest.fail))
    return [row for batch in batches for row in batch.table.to_pylist()]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet"])
def test_what_is_written_is_read_again(tmp_path, name):
    path = tmp_path / name
    rows = [{"text": 'a "b", c\t', "label": "x"}, {"text": "", "label": "é"}, {"text": "two\nlines", "label": "y"}]
    with table_writer(path) as writer:
        for row in rows:
            writer.write(pa.Table.from_pylist([row]))
    assert read(path) == rows


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_columns_are_written_under_their_names_whatever_their_order(tmp_path, name):
    path = tmp_path / name
    with table_writer(path) as writer:
        writer.write(pa.table({"text": ["a"], "id": ["1"]}))
        writer.write(pa.table({"id": ["2"], "text": ["b"]}))
        with pytest.raises(ValueError, match=r"id, other, text can't follow .* text, id"):
            writer.write(pa.table({"id": ["3"], "other": ["x"], "text": ["c"]}))
    assert read(path) == [{"text": "a", "id": "1"}, {"text": "b", "id": "2"}]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_an_exception_leaves_neither_a_new_file_nor_a_changed_one(write_file, name):
    path = write_file(name, b"before")

    def write_and_fail():
        with table_writer(path) as writer:
            writer.write(pa.table({"text": ["x"]}))
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_and_fail()
    assert path.read_bytes() == b"before"
    assert [file.name for file in path.parent.iterdir()] == [name]


@pytest.mark.parametrize(
    ("first", "later"),
    [
        (7, "007"),
        ("u", 7),
        (True, 5),
        (1, True),
        (1, 1.5),
        (["a"], [3]),
        ({"a": 1}, {"b": 9}),
        ({"a": 1}, {"a": 1, "b": "kept"}),
    ],
)
def test_no_value_is_changed_to_follow_those_of_another_type(tmp_path, first, later):
    with pytest.raises(ValueError, match=r"a\.parquet: rows of other types can't follow the earlier ones"):
        write_rows(tmp_path / "a.parquet", first, later)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("first", "later"), [(1, 2.0), (1.5, 2), ("u", None), ([1], [2.0, None]), ({"a": 1, "b": "x"}, {"a": None})]
)
def test_values_that_mean_the_same_in_another_type_follow(tmp_path, first, later):
    write_rows(tmp_path / "a.parquet", first, later)
    found = [row["x"] for row in pq.read_table(tmp_path / "a.parquet").to_pylist()]
    assert found == [first, later | {"b": None} if isinstance(later, dict) else later]


def write_rows(path, *values):
    with table_writer(path) as writer:
        for value in values:
            writer.write(pa.Table.from_pylist([{"x": value}]))


def test_a_first_value_that_a_file_cannot_hold_follows_no_other(tmp_path):
    with pytest.raises(ValueError, match="a value can't be written"):
        write_rows(tmp_path / "a.parquet", {})


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_what_writes_a_file_at_once_mixes_no_rows(tmp_path, name):
    path = tmp_path / name
    somebodys = tmp_path / f"{name}.part"
    somebodys.write_text("not ours")
    with table_writer(path) as first, table_writer(path) as second:
        for number in range(2):
            first.write(pa.table({"text": [f"first {number}"]}))
            second.write(pa.table({"text": [f"second {number}"]}))
    assert read(path) == [{"text": "first 0"}, {"text": "first 1"}]
    assert sorted(file.name for file in tmp_path.iterdir()) == [name, somebodys.name]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_ctrl_c_at_any_moment_leaves_no_temporary_file(tmp_path, name):
    path = tmp_path / name
    events = 1
    while was_interrupted(path, events):
        assert [file.name for file in tmp_path.iterdir()] in ([], [name])
        path.unlink(missing_ok=True)
        events += 1
    assert events > 50


def was_interrupted(path, events):
    """Writes a file, and raises KeyboardInterrupt at the event of this number; returns whether there are so many."""

    def trace(frame, event, argument):
        nonlocal events
        if frame.f_code.co_filename not in (writers.__file__, contextlib.__file__):
            return None
        events -= 1
        if events == 0:
            sys.settrace(None)
            raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    with pytest.raises(SystemExit), errors_in_one_line("test"):
        sys.settrace(trace)
        try:
            with table_writer(path) as writer:
                writer.write(pa.table({"text": ["a"]}))
        finally:
            sys.settrace(before)
        sys.exit(0)
    return events <= 0


@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ","), ("a.tsv", "\t")])
def test_fields_that_a_spreadsheet_would_run_are_escaped_if_that_is_asked_for(tmp_path, name, delimiter):
    path = tmp_path / name
    texts = ["=1+1", "+cmd", "-1+2", "@SUM(A1)", "\tx", "\rx", "＝1", "-5", "+1.5e3", "a=1", "", "'=1"]
    for escape in (False, True):
        with table_writer(path, escape) as writer:
            writer.write(pa.table({"text": texts, "=n": [-1.5] * len(texts)}))
        rows = read(path)
        expected = [f"'{text}" if escape and index < 7 else text for index, text in enumerate(texts)]
        assert [row["text"] for row in rows] == expected
        assert {row["'=n" if escape else "=n"] for row in rows} == {"-1.5"}
