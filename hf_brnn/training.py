"""Training: its arguments, its data, the trainer and the curves."""

import argparse
import ctypes
import difflib
import hashlib
import json
import logging
import math
import os
import shutil
import signal
import sys
from collections import Counter
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NamedTuple, Optional, Union

import joblib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import yaml
from accelerate.utils import gather_object
from safetensors import SafetensorError
from transformers import (
    EarlyStoppingCallback,
    EvalPrediction,
    HfArgumentParser,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    ProgressCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer import TRAINING_ARGS_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, EvalLoopOutput, rotate_checkpoints

from .batching import NO_LABEL, LengthGroupedSampler, TokenizedTexts, tokenize
from .checkpoints import CURVES, DATA_FOLDER, LAST_CHECKPOINT, sync_to_disk
from .configuration_brnn import BrnnConfig
from .data import DataArguments, LabelledRows, describe, load_rows, split_rows
from .metrics import TextClassificationMetrics
from .modeling_brnn import BrnnForSequenceClassification
from .optimization import RowSparseAdamW, clip_grad_norm
from .plots import plot_curves
from .streaming import FirstPass, StreamedTexts, StreamPlan, StreamSampler, StreamSplits
from .tokenization import save_tokenizer, train_tokenizer

logger = logging.getLogger(__name__)

TRAIN_ROWS = "train_rows.parquet"
GPU_CHECK_STEPS = 50
SIGNAL_CHECK_STEPS = 10
HELD_OUT = ("validation", "test")
STREAM_PLAN = "stream.json"
SUMMARY = "summary.txt"
# Parameters of glibc's mallopt, as in its malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
PR_SET_PDEATHSIG = 1  # of Linux's prctl
# Arguments that name folders and accounts, or say how a run was started and where it went: with those of `hub_`, they
# are no part of a configuration that others use.
LOCAL_ARGUMENTS = ("output_dir", "logging_dir", "run_name", "resume_from_checkpoint", "push_to_hub")


@dataclass
class ModelArguments:
    """The model; see `BrnnConfig` for what each value means."""

    embedding_size: int = 256
    hidden_size: int = 196
    num_hidden_layers: int = 1
    cell_type: str = field(default="lstm", metadata={"help": "lstm, gru or rnn."})
    hidden_act: str = field(default="tanh", metadata={"help": "Activation of the rnn cell: tanh or relu."})
    pooling: str = field(default="last", metadata={"help": "last or max_mean."})
    embedding_dropout: float = 0.0
    input_dropout: float = 0.0
    recurrent_dropout: float = 0.0
    classifier_dropout: float = 0.0
    word_dropout: float = 0.0
    initializer_range: float = 0.05

    def to_config(self, vocab_size: int, class_names: list[str]) -> BrnnConfig:
        """The configuration of a model with these values, over a vocabulary and labels."""
        return BrnnConfig(
            vocab_size=vocab_size,
            id2label=dict(enumerate(class_names)),
            label2id={name: index for index, name in enumerate(class_names)},
            problem_type="single_label_classification",
            **asdict(self),
        )


@dataclass
class BrnnTrainingArguments(TrainingArguments):
    """`TrainingArguments` with other defaults: one evaluation, one checkpoint and one line of the log an epoch."""

    output_dir: str = field(
        default="runs/model",
        metadata={
            "help": "The saved folder; by default runs/<config name>. Checkpoints go to <output_dir>.checkpoints."
        },
    )
    per_device_train_batch_size: int = 64
    per_device_eval_batch_size: int = 256
    learning_rate: float = 1e-3
    eval_strategy: str = "epoch"
    save_strategy: str = "epoch"
    logging_strategy: str = "epoch"
    save_total_limit: Optional[int] = 2
    load_best_model_at_end: bool = True
    metric_for_best_model: Optional[str] = "accuracy"
    remove_unused_columns: Optional[bool] = False
    dataloader_pin_memory: bool = torch.cuda.is_available()
    ddp_find_unused_parameters: Optional[bool] = False
    # The filter would wait for the GPU in every step, and would hide that a loss is no number.
    logging_nan_inf_filter: bool = False
    # torchrun starts processes on a machine without accelerator too: only use_cpu makes them find each other there.
    use_cpu: bool = not torch.accelerator.is_available()
    resume_from_checkpoint: Optional[str] = field(
        default=None,
        metadata={
            "nargs": "?",
            "const": LAST_CHECKPOINT,
            "help": "Go on from a checkpoint; without a value, the last.",
        },
    )
    early_stopping_patience: Optional[int] = field(
        default=None, metadata={"help": "Stop after so many evaluations without a better one."}
    )
    adversarial_norm: float = field(
        default=0.0,
        metadata={
            "help": "2-norm of the embedding perturbation of adversarial training; 0 trains without, twice as fast."
        },
    )
    save_half: bool = field(
        default=False,
        metadata={"help": "Save embeddings and recurrent weights as float16, half the size; they load as float32."},
    )
    bf16: bool = False
    fp16: bool = False
    precision: str = field(
        default="auto",
        metadata={"help": "bf16, fp16, fp32 or auto: bf16 where the processor computes in it, fp32 elsewhere."},
    )

    def __post_init__(self) -> None:
        if self.precision not in ("auto", "bf16", "fp16", "fp32"):
            raise ValueError(f"precision is {self.precision!r}, but must be auto, bf16, fp16 or fp32.")
        if not 0 <= self.adversarial_norm < math.inf:
            raise ValueError(f"adversarial_norm is {self.adversarial_norm}, but must be 0 or a positive number.")
        if self.fsdp or os.environ.get("ACCELERATE_USE_FSDP") == "true":
            raise ValueError("FSDP is not supported: a training fits one GPU, so start with multi_gpu.yaml instead.")
        if self.precision == "auto" and not self.bf16 and not self.fp16:
            self.bf16 = has_bf16(self.use_cpu)
        elif self.precision != "auto":
            self.bf16, self.fp16 = self.precision == "bf16", self.precision == "fp16"
        if self.accelerator_config is None:  # type: ignore[has-type]
            self.accelerator_config = {"non_blocking": self.dataloader_pin_memory}
        super().__post_init__()
        # Otherwise what accelerate's configuration says would win over fp32 and over what the card reports.
        self.mixed_precision = resolved_precision(self).replace("fp32", "no")


def has_bf16(use_cpu: bool) -> bool:
    """Whether the processor that trains computes in bfloat16."""
    if not use_cpu and torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


class Arguments(NamedTuple):
    """The arguments of a run.

    Attributes:
        model: Those of the model.
        data: Those of the data.
        training: Those of the training.
        config: The same values as a YAML file holds them: all of model and data, and those of the training that were
            given. Folders are left out.
    """

    model: ModelArguments
    data: DataArguments
    training: BrnnTrainingArguments
    config: dict[str, Any]


def parse_arguments(argv: list[str], default_config: Path) -> Arguments:
    """Reads the values of a YAML file (`--config`) and lets the command line override them.

    Raises:
        FileNotFoundError: There is no such YAML file.
        ValueError: The file is no mapping, or a key of it or an argument is unknown.
        SystemExit: A value is not of its argument's type (as argparse has it).
    """
    config_parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    config_parser.add_argument("--config", type=Path, default=default_config, help="YAML file of values.")
    known, rest = config_parser.parse_known_args(argv)
    kinds = (ModelArguments, DataArguments, BrnnTrainingArguments)
    usage = "%(prog)s [--config FILE] [--argument value ...] (--help lists all)"
    parser = HfArgumentParser(kinds, parents=[config_parser], allow_abbrev=False, usage=usage)
    merged = [f"--output_dir=runs/{known.config.stem}", *_read_config(known.config), *rest]
    model_args, data_args, training_args, _ = parser.parse_args_into_dataclasses(merged, look_for_args_file=False)
    config = asdict(model_args) | asdict(data_args)
    for name in ("data_files", "held_out_files"):
        config[name] = config[name] and [Path(file).name for file in config[name]]
    given = {argument[2:].partition("=")[0].replace("-", "_") for argument in merged if argument.startswith("--")}
    given |= {name.removeprefix("no_") for name in given} | {"seed", "optim"}
    names = {f.name for f in fields(training_args) if not f.name.startswith("hub_")}.difference(LOCAL_ARGUMENTS)
    for name in sorted(given & names):
        value = getattr(training_args, name)
        config[name] = getattr(value, "value", value)
    config["precision"] = resolved_precision(training_args)
    return Arguments(model_args, data_args, training_args, config)


def _read_config(path: Path) -> list[str]:
    """The values of a YAML file as command-line arguments, so that both are parsed by the same rules."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such configuration file.")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not a YAML file ({error}).") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path}: must hold 'name: value' lines.")
    names = [f.name for kind in (ModelArguments, DataArguments, BrnnTrainingArguments) for f in fields(kind)]
    argv = []
    for name, value in values.items():
        if name not in names:
            close = difflib.get_close_matches(str(name), names, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"{path}: unknown key {name!r}.{hint}")
        if isinstance(value, list):
            argv += [f"--{name}", *map(str, value)]
        elif value is False and name.endswith("_strategy"):  # YAML reads a bare no as false
            argv.append(f"--{name}=no")
        elif value is not None:
            argv.append(f"--{name}={json.dumps(value) if isinstance(value, dict) else value}")
    return argv


@dataclass
class PreparedData:
    """What a training reads.

    Attributes:
        tokenizer: The tokenizer.
        train: The training part.
        held_out: The other parts by name, `validation` and `test`.
        summary: What is known of the source, for people.
    """

    tokenizer: PreTrainedTokenizerFast
    train: Union[TokenizedTexts, StreamedTexts]
    held_out: dict[str, TokenizedTexts]
    summary: str = ""


def prepare_cpu(training_args: BrnnTrainingArguments) -> None:
    """Sets up a training on CPUs.

    The cores that this run may use are shared among its processes; `accelerate launch` alone gives each of them one
    thread, and more threads than cores would wait for each other most of the time. glibc keeps more of the memory that
    a step frees; by default it gives large blocks back, to have them from the system page by page in the next step.
    """
    if training_args.device.type == "cpu":
        processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
        torch.set_num_threads(max(1, joblib.cpu_count() // processes))
        if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
            libc.mallopt(M_MMAP_THRESHOLD, 2**25)  # the most that glibc takes
            libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def resolved_precision(training_args: BrnnTrainingArguments) -> str:
    return "bf16" if training_args.bf16 else "fp16" if training_args.fp16 else "fp32"


def describe_processor(training_args: BrnnTrainingArguments) -> str:
    """What the training runs on, in which precision."""
    if training_args.device.type == "cuda":
        processor = torch.cuda.get_device_name()
    else:
        processor = f"{torch.get_num_threads()} threads of {torch.cpu.get_capabilities().get('cpu_name', 'a CPU')}"
    return f"{training_args.world_size} x {processor}, {resolved_precision(training_args)}"


def assumed_watts(training_args: BrnnTrainingArguments) -> int:
    """The power of all devices: 10 W for a CPU thread, 700 W (the limit of an H100 or H200) for a GPU."""
    device = 10 * torch.get_num_threads() if training_args.device.type == "cpu" else 700 * max(1, training_args.n_gpu)
    return training_args.world_size * device


def prepare_data(data_args: DataArguments, training_args: BrnnTrainingArguments, folder: Path) -> PreparedData:
    """Reads, splits and tokenizes the data in the main process; the others wait and map its files into memory. With
    `streaming`, the training part is not tokenized now.

    Args:
        data_args: The source, the splits and the tokenizer.
        training_args: Tells which process this is.
        folder: Where tokenizer and tokenized splits are kept.

    Raises:
        ValueError: The processes don't see the same data.
        What `load_rows`, `split_rows` and `train_tokenizer` raise.
    """
    if training_args.should_save:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        if data_args.streaming:
            _write_stream(data_args, training_args, folder)
        else:
            _write_data(data_args, training_args, folder)
    training_args.distributed_state.wait_for_everyone()
    _check_all_read_the_same(folder)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer")
    held_out = {
        name: TokenizedTexts.load(folder / f"{name}.arrow", tokenizer.pad_token_id)
        for name in HELD_OUT
        if (folder / f"{name}.arrow").exists()
    }
    train: Union[TokenizedTexts, StreamedTexts]
    if data_args.streaming:
        train = StreamedTexts(
            data_args,
            StreamSplits(StreamPlan.load(folder / STREAM_PLAN), data_args),
            tokenizer.backend_tokenizer,
            tokenizer.pad_token_id,
            training_args.process_index,
            training_args.train_batch_size,
            seed_of_order(training_args),
        )
    else:
        train = TokenizedTexts.load(folder / "train.arrow", tokenizer.pad_token_id)
    return PreparedData(tokenizer, train, held_out, (folder / SUMMARY).read_text(encoding="utf-8"))


def seed_of_order(training_args: BrnnTrainingArguments) -> int:
    return training_args.seed if training_args.data_seed is None else training_args.data_seed


def _check_all_read_the_same(folder: Path) -> None:
    parts = [part for part in (folder / SUMMARY, folder / "tokenizer" / "tokenizer.json") if part.exists()]
    digests = gather_object([hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()])
    if len(set(digests)) > 1:
        raise ValueError(
            f"The processes don't see the same data in {folder}: machines without a shared disk need "
            "--save_on_each_node True and the same files."
        )


def _write_data(data_args: DataArguments, training_args: BrnnTrainingArguments, folder: Path) -> None:
    rows = load_rows(data_args)
    splits = split_rows(rows, data_args)
    tokenizer = train_tokenizer(splits["train"].texts, data_args.vocab_size, data_args.min_frequency)
    save_tokenizer(tokenizer, folder / "tokenizer")
    pq.write_table(places_of(splits["train"]), folder / TRAIN_ROWS)
    train = _tokenize(splits.pop("train"), tokenizer, training_args)
    train.cut(data_args.max_length).save(folder / "train.arrow")
    for name, part in splits.items():
        _tokenize(part, tokenizer, training_args).save(folder / f"{name}.arrow")
    sizes = {name: len(part) for name, part in splits.items()} | {"train": len(train)}
    _write_summary(describe(rows, sizes, Counter(rows.labels), train.lengths, data_args), tokenizer, folder)


def _write_stream(data_args: DataArguments, training_args: BrnnTrainingArguments, folder: Path) -> None:
    plan = StreamPlan.from_sizes(data_args)
    first_pass = FirstPass(data_args, StreamSplits(plan, data_args), training_args.world_size)
    tokenizer = train_tokenizer(first_pass.train_texts(), data_args.vocab_size, data_args.min_frequency)
    save_tokenizer(tokenizer, folder / "tokenizer")
    replace(plan, train_rows=first_pass.train_rows.tolist()).save(folder / STREAM_PLAN)
    for name, part in first_pass.held_out.items():
        if part:
            _tokenize(part, tokenizer, training_args).save(folder / f"{name}.arrow")
    rows = first_pass.rows
    lengths = _tokenize(rows, tokenizer, training_args).lengths
    _write_summary(describe(rows, first_pass.sizes, first_pass.classes, lengths, data_args), tokenizer, folder)


def _tokenize(
    rows: LabelledRows, tokenizer: PreTrainedTokenizerFast, training_args: BrnnTrainingArguments
) -> TokenizedTexts:
    is_main = training_args.process_index == 0
    return tokenize(rows.texts, tokenizer.backend_tokenizer, tokenizer.pad_token_id, rows.labels, show_progress=is_main)


def _write_summary(summary: str, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    (folder / SUMMARY).write_text(f"{summary}\nvocabulary {len(tokenizer):,} words\n", encoding="utf-8")


def places_of(rows: LabelledRows) -> pa.Table:
    """Columns `source`, with the unit that it is counted in, and `number`."""
    names = pa.array([f"{Path(source).name}, {unit}" for source, unit in rows.sources])
    sources = pa.DictionaryArray.from_arrays(pa.array(rows.source_ids, pa.int32()), names)
    return pa.table({"source": sources, "number": pa.array(rows.numbers, pa.int64())})


def collate(batch: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in batch.items()}


class NonFiniteError(FloatingPointError):
    """A training whose loss or weights are no finite numbers."""


class SamplerEpoch(TrainerCallback):
    """Tells the sampler its epoch. accelerate does, but not where several processes resume within an epoch."""

    def __init__(self, sampler: Union[LengthGroupedSampler, StreamSampler]) -> None:
        self.sampler = sampler

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.sampler.set_epoch(int(state.epoch or 0))


class BrnnTrainer(Trainer):
    """A `Trainer` that batches texts of like length, logs the training accuracy beside the training loss, and on CPUs
    updates only the embeddings of the words in the batch."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(data_collator=collate, compute_loss_func=self._mean_loss, **kwargs)
        # Trainer seeds all processes alike; each needs its own dropout masks.
        torch.manual_seed(self.args.seed + self.args.process_index)
        if self.args.adversarial_norm and self.args.n_gpu > 1:
            raise ValueError("adversarial_norm needs a process for each GPU: start with accelerate launch.")
        optimizer_class, _ = self.get_optimizer_cls_and_kwargs(self.args)
        self._is_sparse = optimizer_class is RowSparseAdamW and self.args.device.type == "cpu"
        self.model.get_input_embeddings().sparse = self._is_sparse
        # By itself transformers 5.23 writes weights on the first machine alone, also with save_on_each_node.
        self.model.should_save_on_this_rank = lambda is_main_process: is_main_process
        self._counts = torch.zeros(2, dtype=torch.long, device=self.args.device)  # correct rows, all rows
        self._bad_step = torch.full((), -1, device=self.args.device)
        self._step_size = self.args.train_batch_size * self.args.world_size * self.args.gradient_accumulation_steps
        self._sampler: Union[LengthGroupedSampler, StreamSampler]
        if isinstance(self.train_dataset, StreamedTexts):
            self._sampler = StreamSampler(len(self.train_dataset))
        else:
            self._sampler = LengthGroupedSampler(
                self.train_dataset.lengths, self._step_size, seed_of_order(self.args), fill=self.args.world_size > 1
            )
        self.add_callback(SamplerEpoch(self._sampler))

    def _get_train_sampler(self, train_dataset: Any = None) -> Union[LengthGroupedSampler, StreamSampler]:
        return self._sampler

    def _get_eval_sampler(self, eval_dataset: TokenizedTexts) -> list[int]:
        return np.argsort(eval_dataset.lengths, kind="stable").tolist()

    @staticmethod
    def get_optimizer_cls_and_kwargs(args: TrainingArguments, model: Optional[PreTrainedModel] = None) -> Any:
        optimizer_class, kwargs = Trainer.get_optimizer_cls_and_kwargs(args, model)
        return (RowSparseAdamW if optimizer_class is torch.optim.AdamW else optimizer_class), kwargs

    def _clip_grad_norm(self, model: torch.nn.Module) -> torch.Tensor:
        if self._is_sparse:
            return clip_grad_norm(model.parameters(), self.args.max_grad_norm)
        return super()._clip_grad_norm(model)

    def _get_grad_norm(self, model: torch.nn.Module, grad_norm: Optional[torch.Tensor] = None) -> Any:
        if self._is_sparse and grad_norm is None:
            return clip_grad_norm(model.parameters(), math.inf)
        return super()._get_grad_norm(model, grad_norm)

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """Trains, and takes the progress bar off the screen also where an error ends it: the error is the last line."""
        try:
            return super().train(*args, **kwargs)
        finally:
            for callback in self.callback_handler.callbacks:
                if isinstance(callback, ProgressCallback) and callback.training_bar is not None:
                    callback.training_bar.close()

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """Raises:
        NonFiniteError: The loss of this step, on a GPU of one of the last 50, is no number.
        """
        if self.args.adversarial_norm:
            loss = self._adversarial_step(model, inputs, num_items_in_batch)
        else:
            loss = super().training_step(model, inputs, num_items_in_batch)
        is_first = (self._bad_step < 0) & ~loss.isfinite()
        self._bad_step = torch.where(is_first, self.state.global_step, self._bad_step)
        if loss.device.type == "cpu" or self.state.global_step % GPU_CHECK_STEPS == 0:
            self._check_loss()
        return loss

    def _check_loss(self) -> None:
        if (step := int(self._bad_step)) >= 0:
            raise NonFiniteError(f"The loss of step {step + 1} is no finite number. {self._places_of_step(step)}")

    def _places_of_step(self, step: int) -> str:
        """Where the rows of a step come from: file, line or row. With streaming, those of this process alone."""
        epoch, step = divmod(step, math.ceil(len(self._sampler) / self._step_size))
        if isinstance(self.train_dataset, StreamedTexts):
            places = places_of(self.train_dataset.rows_of_step(epoch, step))
        else:
            self._sampler.set_epoch(epoch)
            rows = [row for row in list(self._sampler)[step * self._step_size :][: self._step_size] if row >= 0]
            places = pq.read_table(Path(self.args.output_dir) / DATA_FOLDER / TRAIN_ROWS).take(rows)
        numbers = places.to_pandas().groupby("source", observed=True).number
        return "Its rows: " + "; ".join(f"{source} {', '.join(map(str, part))}" for source, part in numbers) + "."

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Saves a checkpoint of finite weights, whole or not at all; only then are earlier ones removed."""
        self._check_loss()
        if not all(parameter.isfinite().all() for parameter in model.parameters()):
            step = self.state.global_step
            raise NonFiniteError(f"Step {step} made weights infinite. {self._places_of_step(step - 1)}")
        checkpoint = Path(self.args.output_dir) / f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}"
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        try:
            super()._save_checkpoint(model, trial)
            if self.args.should_save:
                # A pickle of all arguments, a token among them; nothing reads it.
                (checkpoint / TRAINING_ARGS_NAME).unlink()
                sync_to_disk(checkpoint)
        except (OSError, RuntimeError, SafetensorError) as error:
            if self.args.should_save:
                shutil.rmtree(checkpoint, ignore_errors=True)
            free = shutil.disk_usage(self.args.output_dir).free
            raise OSError(
                f"{checkpoint} could not be saved ({error}; {free / 1e6:.1f} MB are free on its disk). Earlier ones "
                "are whole: mend that, then go on with --resume_from_checkpoint."
            ) from error
        finally:
            self.args.save_total_limit = limit
        if self.args.should_save:
            rotate_checkpoints(self.args.output_dir, limit, self.state.best_model_checkpoint)

    def _adversarial_step(self, model: Any, inputs: Any, num_items_in_batch: Any) -> torch.Tensor:
        """A step that adds the gradient of the loss on adversarial embeddings (Miyato et al., 2017, equation 5;
        embeddings are not normalized): those of a text are moved by the 2-norm `adversarial_norm` along the gradient
        of its own loss and read under the same dropout masks."""
        embeddings = self.accelerator.unwrap_model(model).get_input_embeddings()
        seen: list[torch.Tensor] = []

        def keep_gradient(module: Any, arguments: Any, output: torch.Tensor) -> None:
            output.retain_grad()
            seen.append(output)

        devices = [] if self.args.device.type == "cpu" else [self.args.device]
        with (
            torch.random.fork_rng(devices, device_type=self.args.device.type),
            embeddings.register_forward_hook(keep_gradient),
            self.accelerator.no_sync(model),
        ):
            loss = super().training_step(model, inputs, num_items_in_batch)
        gradient = seen[0].grad
        norms = torch.linalg.vector_norm(gradient, dim=(1, 2), keepdim=True)
        perturbation = self.args.adversarial_norm * gradient / norms.clamp(min=torch.finfo(norms.dtype).tiny)
        with embeddings.register_forward_hook(lambda module, arguments, output: output + perturbation):
            with self.compute_loss_context_manager():
                adversarial_loss = super().compute_loss(
                    model, self._prepare_inputs(inputs), num_items_in_batch=num_items_in_batch
                )
            self.accelerator.backward(adversarial_loss)
        return loss

    def _mean_loss(self, outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor) -> torch.Tensor:
        """The part that these rows have in the mean over the rows that all processes read in this step. With several
        GPUs in one process, Trainer gives that number of rows once for each and multiplies the result."""
        total = torch.nn.functional.cross_entropy(
            outputs["logits"], labels, reduction="sum", label_smoothing=self.args.label_smoothing_factor
        )
        return total / num_items_in_batch.sum()

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **kwargs: Any) -> Any:
        labels = inputs["labels"]
        loss, outputs = super().compute_loss(model, inputs, return_outputs=True, **kwargs)
        if model.training:
            correct = outputs["logits"].detach().argmax(dim=-1) == labels
            self._counts += torch.stack((correct, labels != NO_LABEL)).sum(dim=1)
        return (loss, outputs) if return_outputs else loss

    def log(self, logs: dict[str, float], start_time: Optional[float] = None) -> None:
        if "loss" in logs:
            correct, seen = self.accelerator.reduce(self._counts).tolist()
            logs["accuracy"] = correct / seen
            self._counts.zero_()
        super().log(logs, start_time)

    def evaluation_loop(
        self,
        dataloader: Any,
        description: str,
        prediction_loss_only: Optional[bool] = None,
        ignore_keys: Optional[list[str]] = None,
        metric_key_prefix: str = "eval",
    ) -> EvalLoopOutput:
        """Gives the rows back in the order of the data set, not of their lengths. The loss is the mean over its rows,
        of which Trainer counts some twice where they don't fill the last batches."""
        output = super().evaluation_loop(dataloader, description, prediction_loss_only, ignore_keys, metric_key_prefix)
        if output.predictions is None:
            return output
        to_rows = np.argsort(self._get_eval_sampler(dataloader.dataset))
        predictions = output.predictions[to_rows]
        labels = None if output.label_ids is None else output.label_ids[to_rows]
        if labels is not None:
            output.metrics[f"{metric_key_prefix}_loss"] = cross_entropy(predictions, labels)
        return output._replace(predictions=predictions, label_ids=labels)


class Stopped(SystemExit):
    """A signal ended the run. The exit code is 128 plus its number, as shells have it."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.name = signal.Signals(number).name


class StopOnSignal(TrainerCallback):
    """Ends a run on SIGINT (Ctrl-C) or SIGTERM: while it steps, after the step and with a checkpoint; while it reads
    or saves, at once, and when the same signal comes again.

    accelerate's launcher may end without passing a signal on: Linux then sends SIGTERM to the processes it started.
    """

    def __init__(self) -> None:
        self.signal: Optional[int] = None
        self._is_training = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._receive)
        if sys.platform == "linux" and "ACCELERATE_MIXED_PRECISION" in os.environ:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    def _receive(self, number: int, frame: Any) -> None:
        if self.signal not in (None, number):  # that of the launcher's end, after Ctrl-C ended it too
            return
        is_second, self.signal = self.signal == number, number
        if is_second or not self._is_training:
            raise Stopped(number)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._is_training = True

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if args.world_size > 1:
            # All processes stop at the same step; to ask them costs time.
            if state.global_step % SIGNAL_CHECK_STEPS:
                return
            signals = gather_object([self.signal])
            self.signal = next(filter(None, signals), None)
        if self.signal:
            control.should_save = control.should_training_stop = True

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self.signal and state.epoch and state.epoch % 1:
            # The epoch goes on when the run does: it is not to be logged, evaluated and saved as if it were complete.
            control.should_log = control.should_evaluate = control.should_save = False

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._is_training = False
        if self.signal:
            raise Stopped(self.signal)


class CurvesCallback(TrainerCallback):
    """Draws the curves anew after each evaluation."""

    def __init__(self, path: Path, evaluated: str) -> None:
        self.path = path
        self.evaluated = evaluated

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if state.is_world_process_zero:
            plot_curves(epoch_history(state.log_history), self.path, self.evaluated)


def probabilities_of(logits: np.ndarray) -> np.ndarray:
    return torch.from_numpy(logits).float().softmax(dim=-1).numpy()


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    return torch.nn.functional.cross_entropy(torch.from_numpy(logits).float(), torch.from_numpy(labels)).item()


def compute_metrics(prediction: EvalPrediction) -> dict[str, float]:
    """The metrics of `TextClassificationMetrics` from logits `(rows, num_labels)`."""
    probabilities = probabilities_of(np.asarray(prediction.predictions))
    return TextClassificationMetrics().compute(predictions=probabilities, references=prediction.label_ids)


class Measured(NamedTuple):
    """What the final model gives for a held-out part.

    Attributes:
        labels: `(rows,)` class ids.
        probabilities: `(rows, num_labels)`.
        metrics: `rows`, `loss` (cross entropy) and the metrics of `TextClassificationMetrics`.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    metrics: dict[str, float]


def measure(logits: np.ndarray, labels: np.ndarray) -> Measured:
    """Measures `(rows, num_labels)` logits against `(rows,)` class ids."""
    loss = cross_entropy(logits, labels)
    metrics = compute_metrics(EvalPrediction(predictions=logits, label_ids=labels))
    return Measured(labels, probabilities_of(logits), {"rows": len(labels), "loss": loss} | metrics)


def build_trainer(
    model_args: ModelArguments, data_args: DataArguments, training_args: BrnnTrainingArguments, data: PreparedData
) -> BrnnTrainer:
    """A trainer over the prepared data. Without a validation part, the test part is evaluated each epoch.

    Raises:
        ValueError: The best checkpoint or the moment to stop would be chosen on the test part, a value of the model is
            out of range, or adversarial training has several GPUs in one process.
    """
    evaluated = "validation" if "validation" in data.held_out else "test"
    if evaluated not in data.held_out and training_args.eval_strategy != "no":
        raise ValueError("There is nothing to evaluate on: set validation_size or test_size, or eval_strategy to no.")
    patience = training_args.early_stopping_patience
    if evaluated == "test" and (training_args.load_best_model_at_end or patience is not None):
        raise ValueError(
            "load_best_model_at_end and early_stopping_patience choose a model on a validation part: set "
            "validation_size, or switch them off."
        )
    config = model_args.to_config(len(data.tokenizer), data_args.class_names)
    callbacks: list[TrainerCallback] = [CurvesCallback(Path(training_args.output_dir) / CURVES, evaluated)]
    if patience is not None:
        callbacks.append(EarlyStoppingCallback(patience))
    torch.manual_seed(training_args.seed)
    return BrnnTrainer(
        model=BrnnForSequenceClassification(config),
        args=training_args,
        train_dataset=data.train,
        eval_dataset=data.held_out.get(evaluated),
        processing_class=data.tokenizer,
        compute_metrics=compute_metrics,
        callbacks=callbacks,
    )


def epoch_history(log_history: list[dict[str, float]]) -> list[dict[str, float]]:
    """One entry an epoch: `epoch`, `loss` and `accuracy` of training, and all `eval_` metrics."""
    epochs: dict[float, dict[str, float]] = {}
    for entry in log_history:
        if "loss" in entry or "eval_loss" in entry:
            epochs.setdefault(entry["epoch"], {}).update(entry)
    wanted = ("epoch", "loss", "accuracy", "eval_")
    return [{key: value for key, value in entry.items() if key.startswith(wanted)} for entry in epochs.values()]
