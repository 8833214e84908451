"""The arguments of a training: their defaults, and how a YAML file and a command line give them."""

import argparse
import difflib
import json
import math
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple, Optional

import torch
import yaml
from transformers import HfArgumentParser, TrainingArguments

from ..data.arguments import DataArguments
from ..evaluation.metrics import METRIC_NAMES
from ..model.configuration_brnn import BrnnConfig
from .checkpoints import LAST_CHECKPOINT

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

    def to_config(self, vocab_size: int, label_names: list[str]) -> BrnnConfig:
        """The configuration of a model with these values, over a vocabulary and labels."""
        return BrnnConfig(
            vocab_size=vocab_size,
            id2label=dict(enumerate(label_names)),
            label2id={name: index for index, name in enumerate(label_names)},
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
    # The only buffers are the n-grams of words, which all processes know.
    ddp_broadcast_buffers: Optional[bool] = False
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
        default=None, metadata={"help": "Stop after so many evaluations without a better one; 0 never stops."}
    )
    adversarial_epsilon: float = field(
        default=0.0,
        metadata={
            "help": "2-norm of the embedding perturbation of adversarial training; 0 trains without, twice as fast."
        },
    )
    ngram_embeddings: bool = field(
        default=False,
        metadata={"help": "Make word embeddings of character n-grams while training; a plain table is saved."},
    )
    save_fp16: bool = field(
        default=False,
        metadata={"help": "Save embeddings and recurrent weights as float16, half the size; they load as float32."},
    )
    # DataArguments has an option of this name; the Trainer's own, a list of keys, keeps its default.
    label_names: Optional[list[str]] = field(default=None, init=False)
    bf16: bool = False
    fp16: bool = False
    precision: str = field(
        default="auto",
        metadata={"help": "bf16, fp16, fp32 or auto: bf16 where the processor computes in it, fp32 elsewhere."},
    )

    def __post_init__(self) -> None:
        if self.precision not in ("auto", "bf16", "fp16", "fp32"):
            raise ValueError(f"precision is {self.precision!r}, but must be auto, bf16, fp16 or fp32.")
        if not 0 <= self.adversarial_epsilon < math.inf:
            raise ValueError(f"adversarial_epsilon is {self.adversarial_epsilon}, but must be 0 or a positive number.")
        for name in ("per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least 1.")
        for name in ("seed", "data_seed"):
            if (getattr(self, name) or 0) not in range(2**32):
                raise ValueError(f"{name} is {getattr(self, name)}, but must be between 0 and {2**32 - 1}.")
        if self.num_train_epochs <= 0:
            raise ValueError(f"num_train_epochs is {self.num_train_epochs}, but must be a positive number.")
        if self.early_stopping_patience is not None and self.early_stopping_patience < 0:
            raise ValueError(f"early_stopping_patience is {self.early_stopping_patience}, but must be 0 or more.")
        self.early_stopping_patience = self.early_stopping_patience or None
        metric = (self.metric_for_best_model or "loss").removeprefix("eval_")
        if metric not in ("loss", *METRIC_NAMES):
            raise ValueError(
                f"metric_for_best_model is {self.metric_for_best_model!r}, but must be loss, {', '.join(METRIC_NAMES)}."
            )
        if metric == "calibration_error" and self.greater_is_better is None:  # type: ignore[has-type]
            self.greater_is_better = False
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
    names = {f.name for f in fields(training_args) if f.init and not f.name.startswith("hub_")}.difference(
        LOCAL_ARGUMENTS
    )
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
            if bools := [item for item in value if isinstance(item, bool)]:
                raise ValueError(f"{path}: {name} holds {bools[0]}. Put yes, no, true and false into quotes.")
            argv += [f"--{name}", *map(str, value)]
        elif value is False and name.endswith("_strategy"):  # YAML reads a bare no as false
            argv.append(f"--{name}=no")
        elif value is not None:
            argv.append(f"--{name}={json.dumps(value) if isinstance(value, dict) else value}")
    return argv


def resolved_precision(training_args: BrnnTrainingArguments) -> str:
    return "bf16" if training_args.bf16 else "fp16" if training_args.fp16 else "fp32"
