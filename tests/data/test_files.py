import bz2
import csv
import gzip
import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_brnn import PRETRAINED
from hf_brnn.data.arguments import DataArguments
from hf_brnn.data.file_format import FileFormat
from hf_brnn.data.files import read_batches
from hf_brnn.data.rows import load_rows
from hf_brnn.data.streaming import SourceScan, SplitThresholds, StreamSplits, scan_source
from hf_brnn.data.text import text_key
from hf_brnn.inference.load import load
from hf_brnn.inference.score_files import score_file


def zstd(content):
    return pa.compress(content, "zstd", asbytes=True)


def zipped(content):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", content)
    return packed.getvalue()


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
    first = {"target": "0", "id": "7", "date": "Mon Apr 06 22:19:45 PDT 2009", "query": "NO_QUERY", "user": "nobody"}
    first |= {"text": "café"}
    content = ",".join(f'"{value}"' for value in first.values()) + '\n"4","8","Mon","q","n","x"\n'
    for encoding in ("latin-1", "utf-8"):
        rows, numbers, _ = read(write_file("a.csv", content, encoding))
        assert rows[0] == first
        assert numbers == [1, 2]
    assert list(read(write_file("a.csv", "0,2,4,5,6,7\n1,2,3,4,5,6\n"))[0][0]) == ["0", "2", "4", "5", "6", "7"]


def test_bad_csv_rows_are_named_and_the_others_read(write_file):
    content = b'text,label\ngood,1\none field\na,b,c\nbad \xff byte,0\n"x"y,1\nl\xc3\xa9st,0\n'
    rows, numbers, bad_rows = read(write_file("a.csv", content))
    assert [row["text"] for row in rows] == ["good", "lést"]
    assert numbers == [2, 7]
    assert [bad_row.split(":")[0] for bad_row in bad_rows] == ["line 3", "line 4", "line 5", "line 6"]
    assert "1 fields instead of 2" in bad_rows[0]
    assert "3 fields instead of 2" in bad_rows[1]
    assert "not UTF-8" in bad_rows[2]
    assert "quotes" in bad_rows[3]


def test_a_quote_that_is_never_closed_is_reported(write_file):
    rows, _, bad_rows = read(write_file("a.csv", 'text,label\na,1\n"b,0\nno row\n'))
    assert len(rows) == 1
    assert bad_rows[0].startswith("line 3: broken quotes")
    assert bad_rows[0].endswith(", up to line 4")


@pytest.mark.parametrize("end", ['it is 5"', "it is 5"], ids=["closed later", "never closed"])
def test_lines_that_a_stray_quote_would_join_are_each_reported(write_file, end):
    content = f'id,text\n0,"two\nlines"\n1,"never closed\n2,cold soup\n3,{end}\n'
    rows, _, bad_rows = read(write_file("a.csv", content))
    assert rows == [{"id": "0", "text": "two\nlines"}]
    assert [bad_row.split(":")[0] for bad_row in bad_rows] == ["line 4", "line 5", "line 6"]
    assert "a quote that opens on line 4 would join several lines into one row" in bad_rows[2]
    literal = list(read_batches(write_file("a.csv", content), print, file_format=FileFormat(quoting="none")))
    assert [row["text"] for row in literal[0].table.to_pylist()][1:] == ['"never closed', "cold soup", end]


def test_the_quotes_of_a_tsv_file_are_literal_unless_all_of_it_agrees(write_file):
    rows, _, _ = read(write_file("a.tsv", 'text\tlabel\n"I waited an hour\t0\nfine\t1\nit is 5"\t1\n'))
    assert [row["text"] for row in rows] == ['"I waited an hour', "fine", 'it is 5"']
    rows, _, _ = read(write_file("a.tsv", 'text\tlabel\n"a\ttab"\t0\nfine\t1\n'))
    assert [row["text"] for row in rows] == ["a\ttab", "fine"]


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.csv", 'text,label\n"he said \\"hi\\", ok",1\n', 'he said "hi", ok'),
        ("a.csv", "\n\ntext,label\nhi,1\n", "hi"),
        ("a.csv", "sep=;\ntext;label\na, b;1\n", "a, b"),
        ("a.csv", "text|label\na, b|1\n", "a, b"),
        ("a.csv", "text,label,,\nhi,1,,\n", "hi"),
        ("a.csv", "text,label,note,note\nhi,1,,\n", "hi"),
        ("a.csv", b"label,text\n1,caf\xe9", "café"),
        ("a.jsonl", '{"text": "hi"}\r{"text": "b"}\r', "hi"),
        ("a.ndjson", '{"text": "hi"}\n', "hi"),
        ("a.txt", "hi\rthere\r", "hi"),
        ("a.txt", "__label__good hi\n__label__bad no\n", "hi"),
        ("a.json", '{"text": {"0": "hi", "1": "b"}, "n": {"0": 1, "1": 2}}', "hi"),
        ("a.json", '{"0": {"text": "hi"}, "1": {"text": "b"}}', "hi"),
        ("a.json", '{"columns": ["n", "text"], "index": [0], "data": [[1, "hi"]]}', "hi"),
        ("a.json", '{"schema": {"fields": []}, "data": [{"index": 0, "text": "hi"}]}', "hi"),
        ("a.json", '{\n "text": ["hi", "b"],\n "n": [1, 2]\n}', "hi"),
        ("a.json", '{"text": "hi", "n": [1]}\n', "hi"),
    ],
)
def test_files_as_people_have_them(write_file, name, content, text):
    rows, _, bad_rows = read(write_file(name, content))
    assert (rows[0]["text"], bad_rows) == (text, [])


