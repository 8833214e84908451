"""The models that hf-brnn is measured against, each as short as its own documentation shows it."""

import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np

from hf_brnn.data.rows import LabelledRows

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

Predict = Callable[[list[str]], np.ndarray]
KERAS_FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'


class KerasTutorial:
    """The tutorial's model: 4,000 words, Embedding 256, SpatialDropout1D 0.4, Bidirectional(LSTM 196, dropout 0.05,
    recurrent_dropout 0.2), softmax over 2, Adam, batches of 128.

    Keras 3 no longer has the tutorial's `Tokenizer`; its rules (lower case, punctuation to spaces, the 3,999 most
    frequent words) are repeated here.
    """

    def __init__(self, texts: list[str], max_features: int = 4000) -> None:
        import keras

        table = str.maketrans(dict.fromkeys(KERAS_FILTERS, " "))
        words = [text.lower().translate(table).split() for text in texts]
        counts = Counter(word for row in words for word in row)
        self.index = {word: i for i, (word, _) in enumerate(counts.most_common(max_features - 1), 1)}
        self.table = table
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

    def _ids(self, text: str) -> list[int]:
        return [self.index[word] for word in text.lower().translate(self.table).split() if word in self.index]

    def inputs(self, texts: list[str]) -> np.ndarray:
        rows = np.zeros((len(texts), self.width), dtype=np.int32)
        for row, text in zip(rows, texts):
            ids = self._ids(text)[-self.width :]
            row[self.width - len(ids) :] = ids
        return rows

    def fit_epoch(self, inputs: np.ndarray, labels: np.ndarray) -> float:
        """Seconds from the beginning of the epoch to its end. `fit` itself returns later now and then: 20.5 s after it
        began where the epoch had ended after 18.5 (Keras 3.15, TensorFlow 2.21)."""
        import keras

        times = []
        clock = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda *args: times.append(time.perf_counter()),
            on_epoch_end=lambda *args: times.append(time.perf_counter()),
        )
        self.model.fit(inputs, np.eye(2, dtype=np.float32)[labels], batch_size=128, verbose=0, callbacks=[clock])
        start, end = times
        return end - start


def keras_tutorial(train: LabelledRows, folder: Path) -> tuple[Predict, Path]:
    """The tutorial's 20 epochs. Its vocabulary and its width come from the training rows alone."""
    model = KerasTutorial(train.texts)
    inputs, labels = model.inputs(train.texts), np.asarray(train.labels)
    for _ in range(20):
        model.fit_epoch(inputs, labels)
    path = folder / "tutorial.keras"
    model.model.save(path)
    return lambda texts: model.model.predict(model.inputs(texts), batch_size=512, verbose=0), path


def fasttext_classifier(train: LabelledRows, folder: Path) -> tuple[Predict, Path]:
    model = train_fasttext(train.texts, train.labels, folder / "fasttext.txt")
    path = folder / "fasttext.bin"
    model.save_model(str(path))

    def predict(texts: list[str]) -> np.ndarray:
        names, scores = model.predict([fasttext_text(text) for text in texts], k=2)
        rows = [dict(zip(row, values)) for row, values in zip(names, scores)]
        return np.array([[row.get("__label__0", 0.0), row.get("__label__1", 0.0)] for row in rows])

    return predict, path


def word_regression(train: LabelledRows, folder: Path) -> tuple[Predict, Path]:
    return _saved(train_logistic_regression(train.texts, train.labels), folder / "words.joblib")


def character_regression(train: LabelledRows, folder: Path) -> tuple[Predict, Path]:
    model = train_logistic_regression(train.texts, train.labels, analyzer="char_wb", ngram_range=(2, 5))
    return _saved(model, folder / "characters.joblib")


def vader(train: LabelledRows, folder: Path) -> tuple[Predict, Path]:
    """VADER (Hutto and Gilbert, 2014), which learns nothing from the rows: its compound score as a probability."""
    from vaderSentiment import vaderSentiment

    analyzer = vaderSentiment.SentimentIntensityAnalyzer()

    def predict(texts: list[str]) -> np.ndarray:
        positive = np.array([(analyzer.polarity_scores(text)["compound"] + 1) / 2 for text in texts])
        return np.stack((1 - positive, positive), axis=1)

    return predict, Path(vaderSentiment.__file__).with_name("vader_lexicon.txt")


def _saved(model, path: Path) -> tuple[Predict, Path]:
    joblib.dump(model, path)
    return model.predict_proba, path


def train_fasttext(texts: list[str], labels: list[int], path: Path):
    """fastText (Joulin et al., 2017) with word bigrams and character n-grams, 5 epochs, on all cores.

    Its usual learning rate of 0.1 is too slow for few texts: on 4,000 validation rows of the subset it reaches 0.718,
    0.5 reaches 0.755.
    """
    import fasttext

    rate = 0.1 if len(texts) > 100_000 else 0.5
    lines = [f"__label__{label} {fasttext_text(text)}" for text, label in zip(texts, labels)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return fasttext.train_supervised(str(path), epoch=5, lr=rate, dim=100, wordNgrams=2, minn=2, maxn=5, verbose=0)


def fasttext_text(text: str) -> str:
    return " ".join(text.lower().split())


def train_logistic_regression(
    texts: list[str], labels: list[int], analyzer: str = "word", ngram_range: tuple[int, int] = (1, 2)
):
    """TF-IDF, by default of words and word pairs, and logistic regression.

    scikit-learn's usual tolerance of 1e-4 ends the training too soon where rows are many and weights small: on 200,000
    tweets, characters reach 0.798 with it and 0.802 with 1e-6, on 20,000 others.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    features = TfidfVectorizer(analyzer=analyzer, ngram_range=ngram_range, sublinear_tf=True)
    return make_pipeline(features, LogisticRegression(tol=1e-6, max_iter=1000)).fit(texts, labels)


def distilbert_pipeline(tokenizer_folder: Path):
    """DistilBERT-base in its own size with random weights, over the tokenizer of one of our folders."""
    from transformers import AutoTokenizer, pipeline

    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder, trust_remote_code=True)
    model = new_distilbert(len(tokenizer)).eval()
    tokenizer.model_max_length = model.config.max_position_embeddings
    return pipeline("text-classification", model=model, tokenizer=tokenizer)


def distilbert_step(vocab_size: int) -> Callable[[dict], None]:
    """A training step of DistilBERT over one of our batches, with AdamW, in float32."""
    import torch

    model = new_distilbert(vocab_size).to("cuda" if torch.cuda.is_available() else "cpu").train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-5, fused=True)

    def step(batch: dict) -> None:
        model(**{name: values.to(model.device) for name, values in batch.items()}).loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def new_distilbert(vocab_size: int):
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    return DistilBertForSequenceClassification(DistilBertConfig(vocab_size=max(30522, vocab_size)))
