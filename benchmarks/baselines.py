"""The models that hf-brnn is measured against, each about as short as its own documentation shows it.

A baseline of `BASELINES` is trained once, into a file, and loaded from it. `KerasTutorial` and `distilbert_pipeline`
are measured for speed only.
"""

import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import joblib
import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

Predict = Callable[[list[str]], np.ndarray]


class Baseline(NamedTuple):
    """Attributes:
    file: Name of the model's file.
    train: Takes texts, class ids and the path of the file, which it writes.
    load: Takes the path of the file. Returns a function from texts to probabilities, `(len(texts), num_labels)`.
    """

    file: str
    train: Callable[[list[str], list[int], Path], None]
    load: Callable[[Path], Predict]


def fasttext_line(text: str) -> str:
    return " ".join(text.lower().split())


def train_fasttext(texts: list[str], labels: list[int], path: Path) -> None:
    """fastText (Joulin et al., 2017) with word bigrams and character n-grams, on all cores, for 5 epochs; for 25 where
    there are few texts.

    Its default learning rate of 0.1 is too small for few texts. On validation rows of the 30,000 tweets of the
    tutorial, 0.1 reaches an accuracy of 0.718 and 0.5 reaches 0.755.
    """
    import fasttext

    rate = 0.1 if len(texts) > 100_000 else 0.5
    source = path.with_suffix(".txt")
    with source.open("w", encoding="utf-8") as file:
        file.writelines(f"__label__{label} {fasttext_line(text)}\n" for text, label in zip(texts, labels))
    epochs = 5 if len(texts) > 15_000 else 25
    options = {"epoch": epochs, "lr": rate, "dim": 100, "wordNgrams": 2, "minn": 2, "maxn": 5, "verbose": 0}
    fasttext.train_supervised(str(source), **options).save_model(str(path))
    source.unlink()


def load_fasttext(path: Path) -> Predict:
    import fasttext

    model = fasttext.load_model(str(path))

    def predict(texts: list[str]) -> np.ndarray:
        names, scores = model.predict([fasttext_line(text) for text in texts], k=-1)
        probabilities = np.zeros((len(texts), len(model.labels)))
        for row, (labels, values) in enumerate(zip(names, scores)):
            probabilities[row, [int(label.removeprefix("__label__")) for label in labels]] = values
        return probabilities

    return predict


def train_words(texts: list[str], labels: list[int], path: Path) -> None:
    """TF-IDF of words and word pairs, and logistic regression."""
    _train_regression(texts, labels, path, ("words",))


def train_words_and_characters(
    texts: list[str], labels: list[int], path: Path, class_weight: str | None = None
) -> None:
    """TF-IDF of words, word pairs and character n-grams, and logistic regression."""
    _train_regression(texts, labels, path, ("words", "characters"), class_weight)


def _train_regression(
    texts: list[str], labels: list[int], path: Path, parts: tuple[str, ...], class_weight: str | None = None
) -> None:
    """N-grams of a single text are left out. scikit-learn's default tolerance of 1e-4 stops too early on millions of
    texts: there, 1e-6 is 0.01 more accurate."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    options = {"sublinear_tf": True, "min_df": 2, "dtype": np.float32}
    features = {
        "words": TfidfVectorizer(ngram_range=(1, 2), **options),
        "characters": TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), **options),
    }
    union = make_union(*(features[name] for name in parts))
    joblib.dump(
        make_pipeline(union, LogisticRegression(tol=1e-6, max_iter=1000, class_weight=class_weight)).fit(texts, labels),
        path,
    )


def load_regression(path: Path) -> Predict:
    return joblib.load(path).predict_proba


def train_vader(texts: list[str], labels: list[int], path: Path) -> None:
    """VADER (Hutto and Gilbert, 2014) learns nothing from texts: its lexicon is its model."""
    from vaderSentiment import vaderSentiment

    path.write_bytes(Path(vaderSentiment.__file__).with_name("vader_lexicon.txt").read_bytes())


def load_vader(path: Path) -> Predict:
    """Its compound score, from -1 to 1, serves as the probability."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyzer = SentimentIntensityAnalyzer()

    def predict(texts: list[str]) -> np.ndarray:
        positive = np.array([(analyzer.polarity_scores(text)["compound"] + 1) / 2 for text in texts])
        return np.stack((1 - positive, positive), axis=1)

    return predict


