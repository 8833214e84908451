"""A training from its arguments to the model directory: prepare, train, calibrate, evaluate, save and push."""

import logging
import sys
import time
import warnings
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, Optional

import numpy as np
import transformers
from torch.distributed.elastic.multiprocessing.errors import record
from transformers import PreTrainedTokenizerFast, TrainerState
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import PredictionOutput

from ..data.problem_type import REGRESSION
from ..data.rows import LabelledRows
from ..evaluation.activation import activate
from ..evaluation.calibration import fit_temperature, fold_scale, fold_temperature
from ..evaluation.report import ClassReport, EvalResult, TrainingReport, align_columns, evaluate, select_words
from ..evaluation.thresholds import tune_thresholds
from ..hub.layout import check_output_dir
from ..hub.push import PUSH_ERRORS, explain_push_error, prepare_repository, push
from ..hub.save import save_model_directory
from ..model.auto import BrnnClassifierModel, head_of
from .arguments import Arguments, BrnnTrainingArguments
from .base_model import BaseModel
from .build import build_trainer
from .callbacks import StopOnSignal, Stopped
from .checkpoints import (
    CHECKPOINTS_SUFFIX,
    DATA_FOLDER,
    check_model,
    check_options,
    check_vocabulary,
    checkpoint_to_resume,
    describe_last_checkpoint,
    remove_checkpoints,
    run_lock,
    save_options,
)
from .device import assumed_watts, describe_processor, prepare_cpu
from .history import best_epoch, epoch_history
from .ngram_embedding import fold_ngrams
from .prepare import prepare_data
from .trainer import NonFiniteError

logger = logging.getLogger(__name__)


class TrainedModel(NamedTuple):
    """What a training ends with.

    Attributes:
        model: The calibrated classifier, with a plain embedding table.
        tokenizer: Its tokenizer.
        report: What the training logged and measured.
    """

    model: BrnnClassifierModel
    tokenizer: PreTrainedTokenizerFast
    report: TrainingReport


def train_model(
    arguments: Arguments,
    stop: Optional[StopOnSignal] = None,
    rows: Optional[LabelledRows] = None,
    shows_progress: bool = True,
) -> TrainedModel:
    """Trains a classifier, calibrates it on the validation split and measures it on the validation and test splits.

    Checkpoints and tokenized splits go to `arguments.training.output_dir`.

    Args:
        arguments: The arguments of the run.
        stop: Stops the training on a signal, if given.
        rows: Rows to train on; by default those of the source that `arguments.data` names.
        shows_progress: Whether to print what the data holds and a line an epoch.

    Raises:
        NonFiniteError: The loss or the weights are NaN or infinite.
        OSError: A file is missing, or a checkpoint can't be saved.
        Stopped: A signal ended the training.
        ValueError: The rows or the checkpoint don't fit the arguments.
    """
    training_args = arguments.training
    start = time.perf_counter()
    checkpoint = checkpoint_to_resume(training_args)
    if checkpoint:
        check_options(checkpoint, arguments)
    folder = Path(training_args.output_dir) / DATA_FOLDER
    base = BaseModel.find(arguments.model.model_name_or_path, arguments.model.model_revision)
    data = prepare_data(arguments.data, training_args, folder, rows, base)
    if training_args.should_save:
        save_options(folder, arguments)
    shows_progress &= training_args.process_index == 0
    if shows_progress:
        print(data.summary)
        print(f"training on {describe_processor(training_args)}")
    if checkpoint:
        check_vocabulary(checkpoint, folder / "tokenizer")
    trainer = build_trainer(arguments.model, training_args, data, shows_progress)
    if checkpoint:
        check_model(checkpoint, trainer.model)
    if stop is not None:
        trainer.add_callback(stop)
    resumed_epoch = TrainerState.load_from_json(f"{checkpoint}/{TRAINER_STATE_NAME}").epoch if checkpoint else None
    trainer.train(resume_from_checkpoint=checkpoint)

    model = trainer.accelerator.unwrap_model(trainer.model)
    fold_ngrams(model)
    if training_args.save_fp16:
        model.brnn.half().float()
    # The calibration and the report are of the weights that are saved.
    training_args.bf16_full_eval = training_args.fp16_full_eval = False
    predictions = {name: trainer.predict(split) for name, split in data.eval_splits.items()}
    temperature = 1.0
    if data.target_scale is not None:
        fold_scale(head_of(model), data.target_scale)
    elif "validation" in predictions:
        temperature = calibrate(predictions["validation"], data.problem_type)
        fold_temperature(head_of(model), temperature)
    thresholds = None
    if training_args.tune_thresholds:
        thresholds = tune(predictions["validation"], temperature, training_args.tune_thresholds, data.problem_type)
        model.config.thresholds = thresholds.tolist()
    report = TrainingReport(
        results={
            name: evaluate(
                trainer.restore_targets(output.predictions) / temperature,
                output.label_ids,
                data.label_names,
                data.problem_type,
                thresholds,
            )
            for name, output in predictions.items()
        },
        temperature=temperature,
        history=epoch_history(trainer.state.log_history),
        evaluated="validation" if "validation" in data.eval_splits else "test",
        # The labels that the source holds, where none were named.
        config=arguments.config | {"label_names": data.label_names},
        best_epoch=best_epoch(trainer),
        seconds=time.perf_counter() - start,
        resumed_epoch=resumed_epoch,
        processor=describe_processor(training_args),
        watts=assumed_watts(training_args),
        versions={name: version(name) for name in ("torch", "transformers", "tokenizers", "accelerate")},
    )
    if thresholds is not None:
        report.thresholds = describe_thresholds(report.results["validation"])
    classes = report.results["validation"].class_report() if "validation" in report.results else None
    if shows_progress and classes is not None:
        warn_of_low_recall(classes, training_args)
    # Without the autocast that the training ran under.
    model = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
    return TrainedModel(model, data.tokenizer, report)


