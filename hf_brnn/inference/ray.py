"""Scores a folder of parquet shards with Ray Data, on one machine or a cluster.

A shard is the unit of work. Ray Data gives the names of the shards to a pool of actors, and gives a shard to another
actor when one dies. A finished shard has the same name in the output folder; a second start skips it.
(`Dataset.write_parquet` splits a shard into files with other names, and its checkpoints need a column of unique ids and
keep all of them in memory.)
"""

import logging
import os
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Optional

import pyarrow as pa
import pyarrow.parquet as pq
import ray
import ray.data
from pyarrow import fs

from ..data.bad_rows import BadRow, BadRowsError, OnBadRow
from ..data.batches import name_columns
from ..data.columns import find_text_column
from ..data.parquet_file import read_parquet
from ..data.problem_type import TOKENS
from .onnx_classifier import OnnxClassifier
from .score_files import name_fields, score_batches, score_fields
from .score_texts import ScoreOptions

logger = logging.getLogger(__name__)

UNFINISHED = ".unfinished"


@dataclass(frozen=True)
class Folder:
    """A folder in any file system that pyarrow knows."""

    filesystem: fs.FileSystem
    path: str

    @classmethod
    def open(cls, name: str) -> "Folder":
        """Opens a path, or a URI such as `s3://bucket/folder`."""
        filesystem, path = fs.FileSystem.from_uri(name if "://" in name else Path(name).resolve().as_uri())
        return cls(filesystem, path.rstrip("/"))

    def file(self, name: str) -> str:
        return f"{self.path}/{name}"

    def names(self, suffix: str) -> list[str]:
        """Returns the files with that suffix, in subfolders too, as sorted paths relative to the folder. Skips names
        that begin with a dot or an underscore: writers of parquet folders leave such files next to the data."""
        files = self.filesystem.get_file_info(fs.FileSelector(self.path, allow_not_found=True, recursive=True))
        names = [file.path[len(self.path) + 1 :] for file in files if file.is_file and file.path.endswith(suffix)]
        return sorted(name for name in names if not any(part[0] in "._" for part in PurePosixPath(name).parts))


class ShardScorer:
    """An actor of the pool: scores shards on one core, batch by batch."""

    def __init__(
        self,
        model: Path,
        batch_size: Optional[int],
        text_column: Optional[str],
        skip_bad_rows: bool,
        source: Folder,
        target: Folder,
        options: ScoreOptions,
    ) -> None:
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        self.classifier = OnnxClassifier(model, batch_size=batch_size, num_threads=1)
        self.text_column = text_column
        self.skip_bad_rows = skip_bad_rows
        self.source = source
        self.target = target
        self.options = options

    def __call__(self, row: dict[str, str]) -> dict[str, Any]:
        """Returns the number of rows scored and the bad rows. Without `skip_bad_rows` the first bad row ends the shard,
        and nothing is written."""
        bad_rows: list[BadRow] = []

        def on_bad_row(bad_row: BadRow) -> None:
            bad_rows.append(bad_row)
            if not self.skip_bad_rows:
                raise BadRowsError(bad_rows)

        try:
            scored = self._score(row["shard"], on_bad_row)
        except BadRowsError:  # returned as data: Ray keeps only the text of an exception
            scored = 0
        return row | {"scored": scored, "bad_rows": [asdict(bad_row) for bad_row in bad_rows]}

    def _score(self, shard: str, on_bad_row: OnBadRow) -> int:
        source, unfinished = self.source.file(shard), self.target.file(f"{shard}.{uuid.uuid4().hex}{UNFINISHED}")
        schema = read_metadata(self.source, shard).schema.to_arrow_schema()
        for field in name_fields(source, schema.names, score_fields(self.classifier, self.options)):
            schema = schema.append(field)
        self.target.filesystem.create_dir(str(PurePosixPath(unfinished).parent), recursive=True)
        scored = 0
        with pq.ParquetWriter(unfinished, schema, filesystem=self.target.filesystem) as writer:
            batches = read_parquet(source, on_bad_row, filesystem=self.source.filesystem)
            scored_batches = score_batches(self.classifier, source, batches, self.text_column, on_bad_row, self.options)
            for table in scored_batches:
                writer.write_table(table)
                scored += len(table)
        self.target.filesystem.move(unfinished, self.target.file(shard))
        return scored


def read_metadata(folder: Folder, shard: str) -> pq.FileMetaData:
    """Returns the metadata of a shard.

    Raises:
        ValueError: The file is not a readable parquet file.
    """
    path = folder.file(shard)
    try:
        return pq.read_metadata(path, filesystem=folder.filesystem)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: not a readable parquet file ({error}).") from error