def score_file_with_fasttext(model: str, source: str, target: str, processes: int) -> None:
    """Labels a parquet file with fastText, as hf-brnn predict does: the same rows with two more columns."""
    import multiprocessing

    import pyarrow as pa
    import pyarrow.parquet as pq

    global _predict
    _predict = load_fasttext(Path(model))
    table = pq.read_table(source)
    texts = table["text"].to_pylist()
    chunks = [texts[start : start + 10_000] for start in range(0, len(texts), 10_000)]
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        probabilities = np.concatenate(pool.map(_predict_chunk, chunks))
    labels = pa.array(np.array(["NEGATIVE", "POSITIVE"])[probabilities.argmax(axis=1)])
    table = table.append_column("label", labels).append_column("score", pa.array(probabilities.max(axis=1)))
    pq.write_table(table, target)


def _predict_chunk(texts: list[str]) -> np.ndarray:
    return _predict(texts)


def distilbert_pipeline(tokenizer_dir: Path) -> Callable[..., list]:
    """DistilBERT-base with random weights, over the tokenizer of a model directory."""
    from transformers import AutoTokenizer, DistilBertConfig, DistilBertForSequenceClassification, pipeline

    tokenizer = AutoTokenizer.from_pretrained(tokenizer_dir, trust_remote_code=True)
    model = DistilBertForSequenceClassification(DistilBertConfig(vocab_size=max(30522, len(tokenizer)))).eval()
    tokenizer.model_max_length = model.config.max_position_embeddings
    return pipeline("text-classification", model=model, tokenizer=tokenizer)


class KerasTutorial:
    """The tutorial's model: 4,000 words, Embedding 256, SpatialDropout1D 0.4, Bidirectional(LSTM 196, dropout 0.05,
    recurrent_dropout 0.2), softmax over 2 labels, Adam, batches of 128.

    Keras 3 no longer has the tutorial's `Tokenizer`. Its rules are repeated here: lower case, punctuation to spaces,
    the 3,999 most frequent words.
    """

    def __init__(self, texts: list[str], max_features: int = 4000) -> None:
        import keras

        self.table = str.maketrans(dict.fromkeys('!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n', " "))
        counts = Counter(word for text in texts for word in self._words(text))
        self.index = {word: i for i, (word, _) in enumerate(counts.most_common(max_features - 1), 1)}
        self.width = max(len(self._ids(text)) for text in texts)
        self.model = keras.Sequential(
            [
                keras.layers.Embedding(max_features, 256),
                keras.layers.SpatialDropout1D(0.4),
                keras.layers.Bidirectional(keras.layers.LSTM(196, dropout=0.05, recurrent_dropout=0.2)),
                keras.layers.Dense(2, activation="softmax"),
            ]
        )
        self.model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])

    def _words(self, text: str) -> list[str]:
        return text.lower().translate(self.table).split()

    def _ids(self, text: str) -> list[int]:
        return [self.index[word] for word in self._words(text) if word in self.index]

    def inputs(self, texts: list[str]) -> np.ndarray:
        """Returns `(len(texts), self.width)` ids, padded on the left."""
        rows = np.zeros((len(texts), self.width), dtype=np.int32)
        for row, text in zip(rows, texts):
            ids = self._ids(text)[-self.width :]
            row[self.width - len(ids) :] = ids
        return rows

    def fit_epoch(self, inputs: np.ndarray, labels: np.ndarray) -> float:
        """Trains for one epoch. Returns its seconds, from the epoch's begin to its end: `fit` sometimes returns
        seconds later (Keras 3.15, TensorFlow 2.21)."""
        import keras

        times: list[float] = []
        clock = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda *args: times.append(time.perf_counter()),
            on_epoch_end=lambda *args: times.append(time.perf_counter()),
        )
        self.model.fit(inputs, np.eye(2, dtype=np.float32)[labels], batch_size=128, verbose=0, callbacks=[clock])
        return times[1] - times[0]


BASELINES = {
    "fastText": Baseline("fasttext.bin", train_fasttext, load_fasttext),
    "TF-IDF words": Baseline("words.joblib", train_words, load_regression),
    "TF-IDF words + characters": Baseline("words_characters.joblib", train_words_and_characters, load_regression),
    "VADER": Baseline("vader_lexicon.txt", train_vader, load_vader),
}
