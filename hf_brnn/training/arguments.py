"""The arguments of a training, with transformers' `TrainingArguments` among them."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple, Optional

import torch
from transformers import TrainingArguments

from ..data.arguments import DataArguments
from ..evaluation.metrics import DEFAULT_METRICS, ERRORS, OLD_METRIC_NAMES
from ..model.arguments import ModelArguments
from .base_model import BaseModel, with_model_values
from .options import check_values

# Values that name folders and accounts, or say how a run was started and where it went. With those of `hub_`, they are
# not part of a recipe that others use.
LOCAL_NAMES = ("output_dir", "logging_dir", "run_name", "resume_from_checkpoint", "push_to_hub")
FILE_NAMES = ("data_files", "validation_files", "test_files", "held_out_files")


@dataclass
class BrnnTrainingArguments(TrainingArguments):
    """`TrainingArguments` with other defaults: one evaluation and one checkpoint an epoch, and the best epoch is kept.

    Raises:
        ValueError: A value is out of range, FSDP is asked for, or float16 on a CPU.
    """

    output_dir: str = field(
        default="runs/model",
        metadata={"help": "The model directory. Checkpoints go to <output_dir>.checkpoints."},
    )
    per_device_train_batch_size: int = field(default=64, metadata={"help": "Texts per step on each device."})
    per_device_eval_batch_size: int = field(default=256, metadata={"help": "Texts per evaluation step."})
    num_train_epochs: float = field(default=3.0, metadata={"help": "Number of epochs."})
    min_steps: int = field(
        default=0,
        metadata={
            "help": "Train more epochs if num_train_epochs make fewer steps than this. The min_steps of a recipe are "
            "not used if --num_train_epochs is given."
        },
    )
    learning_rate: float = field(default=1e-3, metadata={"help": "Highest learning rate of AdamW."})
    eval_strategy: str = field(
        default="epoch", metadata={"help": "When to evaluate: no, steps or epoch.", "choices": ("no", "steps", "epoch")}
    )
    save_strategy: str = field(
        default="epoch",
        metadata={
            "help": "When to save a checkpoint: no, steps, epoch or best.",
            "choices": ("no", "steps", "epoch", "best"),
        },
    )
    logging_strategy: str = field(
        default="epoch", metadata={"help": "When to log: no, steps or epoch.", "choices": ("no", "steps", "epoch")}
    )
    save_total_limit: Optional[int] = field(default=2, metadata={"help": "Checkpoints to keep."})
    load_best_model_at_end: bool = field(default=True, metadata={"help": "Keep the best epoch, not the last."})
    metric_for_best_model: Optional[str] = field(
        default="accuracy", metadata={"help": "Metric that chooses the best epoch. Of equal ones, the loss chooses."}
    )
    remove_unused_columns: Optional[bool] = False
    dataloader_pin_memory: bool = torch.cuda.is_available()
    ddp_find_unused_parameters: Optional[bool] = False
    # The only buffers are the n-grams of words, which all processes know.
    ddp_broadcast_buffers: Optional[bool] = False
    # The filter would wait for the GPU in every step, and would hide a NaN loss.
    logging_nan_inf_filter: bool = False
    # torchrun starts processes on a machine without an accelerator too: only use_cpu makes them find each other there.
    use_cpu: bool = not torch.accelerator.is_available()
    # An early-stopping counter goes on where the checkpoint left it.
    restore_callback_states_from_checkpoint: bool = True
    # The name of Trainer's own argument: the columns of labels. Here it names the labels, and belongs to the data.
    label_names: Optional[list[str]] = field(default=None, init=False)
    resume_from_checkpoint: Optional[str] = field(
        default=None,
        metadata={"help": "Resume an interrupted run: last (also without a value), or the path of a checkpoint."},
    )
    early_stopping_patience: Optional[int] = field(
        default=None,
        metadata={"help": "Stop after this number of evaluations without improvement; 0 never stops."},
    )
    adversarial_epsilon: float = field(
        default=0.0,
        metadata={"help": "L2 norm of the adversarial perturbation of embeddings; doubles the time of a step."},
    )
    ngram_embeddings: bool = field(
        default=False,
        metadata={"help": "Add character n-gram vectors to word embeddings in training; a plain table is saved."},
    )
    freeze: Optional[str] = field(
        default=None,
        metadata={
            "help": "Freeze these weights: embeddings, or encoder (then only the classifier is trained).",
            "choices": ("embeddings", "encoder"),
        },
    )
    head_learning_rate: Optional[float] = field(
        default=None, metadata={"help": "Highest learning rate of the classifier; by default learning_rate."}
    )
    class_weight: Optional[list[str]] = field(
        default=None,
        metadata={
            "help": "Weights of the labels in the loss: balanced (inversely proportional to their rows), or numbers "
            "such as NEGATIVE=3 POSITIVE=1."
        },
    )
    tune_thresholds: Optional[str] = field(
        default=None,
        metadata={
            "help": "Tune the thresholds of the labels on the validation split: f1, or a target precision such as "
            "precision=0.9."
        },
    )
    save_fp16: bool = field(
        default=False,
        metadata={"help": "Save embeddings and recurrent weights in float16, at half the size; they load as float32."},
    )
    bf16: bool = False
    fp16: bool = False
    precision: str = field(
        default="auto",
        metadata={"help": "bf16, fp16, fp32 or auto: bf16 where the processor supports it, else fp32."},
    )

    def __post_init__(self) -> None:
        check_values({f.name: getattr(self, f.name) for f in fields(self)})
        self.early_stopping_patience = self.early_stopping_patience or None
        metric = (self.metric_for_best_model or "").removeprefix("eval_")
        if metric in OLD_METRIC_NAMES:
            self.metric_for_best_model = metric = OLD_METRIC_NAMES[metric]
        if metric in ERRORS and self.greater_is_better is None:  # type: ignore[has-type]
            self.greater_is_better = False
        if self.fsdp or os.environ.get("ACCELERATE_USE_FSDP") == "true":
            raise ValueError("FSDP is not supported: the model fits one GPU. Use configs/accelerate/multi_gpu.yaml.")
        if self.precision == "auto" and not self.bf16 and not self.fp16:
            self.bf16 = has_bf16(self.use_cpu)
        elif self.precision != "auto":
            self.bf16, self.fp16 = self.precision == "bf16", self.precision == "fp16"
        if self.fp16 and (self.use_cpu or not torch.accelerator.is_available()):
            raise ValueError("precision is fp16, but a CPU trains in bf16 or fp32 only: give --precision auto.")
        if self.accelerator_config is None:  # type: ignore[has-type]
            self.accelerator_config = {"non_blocking": self.dataloader_pin_memory}
        super().__post_init__()
        # Otherwise accelerate's configuration would override fp32 and what the card reports.
        self.mixed_precision = resolved_precision(self).replace("fp32", "no")


def has_bf16(use_cpu: bool) -> bool:
    """Whether the processor that trains computes in bfloat16."""
    if not use_cpu and torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def resolved_precision(training_args: BrnnTrainingArguments) -> str:
    """`"bf16"`, `"fp16"` or `"fp32"`."""
    return "bf16" if training_args.bf16 else "fp16" if training_args.fp16 else "fp32"


class Arguments(NamedTuple):
    """The arguments of a run.

    Attributes:
        model: Those of the model.
        data: Those of the data.
        training: Those of the training.
        config: The same values as a recipe: all of model and data, and those of the training that were given. Files
            and model directories are named without their folders.
    """

    model: ModelArguments
    data: DataArguments
    training: BrnnTrainingArguments
    config: dict[str, Any]


def build_arguments(values: Mapping[str, Any]) -> Arguments:
    """Sorts the values of a recipe, by name, into the arguments of model, data and training.

    Raises:
        OSError: There is no such model to start from.
        TypeError: A name is unknown.
        ValueError: A value is out of range, or not that of the model to start from.
    """
    rest = with_model_values(values)
    model = ModelArguments(**{f.name: rest.pop(f.name) for f in fields(ModelArguments) if f.name in rest})
    data = DataArguments(**{f.name: rest.pop(f.name) for f in fields(DataArguments) if f.name in rest})
    assert data.problem_type is not None
    training = BrnnTrainingArguments(**{"metric_for_best_model": DEFAULT_METRICS[data.problem_type], **rest})
    check_values({"problem_type": data.problem_type} | {f.name: getattr(training, f.name) for f in fields(training)})
    config = asdict(model) | asdict(data)
    for name in FILE_NAMES:
        if config.get(name):
            config[name] = [Path(file).name for file in config[name]]
    if base := BaseModel.find(model.model_name_or_path, model.model_revision):
        config |= {"model_name_or_path": base.public_name, "model_revision": base.commit}
    for name in sorted({*rest, "seed", "optim"}):
        if name not in LOCAL_NAMES and not name.startswith("hub_"):
            value = getattr(training, name)
            config[name] = getattr(value, "value", value)
    config["precision"] = resolved_precision(training)
    return Arguments(model, data, training, config)
