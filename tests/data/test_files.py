import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hf_brnn.data.files import read_batches


def read(path, batch_size=2):
    bad_rows = []
    batches = list(read_batches(path, bad_rows.append, batch_size))
    rows = [row for batch in batches for row in batch.table.to_pylist()]
    numbers = [number for batch in batches for number in batch.numbers]
    return rows, numbers, [str(bad_row).removeprefix(f"{path}, ") for bad_row in bad_rows]


def test_csv_rows_are_numbered_by_the_line_they_start_on(write_file):
    path = write_file("a.csv", 'text,label\n"two\nlines, ""quoted""",0\n\nlast,1\n')
    assert read(path) == ([{"text": 'two\nlines, "quoted"', "label": "0"}, {"text": "last", "label": "1"}], [2, 5], [])


def test_tsv_and_a_byte_order_mark(write_file):
    rows, _, _ = read(write_file("a.tsv", "\ufefftext\tlabel\na, b\t1\n"))
    assert rows == [{"text": "a, b", "label": "1"}]


def test_the_original_csv_is_known_by_its_first_row(write_file):
    path = write_file("a.csv", '"0","7","Mon","NO_QUERY","nobody","caf\xe9"\n"4","8","Mon","q","n","x"\n', "latin-1")
    rows, numbers, _ = read(path)
    assert rows[0] == {"target": "0", "id": "7", "date": "Mon", "query": "NO_QUERY", "user": "nobody", "text": "café"}
    assert numbers == [1, 2]


def test_bad_csv_rows_are_named_and_the_others_read(write_file):
    content = b'text,label\ngood,1\none field\na,b,c\nbad \xff byte,0\n"x"y,1\nlast,0\n'
    rows, numbers, bad_rows = read(write_file("a.csv", content))
    assert [row["text"] for row in rows] == ["good", "last"]
    assert numbers == [2, 7]
    assert [bad_row.split(":")[0] for bad_row in bad_rows] == ["line 3", "line 4", "line 5", "line 6"]
    assert "1 fields instead of 2" in bad_rows[0]
    assert "3 fields instead of 2" in bad_rows[1]
    assert "not UTF-8" in bad_rows[2]
    assert "quotes" in bad_rows[3]


def test_a_quote_that_is_never_closed_is_reported(write_file):
    rows, _, bad_rows = read(write_file("a.csv", 'text,label\na,1\n"b,0\nc,1\n'))
    assert len(rows) == 1
    assert bad_rows[0].startswith("line 3: broken quotes")
    assert bad_rows[0].endswith(", up to line 4")


@pytest.mark.parametrize(
    "content", ['{"text": "a", "n": 1}\n\n{"text": "b"}\n', '[{"text": "a", "n": 1},{"text": "b"}]']
)
def test_json_lines_and_arrays(write_file, content):
    rows, numbers, _ = read(write_file("a.json", content))
    assert rows == [{"text": "a", "n": 1}, {"text": "b", "n": None}]
    assert numbers == ([1, 3] if content.startswith("{") else [1, 2])


def test_bad_json_rows_are_named(write_file):
    _, _, bad_rows = read(write_file("a.jsonl", b'{"text": "a"}\n{oops\n[1]\n{"text": "\xff"}\n'))
    assert [bad_row.split(":")[0] for bad_row in bad_rows] == ["line 2", "line 3", "line 4"]


def test_half_a_character_is_a_bad_row(write_file):
    rows, _, bad_rows = read(write_file("a.jsonl", '{"text": "hi \\ud83d"}\n{"text": "\\ud83d\\ude00"}\n'))
    assert rows == [{"text": "😀"}]
    assert bad_rows == ["line 1: lone surrogate: invalid Unicode"]


def test_a_json_array_may_begin_with_a_byte_order_mark(write_file):
    assert read(write_file("a.json", '\ufeff[{"text": "a"}]'))[0] == [{"text": "a"}]


def test_a_broken_json_array_is_refused(write_file):
    path = write_file("a.json", '[{"text": "a"},')
    with pytest.raises(ValueError, match=str(path)):
        read(path)


def test_text_files_are_a_row_a_line(write_file):
    rows, numbers, bad_rows = read(write_file("a.txt", b"one\r\n\ntwo\x0bhalf\n\xff\nlast"))
    assert [row["text"] for row in rows] == ["one", "", "two\x0bhalf", "last"]
    assert numbers == [1, 2, 3, 5]
    assert len(bad_rows) == 1


@pytest.mark.parametrize(("kind", "binary"), [(pa.string(), pa.binary()), (pa.large_string(), pa.large_binary())])
def test_parquet_and_bytes_that_do_not_decode(tmp_path, kind, binary):
    path = tmp_path / "a.parquet"
    data = pa.array([b"a", b"\xff", None, b"d"], binary)
    text = pa.Array.from_buffers(kind, 4, data.buffers())
    pq.write_table(pa.table({"text": text, "n": [1, 2, 3, 4]}), path)
    rows, numbers, bad_rows = read(path)
    assert rows == [{"text": "a", "n": 1}, {"text": None, "n": 3}, {"text": "d", "n": 4}]
    assert numbers == [1, 3, 4]
    assert bad_rows == ["row 2: field 'text' holds bytes that are not UTF-8"]


@pytest.mark.parametrize("name", ["a.parquet", "b.csv", "c.xlsx", "missing.csv"])
def test_files_that_are_not_what_they_should_be_are_named(write_file, name):
    path = write_file(name, b"") if name != "missing.csv" else write_file("x", b"").with_name(name)
    with pytest.raises((ValueError, FileNotFoundError), match=name):
        read(path)


def test_a_parquet_file_is_not_held_in_memory_as_a_whole(tmp_path):
    texts = np.random.default_rng(0).bytes(20_000_000).hex()
    table = pa.table({"text": [texts[start : start + 4_000] for start in range(0, len(texts), 4_000)]})
    path = tmp_path / "a.parquet"
    pq.write_table(table, path, row_group_size=250)
    before = pa.total_allocated_bytes()
    held = [pa.total_allocated_bytes() - before for _ in read_batches(path, print, batch_size=125)]
    assert len(held) == 80
    assert max(held) < table.nbytes / 2


def test_batches_of_small_row_groups_are_full(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [str(number) for number in range(25)]}), path, row_group_size=3)
    batches = list(read_batches(path, print, batch_size=6))
    assert [len(batch.table) for batch in batches] == [6, 6, 6, 6, 1]
    assert [text for batch in batches for text in batch.table["text"].to_pylist()] == [str(n) for n in range(25)]
    assert [number for batch in batches for number in batch.numbers] == list(range(1, 26))
