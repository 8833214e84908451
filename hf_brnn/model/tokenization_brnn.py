"""The WordLevel tokenizer: normalization, splitting into words, vocabulary and saving."""

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordLevel
from tokenizers.trainers import WordLevelTrainer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD_TOKEN = "[PAD]"
UNK_TOKEN = "[UNK]"
USER_TOKEN = "<user>"
URL_TOKEN = "<url>"
# A character that Unicode reserves for programs. No vocabulary has it, so that it becomes the unknown token.
UNKNOWN_WORD = "\ufdd0"
USER_PATTERN = "@[a-z0-9_]+"

# Patterns and replacements, applied in this order to the text in lower case and in NFC.
ENTITIES = (
    ("&(amp;)+", "&"),
    ("&quot;", '"'),
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&nbsp;", " "),
    (r"&apos;|&#0*39;|’|‘|´|`", "'"),
)
# A replacement has the offsets of the last character that it replaces. Addresses and names are replaced in two steps,
# first character and rest, so that the offsets of their tokens are those of the whole. The control character between
# the steps is in no text that people write, and separates words as white space does.
WORD_START = r"(?<![\p{L}\p{M}\p{N}_])"
WORD_END = r"(?![\p{L}\p{M}\p{N}_])"
# A bare host under a common top-level domain, and its path.
HOST = rf"[a-z0-9-]*(\.[a-z0-9-]+)*\.(com|net|org|ly|fm|tv){WORD_END}"
URLS = (
    (rf"h(?=ttps?://\S)|{WORD_START}w(?=ww\.\S)", f"\x02{URL_TOKEN[:-1]}"),
    (rf"(?<=\x02{URL_TOKEN[:-1]})\S+", URL_TOKEN[-1]),
    (rf"{WORD_START}(?<!-)(?<![a-z0-9-]\.)[a-z0-9](?={HOST})", f"\x02{URL_TOKEN[:-1]}"),
    (rf"(?<=\x02{URL_TOKEN[:-1]}){HOST}(/\S*)?", URL_TOKEN[-1]),
)
USERS = (
    ("@(?=[a-z0-9_])", f"\x02{USER_TOKEN[:-1]}"),
    (f"(?<=\x02{USER_TOKEN[:-1]})[a-z0-9_]+", USER_TOKEN[-1]),
)
CHARACTERS = (
    # Three or more equal letters become two, repeated punctuation marks or pairs of marks become one: loooove is looove
    # and !!! is !. Variation selectors, the joiner of emoji sequences and skin tones are removed.
    (r"(\p{L})(?=\1\1)|(\p{P}{1,2})(?=\2)|" "[\ufe00-\ufe0f\u200d\U0001f3fb-\U0001f3ff]", ""),
    # Every digit becomes 0, except in the hearts <3 and </3.
    (r"(?<!<)(?<!</)[0-9]", "0"),
)

# What a token is. Characters that no alternative matches separate words and are dropped.
TOKEN_PATTERN = "|".join(
    (
        r"[\p{L}\p{M}\p{N}_]+(?:'[\p{L}\p{M}]+)*",  # words, numbers, contractions
        f"{USER_TOKEN}|{URL_TOKEN}",
        r"[:;=][-'^]?(?:[)(\]\[/\\|*@]+|[dpoxs](?![\p{L}\p{N}]))",  # :) ;-) =( :/ :d :p
        r"(?<!\S)[()][-']?[:;=]",  # (: );
        r"</?3+",  # <3 </3
        r"\^[_.]*\^|-_+-|>[_.]+<",  # ^^ -_- >.<
        r"#[\p{L}\p{M}\p{N}_]+",
        r"[!?]+",
        r"[^\s\p{L}\p{M}\p{N}_\p{Cc}\p{Cf}]",  # any other visible character, emoji among them
    )
)

# A character of a script that doesn't put spaces between words, with its marks, is a token, as in BERT's tokenizer:
# Thai, Lao, Myanmar, Khmer, Hiragana, Katakana, Bopomofo and Han.
CHARACTER_PATTERN = (
    "[\u0e01-\u0e4e\u0e81-\u0eff\u1000-\u109f\u1780-\u17d3\u3005-\u3007\u3041-\u30ff\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U000323af]\\p{M}*"
)


def new_tokenizer(shows_names: bool = False) -> Tokenizer:
    """Returns a WordLevel tokenizer with normalizer and pre-tokenizer, without a vocabulary.

    Args:
        shows_names: Whether an @name becomes two words, `<user>` and the @name, instead of `<user>` alone.
    """
    users = ((f"(?={USER_PATTERN})", f"{USER_TOKEN} "),) if shows_names else USERS
    tokenizer = _tokenizer_of_rules(
        (*ENTITIES, *URLS, *users, *CHARACTERS),
        f"{USER_PATTERN}|{TOKEN_PATTERN}" if shows_names else TOKEN_PATTERN,
    )
    split_characters = pre_tokenizers.Split(Regex(CHARACTER_PATTERN), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([tokenizer.pre_tokenizer, split_characters])
    return tokenizer


def first_tokenizer() -> Tokenizer:
    """Returns a tokenizer with the rules of version 0.1, whose model directories keep them: `www.` within a word began
    an address, and sentences in scripts without spaces were single words."""
    replacements = (
        (r"(https?://|www\.)\S+", URL_TOKEN),
        (r"\b[a-z0-9][a-z0-9.-]{0,253}\.(com|net|org|ly|fm|tv)\b(/\S*)?", URL_TOKEN),
        (USER_PATTERN, USER_TOKEN),
    )
    return _tokenizer_of_rules((*ENTITIES, *replacements, *CHARACTERS), TOKEN_PATTERN)


def has_rules_of(tokenizer: Tokenizer, other: Tokenizer) -> bool:
    """Returns whether two tokenizers normalize and split in the same way."""
    states = [
        [part.__getstate__() for part in (each.normalizer, each.pre_tokenizer) if part is not None]
        for each in (tokenizer, other)
    ]
    return states[0] == states[1]


def _tokenizer_of_rules(normalizations: Iterable[tuple[str, str]], token_pattern: str) -> Tokenizer:
    tokenizer = Tokenizer(WordLevel(unk_token=UNK_TOKEN))
    replacements = [normalizers.Replace(Regex(pattern), content) for pattern, content in normalizations]
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase(), *replacements])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(token_pattern), behavior="removed", invert=True)
    return tokenizer