def count_rows(folder: Folder, shard: str, text_column: Optional[str], classifier: OnnxClassifier) -> int:
    """Returns the number of rows of a shard.

    Raises:
        ValueError: The file is not a readable parquet file, or has no text column.
    """
    metadata = read_metadata(folder, shard)
    names, _ = name_columns(folder.file(shard), metadata.schema.to_arrow_schema().names)
    find_text_column(folder.file(shard), names, text_column, classifier.problem_type == TOKENS)
    return metadata.num_rows


def delete_unfinished(target: Folder) -> None:
    """Deletes the partial output of workers that were stopped."""
    for name in target.names(UNFINISHED):
        if re.search(rf"\.[0-9a-f]{{32}}{re.escape(UNFINISHED)}$", name):
            target.filesystem.delete_file(target.file(name))


def score_folder(
    model: Path,
    input_folder: str,
    output_folder: str,
    text_column: Optional[str] = None,
    batch_size: Optional[int] = None,
    skip_bad_rows: bool = False,
    workers: Optional[int] = None,
    options: ScoreOptions = ScoreOptions(),  # noqa: B008  frozen
) -> tuple[int, int]:
    """Scores each parquet file of a folder and its subfolders into a file of the same name in another folder. Finished
    shards are skipped.

    Runs on the cluster that the environment variable RAY_ADDRESS names, else on this machine.

    Args:
        model: A model directory with ONNX graphs, under the same path on every machine.
        input_folder: A path that every machine sees, or a URI of a file system that pyarrow knows (s3, gs, abfs).
        output_folder: The same, for the output.
        text_column: The column of the texts; by default the one whose name says so.
        batch_size: Number of texts that a worker scores at once; by default that of `OnnxClassifier`.
        skip_bad_rows: Whether to log and skip rows that can't be used.
        workers: Number of workers, one core each; by default all cores of the cluster.
        options: What is written about each text, besides label and score.

    Returns:
        The number of rows that this call scored, and of those that it skipped.

    Raises:
        BadRowsError: A row can't be used and `skip_bad_rows` is off; finished shards stay.
        FileNotFoundError: There is no such model, or no parquet file in the input folder.
        ValueError: A file is not a parquet file or has no text column, the output folder lies in the input folder, or a
            file of the output is a broken symbolic link.
    """
    source, target = Folder.open(input_folder), Folder.open(output_folder)
    if f"{target.path}/".startswith(f"{source.path}/"):
        raise ValueError(
            f"{output_folder}: the output folder can't be inside the input folder {input_folder}. Choose another."
        )
    shards = source.names(".parquet")
    if not shards:
        raise FileNotFoundError(f"{input_folder}: no folder with .parquet files.")
    classifier = OnnxClassifier(model, batch_size=batch_size)
    options.check(classifier)

    if isinstance(target.filesystem, fs.LocalFileSystem):
        for shard in shards:
            path = Path(target.file(shard))
            if path.is_symlink() and not path.exists():
                raise ValueError(f"{path} is a broken symbolic link, which would be replaced. Remove it.")
    target.filesystem.create_dir(target.path, recursive=True)
    delete_unfinished(target)
    finished = set(target.names(".parquet"))
    waiting = [shard for shard in shards if shard not in finished]
    logger.info("%d of %d shards are finished already: %s", len(shards) - len(waiting), len(shards), output_folder)
    with ThreadPoolExecutor() as pool:
        rows = sum(pool.map(lambda shard: count_rows(source, shard, text_column, classifier), waiting))
    if not waiting:
        return 0, 0

    connect()
    dataset = ray.data.from_items([{"shard": shard} for shard in waiting], override_num_blocks=len(waiting)).map(
        ShardScorer,
        fn_constructor_args=(model, batch_size, text_column, skip_bad_rows, source, target, options),
        compute=ray.data.ActorPoolStrategy(
            size=min(workers or int(ray.cluster_resources()["CPU"]), len(waiting)), max_tasks_in_flight_per_actor=1
        ),
        num_cpus=1,
    )
    scored = skipped = 0
    for number, result in enumerate(dataset.iter_rows(), 1):
        bad_rows = [BadRow(**bad_row) for bad_row in result["bad_rows"]]
        if bad_rows and not skip_bad_rows:
            raise BadRowsError(bad_rows)
        for bad_row in bad_rows:
            logger.warning("Skipped %s", bad_row)
        scored += result["scored"]
        skipped += len(bad_rows)
        logger.info("%d of %d shards, %s of %s rows", number, len(waiting), f"{scored + skipped:,}", f"{rows:,}")
    delete_unfinished(target)
    return scored, skipped


def connect() -> None:
    """Joins the cluster of RAY_ADDRESS or starts one, and sets the timeouts and retries of Ray Data."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(include_dashboard=False, ignore_reinit_error=True)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    # By default Ray Data stops after half an hour without a result, which is too short for a large shard.
    context.execution_no_progress_timeout_s = -1
    # Retries when storage fails for a moment. Ray Data restarts workers that die by itself.
    context.retried_map_errors = list(context.retried_io_errors)
    context.max_map_retries = 3
