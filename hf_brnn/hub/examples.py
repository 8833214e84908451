"""Texts to try in a model card: for each label, words that are typical of it."""

import re
from collections.abc import Sequence

import torch
from transformers import PreTrainedTokenizerFast

from ..data.problem_type import MULTI_LABEL, REGRESSION
from ..model.modeling_brnn import BrnnForSequenceClassification, BrnnPreTrainedModel

# Of all words, these are looked at: rare ones are often chance finds.
FREQUENT_WORDS = 2_000
# How words begin that nobody wants to read first in a card: classifiers of anger or hate are surest of them.
RUDE = re.compile(
    r"ass|bastard|bitch|boob|bullsh|cock|crap|cum|cunt|damn|dead|dick|die|dumbass|dyke|fag|fuck|fuk|hell|hoe|idiot|kill|"
    r"lmao|moron|murder|nazi|nigg|piss|porn|puss|rape|rapist|retard|scum|sex|shit|skank|slut|stfu|stupid|suck|suicid|"
    r"terroris|thot|tits|trann|whore|wtf"
)


def typical_texts(model: BrnnPreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> list[str]:
    """Returns one text for each label, in their order: the three words that the model is surest about one by one, or
    fewer if it gives the label only to fewer. A label that it gives to none of its words has no text.

    The words are of the vocabulary, which tokenizer.json shows anyway: no training text gets into a card. Words that
    are rude in English are left out. A regression of one target has the words of its lowest and of its highest numbers.
    Other regressions have no texts, nor has a model that does not classify whole texts.
    """
    is_regression = model.config.problem_type == REGRESSION
    if not isinstance(model, BrnnForSequenceClassification) or (is_regression and model.num_labels > 1):
        return []
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    words = [word for word, _ in vocabulary if word.isalpha() and len(word) > 1 and not RUDE.match(word)]
    words = words[:FREQUENT_WORDS]
    if not words:
        return []
    scores = _scores(model, tokenizer, words)
    if is_regression:
        scores = torch.cat((-scores, scores), dim=1)
    best = [[words[index] for index in row] for row in scores.topk(min(3, len(words)), dim=0).indices.T.tolist()]
    if is_regression:
        return [" ".join(row) for row in best]
    labels = [label for label, row in enumerate(best) for _ in row]
    texts = [" ".join(row[:count]) for row in best for count in range(len(row), 0, -1)]
    scores = _scores(model, tokenizer, texts)
    rows = torch.arange(len(texts)), torch.tensor(labels)
    is_given = scores[rows] > 0 if model.config.problem_type == MULTI_LABEL else scores.argmax(dim=1) == rows[1]
    longest: dict[int, str] = {}
    for label, text, given in zip(labels, texts, is_given.tolist()):
        if given:
            longest.setdefault(label, text)
    return list(longest.values())


@torch.no_grad()
def _scores(
    model: BrnnForSequenceClassification, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]
) -> torch.Tensor:
    """Returns `(texts, num_labels)` logits; where one label of several is right, the logarithms of probabilities, in
    float64, because many probabilities are 1 in float32."""
    inputs = tokenizer(list(texts), padding=True, return_tensors="pt").to(model.device)
    logits = model.eval()(**inputs).logits.cpu().double()
    is_single_label = model.config.problem_type not in (MULTI_LABEL, REGRESSION)
    return logits.log_softmax(dim=1) if is_single_label else logits
