import json
import os
import re
import tracemalloc
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from forks import run_together
from hub_server import Repository
from processes import QUICKSTART, REPOSITORY, run_python, train

from hf_brnn.data.arguments import DataArguments
from hf_brnn.data.dataset import NO_LABEL
from hf_brnn.data.rows import load_rows
from hf_brnn.data.streaming import (
    SourceScan,
    SplitThresholds,
    StreamedTexts,
    StreamSampler,
    StreamSplits,
    scan_source,
)
from hf_brnn.data.text import text_key
from hf_brnn.model.text_encoder import TextEncoder
from hf_brnn.model.tokenization_brnn import train_tokenizer

ROWS = 3_000


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Five files of different kinds and sizes; every text is one word of its own, some of them twice."""
    folder = tmp_path_factory.mktemp("shards")
    rng = np.random.default_rng(0)
    texts = [f"word{'abcdefghij'[i % 10]}{to_letters(i)} " + "so " * rng.integers(0, 6) for i in range(ROWS - 100)]
    frame = pd.DataFrame({"text": texts + [text.upper() + " " for text in texts[:100]], "label": np.arange(ROWS) % 2})
    shuffled = frame.sample(frac=1, random_state=0)
    parts = [shuffled[start:end] for start, end in pairwise([0, 100, 1000, 1003, 2500, ROWS])]
    parts[0].to_csv(folder / "a.csv", index=False)
    parts[1].to_parquet(folder / "b.parquet", row_group_size=100)
    parts[2].to_json(folder / "c.jsonl", orient="records", lines=True)
    parts[3].to_csv(folder / "d.csv", index=False)
    parts[4].to_parquet(folder / "e.parquet")
    return folder


def to_letters(number):
    return "".join(chr(ord("k") + int(digit)) for digit in str(number))


def arguments(shards, **values):
    defaults = {"validation_size": 0.1, "test_size": 0.1, "shuffle_buffer_size": 500}
    files = [str(shards / "*.csv"), str(shards / "*.parquet"), str(shards / "*.jsonl")]
    return DataArguments(data_files=files, streaming=True, **(defaults | values))


def open_stream(args, processes=1, process_index=0, batch_size=32, seed=42):
    thresholds = SplitThresholds.from_args(args)
    scan = SourceScan(np.zeros(processes, dtype=np.int64))
    tokenizer = train_tokenizer(scan_source(args, StreamSplits(thresholds, args), scan), 10_000)
    splits = StreamSplits(replace(thresholds, train_rows=scan.train_rows.tolist()), args)
    stream = StreamedTexts(
        args,
        splits,
        TextEncoder(tokenizer.backend_tokenizer),
        tokenizer.pad_token_id,
        tokenizer.unk_token_id,
        process_index,
        batch_size,
        seed,
    )
    return stream, scan, tokenizer


def read_epoch(stream, epoch):
    """The batches of an epoch, asked for as accelerate's sampler for several processes asks for them."""
    sampler = StreamSampler(len(stream))
    sampler.set_epoch(epoch)
    addresses = list(sampler)
    batches = [addresses[start : start + stream.batch_size] for start in range(0, len(addresses), stream.batch_size)]
    return [stream.__getitems__(batch) for batch in batches[stream.process_index :: stream.processes]]


def texts_of(batches, tokenizer):
    rows = (row[mask == 1] for batch in batches for row, mask in zip(batch["input_ids"], batch["attention_mask"]))
    return [" ".join(tokenizer.convert_ids_to_tokens(row)) for row in rows]


def test_emoticons_are_restored_in_every_epoch(shards):
    stream, _, tokenizer = open_stream(arguments(shards, emoticon_prob=1.0, label_names=["NEGATIVE", "POSITIVE"]))
    for epoch in range(2):
        texts = texts_of(read_epoch(stream, epoch), tokenizer)
        assert all(re.search("[:=]-? ?[()]|:d", text) for text in texts)


def test_whether_a_text_is_for_training_says_nothing_of_its_emoticons(shards):
    share = 0.3
    values = {"emoticon_prob": share, "label_names": ["NEGATIVE", "POSITIVE"]}
    args = arguments(shards, split_seed=0, validation_size=0.3, **values)
    stream, _, tokenizer = open_stream(args)
    texts = texts_of(read_epoch(stream, 0), tokenizer)
    found = sum(bool(re.search("[:=]-? ?[()]|:d", text)) for text in texts) / len(texts)
    assert share / 2 < found < 2 * share


