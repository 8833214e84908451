"""Whatever comes in, a result or an error that names its place comes out, and no row is lost in silence.

BAD_INPUT_EXAMPLES=5000 pytest tests/data/test_bad_input.py looks longer.
"""

import codecs
import csv
import gzip
import io
import itertools
import json
import os
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from processes import run_python
from transformers import AutoTokenizer, pipeline

from hf_brnn import PRETRAINED, PRETRAINED_FOLDER
from hf_brnn.data.arguments import DataArguments
from hf_brnn.data.file_format import FileFormat
from hf_brnn.data.files import read_batches
from hf_brnn.data.rows import load_rows
from hf_brnn.data.splits import split_rows
from hf_brnn.data.streaming import SourceScan, SplitThresholds, StreamSplits, scan_source
from hf_brnn.data.writers import table_writer
from hf_brnn.inference.onnx_classifier import OnnxClassifier
from hf_brnn.inference.score_files import score_file

many = settings(derandomize=True, deadline=None, max_examples=int(os.environ.get("BAD_INPUT_EXAMPLES", 200)))

MARKS = "\0\t\n\r\"',;[]{}\\&<>@#.0\u0085\u2028\u200d\ufeff\U0001f600"
texts = st.text(st.one_of(st.sampled_from(MARKS), st.characters(codec="utf-8")))
# Lone surrogates among them.
any_texts = st.text(st.one_of(st.sampled_from(MARKS), st.characters()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def classifier():
    return OnnxClassifier(PRETRAINED_FOLDER)


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(PRETRAINED)


@pytest.fixture(scope="module")
def text_classification():
    return pipeline("text-classification", model=PRETRAINED, top_k=None)


def read(path, batch_size=3):
    """The rows of a file, their numbers, and the numbers of the bad rows."""
    rows, numbers, bad_rows = [], [], []
    for batch in read_batches(path, bad_rows.append, batch_size, FileFormat("utf-8-sig", None, "minimal")):
        assert len(batch.table) == len(batch.numbers)
        rows += zip(*(batch.table[name].to_pylist() for name in ("text", "label") if name in batch.table.column_names))
        numbers += batch.numbers
    return rows, numbers, [bad_row.number for bad_row in bad_rows]


def is_half(text):
    return re.search("[\ud800-\udfff]", text) is not None


# Files of whole rows


@many
@given(st.sampled_from(["csv", "tsv"]), st.lists(st.tuples(texts, texts)))
def test_what_pythons_csv_module_writes_is_read(folder, suffix, rows):
    path = folder / f"in.{suffix}"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter={"csv": ",", "tsv": "\t"}[suffix]).writerows([("text", "label"), *rows])
    found, numbers, bad = read(path)
    assert found == rows
    assert bad == []
    assert len(set(numbers)) == len(rows)


@many
@given(st.sampled_from(["csv", "tsv", "jsonl", "parquet"]), st.lists(st.tuples(texts, texts), min_size=1))
@example("csv", [("a\rb", "")])
def test_what_is_written_is_read_again(folder, suffix, rows):
    path = folder / f"out.{suffix}"
    with table_writer(path) as writer:
        for text, label in rows:
            writer.write(pa.table({"text": [text], "label": [label]}))
    assert read(path)[0] == rows


# Files of whole and broken rows


def is_whole(row):
    return isinstance(row, str)


def write_csv(path, rows):
    """Returns the line that each row begins on."""
    content, numbers = b"text,label\n", []
    for row in rows:
        numbers.append(1 + len(re.findall(b"\r\n|\r|\n", content)))
        line = io.StringIO()
        csv.writer(line).writerow((row, "1"))
        content += line.getvalue().encode() if is_whole(row) else row + b"\n"
    path.write_bytes(content)
    return numbers


def write_lines(path, rows):
    whole = (lambda row: row.encode()) if path.suffix == ".txt" else (lambda row: json.dumps({"text": row}).encode())
    path.write_bytes(b"".join((whole(row) if is_whole(row) else row) + b"\n" for row in rows))
    return range(1, len(rows) + 1)


def write_array(path, rows):
    path.write_bytes(
        b"[" + b",".join(json.dumps({"text": row}).encode() if is_whole(row) else row for row in rows) + b"]"
    )
    return range(1, len(rows) + 1)


def write_parquet(path, rows):
    data = pa.array([row.encode() if is_whole(row) else row for row in rows], pa.binary())
    column = pa.Array.from_buffers(pa.string(), len(rows), data.buffers())
    if path.stem == "nested":
        whole = [row if is_whole(row) else "" for row in rows]
        columns = {"text": whole, "words": pa.ListArray.from_arrays(range(len(rows) + 1), column)}
    else:
        columns = {"text": column}
    pq.write_table(pa.table(columns), path)
    return range(1, len(rows) + 1)


BROKEN_JSON = [b"[1]", b"3", b'"text"', b"null", b"{}", b'{"text": "\\ud800"}', b'{"text": "a", "\\udfff": 1}']
BROKEN_JSON += [b'{"text": "a", "more": [{"n": "\\ud800"}]}', b"[" * 500 + b"]" * 500]
BROKEN_LINES = [b"{oops", b'{"text": "\xff"}', b"[" * 2000, b'{"text": "a", "n": ' + b"9" * 5000 + b"}"]
KINDS = {
    "a.csv": (write_csv, [b'"x"y,1', b"one field", b"a,b,c", b"\xff,0", b"\xed\xa0\x80,0", b'"""a"" "b,1']),
    "a.txt": (write_lines, [b"\xff", b"a\xed\xa0\x80"]),
    "a.jsonl": (write_lines, BROKEN_JSON + BROKEN_LINES),
    "a.json": (write_array, BROKEN_JSON),
    "flat.parquet": (write_parquet, [b"\xff", b"a\xed\xa0\x80"]),
    "nested.parquet": (write_parquet, [b"\xff", b"a\xed\xa0\x80"]),
}


# What stands on a line of a text file: neither the line's end nor a part of it.
lines = texts.filter(lambda text: "\n" not in text and not text.endswith("\r"))


@pytest.mark.parametrize("name", KINDS)
def test_broken_rows_are_reported_and_the_others_read(folder, name):
    write, broken = KINDS[name]
    path = folder / name

    @many
    @given(st.lists((lines if name == "a.txt" else texts) | st.sampled_from(broken), min_size=1))
    @example(broken)
    def check(rows):
        rows = ["first", *rows]
        expected = write(path, rows)
        found, numbers, bad = read(path)
        assert [row[0] for row in found] == [row for row in rows if is_whole(row)]
        assert numbers == [number for number, row in zip(expected, rows) if is_whole(row)]
        assert bad == [number for number, row in zip(expected, rows) if not is_whole(row)]

    check()


# Files that were whole


ROWS = [
    {"text": text, "label": label, "date": f"2009-06-{day:02}"}
    for (text, label), day in zip(
        itertools.product(["so happy", 'the "worst" day,\never', "caf\u00e9 \U0001f600", "", "  a\tb"], [0, 1, 4]),
        range(1, 31),
    )
]


def whole_csv(delimiter):
    file = io.StringIO()
    writer = csv.DictWriter(file, ROWS[0], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(ROWS)
    return file.getvalue()


def whole_parquet(**kwargs):
    file = io.BytesIO()
    table = pa.Table.from_pylist(ROWS)
    more = {"time": pa.array(range(len(ROWS)), pa.timestamp("us")), "words": [row["text"].split() for row in ROWS]}
    for name, values in more.items():
        table = table.append_column(name, pa.array(values))
    pq.write_table(table.replace_schema_metadata(None), file, **kwargs)
    return file.getvalue()


WHOLE = {
    "csv": [whole_csv(",").encode(), whole_csv(",").encode("utf-8-sig"), whole_csv(",").encode("utf-16")],
    "tsv": [whole_csv("\t").encode()],
    "txt": ["\n".join(row["text"] for row in ROWS).encode()],
    "jsonl": ["\n".join(map(json.dumps, ROWS)).encode(), json.dumps(ROWS, ensure_ascii=False).encode("utf-8-sig")],
    "json": [json.dumps(ROWS).encode(), json.dumps(ROWS).encode("utf-16"), json.dumps(ROWS).encode("utf-32")],
    "parquet": [
        whole_parquet(),
        whole_parquet(compression="none", use_dictionary=False, row_group_size=4),
        whole_parquet(compression="zstd", data_page_version="2.0", write_page_checksum=True),
    ],
}
PIECES = [
    b"\0",
    b"\xff",
    b'"',
    b"\r",
    b"\n",
    b"[",
    b"{",
    b"}",
    b"\\ud800",
    b"\xed\xa0\x80",
    b",",
    b"1e999",
    b"NaN",
    b"{}",
]
PIECES += [b"9" * 30, b"[" * 2000, b'"text": 3,', b"\xef\xbb\xbf"]
place = st.floats(0, 1)
changes = st.one_of(
    st.tuples(st.just("set"), place, st.binary(min_size=1, max_size=8)),
    st.tuples(st.just("set near the end"), place, st.binary(min_size=1, max_size=1)),
    st.tuples(st.just("insert"), place, st.sampled_from(PIECES)),
    st.tuples(st.just("cut"), place, st.integers(1, 100)),
    st.tuples(st.just("swap"), place, place),
    st.tuples(st.just("end"), place, st.none()),
)


def change(data, kind, where, what):
    """Returns bytes of a file with one thing changed."""
    at = int(where * len(data))
    match kind:
        case "set":
            return data[:at] + what + data[at + len(what) :]
        case "set near the end":
            at = max(len(data) - 1 - int(where * 300), 0)
            return data[:at] + what + data[at + 1 :]
        case "insert":
            return data[:at] + what + data[at:]
        case "cut":
            return data[:at] + data[at + what :]
        case "swap":
            first, second = sorted((at, int(what * len(data))))
            return data[second:] + data[first:second] + data[:first]
        case _:
            return data[:at]


@st.composite
def files(draw):
    """A suffix, and bytes that may once have been such a file."""
    suffix = draw(st.sampled_from(list(WHOLE)))
    if draw(st.integers(0, 9)) == 0:
        return suffix, draw(st.binary())
    data = draw(st.sampled_from(WHOLE[suffix]))
    for arguments in draw(st.lists(changes, max_size=5)):
        data = change(data, *arguments)
    return suffix, data


def count_rows(suffix, data):
    """How many rows a file has that can be counted without reading it as the package does; None for others."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)) or (
        b"\r" in data and b"\n" not in data
    ):
        return None
    if suffix == "txt":
        return data.count(b"\n") + bool(data.removeprefix(b"\xef\xbb\xbf").rpartition(b"\n")[2])
    if suffix in ("json", "jsonl"):
        if data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"[":
            return len(json.loads(data.decode("utf-8-sig", "surrogateescape")))
        return sum(bool(line.strip()) for line in data.split(b"\n"))
    return len(ROWS) if suffix == "parquet" else None


@many
@given(files())
def test_a_file_is_read_or_named(folder, file):
    suffix, data = file
    path = folder / f"changed.{suffix}"
    path.write_bytes(data)
    bad_rows = []
    try:
        batches = list(read_batches(path, bad_rows.append, 4))
    except ValueError as error:
        assert str(path) in str(error)
        return
    numbers = [number for batch in batches for number in batch.numbers]
    assert sum(len(batch.table) for batch in batches) == len(numbers)
    assert len({*numbers, *(bad_row.number for bad_row in bad_rows)}) == len(numbers) + len(bad_rows)
    assert all(str(path) in str(bad_row) for bad_row in bad_rows)
    assert count_rows(suffix, data) in (None, len(numbers) + len(bad_rows))


@many
@given(files())
def test_a_file_gives_labelled_rows_or_is_named(folder, file):
    suffix, data = file
    path = folder / f"labeled.{suffix}"
    path.write_bytes(data)
    try:
        rows = load_rows(DataArguments(data_files=[str(path)], skip_bad_rows=True))
    except ValueError as error:
        assert str(path) in str(error)
        return
    assert all(isinstance(text, str) and text.strip() for text in rows.texts)
    assert set(rows.labels) <= set(range(len(rows.label_names)))
    assert count_rows(suffix, data) in (None, len(rows) + rows.neutral + len(rows.bad_rows))


@many
@given(files(), st.sampled_from(["csv", "tsv", "jsonl", "parquet"]))
@example(("jsonl", b'{"text": 3}'), "csv")
def test_a_file_is_scored_or_named(folder, classifier, file, target_suffix):
    suffix, data = file
    source, target = folder / f"source.{suffix}", folder / "scored" / f"target.{target_suffix}"
    source.write_bytes(data)
    bad_rows = []
    try:
        scored = score_file(classifier, source, target, "text", bad_rows.append, lambda count: None)
    except ValueError as error:
        assert str(source) in str(error) or str(target) in str(error)
        assert list(target.parent.iterdir()) == []
        return
    assert count_rows(suffix, data) in (None, scored + len(bad_rows))
    batches = list(read_batches(target, pytest.fail))
    target.unlink()
    assert sum(len(batch.table) for batch in batches) == scored
    for batch in batches:
        (name,) = [name for name in ("predicted_label", "label") if name in batch.table.column_names][:1]
        assert set(batch.table[name].to_pylist()) <= {"NEGATIVE", "POSITIVE"}
        assert all(0.5 <= float(score) <= 1 for score in batch.table["score"].to_pylist())


def test_a_changed_byte_of_a_parquet_file_loses_no_row(folder):
    path = folder / "byte.parquet"
    pq.write_table(pa.table({"text": [row["text"] for row in ROWS]}), path, row_group_size=10, compression="none")
    data = path.read_bytes()
    for at, bit in itertools.product(range(len(data)), (1, 4, 16)):
        path.write_bytes(data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :])
        bad_rows = []
        try:
            rows = sum(len(batch.table) for batch in read_batches(path, bad_rows.append))
        except ValueError as error:
            assert str(path) in str(error)
        else:
            assert rows + len(bad_rows) == len(ROWS)


def test_dates_that_python_does_not_have_are_named(folder, classifier):
    source, target = folder / "dates.parquet", folder / "dates.csv"
    pq.write_table(pa.table({"text": ["so happy"], "time": pa.array([2**62], pa.timestamp("us"))}), source)
    for column, message in (
        ("text", f"{target}: a value can't be written"),
        ("time", f"{source}: column 'time' can't"),
    ):
        with pytest.raises(ValueError, match=message):
            score_file(classifier, source, target, column, pytest.fail, lambda count: None)


# Texts


@many
@given(any_texts)
@example("\ud83d")
def test_a_text_gives_known_ids_or_an_error(tokenizer, text):
    if is_half(text):
        with pytest.raises(TypeError):
            tokenizer(text)
        return
    encoded = tokenizer(text)
    assert all(0 <= token < len(tokenizer) for token in encoded["input_ids"])
    assert encoded["attention_mask"] == [1] * len(encoded["input_ids"])


@many
@given(st.lists(any_texts, min_size=1, max_size=5))
@example(["fine", "half \ud83d"])
def test_texts_have_probabilities_or_the_bad_one_is_named(classifier, text_classification, batch):
    halves = [index for index, text in enumerate(batch) if is_half(text)]
    if halves:
        with pytest.raises(ValueError, match=f"index {halves[0]} holds a lone surrogate"):
            classifier(batch)
        return
    answers = [{answer["label"]: answer["score"] for answer in answers} for answers in text_classification(batch)]
    through_torch = np.array([[answer[name] for name in classifier.label_names] for answer in answers])
    for probabilities in (classifier(batch), through_torch):
        assert probabilities.shape == (len(batch), 2)
        assert (probabilities >= 0).all()
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_what_is_no_text_is_named(classifier):
    with pytest.raises(TypeError, match="index 1 is None, not a string"):
        classifier(["fine", None])
    for pair in (("love it", "awful"), ["love it", "awful"]):
        with pytest.raises(TypeError, match=r"index 0 is .*, not a string"):
            classifier([pair])
    with pytest.raises(TypeError, match="'fine' is a text, not a list of texts"):
        classifier("fine")


def test_long_lines_of_marks_are_tokenized_in_seconds():
    code = """
from hf_brnn.model.tokenization_brnn import new_tokenizer
tokenizer = new_tokenizer()
for text in ("a." * 500_000, "so happy " * 100_000, "e\u0301" * 500_000):
    tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(text))
"""
    run_python("-c", code)


# predict.py


def predict(source, target, *arguments):
    return run_python(
        *("scripts/predict.py", "--model", PRETRAINED_FOLDER, "--input", source, "--output", target, *arguments),
        check=False,
    )


def corrupted_page():
    data = whole_parquet(compression="none", write_page_checksum=True, use_dictionary=False)
    return data.replace(b"so happy", b"so hoppy", 1)


NESTED = b"[" * 10_000


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("quotes.csv", b'text,id\n"a ""b"" c",1\n"a "b" c",2\n', ", line 3: broken quotes"),
        ("latin1.csv", b"caf\xe9 \xc3\xa9 \xc3\xa9,text\n1,so happy\n", ", line 1: the header holds bytes that are"),
        ("empty.csv", b"", ": the file has no header line."),
        ("commas.csv", b"," * 1_000_000, ": 1,000,001 columns, but at most 10,000"),
        ("long.csv", b"a" * 1_000_000 + b"\n1\n", ": no column of texts"),
        ("long.jsonl", b'"' + b"a" * 1_000_000 + b'"', ", line 1: 'aaaa"),
        ("folder.csv", None, " is a directory."),
        ("deep.json", NESTED, ": not a json array (maximum recursion depth"),
        ("deep.jsonl", b'{"text": ' + NESTED, ", line 1: not json (maximum recursion depth"),
        ("mixed.jsonl", b'{"text": "a"}\n' * 9 + b'{"text": 3}', ", line 10: field 'text' is 3, not a text"),
        ("numbers.jsonl", b'{"text": 3}', ", line 1: field 'text' is 3, not a text"),
        ("twice.parquet", None, ": several columns have the name 'text'. Rename all but one"),
        ("cut.parquet", whole_parquet()[:-100], ": not a readable parquet file"),
        ("page.parquet", corrupted_page(), ": not a readable parquet file"),
    ],
)
def test_predict_names_the_file_and_the_place(tmp_path, name, content, message):
    source, target = tmp_path / name, tmp_path / "out" / "scored.csv"
    if content is not None:
        source.write_bytes(content)
    elif name == "folder.csv":
        source.mkdir()
    else:
        pq.write_table(pa.table([["a"], ["b"]], names=["text", "text"]), source)
    process = predict(source, target)
    assert process.returncode == 1
    assert f"{source}{message}" in process.stderr
    assert "Traceback" not in process.stderr
    assert len(process.stderr) < 1000
    assert not list(tmp_path.glob("out/*"))


def test_predict_scores_what_is_unusual_but_whole(tmp_path):
    source, target = tmp_path / "in.jsonl", tmp_path / "out.csv"
    rows = [
        '{"text": "NUL \\u0000 within", "n": NaN}',
        '{"text": "first", "text": "the last of two", "n": 1e400}',
        '{"text": "a long number", "n": 1000000000000000000000}',
        json.dumps({"text": "wonderful " * 100_000}),
        *(json.dumps({"text": "short"}) for _ in range(300)),
    ]
    source.write_text("\ufeff" + "\n".join(rows), encoding="utf-8")
    process = predict(source, target)
    assert process.stdout == f"304 rows written to {target}, 0 skipped.\n", process.stderr
    scored = read(target)[0]
    assert [text for text, _ in scored[:3]] == ["NUL \0 within", "the last of two", "a long number"]
    assert scored[3] == ("wonderful " * 100_000, "POSITIVE")
    assert len(scored) == 304


def test_predict_refuses_half_a_character_on_the_command_line():
    process = run_python("scripts/predict.py", "--model", PRETRAINED_FOLDER, "fine", "half \udcff", check=False)
    assert process.returncode == 1
    assert process.stderr.strip().endswith(
        "The text at index 1 holds a lone surrogate, which is invalid Unicode: 'half \\udcff'."
    )


def test_predict_keeps_a_folder_that_has_the_name_of_the_output(tmp_path):
    (tmp_path / "out.csv").mkdir()
    source = tmp_path / "in.txt"
    source.write_text("so happy\n")
    process = predict(source, tmp_path / "out.csv")
    assert process.returncode == 1
    assert f"{tmp_path / 'out.csv'}: a folder has this name; choose another for the file." in process.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.txt", "out.csv"]


# Contents that are not what the suffix says


CSV = whole_csv(",").encode()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", gzip.compress(CSV), ": the first bytes are those of a .gz file. Give the file this suffix."),
        ("a.csv", whole_parquet(), ": the first bytes are those of a .parquet file. Give the file this suffix."),
        ("a.csv", b"PK\x03\x04", ": the first bytes are those of a .zip (or .xlsx) file. Give the file this suffix."),
        ("a.csv", b'{"text": "a", "label": 1}\n', ", line 1: json, but a header was expected. Give the file the"),
        ("a.csv", b'[{"text": "a", "label": 1}]', ", line 1: json, but a header was expected. Give the file the"),
        ("a.csv", b"<!DOCTYPE html>\n<html>", " is not a file of rows, but a web page. Download the file itself."),
        (
            "a.parquet.txt",
            b"version https://git-lfs.github.com/spec/v1\n",
            " is not a file of rows, but a pointer of Git",
        ),
        ("a.jsonl", CSV, ": the first lines are not json. If this is a csv file, give it the suffix .csv."),
        ("a.json", CSV, ": the first lines are not json. If this is a csv file, give it the suffix .csv."),
        ("a.parquet", CSV, "Copy the file again, or give it the suffix of its content."),
        ("a.arrow", CSV, "Copy the file again, or give it the suffix of its content."),
        ("a.csv.gz", CSV, "Copy the file again, or give it the suffix of its content."),
        ("a.csv.zip", CSV, "Copy the file again, or give it the suffix of its content."),
    ],
)
def test_a_wrong_suffix_is_told_of(write_file, name, content, message):
    path = write_file(name, content)
    with pytest.raises(ValueError) as error:
        load_rows(DataArguments(data_files=[str(path)]))
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("hi,POSITIVE\nno,NEGATIVE\n", "If line 1 is a row, write a header line above it, such as text,label."),
        ("such a very good day,1\nno,0\n", "Line 1 looks like a row: write a header line above it"),
        ("hi;1\nno;0\n", "write a header line above it, such as text,label."),
    ],
)
def test_a_missing_header_is_told_of(write_file, content, message):
    with pytest.raises(ValueError, match=message):
        load_rows(DataArguments(data_files=[str(write_file("a.csv", content))]))


@pytest.mark.parametrize("start", ["sep=;\n", "\n", "\n\n"])
def test_semicolons_may_separate_texts_with_commas(write_file, start):
    path = write_file("a.csv", start + "text;label\nso happy, yes;1\nso sad, yes, really;0\n")
    rows = load_rows(DataArguments(data_files=[str(path)]))
    assert rows.texts == ["so happy, yes", "so sad, yes, really"]
    assert rows.labels == [1, 0]


def test_a_text_file_has_no_labels(write_file):
    with pytest.raises(ValueError, match="A txt file has no labels: write a csv file with the columns text and label"):
        load_rows(DataArguments(data_files=[str(write_file("a.txt", "so happy\n"))]))


# Sources that leave nothing to train on


@pytest.mark.parametrize("streaming", [False, True])
def test_held_out_texts_that_are_all_of_the_training_texts_are_told_of(write_file, streaming):
    rows = "text,label\n" + "".join(f"text {row},{row % 2}\n" for row in range(20))
    files = [str(write_file(name, rows)) for name in ("a.csv", "b.csv")]
    args = DataArguments(data_files=files[:1], held_out_files=files[1:], streaming=streaming)
    with pytest.raises(ValueError, match=r"the texts of all .*rows for training are also in held_out_files"):
        if streaming:
            thresholds = SplitThresholds.from_args(args)
            list(scan_source(args, StreamSplits(thresholds, args), SourceScan(np.zeros(1, np.int64))))
        else:
            split_rows(load_rows(args), args)


@pytest.mark.parametrize("name", ["test_size", "validation_size"])
@pytest.mark.parametrize("size", [np.inf, np.nan, -1, 1, 2.5])
def test_a_size_is_a_share_or_a_number_of_rows(name, size):
    with pytest.raises(ValueError, match=rf"{name} is .*, but must be a share in \[0, 1\) or a whole number of rows"):
        DataArguments(**{name: size})


# Labels that differ in case or Unicode form


def test_labels_that_differ_in_case_or_unicode_form_are_one_and_told_of(write_file, caplog):
    caplog.set_level("INFO")
    labels = ["caf\u00e9", "cafe\u0301", "CAF\u00c9", "caf\u00e9", " bar ", "bar"]
    path = write_file("a.csv", "text,label\n" + "".join(f"text {row},{label}\n" for row, label in enumerate(labels)))
    rows = load_rows(DataArguments(data_files=[str(path)]))
    assert rows.label_names == ["bar", "caf\u00e9"]
    assert rows.labels == [1, 1, 1, 1, 0, 0]
    assert "The labels 'caf\u00e9', 'CAF\u00c9', 'cafe\u0301' are read as one: caf\u00e9." in caplog.text


def test_a_link_stays_when_its_file_is_replaced(tmp_path):
    for suffix in ("csv", "tsv", "jsonl", "parquet"):
        target, link = tmp_path / "elsewhere" / f"a.{suffix}", tmp_path / f"link.{suffix}"
        link.symlink_to(target)
        for text in ("first", "second"):
            with table_writer(link) as writer:
                writer.write(pa.table({"text": [text], "label": ["x"]}))
            assert link.is_symlink()
            assert read(target)[0] == [(text, "x")]
