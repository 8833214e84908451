"""The folder of a run's checkpoints: who may write to it, which checkpoint a run goes on from, what is removed."""

import json
import logging
import os
import platform
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Optional

from accelerate.utils import gather_object
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from transformers import PreTrainedModel, TrainingArguments
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, get_last_checkpoint

from ..model.configuration_brnn import BrnnConfig

logger = logging.getLogger(__name__)

LAST_CHECKPOINT = "last"
CURVES = "curves.png"
DATA_FOLDER = "data"
LOCK = "run.lock"
ENDED = "ended"
CHECKPOINT_FILES = (
    "config.json",
    "model.safetensors",
    "optimizer.pt",
    "scheduler.pt",
    "tokenizer.json",
    "trainer_state.json",
)
ARCHITECTURE = ("embedding_size", "hidden_size", "num_hidden_layers", "cell_type", "hidden_act", "pooling")
BROKEN, LATER = "broken-", "later-"  # before the names of checkpoints that are set aside


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Keeps other runs out of a folder of checkpoints until the block ends or the process dies.

    Raises:
        FileExistsError: Another run is at work there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, blocking=False)
    while not lock.is_locked:
        try:
            lock.acquire()
        except Timeout as error:
            with suppress(FileNotFoundError):  # its owner has just ended
                owner = (folder / LOCK).read_text(encoding="utf-8")
                raise FileExistsError(
                    f"{folder} belongs to a run that is at work, {owner}: wait for it, or choose another --output_dir."
                ) from error
    try:
        owner = f"process {os.getpid()} on {platform.node()} since {datetime.now():%Y-%m-%d %H:%M:%S}"
        (folder / LOCK).write_text(owner, encoding="utf-8")
        yield
    finally:
        (folder / LOCK).unlink(missing_ok=True)
        lock.release()
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def checkpoint_to_resume(training_args: TrainingArguments) -> Optional[str]:
    """The checkpoint that `--resume_from_checkpoint` means, or None where a run starts at its beginning.

    The main process sets checkpoints aside: as `broken-<name>` newer ones that are not whole, as `later-<name>` those
    after the one that the argument names. What a run that ended had no time to remove is removed.

    Raises:
        FileExistsError: There are checkpoints of a run that did not end, and the argument doesn't say to go on from it.
        FileNotFoundError: There is no such checkpoint, or no run that was interrupted.
        ValueError: The checkpoint that the argument names is not whole, machines hold different ones, or the checkpoint
            was saved by another number of processes.
    """
    wanted = training_args.resume_from_checkpoint
    folder = Path(training_args.output_dir)
    with training_args.main_process_first(local=training_args.save_on_each_node, desc="looking for a checkpoint"):
        if training_args.should_save and (folder / ENDED).exists():
            remove_checkpoints(folder)
        if wanted is None:
            _check_nothing_is_left(folder)
            return None
        if wanted == LAST_CHECKPOINT:
            checkpoint = _last_whole_checkpoint(folder, training_args.should_save)
        else:
            checkpoint = _named_checkpoint(Path(wanted), folder, training_args.should_save)
    names = gather_object([checkpoint and checkpoint.name])
    if len(set(names)) > 1:
        raise ValueError(
            f"{folder} is not the same on all machines, the last checkpoints are {names}: remove those that not all of "
            "them have."
        )
    if checkpoint:
        _check_processes(checkpoint, training_args)
    if training_args.process_index == 0:
        if checkpoint:
            logger.info("Going on from %s.", checkpoint)
        else:
            logger.warning("%s holds no whole checkpoint: the run starts at its beginning.", folder)
    return str(checkpoint) if checkpoint else None


def _check_nothing_is_left(folder: Path) -> None:
    if _last_checkpoint(folder):
        raise FileExistsError(
            f"{folder} holds the checkpoints of a run that did not end: go on with --resume_from_checkpoint, or "
            "remove them, or choose another --output_dir."
        )


def _last_whole_checkpoint(folder: Path, may_move: bool) -> Optional[Path]:
    checkpoint = _last_checkpoint(folder)
    if not checkpoint and not (folder / DATA_FOLDER).is_dir():
        raise FileNotFoundError(f"There is no interrupted run in {folder}: start without --resume_from_checkpoint.")
    while may_move and checkpoint and (problem := find_problem(checkpoint)):
        aside = _set_aside(checkpoint, BROKEN)
        logger.warning("%s is not whole: %s. It is set aside as %s.", checkpoint, problem, aside.name)
        checkpoint = _last_checkpoint(folder)
    return checkpoint


def _named_checkpoint(checkpoint: Path, folder: Path, may_move: bool) -> Path:
    if not checkpoint.is_dir():
        raise FileNotFoundError(f"There is no checkpoint {checkpoint}: name a folder, or start without it.")
    if not any((checkpoint / name).exists() for name in CHECKPOINT_FILES):
        raise FileNotFoundError(f"{checkpoint} is no checkpoint: name one of the folders {PREFIX_CHECKPOINT_DIR}-….")
    if problem := find_problem(checkpoint):
        raise ValueError(f"{checkpoint} is not whole: {problem}. Name an earlier one.")
    if checkpoint.resolve().parent != folder.resolve():
        _check_nothing_is_left(folder)
    while may_move and (last := _last_checkpoint(folder)) and not last.samefile(checkpoint):
        aside = _set_aside(last, LATER)
        logger.warning("%s is later than %s. It is set aside as %s.", last, checkpoint, aside.name)
    return checkpoint