def test_an_epoch_has_each_training_row_once_in_an_order_of_its_own(shards):
    args = arguments(shards)
    stream, scan, tokenizer = open_stream(args)
    found = [texts_of(read_epoch(stream, epoch), tokenizer) for epoch in (0, 1)]
    splits = StreamSplits(stream.splits.thresholds, args)
    texts = load_rows(args).texts
    expected = [" ".join(tokenizer.tokenize(text)) for text in texts if splits.split_of(text) == "train"]
    assert Counter(found[0]) == Counter(found[1]) == Counter(expected)
    assert found[0] != found[1]
    assert scan.sizes["train"] == len(expected)
    again, _, _ = open_stream(args)
    assert texts_of(read_epoch(again, 1), tokenizer) == found[1]
    other, _, _ = open_stream(args, seed=43)
    assert texts_of(read_epoch(other, 1), tokenizer) != found[1]


def test_batches_hold_texts_of_like_length(shards):
    stream, _, _ = open_stream(arguments(shards))
    masks = [batch["attention_mask"] for batch in read_epoch(stream, 0)]
    assert sum(mask.size - mask.sum() for mask in masks) < 0.1 * sum(mask.size for mask in masks)


@pytest.mark.parametrize(("processes", "buffer"), [(2, 500), (3, 500), (3, 16)])
def test_processes_read_each_row_once(shards, processes, buffer):
    args = arguments(shards, shuffle_buffer_size=buffer)
    streams = [open_stream(args, processes, index, batch_size=16) for index in range(processes)]
    epochs = [read_epoch(stream, 0) for stream, _, _ in streams]
    assert len({len(batches) for batches in epochs}) == 1
    assert {len(batch["labels"]) for batches in epochs for batch in batches} == {16}
    tokenizer = streams[0][2]
    found = [Counter(texts_of(batches, tokenizer)) for batches in epochs]
    fillers = [sum((batch["labels"] == NO_LABEL).sum() for batch in batches) for batches in epochs]
    for share, filled, (stream, scan, _) in zip(found, fillers, streams):
        assert share.total() - filled == scan.train_rows[stream.process_index]
    whole = Counter(texts_of(read_epoch(open_stream(arguments(shards))[0], 0), tokenizer))
    assert sum(found, Counter()) - Counter({"": sum(fillers)}) == whole


def test_processes_share_rows_with_blank_lines_between_and_files_of_one_row(tmp_path):
    for number in range(20):
        (tmp_path / f"{number}.csv").write_text(f"label,text\n1,good {to_letters(number)}\n", encoding="utf-8")
    lines = "\n\n".join(f"0,bad {to_letters(number)}" for number in range(40))
    (tmp_path / "blank.csv").write_text(f"label,text\n{lines}\n", encoding="utf-8")
    files = [str(tmp_path / "*.csv")]
    args = DataArguments(data_files=files, streaming=True, validation_size=0, test_size=0)
    _, scan, _ = open_stream(args, processes=2)
    assert scan.train_rows.tolist() == [30, 30]


def test_the_middle_of_an_epoch_is_the_same_without_what_came_before(shards):
    args = arguments(shards)
    whole = read_epoch(open_stream(args)[0], 2)
    stream, _, _ = open_stream(args)
    for step in (len(whole) - 1, 40, 41, 3):
        batch = stream.__getitems__([2 * len(stream) + step * 32])
        for name, value in batch.items():
            assert np.array_equal(value, whole[step][name])


def texts_read(stream):
    """The texts of the rows that the process reads in the first epoch."""
    texts = []
    for step in range(stream.steps):
        rows = stream._rows_of_step(0, step)
        texts += stream._block.select(rows[rows >= 0].tolist()).texts
    return texts


@pytest.mark.parametrize("sizes", [(0.1, 0.2), (300, 600)])
def test_parts_have_about_their_sizes_and_no_text_in_common(shards, sizes):
    args = arguments(shards, validation_size=sizes[0], test_size=sizes[1])
    _, scan, _ = open_stream(args)
    expected = {"validation": 300, "test": 600, "train": 2100}
    assert scan.sizes.total() == ROWS
    for name, rows in expected.items():
        assert scan.sizes[name] == pytest.approx(rows, rel=0.2)
    keys = {name: set(map(text_key, part.texts)) for name, part in scan.eval_splits.items()}
    keys["train"] = {text_key(text) for text in load_rows(args).texts} - keys["validation"] - keys["test"]
    assert sum(map(len, keys.values())) == ROWS - 100
    assert not keys["validation"] & keys["test"]