def train_tokenizer(texts: Iterable[str], vocab_size: int, min_frequency: int = 1) -> "PreTrainedTokenizerFast":
    """Trains a tokenizer whose vocabulary holds the most frequent words of `texts`.

    User names stay unknown, see `count_words`.

    Args:
        texts: The texts of the training split. Pass no others: their words would leak into the vocabulary.
        vocab_size: Maximum number of ids, including `[PAD]` (0) and `[UNK]` (1).
        min_frequency: Minimum number of occurrences of a word.

    Returns:
        A tokenizer that gives `input_ids` and `attention_mask`, with padding on the right and without truncation.

    Raises:
        ValueError: `vocab_size` is less than 3, or no word occurs `min_frequency` times.
    """
    if vocab_size < 3:
        raise ValueError(f"vocab_size is {vocab_size}, but must be at least 3: {PAD_TOKEN}, {UNK_TOKEN} and one word.")
    words = [PAD_TOKEN, UNK_TOKEN, *count_words(texts, min_frequency)]
    if len(words) < 3:
        raise ValueError(f"No word of the training texts occurs {min_frequency} times or more: lower min_frequency.")
    return _with_vocabulary(new_tokenizer(), {word: index for index, word in enumerate(words[:vocab_size])})


def extend_tokenizer(
    tokenizer: "PreTrainedTokenizerFast", texts: Iterable[str], vocab_size: Optional[int], min_frequency: int
) -> "PreTrainedTokenizerFast":
    """Returns a tokenizer that also knows the words of `texts`. The words of `tokenizer` keep their ids, unless
    `vocab_size` is smaller than its vocabulary. Rules of version 0.1 become those of today.

    Args:
        tokenizer: The tokenizer to extend.
        texts: The texts of the training split.
        vocab_size: Maximum number of ids; the most frequent new words are taken. If it is smaller than the vocabulary
            of `tokenizer`, the words that are most frequent in `texts` are taken, known or new. None for no limit.
        min_frequency: Minimum number of occurrences of a new word.
    """
    vocabulary = tokenizer.get_vocab()
    words = count_words(texts, min_frequency)
    if vocab_size is not None and vocab_size < len(vocabulary):
        known = sorted(vocabulary, key=vocabulary.__getitem__)
        taken = set([*dict.fromkeys([PAD_TOKEN, UNK_TOKEN, *words, *known])][:vocab_size])
        vocabulary = {word: index for index, word in enumerate(word for word in known if word in taken)}
    new_words = [word for word in words if word not in vocabulary]
    if vocab_size is not None:
        new_words = new_words[: max(vocab_size - len(vocabulary), 0)]
    first = max(vocabulary.values()) + 1
    backend = tokenizer.backend_tokenizer
    is_of_first_version = has_rules_of(backend, first_tokenizer())
    extended = new_tokenizer() if is_of_first_version else Tokenizer.from_str(backend.to_str())
    return _with_vocabulary(extended, vocabulary | {word: first + index for index, word in enumerate(new_words)})


def count_words(texts: Iterable[str], min_frequency: int) -> list[str]:
    """Returns the words that occur `min_frequency` times, the most frequent first, without those that are user
    names: words that follow an @ at least as often as they occur alone."""
    counter = new_tokenizer(shows_names=True)
    trainer = WordLevelTrainer(vocab_size=sys.maxsize, min_frequency=min_frequency, show_progress=False)
    counter.train_from_iterator(texts, trainer)
    ranks = counter.get_vocab()  # 0 is the most frequent word
    return [
        word
        for word in sorted(ranks, key=ranks.__getitem__)
        if not re.fullmatch(USER_PATTERN, word) and ranks[word] < ranks.get(f"@{word}", sys.maxsize)
    ]


def _with_vocabulary(tokenizer: Tokenizer, vocabulary: dict[str, int]) -> "PreTrainedTokenizerFast":
    from transformers import PreTrainedTokenizerFast

    tokenizer.model = WordLevel(vocabulary, unk_token=UNK_TOKEN)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD_TOKEN,
        unk_token=UNK_TOKEN,
        model_input_names=["input_ids", "attention_mask"],
        split_special_tokens=True,
    )


def save_tokenizer(tokenizer: "PreTrainedTokenizerFast", folder: Path) -> None:
    """Writes `tokenizer.json` and `tokenizer_config.json` into a folder, in a form that transformers 4 and 5 load:
    transformers 5 by itself names the class `TokenizersBackend`, which transformers 4 does not have.

    `tokenizer.json` lists no special tokens, so that a `[PAD]` in a text is text for every reader of the file."""
    tokenizer.save_pretrained(folder)
    state = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8")) | {"added_tokens": []}
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    for key in ("backend", "is_local", "local_files_only"):
        config.pop(key, None)
    for name, content in (("tokenizer.json", state), ("tokenizer_config.json", config)):
        (folder / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