def calibrate(validation: PredictionOutput, problem_type: str) -> float:
    """Returns the temperature that fits the validation split."""
    logits, labels, _ = select_words(validation.predictions, validation.label_ids, problem_type)
    return fit_temperature(logits, labels, problem_type)


def tune(validation: PredictionOutput, temperature: float, target: str, problem_type: str) -> np.ndarray:
    """Returns the thresholds that reach the target on the validation split."""
    probabilities = activate(validation.predictions / temperature, problem_type)
    return tune_thresholds(probabilities, validation.label_ids, target)


def describe_thresholds(result: EvalResult) -> dict[str, dict[str, float]]:
    """Returns for each label its threshold, and its F1 without and with the thresholds."""
    reports = result._replace(thresholds=None).class_report(), result.class_report()
    without, classes = (report.per_class() for report in reports if report is not None)
    assert result.thresholds is not None
    return {
        name: {"threshold": threshold, "f1_without": without[name]["f1"], "f1": classes[name]["f1"]}
        for name, threshold in zip(result.label_names, result.thresholds.tolist())
    }


def warn_of_low_recall(classes: ClassReport, training_args: BrnnTrainingArguments) -> None:
    """Logs a warning for labels that are missed more often than found on the validation split."""
    if low := classes.low_recalls():
        found = ", ".join(f"{name} ({recall:.2f})" for name, recall in low.items())
        helps = "Add rows of these labels, or merge labels"
        untried = [
            option
            for name, option in (
                ("class_weight", "--class_weight balanced"),
                ("tune_thresholds", "--tune_thresholds f1"),
            )
            if getattr(training_args, name) is None
        ]
        if untried and classes.counts is not None:
            helps += f", or try {' or '.join(untried)}"
        logger.warning("Recall below one half on the validation split: %s. %s.", found, helps)


