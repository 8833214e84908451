"""The checkpoints of a run: who may write them, which one a run resumes from, and which are removed."""

import json
import logging
import os
import platform
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open

from .base_model import SIZES
from .options import LAST_CHECKPOINT

if TYPE_CHECKING:
    from transformers import PreTrainedModel, TrainingArguments

    from .arguments import Arguments

logger = logging.getLogger(__name__)

CHECKPOINTS_SUFFIX = ".checkpoints"  # behind the name of the model directory
CURVES = "curves"
DATA_FOLDER = "data"
LOCK = "run.lock"
CHECKPOINT = "checkpoint-"  # before the number of its step, as Trainer names it
ENDED = "ended"
OPTIONS = "options.json"
# A checkpoint restores or relies on these options. Others, such as when to save, may differ when a run is resumed.
DECISIVE_TRAINING_OPTIONS = (
    "adam_beta1",
    "adam_beta2",
    "adam_epsilon",
    "adversarial_epsilon",
    "class_weight",
    "data_seed",
    "dataloader_drop_last",
    "freeze",
    "gradient_accumulation_steps",
    "head_learning_rate",
    "label_smoothing_factor",
    "learning_rate",
    "lr_scheduler_type",
    "max_grad_norm",
    "neftune_noise_alpha",
    "ngram_embeddings",
    "optim",
    "per_device_train_batch_size",
    "seed",
    "train_sampling_strategy",
    "warmup_steps",
    "weight_decay",
)
# The rows that files hold are checked by their words. A model to start from has given its weights.
FREE_OPTIONS = (
    "data_files",
    "held_out_files",
    "model_name_or_path",
    "model_revision",
    "skip_bad_rows",
    "test_files",
    "validation_files",
)
CHECKPOINT_FILES = (
    "config.json",
    "model.safetensors",
    "optimizer.pt",
    "scheduler.pt",
    "tokenizer.json",
    "trainer_state.json",
)


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Locks a folder of checkpoints until the block ends or the process dies.

    Raises:
        FileExistsError: Another run has locked it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, blocking=False)
    while not lock.is_locked:
        try:
            lock.acquire()
        except Timeout as error:
            with suppress(FileNotFoundError):  # the other run has just ended
                owner = (folder / LOCK).read_text(encoding="utf-8")
                raise FileExistsError(
                    f"{folder} is locked by another run, {owner}. Wait for it, or choose another --output_dir."
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


def checkpoint_to_resume(training_args: "TrainingArguments") -> Optional[str]:
    """Finds the checkpoint that `--resume_from_checkpoint` means; None where a run starts from scratch.

    The main process removes the newest checkpoints that are damaged, and what a run that ended had no time to remove.

    Raises:
        FileExistsError: There are checkpoints of an interrupted run, but the argument is not given; or later ones than
            the one that the argument names.
        FileNotFoundError: There is no such checkpoint, or no interrupted run.
        ValueError: The named checkpoint is damaged, machines hold different ones, or the checkpoint was saved by
            another number of processes.
    """
    from accelerate.utils import gather_object

    wanted = training_args.resume_from_checkpoint
    folder = Path(training_args.output_dir)
    with training_args.main_process_first(local=training_args.save_on_each_node, desc="looking for a checkpoint"):
        if training_args.should_save and (folder / ENDED).exists():
            remove_checkpoints(folder)
        if wanted is None:
            check_no_checkpoints(folder)
            return None
        if wanted == LAST_CHECKPOINT:
            checkpoint = _last_whole_checkpoint(folder, training_args.should_save)
        else:
            checkpoint = _named_checkpoint(Path(wanted), folder)
    names = gather_object([checkpoint and checkpoint.name])
    if len(set(names)) > 1:
        raise ValueError(
            f"{folder} differs between machines: their last checkpoints are {names}. Remove those that not all of them "
            "have."
        )
    if checkpoint:
        _check_processes(checkpoint, training_args)
    if training_args.process_index == 0:
        if checkpoint:
            logger.info("Resuming from %s.", checkpoint)
        else:
            logger.warning("%s holds no complete checkpoint: the run starts from scratch.", folder)
    return str(checkpoint) if checkpoint else None


def check_no_checkpoints(folder: Path) -> None:
    """Raises:
    FileExistsError: A folder of checkpoints holds those of an interrupted run.
    """
    if _last_checkpoint(folder):
        raise FileExistsError(
            f"{folder} holds the checkpoints of an interrupted run. Resume it with --resume_from_checkpoint, remove "
            "them, or choose another --output_dir."
        )


def _last_whole_checkpoint(folder: Path, may_remove: bool) -> Optional[Path]:
    checkpoint = _last_checkpoint(folder)
    if not checkpoint and not (folder / DATA_FOLDER).is_dir():
        raise FileNotFoundError(f"{folder} holds no checkpoint to resume: start without --resume_from_checkpoint.")
    while may_remove and checkpoint and (problem := find_problem(checkpoint)):
        logger.warning("Removing %s, which can't be resumed: %s.", checkpoint, problem)
        shutil.rmtree(checkpoint)
        checkpoint = _last_checkpoint(folder)
    return checkpoint


def _named_checkpoint(checkpoint: Path, folder: Path) -> Path:
    if not checkpoint.is_dir():
        raise FileNotFoundError(f"{checkpoint}: no such checkpoint. Name a folder {CHECKPOINT}<step>.")
    if not any((checkpoint / name).exists() for name in CHECKPOINT_FILES):
        raise FileNotFoundError(f"{checkpoint} is not a checkpoint. Name a folder {CHECKPOINT}<step>.")
    if problem := find_problem(checkpoint):
        raise ValueError(f"{checkpoint} can't be resumed: {problem}. Name an earlier one.")
    if checkpoint.resolve().parent != folder.resolve():
        check_no_checkpoints(folder)
    elif (last := _last_checkpoint(folder)) and not last.samefile(checkpoint):
        raise FileExistsError(
            f"{folder} holds later checkpoints than {checkpoint.name}, such as {last.name}. The run would mix them "
            "with its own: move or remove them first."
        )
    return checkpoint


def _last_checkpoint(folder: Path) -> Optional[Path]:
    steps = {path.name.removeprefix(CHECKPOINT): path for path in folder.glob(f"{CHECKPOINT}*") if path.is_dir()}
    last = max((int(step) for step in steps if step.isdigit()), default=None)
    return None if last is None else steps[str(last)]


def _check_processes(checkpoint: Path, training_args: "TrainingArguments") -> None:
    processes = training_args.world_size
    expected = {"rng_state.pth"} if processes == 1 else {f"rng_state_{index}.pth" for index in range(processes)}
    found = {path.name for path in checkpoint.glob("rng_state*.pth")}
    if training_args.save_on_each_node:  # a machine has the files of its own processes
        expected &= {"rng_state.pth", f"rng_state_{training_args.process_index}.pth"}
        found &= expected
    if found != expected:
        raise ValueError(
            f"{checkpoint} was saved by a different number of processes than the {processes} of this run. Start the "
            "original number."
        )


def find_problem(checkpoint: Path) -> Optional[str]:
    """Says what a checkpoint lacks: a file, or the end of one. None if it is whole."""
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
        with safe_open(path, framework="np"):
            pass  # the header says how long the file must be
    elif path.suffix == ".json":
        json.loads(path.read_bytes())
    else:
        with zipfile.ZipFile(path) as archive:
            if damaged := archive.testzip():
                raise ValueError(f"wrong checksum of {damaged}")


def sync_to_disk(folder: Path) -> None:
    """Flushes the files of a folder to disk, so that they survive a power cut."""
    for path in [*folder.rglob("*"), folder, folder.parent]:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def describe_last_checkpoint(folder: Path) -> str:
    """Says in one line what an interrupted run has left."""
    if (folder / ENDED).exists():
        return "The training had ended, and its model is saved."
    checkpoint = _last_checkpoint(folder)
    if checkpoint is None:
        return "There is no checkpoint yet: start from scratch."
    return f"The last checkpoint is {checkpoint}: add --resume_from_checkpoint to resume."


def save_options(folder: Path, arguments: "Arguments") -> None:
    """Writes the options that decide the weights beside the checkpoints, for `check_options`."""
    (folder / OPTIONS).write_text(json.dumps(_decisive_options(arguments)), encoding="utf-8")


def check_options(checkpoint: str, arguments: "Arguments") -> None:
    """Raises:
    ValueError: The run of the checkpoint began with another value of an option that decides the weights.
    """
    path = Path(checkpoint).parent / DATA_FOLDER / OPTIONS
    if not path.exists():
        logger.warning("There is no %s: give the options that the run began with, which can't be checked.", path)
        return
    before = json.loads(path.read_text(encoding="utf-8"))
    # As JSON has them: a tuple becomes a list.
    for name, value in json.loads(json.dumps(_decisive_options(arguments))).items():
        if name in before and value != before[name]:
            raise ValueError(
                f"{name} is {value!r}, but the run of {checkpoint} began with {before[name]!r}. Resume with the same "
                "options; num_train_epochs and max_steps may differ."
            )


def _decisive_options(arguments: "Arguments") -> dict[str, Any]:
    values = asdict(arguments.model) | asdict(arguments.data)
    values |= {name: getattr(arguments.training, name) for name in DECISIVE_TRAINING_OPTIONS}
    return {name: value for name, value in values.items() if name not in FREE_OPTIONS}


def check_vocabulary(checkpoint: str, tokenizer_folder: Path) -> None:
    """Raises:
    ValueError: The checkpoint was trained on other rows, whose words have other ids.
    """
    files = [folder / "tokenizer.json" for folder in (Path(checkpoint), tokenizer_folder)]
    first, second = (json.loads(file.read_bytes()) for file in files)
    if any(first[name] != second[name] for name in ("normalizer", "pre_tokenizer", "model")):
        raise ValueError(
            f"{checkpoint} has another vocabulary than these rows give: resume with the data and the options that the "
            "run began with."
        )


def check_model(checkpoint: str, model: "PreTrainedModel") -> None:
    """Raises:
    ValueError: The checkpoint is of a model with other labels or sizes, or differs in ngram_embeddings.
    """
    from ..model.configuration_brnn import BrnnConfig

    saved = BrnnConfig.from_pretrained(checkpoint)
    with safe_open(Path(checkpoint) / "model.safetensors", framework="np") as weights:
        names = list(weights.keys())
    values = {name: (getattr(saved, name), getattr(model.config, name)) for name in ("id2label", *SIZES)}
    had_ngrams, has_ngrams = (any("ngram" in name for name in found) for found in (names, model.state_dict()))
    values["ngram_embeddings"] = (had_ngrams, has_ngrams)
    for name, (before, now) in values.items():
        if before != now:
            raise ValueError(
                f"{checkpoint} was trained with {name} {before}, not {now}: resume with the data and the options that "
                "the run began with."
            )


def remove_checkpoints(folder: Path) -> bool:
    """Removes checkpoints, tokenized data and curves of a run that ended. If the process is killed meanwhile, the next
    run here completes the removal.

    Returns:
        Whether other files stay, such as TensorBoard logs.
    """
    (folder / ENDED).touch()
    for path in folder.iterdir():
        if path.is_dir() and (path.name == DATA_FOLDER or path.name.startswith(f"{CHECKPOINT}")):
            shutil.rmtree(path)
    for path in folder.glob(f"{CURVES}.*"):
        path.unlink()
    (folder / ENDED).unlink()
    return any(path.name != LOCK for path in folder.iterdir())