def test_texts_of_held_out_files_are_in_no_part(shards, tmp_path):
    held_out = pd.read_csv(shards / "d.csv")
    held_out.to_csv(tmp_path / "held_out.csv", index=False)
    stream, scan, _ = open_stream(arguments(shards, held_out_files=[str(tmp_path / "held_out.csv")]))
    keys = set(map(text_key, held_out.text))
    found = texts_read(stream)
    assert len(found) == scan.sizes["train"]
    assert not keys & {text_key(text) for text in [*found, *scan.eval_splits["test"].texts]}
    assert scan.sizes.total() == sum(text_key(text) not in keys for text in load_rows(arguments(shards)).texts)


def test_published_splits_stay_whole_and_their_texts_leave_the_training_rows(shards, tmp_path):
    published = pd.read_csv(shards / "d.csv").assign(label=2)
    published.to_csv(tmp_path / "validation.csv", index=False)
    args = arguments(shards, validation_files=[str(tmp_path / "validation.csv")])
    stream, scan, _ = open_stream(args)
    assert scan.eval_splits["validation"].texts == published.text.tolist()
    assert stream.splits.thresholds.label_names == ["0", "1", "2"]
    assert scan.sizes["test"] == pytest.approx(150, rel=0.3)
    keys = set(map(text_key, published.text))
    found = texts_read(stream)
    assert len(found) == scan.sizes["train"] > 1000
    assert not keys & {text_key(text) for text in [*found, *scan.eval_splits["test"].texts]}


def test_labels_of_a_stream_are_found_in_all_files(tmp_path):
    for label in ("b", "a"):
        (tmp_path / f"{label}.csv").write_text(f"text,label\nx {label},{label}\ny {label},{label}\n")
    args = DataArguments(data_files=[str(tmp_path / "*.csv")], streaming=True, validation_size=0, test_size=0)
    stream, scan, _ = open_stream(args, batch_size=2)
    assert scan.labels == {0: 2, 1: 2}
    assert sorted(label for batch in read_epoch(stream, 0) for label in batch["labels"]) == [0, 0, 1, 1]


def test_the_tokenizer_of_a_stream_is_that_of_its_training_texts(shards):
    args = arguments(shards)
    _, scan, tokenizer = open_stream(args)
    held_out = {text_key(text) for part in scan.eval_splits.values() for text in part.texts}
    texts = [text for text in load_rows(args).texts if text_key(text) not in held_out]
    assert tokenizer.get_vocab() == train_tokenizer(texts, 10_000).get_vocab()


