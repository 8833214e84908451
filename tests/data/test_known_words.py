import numpy as np

from hf_brnn.data.dataset import tokenize
from hf_brnn.data.known_words import KnownWords
from hf_brnn.model.text_encoder import TextEncoder
from hf_brnn.model.tokenization_brnn import train_tokenizer


def test_punctuation_names_and_addresses_are_no_words():
    trained = train_tokenizer(["so happy :) 😀 !?! @bob http://a.b 12 $ + ! …"] * 2, vocab_size=50)
    texts = ["so happy", "so sad", "sad", "", "... !?! $ +", "@bob http://a.b", ":)", "😀 sad", "77", "so so @x sad!"]
    tokenized = tokenize(texts, TextEncoder(trained.backend_tokenizer), trained.pad_token_id)
    expected = [1, 1 / 2, 0, 0, 0, 0, 1, 1 / 2, 1, 2 / 3]
    np.testing.assert_allclose(KnownWords(trained.backend_tokenizer).shares(tokenized), expected)
