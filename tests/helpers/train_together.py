"""Trains tiny models in the processes that test_processes.py runs together, and writes what they give to a folder."""

import os
import sys
from pathlib import Path

import numpy as np
import torch
from accelerate.utils import gather_object
from arguments import parse_arguments

from hf_brnn.data.dataset import TokenizedDataset
from hf_brnn.training import trainer as training
from hf_brnn.training.build import build_trainer
from hf_brnn.training.device import prepare_cpu
from hf_brnn.training.prepare import prepare_data
from hf_brnn.training.trainer import collate

QUICKSTART = Path(__file__).parent.parent.parent / "configs" / "quickstart.yaml"
STEP_SIZE = 64
# 901 rows are 18 batches of 50 and one row more; the 891 of the training part are 13 steps of 64 and 59 rows.
ARGUMENTS = (
    "--validation_size=0 --test_size=901 --per_device_eval_batch_size=50 --precision=fp32 --hidden_size=16 "
    "--embedding_size=16 --embedding_dropout=0 --word_dropout=0 --classifier_dropout=0 --max_steps=50 "
    "--eval_strategy=no --save_strategy=no --load_best_model_at_end=false --disable_tqdm=true"
)


class RecordedTexts(TokenizedDataset):
    """Texts that keep the row numbers of the batches that were asked for."""

    def batch(self, rows):
        self.__dict__.setdefault("asked", []).append(rows.tolist())
        return super().batch(rows)


def make_trainer(folder, *arguments):
    per_process = STEP_SIZE // int(os.environ.get("WORLD_SIZE", 1))
    argv = [*ARGUMENTS.split(), f"--output_dir={folder}", f"--per_device_train_batch_size={per_process}", *arguments]
    model_args, data_args, training_args, _ = parse_arguments(argv, QUICKSTART)
    training_args.early_stopping_patience = None
    prepare_cpu(training_args)
    data = prepare_data(data_args, training_args, folder / "data")
    data.train.__class__ = RecordedTexts
    return build_trainer(model_args, training_args, data), data


def main(folder):
    found = {}
    trainer, data = make_trainer(folder, "--pooling=last")
    trainer.train()
    found["fp32"] = trainer.accelerator.unwrap_model(trainer.model).state_dict()
    found["rows"] = gather_object([data.train.asked])
    test = data.eval_splits["test"]
    found["metrics"] = trainer.evaluate(test)
    found["predicted"], found["labels"], _ = trainer.predict(test)
    found["true_labels"] = np.array(test.labels)
    model = trainer.accelerator.unwrap_model(trainer.model).eval()
    with torch.no_grad():
        found["expected"] = model(**collate(test.batch(np.arange(len(test))))).logits.numpy()

    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        training.MAX_MICRO_BATCH_TOKENS = 100
    weighted = ("--class_weight", "NEGATIVE=3", "POSITIVE=1")
    slow = ("--pooling=max_mean", "--adversarial_epsilon=0.1", "--ngram_embeddings=True")
    trainer, _ = make_trainer(folder, *slow, *weighted)
    trainer.model.double()
    trainer.train()
    found["fp64"] = trainer.accelerator.unwrap_model(trainer.model).state_dict()

    trainer, _ = make_trainer(folder, "--classifier_dropout=0.5", "--max_steps=1")
    masks = []
    trainer.model.dropout.register_forward_hook(lambda module, inputs, output: masks.append((output == 0).tolist()))
    trainer.train()
    found["masks"] = gather_object([masks])
    if trainer.is_world_process_zero():
        torch.save(found, folder / "found.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