@pytest.mark.parametrize(
    ("encoding", "said"), [("utf-8", ""), ("utf-8-sig", ""), ("utf-16", "UTF-16"), ("cp1252", "cp1252")]
)
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.txt", "a.jsonl"])
def test_the_encoding_is_found_and_said(write_file, caplog, name, encoding, said):
    caplog.set_level("INFO")
    text = "café – “déjà vu”"
    content = {
        "a.csv": f"text,label\n{text},1\n",
        "a.tsv": f"text\tlabel\n{text}\t1\n",
        "a.txt": f"{text}\n",
        "a.jsonl": json.dumps({"text": text}, ensure_ascii=False) + "\n",
    }
    rows, _, _ = read(write_file(name, content[name], encoding))
    assert rows[0]["text"] == text
    assert (said in caplog.text) if said else not caplog.records


def test_a_line_of_lists_is_a_row(write_file):
    rows, _, _ = read(write_file("a.jsonl", '{"tokens": ["a", "b"], "tags": ["O", "O"]}\n'))
    assert rows == [{"tokens": ["a", "b"], "tags": ["O", "O"]}]


def test_fields_whose_type_changes_are_kept_as_text(write_file):
    numbers = '{"text": "a", "edited": false, "id": 1}\n{"text": "b", "edited": 1.5, "id": 123456789012345678901234}\n'
    rows, _, _ = read(write_file("a.jsonl", numbers))
    assert [row["edited"] for row in rows] == ["false", "1.5"]
    assert [row["id"] for row in rows] == ["1", "123456789012345678901234"]


def test_a_batch_without_the_field_of_earlier_ones_has_it_empty(write_file):
    rows, _, _ = read(write_file("a.jsonl", '{"text": "a"}\n{"text": "b"}\n{"n": 1}\n{"n": 2}\n'))
    assert [row["text"] for row in rows] == ["a", "b", None, None]


def test_objects_in_objects_are_bounded(write_file):
    deep = '{"text": "a", "x": ' + '{"y":' * 200 + "1" + "}" * 201 + "\n"
    rows, _, bad_rows = read(write_file("a.jsonl", '{"text": "b"}\n' + deep))
    assert rows == [{"text": "b"}]
    assert bad_rows == ["line 2: more than 100 levels of objects and arrays"]


def test_a_column_of_which_there_are_two_is_refused_when_it_is_read(write_file):
    path = write_file("a.csv", "text,label,text\na,1,b\nc,2,d\n")
    with pytest.raises(ValueError, match=r"several columns have the name 'text'\. Rename all but one"):
        load_rows(DataArguments(data_files=[str(path)]))


