"""The trainer of the classifiers."""

import copy
import logging
import math
import shutil
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
import torch
from accelerate.utils import AutocastKwargs
from safetensors import SafetensorError
from torch.utils.data import DataLoader
from transformers import (
    EarlyStoppingCallback,
    EvalPrediction,
    PreTrainedModel,
    Trainer,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer import TRAINER_STATE_NAME, TRAINING_ARGS_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, EvalLoopOutput, rotate_checkpoints

from ..data.dataset import MAX_BATCH_TOKENS, NO_LABEL, LengthBatchSampler, TokenizedDataset
from ..data.problem_type import MULTI_LABEL, REGRESSION, SINGLE_LABEL, TOKENS
from ..data.streaming import StreamedTexts, StreamSampler
from ..data.targets import TargetScale
from ..evaluation.activation import activate
from ..evaluation.report import evaluate_scores, mean_loss, select_words
from .adversarial import adversarial_step
from .arguments import BrnnTrainingArguments, resolved_precision
from .callbacks import ProgressTable, SamplerEpoch
from .checkpoints import sync_to_disk
from .device import keep_freed_memory
from .prepare import seed_of_order
from .speed.batchwise_dropout import use_batchwise_dropout
from .speed.cuda_graphs import GraphedClassifier
from .speed.deduplicated_lstm import is_worthwhile, read_distinct_words
from .speed.sparse_adamw import RowSparseAdamW, clip_grad_norm

logger = logging.getLogger(__name__)

# Steps between two synchronizations with the device.
STEPS_PER_SYNC = 50
# Tokens of a micro-batch on a CPU, padding included: 256 texts of 32 tokens.
MAX_MICRO_BATCH_TOKENS = 2**13


def collate(batch: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in batch.items()}


def use_one_gpu(args: BrnnTrainingArguments) -> None:
    """Makes a process with several GPUs use the first one, if it trains adversarially: `DataParallel` can't."""
    if args.adversarial_epsilon and args.n_gpu > 1:
        logger.warning(
            "Training on one of %d GPUs: adversarial_epsilon needs a process for each. accelerate launch starts them.",
            args.n_gpu,
        )
        args._n_gpu = 1


class NonFiniteError(FloatingPointError):
    """A training whose loss or weights are no finite numbers."""


class RunError(ValueError):
    """Arguments that turn out not to fit the rows or the checkpoint when the training is under way."""


class LostProcessError(Exception):
    """Another process of the training ended."""


class BrnnTrainer(Trainer):
    """A `Trainer` that batches texts of like length, logs the training accuracy beside the training loss, and on CPUs
    updates only the embeddings of the words in the batch.

    Args:
        problem_type: The kind of problem.
        target_scale: For a regression the scale of its targets: the model predicts standardized ones, which the labels
            of the training rows are, and the labels of other rows are not.
        kwargs: The arguments of `Trainer`.
    """

    def __init__(
        self, problem_type: str = SINGLE_LABEL, target_scale: Optional[TargetScale] = None, **kwargs: Any
    ) -> None:
        self.problem_type = problem_type
        self.target_scale = target_scale
        use_one_gpu(kwargs["args"])
        kwargs |= {"data_collator": collate, "compute_loss_func": self._mean_loss}
        with warnings.catch_warnings():
            # Trainer's own loss has none for several labels a text; ours has.
            warnings.filterwarnings("ignore", "Label smoothing is not compatible with multi-label", UserWarning)
            super().__init__(compute_metrics=self._compute_metrics, **kwargs)
        # Trainer seeds all processes alike; each needs its own dropout masks.
        torch.manual_seed(self.args.seed + self.args.process_index)
        # The weights of the rows whose loss is computed.
        self._weights: Optional[torch.Tensor] = None
        self._counts = torch.zeros(2, dtype=torch.long, device=self.args.device)  # correct rows, all rows
        # Not yet looked at: number of the step and its loss; logits and labels.
        self._losses: list[tuple[int, torch.Tensor]] = []
        self._outputs: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._checks_each_loss = self.args.device.type == "cpu" and self.args.world_size == 1
        self._sampler: Union[LengthBatchSampler, StreamSampler]
        self._graphed: Optional[GraphedClassifier] = None
        self._set_up()
        keep_freed_memory()

    def _set_up(self) -> None:
        """Prepares model and sampler for the training that the arguments describe."""
        use_batchwise_dropout(self.model)
        needs_plain_model = self.args.adversarial_epsilon or self.args.gradient_checkpointing or self.args.torch_compile
        precision = resolved_precision(self.args)
        if not needs_plain_model and is_worthwhile(self.model, self.args.train_batch_size, precision):
            read_distinct_words(self.model)
        optimizer_class, _ = self.get_optimizer_cls_and_kwargs(self.args)
        self._is_sparse = optimizer_class is RowSparseAdamW and self.args.device.type == "cpu"
        self.model.get_input_embeddings().sparse = self._is_sparse
        # By itself transformers 5.23 writes weights on the first machine alone, also with save_on_each_node.
        self.model.should_save_on_this_rank = lambda is_main_process: is_main_process
        self._dense_parameters = self.model.num_parameters(exclude_embeddings=True)
        self._step_size = self.args.train_batch_size * self.args.world_size * self.args.gradient_accumulation_steps
        if isinstance(self.train_dataset, StreamedTexts):
            self._sampler = StreamSampler(len(self.train_dataset))
        else:
            self._sampler = LengthBatchSampler(
                self.train_dataset.lengths, self._step_size, seed_of_order(self.args), fill=self.args.world_size > 1
            )
        self.remove_callback(SamplerEpoch)
        self.add_callback(SamplerEpoch(self._sampler))
        is_alone = self.args.device.type == "cuda" and max(self.args.world_size, self.args.n_gpu) == 1
        if is_alone and not needs_plain_model and self.problem_type != TOKENS:
            self._graphed = GraphedClassifier(self.model, self._autocast, self.args.train_batch_size)

    def _hp_search_setup(self, trial: Any) -> None:
        """Sets the arguments of a trial of `hyperparameter_search`, for which `model_init` has just made the model."""
        super()._hp_search_setup(trial)
        if self.model_init is not None:
            self._set_up()

    def _autocast(self) -> AbstractContextManager[None]:
        return self.accelerator.autocast(AutocastKwargs(cache_enabled=False))

    def _get_train_sampler(self, train_dataset: Any = None) -> Union[LengthBatchSampler, StreamSampler]:
        return self._sampler

    def _get_eval_sampler(self, eval_dataset: TokenizedDataset) -> list[int]:
        return np.argsort(eval_dataset.lengths, kind="stable").tolist()

    def _get_dataloader(self, dataset: Any, description: str, batch_size: int, *args: Any, **kwargs: Any) -> DataLoader:
        """Texts to evaluate on are whole, however long: where a batch of the longest would pass `MAX_BATCH_TOKENS`,
        batches are smaller."""
        if not kwargs.get("is_training"):
            batch_size = min(batch_size, max(1, MAX_BATCH_TOKENS // max(1, int(dataset.lengths.max()))))
        return super()._get_dataloader(dataset, description, batch_size, *args, **kwargs)

    @staticmethod
    def get_optimizer_cls_and_kwargs(args: TrainingArguments, model: Optional[PreTrainedModel] = None) -> Any:
        optimizer_class, kwargs = Trainer.get_optimizer_cls_and_kwargs(args, model)
        return (RowSparseAdamW if optimizer_class is torch.optim.AdamW else optimizer_class), kwargs

    def create_optimizer(self, model: Optional[PreTrainedModel] = None) -> torch.optim.Optimizer:
        """Creates the optimizer; with `head_learning_rate`, the classifier's parameters have groups of their own."""
        is_new = self.optimizer is None
        optimizer = super().create_optimizer(model)
        if is_new and self.args.head_learning_rate is not None:
            base = self.accelerator.unwrap_model(self.model).base_model
            others = set(map(id, base.parameters()))
            groups = []
            for group in optimizer.param_groups:
                for is_head, rate in ((False, group["lr"]), (True, self.args.head_learning_rate)):
                    parameters = [value for value in group["params"] if (id(value) not in others) == is_head]
                    groups.append(group | {"params": parameters, "lr": rate})
            optimizer.param_groups[:] = groups
        return optimizer

    def _clip_grad_norm(self, model: torch.nn.Module) -> torch.Tensor:
        if self._is_sparse:
            return clip_grad_norm(model.parameters(), self.args.max_grad_norm)
        return super()._clip_grad_norm(model)

    def _get_grad_norm(self, model: torch.nn.Module, grad_norm: Optional[torch.Tensor] = None) -> Any:
        """The norm that clipping found; where nothing is clipped, no step takes the time to find it."""
        return None if grad_norm is None else super()._get_grad_norm(model, grad_norm)

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """Trains, and takes the progress bar off the screen also where an error ends it: the error is the last line.

        Raises:
            NonFiniteError: The loss of a step or the weights at the end are no finite numbers.
        """
        try:
            output = super().train(*args, **kwargs)
            self._check_finite()
            return output
        finally:
            for callback in self.callback_handler.callbacks:
                if isinstance(callback, ProgressTable):
                    callback.close()

    def set_initial_training_values(self, args: Any, dataloader: DataLoader) -> Any:
        """Counts epochs and steps as Trainer does. There are more epochs where `num_train_epochs` would make fewer than
        `min_steps` steps."""
        values = super().set_initial_training_values(args, dataloader)
        steps_per_epoch = values[1]
        if args.max_steps < 0 and args.num_train_epochs * steps_per_epoch < args.min_steps:
            args = copy.copy(args)
            args.num_train_epochs = math.ceil(args.min_steps / steps_per_epoch)
            values = super().set_initial_training_values(args, dataloader)
        return values

    def _init_training_state(
        self, max_steps: int, steps_per_epoch: int, epochs: int, checkpoint: Optional[str], trial: Any
    ) -> tuple[int, int]:
        """Gives the epochs that a checkpoint has behind it and the batches of its last one, as Trainer does. Early
        stopping goes on counting where it was, and a training that had come to its end takes no further step."""
        place = super()._init_training_state(max_steps, steps_per_epoch, epochs, checkpoint, trial)
        if checkpoint is None:
            return place
        if abs(self.state.epoch * steps_per_epoch - self.state.global_step) > 1:
            raise RunError(
                f"{checkpoint} is at epoch {self.state.epoch:.3g} after {self.state.global_step} steps, but now an "
                f"epoch has {steps_per_epoch} steps: resume with the original batch size and "
                "gradient_accumulation_steps."
            )
        self._find_best_checkpoint(checkpoint)
        has_stopped_early = any(
            callback.early_stopping_patience_counter >= callback.early_stopping_patience
            for callback in self.callback_handler.callbacks
            if isinstance(callback, EarlyStoppingCallback)
        )
        is_over = has_stopped_early or self.state.global_step >= max_steps
        return (epochs, 0) if is_over else place

    def _find_best_checkpoint(self, checkpoint: str) -> None:
        """The best checkpoint is the one beside the others, also where their folder was moved. If it is gone, of which
        Trainer warns, the best of those to come is chosen."""
        best = Path(self.args.output_dir) / f"{PREFIX_CHECKPOINT_DIR}-{self.state.best_global_step}"
        saved = TrainerState.load_from_json(str(Path(checkpoint) / TRAINER_STATE_NAME)).best_model_checkpoint
        if saved and best.is_dir():
            self.state.best_model_checkpoint = str(best)
        elif saved and self.state.best_model_checkpoint is None:
            self.state.best_metric = self.state.best_global_step = None

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """Raises:
        NonFiniteError: The loss of this step, on GPUs and several processes of one of the last 50, is no number.
        """
        *parts, last_part = self._parts(inputs)
        with self.accelerator.no_sync(model):
            losses = [self._backward(model, part, num_items_in_batch) for part in parts]
        loss = sum(losses, self._backward(model, last_part, num_items_in_batch))
        self._losses.append((self.state.global_step, loss))
        is_bad = self._checks_each_loss and not math.isfinite(loss)
        if is_bad or self.state.global_step % STEPS_PER_SYNC == 0:
            self._check_loss()
        return loss

    def _parts(self, inputs: dict[str, torch.Tensor]) -> list[dict[str, torch.Tensor]]:
        """A batch in parts of like size, one after the other, each as long as its own longest text: the gradients of a
        mean over rows add up, and a step needs no more memory than `MAX_MICRO_BATCH_TOKENS` do. A GPU is given whole
        batches."""
        rows, length = inputs["input_ids"].shape
        most = max(1, MAX_MICRO_BATCH_TOKENS // length) if self.args.device.type == "cpu" else rows
        size = math.ceil(rows / math.ceil(rows / most))
        if size == rows:
            return [inputs]
        parts = [dict(zip(inputs, part)) for part in zip(*(values.split(size) for values in inputs.values()))]
        for part in parts:
            longest = max(1, int(part["attention_mask"].sum(1).max()))
            names = ["input_ids", "attention_mask", *(["labels"] if self.problem_type == TOKENS else [])]
            part |= {name: part[name][:, :longest] for name in names}
        return parts

    def _backward(self, model: Any, inputs: Any, num_items_in_batch: Any) -> torch.Tensor:
        weights = inputs.pop("weights", None)  # the model takes none
        self._weights = None if weights is None else weights.to(self.args.device)
        try:
            if self.args.adversarial_epsilon:
                return adversarial_step(self, model, inputs, num_items_in_batch)
            return super().training_step(model, inputs, num_items_in_batch)
        finally:
            self._weights = None

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: torch.device) -> Any:
        """Counts a row once that has a number for each label."""
        rows = [
            {**batch, "labels": batch["labels"][:, 0]} if batch["labels"].is_floating_point() else batch
            for batch in batch_samples
        ]
        return super()._get_num_items_in_batch(rows, device)

    def floating_point_ops(self, inputs: dict[str, torch.Tensor]) -> int:
        """As in Trainer, which counts the parameters anew in every step."""
        return 6 * inputs["input_ids"].numel() * self._dense_parameters

    def _check_loss(self) -> None:
        """All processes together: where one has no number, the others have none a step later."""
        bad_steps = []
        if self._losses:
            steps, losses = zip(*self._losses)
            self._losses.clear()
            are_finite = torch.stack(losses).isfinite().tolist()
            bad_steps = [step for step, is_finite in zip(steps, are_finite) if not is_finite]
        first = torch.tensor([min(bad_steps, default=-1)], device=self.args.device)
        firsts = self.accelerator.gather(first)
        if (firsts >= 0).any():
            step = int(firsts[firsts >= 0].min())
            raise NonFiniteError(f"The loss of step {step + 1} is NaN or infinite.")

    def _check_finite(self) -> None:
        self._check_loss()
        # The extremes are NaN where a value is, and need no memory.
        parameters = [parameter for parameter in self.model.parameters() if parameter.numel()]
        extremes = torch.stack([torch.stack(parameter.aminmax()) for parameter in parameters])
        if not extremes.isfinite().all():
            raise NonFiniteError(f"Step {self.state.global_step} made weights NaN or infinite.")

    def _save_rng_state(self, output_dir: str) -> None:
        """Returns when all processes have saved theirs: what is written last, trainer_state.json, is of a whole one."""
        super()._save_rng_state(output_dir)
        try:
            self.accelerator.wait_for_everyone()
        except RuntimeError as error:
            raise LostProcessError(f"Another process ended before {output_dir} was saved.") from error

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Saves a checkpoint of finite weights, whole or not at all; only then are earlier ones removed."""
        self._check_finite()
        folder = Path(self._get_output_dir(trial))
        checkpoint = folder / f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}"
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
            free = shutil.disk_usage(folder).free
            raise OSError(
                f"{checkpoint} could not be saved ({error}; {free / 1e6:.1f} MB are free on its disk). Earlier ones "
                "are complete. Free or repair the disk, then add --resume_from_checkpoint."
            ) from error
        finally:
            self.args.save_total_limit = limit
        if self.args.should_save:
            rotate_checkpoints(str(folder), limit, self.state.best_model_checkpoint)

    def _mean_loss(self, outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor) -> torch.Tensor:
        """The part that these rows have in the mean over the rows that all processes read in this step. Where rows have
        weights, the loss of each is multiplied by its own; the weights of the training rows have mean 1. With several
        GPUs in one process, Trainer gives that number of rows once for each and multiplies the result."""
        logits, weights = outputs["logits"], self._weights
        if labels.is_floating_point():  # a filler has no numbers
            is_row = labels[:, 0] != NO_LABEL
            logits, labels = logits[is_row], labels[is_row]
            weights = None if weights is None else weights[is_row]
        if self.problem_type == TOKENS:
            weights = None if weights is None else weights[:, None].expand(labels.shape).flatten()
            logits, labels = logits.flatten(0, 1), labels.flatten()
        losses = self._losses_of(logits, labels)
        total = losses.sum() if weights is None else (losses * weights).sum()
        return total / num_items_in_batch.sum()

    def _losses_of(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Returns the `(rows,)` losses, 0 where there is no label. For a multi-label problem, label smoothing moves
        each label towards one half."""
        functions, smoothing = torch.nn.functional, self.args.label_smoothing_factor
        if self.problem_type == REGRESSION:
            return functions.mse_loss(logits, labels, reduction="none").mean(dim=1)
        if self.problem_type == MULTI_LABEL:
            targets = labels * (1 - smoothing) + smoothing / 2
            return functions.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(dim=1)
        return functions.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **kwargs: Any) -> Any:
        labels = inputs["labels"]
        is_training = model.training
        called = self._graphed if self._graphed and is_training else model
        loss, outputs = super().compute_loss(called, inputs, return_outputs=True, **kwargs)
        if is_training and self.problem_type != REGRESSION:
            logits = outputs["logits"].detach()
            if self.problem_type == TOKENS:
                logits, labels = logits.flatten(0, 1), labels.flatten()
            self._outputs.append((logits, labels))
            if len(self._outputs) == STEPS_PER_SYNC:
                self._count()
        return (loss, outputs) if return_outputs else loss

    def _count(self) -> None:
        """Counts the rows of training and those of them that are classified correctly."""
        if self._outputs:
            logits, labels = (torch.cat(parts) for parts in zip(*self._outputs))
            self._outputs.clear()
            is_row = (labels[:, 0] if labels.ndim == 2 else labels) != NO_LABEL
            if self.problem_type == MULTI_LABEL:
                is_correct = ((logits > 0) == (labels > 0.5)).all(dim=-1)
            else:  # of label probabilities, the most probable label counts
                is_correct = logits.argmax(dim=-1) == (labels.argmax(dim=-1) if labels.ndim == 2 else labels)
            self._counts += torch.stack((is_correct & is_row, is_row)).sum(dim=1)

    def log(self, logs: dict[str, float], start_time: Optional[float] = None) -> None:
        if "loss" in logs and self.problem_type != REGRESSION:
            self._count()
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
        of which Trainer counts some twice where they don't fill the last batches.

        Raises:
            NonFiniteError: It is an evaluation within a training whose loss or weights are no finite numbers.
            RunError: The metric that chooses the best epoch is undefined.
        """
        if self.is_in_train:
            self._check_finite()
        with self._weights_kept():
            output = super().evaluation_loop(
                dataloader, description, prediction_loss_only, ignore_keys, metric_key_prefix
            )
        if output.predictions is None:
            return output
        to_rows = np.argsort(self._get_eval_sampler(dataloader.dataset))
        predictions = output.predictions[to_rows]
        labels = None if output.label_ids is None else output.label_ids[to_rows]
        if labels is not None:
            output.metrics[f"{metric_key_prefix}_loss"] = self._evaluation_loss(predictions, labels)
        if self.is_in_train:
            self._check_chosen(output.metrics)
        return output._replace(predictions=predictions, label_ids=labels)

    def _evaluation_loss(self, logits: np.ndarray, labels: np.ndarray) -> float:
        if self.target_scale is not None:
            labels = self.target_scale.standardize(labels)
        logits, labels, _ = select_words(logits, labels, self.problem_type)
        return mean_loss(logits, labels, self.problem_type)

    def restore_targets(self, predictions: np.ndarray) -> np.ndarray:
        """Returns `(rows, num_labels)` predictions of a regression in the units of its targets, others as they are."""
        return predictions if self.target_scale is None else self.target_scale.restore(predictions)

    def _compute_metrics(self, prediction: EvalPrediction) -> dict[str, float]:
        names = [self.model.config.id2label[index] for index in range(self.model.config.num_labels)]
        logits = self.restore_targets(np.asarray(prediction.predictions))
        logits, labels, lengths = select_words(logits, prediction.label_ids, self.problem_type)
        scores = activate(logits, self.problem_type)
        return evaluate_scores(scores, labels, names, self.problem_type, lengths=lengths).metrics

    @contextmanager
    def _weights_kept(self) -> Iterator[None]:
        """Restores the weights after an evaluation in 16 bits (`bf16_full_eval`, `fp16_full_eval`), for which Trainer
        casts the model itself."""
        model = self.accelerator.unwrap_model(self.model)
        is_cast = (self.args.bf16_full_eval or self.args.fp16_full_eval) and not self.is_in_train
        parameters = [(parameter, parameter.data) for parameter in model.parameters()] if is_cast else []
        buffers = dict(model.named_buffers()) if is_cast else {}
        try:
            yield
        finally:
            for parameter, value in parameters:
                parameter.data = value
            for name, value in buffers.items():
                owner, _, attribute = name.rpartition(".")
                setattr(model.get_submodule(owner), attribute, value)

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        """Of evaluations with the same metric, the one with the lowest loss is the best: once an epoch classifies all
        validation rows correctly, later ones only become surer of it."""
        if super()._determine_best_metric(metrics, trial):
            return True
        history, best_step = self.state.log_history, self.state.best_global_step
        losses = [entry["eval_loss"] for entry in history if entry["step"] == best_step and "eval_loss" in entry]
        if not losses or self._chosen_metric(metrics) != self.state.best_metric or metrics["eval_loss"] >= losses[0]:
            return False
        self.state.best_global_step = self.state.global_step
        return True

    def _chosen_metric(self, metrics: dict[str, float]) -> float:
        """Returns the metric of an evaluation that chooses the best epoch."""
        return metrics[f"eval_{(self.args.metric_for_best_model or '').removeprefix('eval_')}"]

    def _check_chosen(self, metrics: dict[str, float]) -> None:
        chooses = self.args.load_best_model_at_end or self.args.early_stopping_patience is not None
        if chooses and self.args.metric_for_best_model and math.isnan(self._chosen_metric(metrics)):
            raise RunError(
                f"{self.args.metric_for_best_model} is undefined on the rows that choose the best epoch, because these "
                "rows lack some labels: choose another --metric_for_best_model."
            )
