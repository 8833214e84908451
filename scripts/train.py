"""Trains a classifier and saves the folder that from_pretrained, pipeline and the Hub take.

accelerate launch scripts/train.py [--config configs/quickstart.yaml] [--any_argument value ...]
"""

import logging
import sys
import time
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Optional

import pandas as pd
import transformers
from torch.distributed.elastic.multiprocessing.errors import record
from transformers import TrainerState
from transformers.trainer import TRAINER_STATE_NAME

from hf_brnn.evaluation.calibration import fit_temperature, fold_temperature
from hf_brnn.evaluation.report import TrainingReport, evaluate
from hf_brnn.hub.layout import check_output_dir
from hf_brnn.hub.push import PUSH_ERRORS, explain_push_error, prepare_repository
from hf_brnn.hub.push import push as push_to_hub_id
from hf_brnn.hub.save import save_model_directory
from hf_brnn.training.arguments import Arguments, parse_arguments
from hf_brnn.training.callbacks import StopOnSignal, Stopped
from hf_brnn.training.checkpoints import (
    DATA_FOLDER,
    check_model,
    check_vocabulary,
    checkpoint_to_resume,
    describe_last_checkpoint,
    remove_checkpoints,
    run_lock,
)
from hf_brnn.training.device import assumed_watts, describe_processor, prepare_cpu
from hf_brnn.training.ngram_embedding import fold_ngrams
from hf_brnn.training.prepare import PreparedData, prepare_data
from hf_brnn.training.trainer import (
    BrnnTrainer,
    NonFiniteError,
    RunError,
    best_epoch,
    build_trainer,
    epoch_history,
)

DEFAULT_CONFIG = Path(__file__).parent.parent / "configs" / "quickstart.yaml"


@record
def main(argv: list[str]) -> None:
    stop = StopOnSignal()
    try:
        arguments = parse_arguments(argv, DEFAULT_CONFIG)
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    training_args = arguments.training
    folder = Path(training_args.output_dir)
    checkpoints = Path(f"{folder}.checkpoints")
    training_args.output_dir = str(checkpoints)
    transformers.logging.set_verbosity(training_args.get_process_log_level())
    is_main = training_args.process_index == 0
    if not is_main:
        transformers.logging.disable_progress_bar()
    logging.basicConfig(level=logging.INFO if is_main else logging.WARNING, format="%(message)s")
    prepare_cpu(training_args)
    try:
        check_output_dir(folder)
        with run_lock(checkpoints) if training_args.should_save else nullcontext():
            run(arguments, folder, stop)
    except Stopped as stopped:
        if is_main:
            print(f"Stopped by {stopped.reason}. {describe_last_checkpoint(checkpoints)}", file=sys.stderr)
        raise
    except NonFiniteError as error:
        left = describe_last_checkpoint(checkpoints)
        sys.exit(f"{error} {left} Try a lower --learning_rate, or --precision fp32." if is_main else 1)
    except (OSError, RunError) as error:
        sys.exit(str(error))


def run(arguments: Arguments, folder: Path, stop: StopOnSignal) -> None:
    """Trains, saves the folder and pushes it, if that is wanted."""
    training_args = arguments.training
    is_main = training_args.process_index == 0
    # The saved folder is pushed when all is done; Trainer would push its checkpoints.
    push_to_hub, training_args.push_to_hub = training_args.push_to_hub, False
    hub = training_args.hub_private_repo, training_args.hub_revision, training_args.hub_token
    repo_id = training_args.hub_model_id or folder.name
    if push_to_hub and is_main:
        try:
            prepare_repository(repo_id, *hub)
        except PUSH_ERRORS as error:
            sys.exit(explain_push_error(error, repo_id))

    start = time.perf_counter()
    try:
        checkpoint = checkpoint_to_resume(training_args)
        data, trainer = prepare(arguments, checkpoint)
    except ValueError as error:
        sys.exit(str(error))
    trainer.add_callback(stop)
    resumed_epoch = TrainerState.load_from_json(f"{checkpoint}/{TRAINER_STATE_NAME}").epoch if checkpoint else None
    trainer.train(resume_from_checkpoint=checkpoint)
    save(arguments, folder, data, trainer, time.perf_counter() - start, resumed_epoch)
    if push_to_hub and is_main:
        push(folder, repo_id, *hub)


def prepare(arguments: Arguments, checkpoint: Optional[str]) -> tuple[PreparedData, BrnnTrainer]:
    data_folder = Path(arguments.training.output_dir) / DATA_FOLDER
    data = prepare_data(arguments.data, arguments.training, data_folder)
    if arguments.training.process_index == 0:
        print(data.summary)
        print(f"training on {describe_processor(arguments.training)}")
    if checkpoint:
        check_vocabulary(checkpoint, data_folder / "tokenizer")
    trainer = build_trainer(arguments.model, arguments.data, arguments.training, data)
    if checkpoint:
        check_model(checkpoint, trainer.model)
    return data, trainer


def save(
    arguments: Arguments,
    folder: Path,
    data: PreparedData,
    trainer: BrnnTrainer,
    seconds: float,
    resumed_epoch: Optional[float],
) -> None:
    """Calibrates and measures the model, saves its folder and removes the checkpoints."""
    training_args = arguments.training
    model = trainer.accelerator.unwrap_model(trainer.model)
    fold_ngrams(model)
    if training_args.save_fp16:
        model.brnn.half().float()
    predictions = {name: trainer.predict(rows) for name, rows in data.eval_splits.items()}
    temperature = 1.0
    if "validation" in predictions:
        temperature = fit_temperature(predictions["validation"].predictions, predictions["validation"].label_ids)
        fold_temperature(model, temperature)
    results = {name: evaluate(part.predictions / temperature, part.label_ids) for name, part in predictions.items()}
    if not training_args.should_save:
        return
    if "validation" in results and temperature == 1:
        print("scores are not calibrated: every validation row is labelled rightly")
    report = TrainingReport(
        results=results,
        temperature=temperature,
        history=epoch_history(trainer.state.log_history),
        evaluated="validation" if "validation" in data.eval_splits else "test",
        config=arguments.config,
        best_epoch=best_epoch(trainer),
        seconds=seconds,
        resumed_epoch=resumed_epoch,
        processor=describe_processor(training_args),
        watts=assumed_watts(training_args),
        versions={name: version(name) for name in ("torch", "transformers", "tokenizers", "accelerate")},
    )
    save_model_directory(folder, model, data.tokenizer, report, training_args.save_fp16)
    checkpoints = Path(training_args.output_dir)
    has_logs = remove_checkpoints(checkpoints)
    if training_args.process_index:
        return
    if results:
        print(pd.DataFrame(report.metrics).T.astype({"rows": int}).to_string(float_format="%.4f"))
    print(f"Saved {folder}: the model, its card (README.md), curves.png and metrics.json.")
    if has_logs:
        print(f"Logs are in {checkpoints}.")


def push(folder: Path, repo_id: str, private: Optional[bool], revision: Optional[str], token: Optional[str]) -> None:
    try:
        print(f"Pushed {push_to_hub_id(folder, repo_id, private, revision, token)}")
    except Stopped as stopped:
        print(
            f"Stopped by {stopped.reason}. {folder} is saved, but not pushed: scripts/push_to_hub.py does that.",
            file=sys.stderr,
        )
        sys.exit(stopped.code)
    except PUSH_ERRORS as error:
        sys.exit(f"{folder} was not pushed: {explain_push_error(error, repo_id)}")


if __name__ == "__main__":
    main(sys.argv[1:])
