import re
from itertools import combinations

from hf_brnn.data.arguments import DataArguments
from hf_brnn.data.rows import load_rows

ROWS = load_rows(DataArguments())


def test_no_two_texts_are_near_duplicates():
    words = [set(re.findall(r"\w+", text.lower())) for text in ROWS.texts]
    for (i, a), (j, b) in combinations(enumerate(words), 2):
        assert len(a & b) < 0.5 * len(a | b), (ROWS.texts[i], ROWS.texts[j])


def test_no_opening_is_a_template():
    openings = [" ".join(text.lower().split()[:3]) for text in ROWS.texts]
    assert max(map(openings.count, openings)) <= 6


def test_names_and_addresses_belong_to_nobody():
    text = "\n".join(ROWS.texts)
    assert all(len(name) > 15 for name in re.findall(r"@(\w+)", text)), "a Twitter name has at most 15 characters"
    hosts = re.findall(r"(?:https?://|www\.)([a-z0-9.-]+[a-z0-9])", text.lower())
    reserved = re.compile(r"(.*\.)?(example\.(com|org|net)|example|invalid)")
    assert hosts
    assert all(reserved.fullmatch(host) for host in hosts), "RFC 2606"


def test_what_tweets_hold_is_in_it():
    text = "\n".join(ROWS.texts)
    patterns = {
        "emoji": "[\U0001f300-\U0001faff]",
        "emoticon": r"[:;][)(D]",
        "hashtag": r"#\w+",
        "entity": r"&\w+;",
        "negation": r"\b(not|never|no|\w+n't)\b",
        "contrast": r"\bbut\b",
        "elongation": r"([a-z])\1\1",
    }
    for name, pattern in patterns.items():
        assert len(re.findall(pattern, text)) >= 50, name
