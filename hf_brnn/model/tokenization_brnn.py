"""The WordLevel tokenizer: how a text becomes words, which words it knows, and how it is saved."""

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordLevel
from tokenizers.trainers import WordLevelTrainer
from transformers import PreTrainedTokenizerFast

PAD_TOKEN = "[PAD]"
UNK_TOKEN = "[UNK]"
USER_TOKEN = "<user>"
URL_TOKEN = "<url>"
USER_PATTERN = "@[a-z0-9_]+"

NORMALIZATIONS = (
    ("&(amp;)+", "&"),
    ("&quot;", '"'),
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&nbsp;", " "),
    (r"&apos;|&#0*39;|’|‘|´|`", "'"),
    # An address: with its scheme or www, or a bare host under a common top-level domain. No host is longer than 253
    # characters; without that limit, the search would take hours on a long line of dots.
    (r"(https?://|www\.)\S+", URL_TOKEN),
    (r"\b[a-z0-9][a-z0-9.-]{0,253}\.(com|net|org|ly|fm|tv)\b(/\S*)?", URL_TOKEN),
    (USER_PATTERN, USER_TOKEN),
    # Two of three or more equal letters stay, one of equal marks or pairs of marks: looove and loooove, ! and !!! read
    # alike. Variation selectors, the joiner of emoji sequences and skin tones go.
    (r"(\p{L})(?=\1\1)|(\p{P}{1,2})(?=\2)|" "[\ufe00-\ufe0f\u200d\U0001f3fb-\U0001f3ff]", ""),
    # Every digit becomes 0, but for the 3 of a heart: <3 and </3.
    (r"(?<!<)(?<!</)[0-9]", "0"),
)

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


def new_tokenizer(shows_names: bool = False) -> Tokenizer:
    """A WordLevel tokenizer with normalizer and pre-tokenizer and no vocabulary yet.

    With `shows_names`, an @name gives two words: `<user>` and the @name.
    """
    normalizations = dict(NORMALIZATIONS)
    token_pattern = TOKEN_PATTERN
    if shows_names:
        del normalizations[USER_PATTERN]
        normalizations[f"(?={USER_PATTERN})"] = f"{USER_TOKEN} "
        token_pattern = f"{USER_PATTERN}|{TOKEN_PATTERN}"
    tokenizer = Tokenizer(WordLevel(unk_token=UNK_TOKEN))
    replacements = [normalizers.Replace(Regex(pattern), content) for pattern, content in normalizations.items()]
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase(), *replacements])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(token_pattern), behavior="removed", invert=True)
    return tokenizer


def train_tokenizer(texts: Iterable[str], vocab_size: int, min_frequency: int = 1) -> PreTrainedTokenizerFast:
    """Learns the most frequent words of `texts`. A word that stands at least as often behind an @ as alone is a user's
    name and stays unknown.

    Args:
        texts: The training texts, and no others.
        vocab_size: Number of ids at most, `[PAD]` (0) and `[UNK]` (1) included.
        min_frequency: A word seen less often stays unknown.

    Raises:
        ValueError: `vocab_size` leaves no room for a word, or no text holds a word that is frequent enough.
    """
    if vocab_size < 3:
        raise ValueError(f"vocab_size is {vocab_size}, but must be at least 3: {PAD_TOKEN}, {UNK_TOKEN} and one word.")
    counter = new_tokenizer(shows_names=True)
    trainer = WordLevelTrainer(
        vocab_size=sys.maxsize,
        min_frequency=min_frequency,
        special_tokens=[PAD_TOKEN, UNK_TOKEN],
        show_progress=False,
    )
    counter.train_from_iterator(texts, trainer)
    ranks = counter.get_vocab()  # the more frequent, the lower
    words = [
        word
        for word in sorted(ranks, key=ranks.__getitem__)
        if not re.fullmatch(USER_PATTERN, word) and ranks[word] < ranks.get(f"@{word}", sys.maxsize)
    ]
    if len(words) < 3:
        raise ValueError(f"No word of the training texts occurs {min_frequency} times or more: lower min_frequency.")
    tokenizer = new_tokenizer()
    vocabulary = {word: index for index, word in enumerate(words[:vocab_size])}
    tokenizer.model = WordLevel(vocabulary, unk_token=UNK_TOKEN)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD_TOKEN,
        unk_token=UNK_TOKEN,
        model_input_names=["input_ids", "attention_mask"],
    )


def save_tokenizer(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Writes `tokenizer.json` and a `tokenizer_config.json` that names a class every transformers version knows;
    version 5 on its own would name `TokenizersBackend`, which version 4 refuses."""
    tokenizer.save_pretrained(folder)
    config_path = folder / "tokenizer_config.json"
    config = json.loads(config_path.read_text(encoding="utf-8"))
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    for key in ("backend", "is_local", "local_files_only"):
        config.pop(key, None)
    config_path.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
