"""Tiny models and batches."""

import torch

from hf_brnn import BrnnConfig, BrnnForSequenceClassification, BrnnForTokenClassification
from hf_brnn.data.problem_type import TOKENS
from hf_brnn.hub.layout import GRAPH, QUANTIZED_GRAPH
from hf_brnn.model.tokenization_brnn import save_tokenizer, train_tokenizer
from hf_brnn.onnx.export import write_graph
from hf_brnn.onnx.quantize import quantize_graph

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


def save_model(folder, problem_type, names, texts, thresholds=None, **kwargs):
    """Writes the model directory of a random model that knows the words of `texts`, with its graphs. Its logits
    have the mean 0 and the deviation 1, so that texts get different labels."""
    tokenizer = train_tokenizer(texts, vocab_size=1000)
    kind = {} if problem_type == TOKENS else {"problem_type": problem_type}
    labels = {"id2label": dict(enumerate(names)), "label2id": {name: index for index, name in enumerate(names)}}
    model_class = BrnnForTokenClassification if problem_type == TOKENS else BrnnForSequenceClassification
    model = make_model(model_class, vocab_size=len(tokenizer), **kind, **labels, **kwargs)
    head = model.token_classifier if problem_type == TOKENS else model.classifier
    batch = tokenizer(texts[:50], padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = model(**batch).logits
        if problem_type == TOKENS:
            logits = logits[batch["attention_mask"] > 0]
        head.bias -= logits.mean(dim=0)
        head.bias /= logits.std(dim=0)
        head.weight /= logits.std(dim=0)[:, None]
    model.config.thresholds = thresholds
    model.save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    write_graph(model, folder / GRAPH)
    quantize_graph(folder / GRAPH, folder / QUANTIZED_GRAPH)
    return folder