def test_bad_rows_end_the_scan_or_are_left_out(shards, tmp_path):
    (tmp_path / "bad.jsonl").write_text(
        '{"text": "fine", "label": 1}\n{"text": "", "label": 0}\n{"text": "x", "label": 7}\n'
    )
    args = replace(
        arguments(shards, label_names=["0", "1"]), data_files=[str(tmp_path / "bad.jsonl"), str(shards / "a.csv")]
    )
    with pytest.raises(ValueError, match=r"bad\.jsonl, line 2: no text") as error:
        open_stream(args)
    assert "bad.jsonl, line 3: label '7'" in str(error.value)
    stream, scan, tokenizer = open_stream(replace(args, skip_bad_rows=True))
    assert len(scan.rows.bad_rows) == 2
    assert len(texts_of(read_epoch(stream, 0), tokenizer)) == scan.sizes["train"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_rows": 10}, "max_rows draws from all rows"),
        ({"validation_size": 0.5, "test_size": 0.5}, "No row is left to train on"),
        ({"validation_size": 3000}, "No row is left to train on"),
        ({"validation_size": 30, "label_column": "text"}, "holds more than 1000 different labels"),
        ({"label_column": "text", "label_names": ["a", "b"]}, "is not one of"),
        ({"shuffle_buffer_size": 0}, "shuffle_buffer_size is 0"),
        ({"data_files": ["nowhere/*.csv"]}, r"nowhere/\*\.csv: no file matches"),
    ],
)
def test_what_a_stream_can_not_be_is_refused(shards, values, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        open_stream(replace(arguments(shards), **values))


PATHS = os.pathsep.join(map(str, (Path(__file__).parent, REPOSITORY / "tests" / "helpers", REPOSITORY)))


def test_objects_of_rows_that_were_read_do_not_stay(tmp_path):
    """The objects that Python holds at most while one epoch is read: with ten times the rows, whose texts alone are
    300 KB."""
    paths = [tmp_path / f"{number}.csv" for number in range(10)]
    for path in paths:
        path.write_text("label,text\n" + "".join(f"{i % 2},{'some words ' * 60}{i}\n" for i in range(50)))
    args = DataArguments(streaming=True, shuffle_buffer_size=10, validation_size=2, test_size=0, vocab_size=100)

    def peak(files):
        tracemalloc.start()
        try:
            stream, _, _ = open_stream(replace(args, data_files=list(map(str, paths[:files]))), batch_size=10)
            for step in range(len(stream) // 10):
                stream.__getitems__([step * 10])
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)  # the encoding of a file is looked for once
    assert peak(10) - peak(1) < 100_000


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(tmp_path):
    """The peak of a process that reads one epoch: with 20 times the rows, whose texts alone are 40 MB."""
    script = """
import resource, sys
from test_streaming import DataArguments, open_stream, read_epoch
stream, scan, _ = open_stream(DataArguments(data_files=sys.argv[1:], streaming=True, shuffle_buffer_size=2000,
    validation_size=100, test_size=0, vocab_size=1000), batch_size=500)
steps = len(stream) // 500
for step in range(0, steps, 3):
    stream.__getitems__([step * 500])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
    files = [tmp_path / f"{number}.csv" for number in range(20)]
    rows = [f"{i % 2},{'some words that fill a line ' * 12}{i}" for i in range(5_000)]
    for file in files:
        file.write_text("\n".join(["label,text", *rows]), encoding="utf-8")
    few, many = (float(run_python("-c", script, *read, PYTHONPATH=PATHS).stdout) for read in (files[:1], files))
    assert many - few < 25


STREAMED = (
    *QUICKSTART,
    *("--streaming", "--shuffle_buffer_size", 300, "--num_train_epochs", 4),
    *("--data_files", "hf_brnn/data/sample/tweets*.csv"),
)


@pytest.mark.parametrize(
    "kills", [("saving",), pytest.param(("stepping", "saving", "saved"), marks=pytest.mark.slow)], ids=len
)
def test_a_stream_trains_and_goes_on_in_the_middle_of_an_epoch(tmp_path, kills):
    arguments = (
        *STREAMED,
        *("--eval_strategy", "steps", "--eval_steps", 13, "--save_strategy", "steps", "--save_steps", 13),
    )
    train(tmp_path / "whole", *arguments)
    metrics = json.loads((tmp_path / "whole" / "metrics.json").read_text())
    assert metrics["test"]["accuracy"] > 0.6
    run_python(
        "tests/helpers/kill_training.py", "--kills", *kills,
        "--", "--output_dir", tmp_path / "killed", *arguments,
    )  # fmt: skip
    process = train(tmp_path / "killed", *arguments, "--resume_from_checkpoint")
    assert "Resuming from" in process.stderr
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "killed")]
    assert weights[0] == weights[1]


def test_two_processes_train_from_a_stream(tmp_path):
    run_together(2, "scripts/train.py", "--output_dir", tmp_path / "run", *STREAMED)
    assert "on 2 x " in (tmp_path / "run" / "README.md").read_text()
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["test"]["rows"] == pytest.approx(179, rel=0.2)
    assert metrics["history"][-1]["accuracy"] > 0.6


def test_a_data_set_on_the_hub_is_streamed_and_pinned(server, tmp_path):
    """The repository holds the sample in two shards; a later commit holds other rows."""
    rows = pd.read_csv(REPOSITORY / "hf_brnn" / "data" / "sample" / "tweets.csv")
    files = {f"data/train-0000{i}-of-00002.parquet": rows[i::2].to_parquet() for i in range(2)}
    repository = server.repositories["datasets/alice/tweets"] = Repository(private=False)
    pinned = repository.add_commit("main", "first", files | {"README.md": b""})
    repository.add_commit("main", "second", {"data/train-00000-of-00001.parquet": rows[:100].to_parquet()})
    read = f"""
from hf_brnn.data.arguments import DataArguments
from hf_brnn.data.rows import read_rows
for streaming in (True, False):
    for revision in ({pinned!r}, None):
        args = DataArguments("alice/tweets", dataset_revision=revision, streaming=streaming)
        print(sum(len(chunk) for chunk in read_rows(args, ["0", "4"])))
"""
    assert run_python("-c", read).stdout.split() == ["1792", "100", "1792", "100"]

    arguments = ("--dataset_name", "alice/tweets", "--dataset_revision", pinned)
    process = train(tmp_path / "run", *arguments, "--streaming", "--num_train_epochs", 1)
    assert "rows     1,792 (" in process.stdout
    assert "alice/tweets" in (tmp_path / "run" / "README.md").read_text()