def _last_checkpoint(folder: Path) -> Optional[Path]:
    checkpoint = get_last_checkpoint(str(folder)) if folder.is_dir() else None
    return None if checkpoint is None else Path(checkpoint)


def _check_processes(checkpoint: Path, training_args: TrainingArguments) -> None:
    processes = training_args.world_size
    expected = {"rng_state.pth"} if processes == 1 else {f"rng_state_{index}.pth" for index in range(processes)}
    found = {path.name for path in checkpoint.glob("rng_state*.pth")}
    if training_args.save_on_each_node:  # a machine has the files of its own processes
        expected &= {"rng_state.pth", f"rng_state_{training_args.process_index}.pth"}
        found &= expected
    if found != expected:
        raise ValueError(
            f"{checkpoint} was saved by another number of processes than {processes}: start as many again."
        )


def find_problem(checkpoint: Path) -> Optional[str]:
    """What a checkpoint lacks, None if it is whole: each file is there and readable to its end."""
    if not list(checkpoint.glob("rng_state*.pth")):
        return "it has no rng_state.pth"
    names = {*CHECKPOINT_FILES, *(path.name for path in checkpoint.glob("*.pt*"))}
    for path in (checkpoint / name for name in sorted(names)):
        if not path.is_file():
            return f"it has no {path.name}"
        try:
            _read_to_end(path)
        except (OSError, SafetensorError, ValueError, zipfile.BadZipFile) as error:
            return f"{path.name} is damaged ({error})"
    return None


def _read_to_end(path: Path) -> None:
    if path.suffix == ".safetensors":
        with safe_open(path, framework="pt"):
            pass  # the header says how long the file must be
    elif path.suffix == ".json":
        json.loads(path.read_bytes())
    else:
        with zipfile.ZipFile(path) as archive:
            if damaged := archive.testzip():
                raise ValueError(f"wrong checksum of {damaged}")


def _set_aside(checkpoint: Path, prefix: str) -> Path:
    aside = checkpoint.with_name(f"{prefix}{checkpoint.name}")
    copy = 1
    while aside.exists():
        copy += 1
        aside = checkpoint.with_name(f"{prefix}{checkpoint.name}-{copy}")
    return checkpoint.rename(aside)


def sync_to_disk(folder: Path) -> None:
    """Returns when the files of a folder would outlive a power cut."""
    for path in [*folder.rglob("*"), folder, folder.parent]:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def describe_last_checkpoint(folder: Path) -> str:
    """One line on what a run that ended early has left."""
    if (folder / ENDED).exists():
        return "The run had ended, and its model is saved."
    checkpoint = _last_checkpoint(folder)
    if checkpoint is None:
        return "There is no checkpoint yet: start again."
    return f"{checkpoint} is the last checkpoint: go on with --resume_from_checkpoint."


def check_vocabulary(checkpoint: str, tokenizer_folder: Path) -> None:
    """Raises:
    ValueError: The checkpoint was trained on other rows, whose words have other ids.
    """
    vocabularies = [(folder / "tokenizer.json").read_bytes() for folder in (Path(checkpoint), tokenizer_folder)]
    if vocabularies[0] != vocabularies[1]:
        raise ValueError(
            f"{checkpoint} was trained with another vocabulary: resume with the data and the arguments it began with."
        )


def check_model(checkpoint: str, model: PreTrainedModel) -> None:
    """Raises:
    ValueError: The checkpoint is of a model with other labels, sizes or parts.
    """
    saved = BrnnConfig.from_pretrained(checkpoint)
    with safe_open(Path(checkpoint) / "model.safetensors", framework="pt") as weights:
        names = list(weights.keys())
    values = {name: (getattr(saved, name), getattr(model.config, name)) for name in ("id2label", *ARCHITECTURE)}
    had_ngrams, has_ngrams = (any("ngram" in name for name in found) for found in (names, model.state_dict()))
    values["ngram_embeddings"] = (had_ngrams, has_ngrams)
    for name, (before, now) in values.items():
        if before != now:
            raise ValueError(
                f"{checkpoint} was trained with {name} {before}, not {now}: resume with the data and the arguments it "
                "began with."
            )


def remove_checkpoints(folder: Path) -> bool:
    """Removes what a run that has ended needs no more: checkpoints, tokenized data and the curves, of which the saved
    folder has its own. Killed in the middle of it, it is done to its end when a run starts here again.

    Returns:
        Whether something else stays, such as the logs of tensorboard.
    """
    (folder / ENDED).touch()
    prefixes = tuple(f"{prefix}{PREFIX_CHECKPOINT_DIR}-" for prefix in ("", BROKEN, LATER))
    for path in folder.iterdir():
        if path.is_dir() and (path.name == DATA_FOLDER or path.name.startswith(prefixes)):
            shutil.rmtree(path)
    (folder / CURVES).unlink(missing_ok=True)
    (folder / ENDED).unlink()
    return any(path.name != LOCK for path in folder.iterdir())