@record
def run(arguments: Arguments) -> None:
    """Runs `hf-brnn train`: trains, saves the model directory, removes the checkpoints and pushes, if that is wanted.

    Raises:
        OSError, ValueError: What the user can correct.
        Stopped: A signal ended the run; its checkpoints stay.
    """
    stop = StopOnSignal()
    training_args = arguments.training
    folder = Path(training_args.output_dir)
    checkpoints = Path(f"{folder}{CHECKPOINTS_SUFFIX}")
    training_args.output_dir = str(checkpoints)
    is_main = training_args.process_index == 0
    _set_up_logging(training_args)
    prepare_cpu(training_args)
    # The model directory is pushed when all is done; Trainer would push its checkpoints.
    push_to_hub, training_args.push_to_hub = training_args.push_to_hub, False
    try:
        check_output_dir(folder)
        if push_to_hub and is_main:
            _prepare_push(training_args, folder)
        with run_lock(checkpoints) if training_args.should_save else nullcontext():
            model, tokenizer, report = train_model(arguments, stop)
            if training_args.should_save:
                save_model_directory(folder, model, tokenizer, report, training_args.save_fp16)
                has_logs = remove_checkpoints(checkpoints)
        if is_main:
            _print_results(folder, report, checkpoints if has_logs else None)
            if push_to_hub:
                _push(training_args, folder)
    except Stopped as stopped:
        if is_main:
            print(f"Stopped by {stopped.reason}. {describe_last_checkpoint(checkpoints)}", file=sys.stderr)
        raise
    except NonFiniteError as error:
        _exit(
            f"{error} {describe_last_checkpoint(checkpoints)} Try a lower --learning_rate, or --precision fp32.",
            is_main,
        )


def _exit(message: str, is_main: bool) -> NoReturn:
    sys.exit(f"hf-brnn train: error: {message}" if is_main else 1)


def _set_up_logging(training_args: Any) -> None:
    is_main = training_args.process_index == 0
    transformers.logging.set_verbosity(training_args.get_process_log_level())
    # Trainer's own bars; the run has one of its own.
    transformers.logging.disable_progress_bar()
    # accelerate's name for an argument that transformers passes on.
    warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
    logging.basicConfig(level=logging.INFO if is_main else logging.WARNING, format="%(message)s")


def _print_results(folder: Path, report: TrainingReport, logs: Optional[Path]) -> None:
    reported = report.results.get(report.reported)
    is_regression = reported is not None and reported.problem_type == REGRESSION
    print()
    if reported is not None:
        print(_metrics_table(report.metrics))
        classes = reported.class_report()
        if classes is not None:
            print(f"\n{classes.to_text()}")
    if report.thresholds:
        rows = [
            [name, f"{row['threshold']:.4f}", f"{row['f1_without']:.4f}", f"{row['f1']:.4f}"]
            for name, row in report.thresholds.items()
        ]
        print("\nThresholds, tuned on the validation split:")
        print(align_columns([["label", "threshold", "F1 without", "F1"], *rows]))
    print(
        f"\nSaved {folder}\n"
        f"  {folder / 'README.md'}    the model card\n"
        f"  {folder / 'curves.png'}   loss and {'error' if is_regression else 'accuracy'} by epoch\n"
        f"  {folder / 'metrics.json'} all figures\n"
        f'Next: hf-brnn predict {folder} "a text to label"'
    )
    if logs:
        print(f"Logs are in {logs}.")


def _metrics_table(metrics: dict[str, dict[str, float]]) -> str:
    """Returns an aligned table of the metrics of each split."""
    names = [name for name in next(iter(metrics.values())) if name not in ("macro_precision", "macro_recall")]
    rows = [
        [split, *(f"{m[name]:,}" if name == "rows" else f"{m[name]:.4f}" for name in names)]
        for split, m in metrics.items()
    ]
    return align_columns([["split", *(name.replace("_", " ") for name in names)], *rows])


def _prepare_push(training_args: Any, folder: Path) -> None:
    repo_id = training_args.hub_model_id or folder.name
    hub = training_args.hub_private_repo, training_args.hub_revision, training_args.hub_token
    try:
        prepare_repository(repo_id, *hub)
    except PUSH_ERRORS as error:
        _exit(explain_push_error(error, repo_id), True)


def _push(training_args: Any, folder: Path) -> None:
    repo_id = training_args.hub_model_id or folder.name
    hub = training_args.hub_private_repo, training_args.hub_revision, training_args.hub_token
    try:
        print(f"Pushed {push(folder, repo_id, *hub)}")
    except Stopped as stopped:
        print(
            f"Stopped by {stopped.reason}. {folder} is saved, but not pushed. Push it with hf-brnn push {folder} "
            f"--repo_id {repo_id}.",
            file=sys.stderr,
        )
        sys.exit(stopped.code)
    except PUSH_ERRORS as error:
        _exit(f"{folder} was not pushed: {explain_push_error(error, repo_id)}", True)