@pytest.mark.parametrize(
    ("suffix", "compress"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".zst", zstd), (".zip", zipped)]
)
def test_compressed_files_are_read_and_broken_ones_named(write_file, suffix, compress):
    content = "text,label\n" + "".join(f"text {row * 7919 % 1000},{row}\n" for row in range(5000))
    packed = compress(content.encode())
    rows, _, _ = read(write_file(f"a.csv{suffix}", packed), 10_000)
    assert len(rows) == 5000
    with pytest.raises(ValueError, match=r"a\.csv\..*can't be read"):
        read(write_file(f"a.csv{suffix}", packed[: len(packed) // 2]))
    with pytest.raises(ValueError, match=f"the first bytes are those of a {suffix}"):
        read(write_file("a.csv", packed))


def test_arrow_files_and_saved_datasets_are_read(tmp_path):
    dataset = Dataset.from_dict({"text": ["a", "b", "c"], "label": [0, 1, 1]})
    dataset.save_to_disk(tmp_path / "saved", num_shards=2)
    with pa.ipc.new_file(tmp_path / "a.arrow", dataset.data.table.schema) as writer:
        writer.write(dataset.data.table)
    for name in ("saved", "a.arrow"):
        rows, numbers, _ = read(tmp_path / name)
        assert ([row["text"] for row in rows], numbers) == (["a", "b", "c"], [1, 2, 3])
        assert load_rows(DataArguments(data_files=[str(tmp_path / name)])).labels == [0, 1, 1]


def test_a_folder_is_its_files(tmp_path):
    for number, label in enumerate(["x", "y"]):
        (tmp_path / f"{number}.csv").write_text(f"text,label\nrow {number},{label}\n")
    (tmp_path / "notes.md").write_text("no rows")
    assert load_rows(DataArguments(data_files=[str(tmp_path)])).texts == ["row 0", "row 1"]


FIELD = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\0", exclude_categories=["Cs"]), min_size=1, max_size=30
)


# Writers of pandas, not ours.
WRITERS = {
    "a.csv": lambda frame, path: frame.to_csv(path, index=False, quoting=csv.QUOTE_ALL),
    "a.csv.gz": lambda frame, path: frame.to_csv(path, index=False, quoting=csv.QUOTE_ALL),
    "b.csv": lambda frame, path: frame.to_csv(path, index=False, sep=";", quoting=csv.QUOTE_ALL, encoding="utf-8-sig"),
    "c.csv": lambda frame, path: frame.to_csv(path, index=False, encoding="utf-16", quoting=csv.QUOTE_ALL),
    "a.tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t", quoting=csv.QUOTE_ALL),
    "a.jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True),
    "b.jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True, force_ascii=False),
    "a.json": lambda frame, path: frame.to_json(path, orient="records"),
    "b.json": lambda frame, path: frame.to_json(path, orient="columns"),
    "c.json": lambda frame, path: frame.to_json(path, orient="split"),
    "a.parquet": lambda frame, path: frame.to_parquet(path),
}


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(FIELD.filter(str.strip), min_size=1, max_size=5))
def test_one_table_is_the_same_in_all_formats(tmp_path_factory, texts):
    folder = tmp_path_factory.mktemp("table")
    frame = pd.DataFrame({"id": [str(row) for row in range(len(texts))], "text": texts})
    for name, write in WRITERS.items():
        write(frame, folder / name)
        batches = read_batches(folder / name, pytest.fail, file_format=FileFormat(quoting="minimal"))
        found = [row for batch in batches for row in batch.table.to_pylist()]
        assert found == frame.to_dict("records"), name


@settings(max_examples=10, deadline=None)
@given(texts=st.lists(FIELD.filter(str.strip), min_size=2, max_size=5, unique_by=text_key))
def test_one_table_is_the_same_for_training_streaming_and_scoring(tmp_path_factory, texts):
    folder = tmp_path_factory.mktemp("table")
    frame = pd.DataFrame({"label": ["a", "b", "a", "b", "a"][: len(texts)], "text": texts})
    classifier = load(PRETRAINED)
    for name, write in WRITERS.items():
        write(frame, folder / name)
        args = DataArguments(
            data_files=[str(folder / name)], quoting=None if "parquet" in name or "json" in name else "minimal",
            label_names=["a", "b"], validation_size=0, test_size=0,
        )  # fmt: skip
        assert load_rows(args).texts == texts, name
        streamed = replace(args, streaming=True)
        splits = StreamSplits(SplitThresholds.from_args(streamed), streamed)
        assert list(scan_source(streamed, splits, SourceScan(np.zeros(1, dtype=np.int64)))) == texts, name
        file_format = FileFormat(quoting=args.quoting)
        score_file(
            classifier, folder / name, folder / "scored.parquet", None, pytest.fail, int, file_format=file_format
        )
        assert pd.read_parquet(folder / "scored.parquet")["text"].tolist() == texts, name


@pytest.mark.parametrize(
    "content", ['{"text": "a", "n": 1}\n\n{"text": "b"}\n', '[{"text": "a", "n": 1},{"text": "b"}]']
)
def test_json_lines_and_arrays(write_file, content):
    rows, numbers, _ = read(write_file("a.json", content))
    assert rows == [{"text": "a", "n": 1}, {"text": "b", "n": None}]
    assert numbers == ([1, 3] if content.startswith("{") else [1, 2])


def test_bad_json_rows_are_named(write_file):
    _, _, bad_rows = read(write_file("a.jsonl", b'{"text": "\xc3\xa9"}\n{oops\n[1]\n{"text": "\xff"}\n'))
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
    rows, numbers, bad_rows = read(write_file("a.txt", b"one\r\n\ntwo\x0bhalf\n\xff\nl\xc3\xa9st"))
    assert [row["text"] for row in rows] == ["one", "", "two\x0bhalf", "lést"]
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
