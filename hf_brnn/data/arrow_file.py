"""Reads Arrow files, and the folders that `Dataset.save_to_disk` writes."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from .batches import Batch, name_columns, split_batch

STATE = "state.json"


def is_saved_dataset(path: Path) -> bool:
    """Returns whether `Dataset.save_to_disk` wrote this folder."""
    return (path / STATE).is_file()


def read_arrow(path: Path, batch_size: int) -> Iterator[Batch]:
    """Reads an Arrow file or stream, or a folder of `Dataset.save_to_disk`, in batches.

    Memory is mapped; it holds the values of one record batch of a compressed file.

    Raises:
        ValueError: The file is broken, or the folder is not one of `save_to_disk`.
    """
    files = [path]
    if path.is_dir():
        if not is_saved_dataset(path):
            splits = sorted(each.name for each in path.iterdir() if is_saved_dataset(each))
            hint = f"Name one of its splits: {', '.join(splits)}." if splits else f"Name its files: '{path}/*.csv'."
            raise ValueError(f"{path}: a folder, expected a file. {hint}")
        state = json.loads((path / STATE).read_text(encoding="utf-8"))
        files = [path / entry["filename"] for entry in state["_data_files"]]
    start = 1
    try:
        for file in files:
            with pa.memory_map(str(file)) as source:
                for stored in _open(source):
                    names, repeated = name_columns(str(path), stored.schema.names)
                    table = pa.Table.from_batches([stored]).rename_columns(names)
                    for part in table.to_batches(max_chunksize=batch_size):
                        for record_batch in split_batch(part):
                            numbers = list(range(start, start + len(record_batch)))
                            start += len(record_batch)
                            yield Batch(pa.Table.from_batches([record_batch]), "row", numbers, repeated)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(
            f"{path}: not a readable Arrow file ({error}). Copy the file again, or give it the suffix of its content."
        ) from error


def _open(source: pa.NativeFile) -> Iterable[pa.RecordBatch]:
    """Opens an Arrow file, or the stream that `datasets` writes."""
    try:
        file = pa.ipc.open_file(source)
    except pa.ArrowInvalid:
        source.seek(0)
        return pa.ipc.open_stream(source)
    return (file.get_batch(index) for index in range(file.num_record_batches))
