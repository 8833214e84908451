"""A training of one step in double precision, to compare with a gradient that is computed apart."""

import shlex

import torch
from arguments import parse_arguments
from processes import REPOSITORY

from hf_brnn.training.build import build_trainer
from hf_brnn.training.prepare import prepare_data

QUICKSTART = REPOSITORY / "configs" / "quickstart.yaml"
# One step of SGD with learning rate 1 over all of 60 rows, in four batches, without dropout.
PLAIN = shlex.split(
    "--validation_size=0 --test_size=0 --precision=fp32 --hidden_size=5 --embedding_size=4 --embedding_dropout=0 "
    "--word_dropout=0 --classifier_dropout=0 --recurrent_dropout=0 --input_dropout=0 --eval_strategy=no "
    "--save_strategy=no --load_best_model_at_end=false --disable_tqdm=true --ngram_embeddings=false --emoticon_prob=0 "
    "--optim=sgd --max_grad_norm=0 --weight_decay=0 --lr_scheduler_type=constant --warmup_steps=0 --learning_rate=1 "
    "--max_steps=1 --per_device_train_batch_size=15 --gradient_accumulation_steps=4"
)


def make_trainer(argv, folder):
    """The trainer that a command line describes, with its model in double precision, and the data."""
    model_args, data_args, training_args, _ = parse_arguments(argv, QUICKSTART)
    training_args.early_stopping_patience = None
    data = prepare_data(data_args, training_args, folder)
    trainer = build_trainer(model_args, training_args, data, shows_progress=False)
    trainer.model.double()
    return trainer, data


def weights_after(model, loss):
    """The weights that a step down the gradient of a loss gives."""
    loss.backward()
    after = {name: value.detach() - value.grad.to_dense() for name, value in model.named_parameters()}
    model.zero_grad()
    return after


def check_weights(model, expected, atol):
    for name, value in model.state_dict().items():
        torch.testing.assert_close(
            value, expected[name], rtol=1e-5, atol=atol, msg=lambda text, name=name: f"{name}: {text}"
        )
