"""Tiny models and batches."""

import torch

from hf_brnn import BrnnConfig, BrnnForSequenceClassification

CELLS = [("lstm", "tanh"), ("gru", "tanh"), ("rnn", "tanh"), ("rnn", "relu")]


def make_config(**kwargs):
    sizes = {"vocab_size": 60, "embedding_size": 7, "hidden_size": 5, "num_hidden_layers": 2, "initializer_range": 1.0}
    return BrnnConfig(**(sizes | kwargs))


def make_model(model_class=BrnnForSequenceClassification, seed=0, **kwargs):
    torch.manual_seed(seed)
    model = model_class(make_config(**kwargs)).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "bias" in name:
                parameter.normal_()
    return model


def make_batch(lengths, width, side="right", seed=1):
    generator = torch.Generator().manual_seed(seed)
    input_ids = torch.zeros(len(lengths), width, dtype=torch.long)
    attention_mask = torch.zeros_like(input_ids)
    for row, length in enumerate(lengths):
        place = slice(0, length) if side == "right" else slice(width - length, width)
        input_ids[row, place] = torch.randint(2, 60, (length,), generator=generator)
        attention_mask[row, place] = 1
    return {"input_ids": input_ids, "attention_mask": attention_mask}
