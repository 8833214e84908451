import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from hf_brnn import PRETRAINED
from hf_brnn.model import text_encoder
from hf_brnn.model.text_encoder import TextEncoder
from hf_brnn.model.tokenization_brnn import extend_tokenizer, first_tokenizer


@pytest.fixture(scope="module", params=["first version", "today"])
def tokenizer(request):
    shipped = PreTrainedTokenizerFast.from_pretrained(PRETRAINED)
    tokenizer = extend_tokenizer(shipped, [WORDS], vocab_size=None, min_frequency=1).backend_tokenizer
    if request.param == "first version":
        model, tokenizer = tokenizer.model, first_tokenizer()
        tokenizer.model = model
    return tokenizer


@pytest.fixture(scope="module")
def encoder(tokenizer):
    return TextEncoder(tokenizer)


def check(encoder, tokenizer, texts):
    ids, lengths = encoder(texts)
    expected = [tokenizer.encode(text).ids for text in texts]
    assert lengths.tolist() == [len(row) for row in expected]
    assert ids.tolist() == [token_id for row in expected for token_id in row]


WORDS = """
a A aa AAa aaaA don't DON'T rock'n'roll 'tis #tag #tag's @a @Bob @bob. @bob's http://a https://t.co/x?a=1
http://a&nbsp;b http://[UNK] www.a awww... Awww. well...www.a.org a.com you,have it.ly . ... .!. !? ?!?! , ,, :) :-( ;D
=/ (: <3 </3 &amp;amp; &lt;3 &quot;ok&quot; it&#39;s 10:30 gr8 [PAD] [UNK] [UNK]s ’ ^_^ -_- >.< _ __a
soon....get VA...my !?!!? 10$ *smiles* (left)? #a#b ##a ''don''t''s -.-.- "a'b" a.b,c/d. a.Com, www. wwww a/www.b
7.1,234 &quot;a&quot;b
é É ǅ ß Σ ΑΣ İ ſ K a.b.com a..b.org #日本語 สวัสดี カ゛ 👍🏽 ❤️
"""
PIECES = [*WORDS.split(), "e\u0301", "👩\u200d👧", *"\u200b\x00\x02\x1f\xa0\u3000\r\t\v\x85\u2028"]
TEXTS = st.lists(
    st.one_of(st.sampled_from(PIECES), st.sampled_from(["", " ", "\n"]), st.text(max_size=3)), max_size=12
).map("".join)


@settings(max_examples=400, deadline=None)
@given(texts=st.lists(TEXTS, max_size=4))
@example(texts=["two  spaces", " a ", "", "\n\n", "a\nb c"])
def test_ids_are_those_of_the_tokenizer_for_any_text(encoder, tokenizer, texts):
    check(encoder, tokenizer, texts)


def test_texts_of_another_tokenizer_are_encoded_whole(tokenizer):
    other = Tokenizer.from_str(tokenizer.to_str())
    other.pre_tokenizer = pre_tokenizers.Split(Regex("good morning|[a-z]"), behavior="removed", invert=True)
    check(TextEncoder(other), other, ["good morning", "good day"])


def test_what_is_remembered_is_bounded(tokenizer, monkeypatch):
    monkeypatch.setattr(text_encoder, "MAX_PIECES", 20)
    encoder = TextEncoder(tokenizer)
    texts = [
        " ".join(f"w{'a' * (number % 7)}b{number} @user{number}" for number in range(start, start + 9))
        for start in range(60)
    ]
    for text in texts:
        check(encoder, tokenizer, [text, "x" * 10_000])
        assert len(encoder._pieces) < 50
        assert max(map(len, encoder._pieces)) <= text_encoder.MAX_PIECE_LENGTH
