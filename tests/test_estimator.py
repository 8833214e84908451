import csv
import pickle
import re

import joblib
import numpy as np
import pandas as pd
import pytest
from processes import run_in_fork
from safetensors.torch import load_file
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted, validate_data
from transformers import pipeline

import hf_brnn
from hf_brnn.data.arguments import SAMPLE_FILE, SAMPLE_FILES

QUICK = {
    "recipe": "quickstart",
    "num_train_epochs": 1,
    "hidden_size": 4,
    "embedding_size": 8,
    "vocab_size": 300,
    "validation_size": 0,
}


@pytest.fixture(scope="module")
def rows():
    with SAMPLE_FILE.open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))[:400]
    names = {"0": "bad", "1": "good", "4": "good"}
    return [row["text"] for row in read], [names[row["sentiment"]] for row in read]


@pytest.fixture(scope="module")
def classifier(rows):
    return hf_brnn.BrnnClassifier(num_train_epochs=2).fit(*rows)


def test_it_gives_the_labels_it_was_given(classifier, rows):
    texts, _ = rows
    probabilities = classifier.predict_proba(texts[:9])
    assert classifier.classes_.tolist() == ["bad", "good"]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    assert classifier.predict(texts[:9]).tolist() == [["bad", "good"][row.argmax()] for row in probabilities]


def test_the_labels_may_be_numbers(rows):
    texts, labels = rows
    numbers = [3 if label == "good" else 10 for label in labels]
    fitted = hf_brnn.BrnnClassifier(**QUICK).fit(texts, numbers)
    assert fitted.classes_.tolist() == [3, 10]
    assert set(fitted.predict(texts[:50]).tolist()) <= {3, 10}


@pytest.mark.parametrize(("start", "good", "bad"), [("一", "好吃", "难吃"), ("ก", "ดี", "แย่")])
def test_texts_without_spaces_between_words_are_learned(start, good, bad):
    random = np.random.default_rng(0)
    characters = [chr(ord(start) + index) for index in range(20)]
    words = random.choice([good, bad], 600)
    texts = ["".join([*random.choice(characters, 5), word, *random.choice(characters, 5)]) for word in words]
    classifier = hf_brnn.BrnnClassifier(validation_size=0)
    classifier.fit(texts[:500], words[:500])
    assert (classifier.predict(texts[500:]) == words[500:]).mean() > 0.9


@pytest.fixture(scope="module")
def fitted(rows):
    texts, labels = rows
    return hf_brnn.BrnnClassifier(**QUICK).fit(texts[:100], labels[:100])


def test_weights_of_rows_and_labels_count(rows):
    texts, labels = (values[:100] for values in rows)

    def probability_of_bad(sample_weight=None, **arguments):
        estimator = hf_brnn.BrnnClassifier(**QUICK | {"num_train_epochs": 4, "learning_rate": 0.02}, **arguments)
        return estimator.fit(texts, labels, sample_weight=sample_weight).predict_proba(texts)[:, 0].mean()

    plain = probability_of_bad()
    by_class = probability_of_bad(class_weight={"bad": 9})
    by_row = probability_of_bad(sample_weight=[9 if label == "bad" else 1 for label in labels])
    assert by_class > plain + 0.1
    assert by_row == pytest.approx(by_class, abs=1e-5)
    with pytest.raises(ValueError, match=r"class_weight has 'sad', but y holds \['bad', 'good'\]"):
        probability_of_bad(class_weight={"sad": 2})
    with pytest.raises(ValueError, match="a number of 0 or more for each of the 100 rows"):
        probability_of_bad(sample_weight=[1, 2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"word_dropot": 0.2}, "unknown key 'word_dropot'. Did you mean word_dropout?"),
        ({"word_dropout": "much"}, "word_dropout is 'much', but must be a number."),
        ({"label_names": {0: "bad"}}, "label_names is {0: 'bad'}, but must be a list."),
        ({"model_name_or_path": None}, "this training starts from no model: give --model_name_or_path, or use"),
    ],
)
def test_a_wrong_option_is_refused(rows, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        hf_brnn.BrnnClassifier(options=options).fit(*rows)


def test_options_are_read_as_those_of_a_recipe_are(rows):
    texts, labels = (values[:100] for values in rows)
    weighted = hf_brnn.BrnnClassifier(**QUICK, class_weight={"bad": 9}).fit(texts, labels)
    for options in ({"class_weight": {"bad": 9}}, {"class_weight": "bad=9"}, {"class_weight": ("bad=9",)}):
        same = hf_brnn.BrnnClassifier(**QUICK, options=options).fit(texts, labels)
        np.testing.assert_array_equal(same.predict_proba(texts), weighted.predict_proba(texts))


@pytest.mark.parametrize("copy", [lambda x: pickle.loads(pickle.dumps(x)), "joblib"], ids=["pickle", "joblib"])
def test_a_fitted_classifier_can_be_kept(fitted, rows, tmp_path, copy):
    if copy == "joblib":
        joblib.dump(fitted, tmp_path / "fitted.joblib")
        copied = joblib.load(tmp_path / "fitted.joblib")
    else:
        copied = copy(fitted)
    np.testing.assert_array_equal(copied.predict_proba(rows[0][:9]), fitted.predict_proba(rows[0][:9]))
    copied.save(tmp_path / "model")


def test_it_starts_from_a_fitted_classifier_or_a_directory(fitted, rows, tmp_path):
    texts, labels = (values[100:160] for values in rows)
    fitted.save(tmp_path / "model")
    learned = {"num_train_epochs": 1, "validation_size": 0, "learning_rate": 0.0}
    learned |= {"options": {"head_learning_rate": 0.0, "extend_vocabulary": False}}
    for start in (fitted, tmp_path / "model"):
        estimator = clone(hf_brnn.BrnnClassifier(init_from=start, **learned))
        assert estimator.init_from is start
        continued = estimator.fit(texts, labels)
        np.testing.assert_allclose(continued.predict_proba(texts), fitted.predict_proba(texts), atol=1e-4)
    more = hf_brnn.BrnnClassifier(init_from=fitted, **learned).fit(["so so"] * 30 + texts, ["neutral"] * 30 + labels)
    assert more.classes_.tolist() == ["bad", "good", "neutral"]


def test_it_works_in_what_scikit_learn_builds_on(rows):
    texts, labels = pd.Series(rows[0][:90]), np.array(rows[1][:90])
    upper = FunctionTransformer(lambda column: [text.upper() for text in column])
    pipe = Pipeline([("upper", upper), ("brnn", hf_brnn.BrnnClassifier(**QUICK))])
    search = GridSearchCV(pipe, {"brnn__hidden_size": [3, 4]}, cv=2).fit(texts, labels)
    assert search.best_estimator_["brnn"].model_.config.hidden_size == search.best_params_["brnn__hidden_size"]


@pytest.mark.slow
def test_it_is_calibrated_and_gets_a_threshold_by_scikit_learn(rows):
    texts, labels = rows[0][:90], rows[1][:90]
    calibrated = CalibratedClassifierCV(hf_brnn.BrnnClassifier(**QUICK), cv=2).fit(texts, labels)
    np.testing.assert_allclose(calibrated.predict_proba(texts).sum(axis=1), 1)
    tuned = TunedThresholdClassifierCV(hf_brnn.BrnnClassifier(**QUICK), cv=2).fit(texts, labels)
    assert set(tuned.predict(texts)) <= {"bad", "good"}


@pytest.mark.slow
def test_it_is_trained_in_several_processes(rows):
    scores = [
        cross_val_score(hf_brnn.BrnnClassifier(**QUICK), rows[0][:90], rows[1][:90], cv=2, n_jobs=jobs)
        for jobs in (None, 2)
    ]
    assert scores[0].tolist() == scores[1].tolist()


def test_it_pushes_itself(fitted, server):
    url = fitted.push("alice/mine", private=True)
    assert "alice/mine" in url
    commit = server.repositories["alice/mine"].find("main")
    assert {"model.safetensors", "README.md", "config.json"} <= set(commit.files)


def test_a_random_state_repeats_a_training(rows):
    found = [
        hf_brnn.BrnnClassifier(**QUICK, random_state=np.random.RandomState(seed))
        .fit(rows[0][:60], rows[1][:60])
        .predict_proba(rows[0][:5])
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.allclose(found[0], found[2])


class ReadsNumbers:
    """Reads `(rows, columns)` numbers as words: scikit-learn checks estimators on such."""

    def words(self, values):
        return [" ".join(f"c{i}v{round(value)}" for i, value in enumerate(row)) for row in values.tolist()]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.string = tags.input_tags.one_d_array = False
        return tags


class OnNumbers(ReadsNumbers, hf_brnn.BrnnClassifier):
    def fit(self, X, y, sample_weight=None):  # noqa: N803
        X, y = validate_data(self, X, y, multi_output=True)  # noqa: N806
        return super().fit(self.words(X), y, sample_weight)

    def predict_proba(self, X):  # noqa: N803
        check_is_fitted(self)
        return super().predict_proba(self.words(validate_data(self, X, reset=False)))

    def predict(self, X):  # noqa: N803
        check_is_fitted(self)
        classifier = self._classifier()
        chosen = classifier.choose(self.predict_proba(X))
        return chosen.astype(int) if chosen.ndim == 2 else self.classes_[chosen]


class RegressorOnNumbers(ReadsNumbers, hf_brnn.BrnnRegressor):
    def fit(self, X, y, sample_weight=None):  # noqa: N803
        X, y = validate_data(self, X, y, multi_output=True, y_numeric=True)  # noqa: N806
        return super().fit(self.words(X), y, sample_weight)

    def predict(self, X):  # noqa: N803
        check_is_fitted(self)
        return super().predict(self.words(validate_data(self, X, reset=False)))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True  # of a number, a word says nothing about its neighbours
        return tags


EXPECTED_TO_FAIL = {
    "check_sample_weight_equivalence_on_dense_data": "a row of weight 0 still counts for vocabulary and batches",
}
CONTRACT = parametrize_with_checks(
    [kind(**QUICK | {"num_train_epochs": 12, "learning_rate": 0.05}) for kind in (OnNumbers, RegressorOnNumbers)],
    expected_failed_checks=lambda estimator: EXPECTED_TO_FAIL,
)


@pytest.mark.slow
@CONTRACT
def test_it_keeps_the_contract_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def topics():
    """Texts, and for each label whether the text has it."""
    frame = pd.read_csv(SAMPLE_FILES["sample_multi_label"], keep_default_na=False)[:200]
    labels = pd.DataFrame({name: frame["labels"].str.contains(name) for name in ("price", "delivery")})
    return frame["text"], labels.astype(int)


@pytest.mark.parametrize("form", [np.asarray, csr_matrix, lambda labels: labels], ids=["array", "sparse", "frame"])
def test_a_text_may_have_several_labels(topics, form, tmp_path):
    texts, labels = topics
    fitted = hf_brnn.BrnnClassifier(**QUICK | {"num_train_epochs": 20, "learning_rate": 0.05})
    fitted.fit(texts, form(labels))
    assert fitted.classes_.tolist() == (["price", "delivery"] if form(labels) is labels else [0, 1])
    predicted, probabilities = fitted.predict(texts), fitted.predict_proba(texts)
    assert predicted.tolist() == (probabilities > 0.5).astype(int).tolist()
    assert fitted.score(texts, labels.to_numpy()) == (predicted == labels.to_numpy()).all(axis=1).mean() > 0.5
    loaded = hf_brnn.BrnnClassifier.load(fitted.save(tmp_path / "model") and tmp_path / "model")
    assert loaded.classes_.tolist() == fitted.classes_.tolist()
    np.testing.assert_allclose(loaded.predict_proba(texts[:9]), probabilities[:9], atol=1e-6)


@pytest.fixture(scope="module")
def reviews():
    frame = pd.read_csv(SAMPLE_FILES["sample_regression"])[:200]
    return frame["text"], frame["stars"]


def test_a_regressor_predicts_numbers(reviews, tmp_path):
    texts, stars = reviews
    both = pd.DataFrame({"stars": stars, "cents": -100 * stars})
    fitted = hf_brnn.BrnnRegressor(**QUICK | {"num_train_epochs": 20, "learning_rate": 0.05}).fit(texts, both)
    assert fitted.score(texts, both) > 0.5
    assert fitted.predict(texts[:9]).shape == (9, 2)
    classifier = hf_brnn.load(fitted.save(tmp_path / "model") and tmp_path / "model")
    assert classifier.label_names == ["stars", "cents"]
    np.testing.assert_allclose(classifier.predict(list(texts[:9])), fitted.predict(texts[:9]), rtol=1e-5)
    with pytest.raises(ValueError, match="problem type is regression, but BrnnClassifier is for"):
        hf_brnn.BrnnClassifier.load(tmp_path / "model")


def test_a_regressor_works_in_the_tools_of_scikit_learn(reviews):
    texts, stars = reviews
    scores = cross_val_score(clone(hf_brnn.BrnnRegressor(**QUICK)), list(texts), stars.to_numpy(), cv=2)
    assert np.isfinite(scores).all()
    fitted = hf_brnn.BrnnRegressor(**QUICK).fit(texts, stars)
    assert fitted.predict(texts[:9]).shape == (9,)
    same = hf_brnn.BrnnRegressor(num_train_epochs=1, validation_size=0, init_from=fitted).fit(texts, stars)
    assert same.predict(texts[:9]).shape == (9,)


def test_a_classifier_of_numbers_that_are_not_whole_names_the_regressor(reviews):
    with pytest.raises(ValueError, match=r"y holds 1\.5, but .* or use BrnnRegressor"):
        hf_brnn.BrnnClassifier(**QUICK).fit(*reviews)


def test_what_it_saves_loads_everywhere(classifier, rows, tmp_path):
    texts, _ = rows
    classifier.save(tmp_path / "mine")
    expected = classifier.predict_proba(texts[:5])
    np.testing.assert_allclose(hf_brnn.load(tmp_path / "mine")(texts[:5]), expected, atol=1e-6)
    np.testing.assert_allclose(
        hf_brnn.BrnnClassifier.load(tmp_path / "mine").predict_proba(texts[:5]), expected, atol=1e-6
    )
    found = pipeline("text-classification", model=str(tmp_path / "mine"), trust_remote_code=True)(texts[0])
    assert found[0]["label"] == classifier.predict(texts[:1])[0]


def test_it_trains_the_weights_of_the_command(classifier, rows, tmp_path):
    with (tmp_path / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *zip(*rows)])
    arguments = ("--num_train_epochs", 2, "--output_dir", tmp_path / "command")
    run_in_fork("scripts/train.py", tmp_path / "rows.csv", *arguments)
    classifier.save(tmp_path / "python")
    weights = [load_file(tmp_path / name / "model.safetensors") for name in ("command", "python")]
    assert weights[0].keys() == weights[1].keys()
    for name, value in weights[0].items():
        assert value.equal(weights[1][name]), name


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        (["a b", "c"], ["x"], "2 texts and 1 labels"),
        (["a b", 3], ["x", "y"], "text at index 1 is 3, not a string. Fix or remove"),
        (["a b", " "], ["x", "y"], "text at index 1 is blank"),
        ("a b", ["x", "y"], "Put it into a list"),
        ([["a b"], ["c"]], ["x", "y"], r"X has shape \(2, 1\), expected \(rows,\) texts"),
        (["a b", "c"], ["x", "x"], "y holds one class, 'x', but a classifier needs two"),
        (["a b", "c"], [0.5, 1.5], "Unknown label type: continuous"),
        (["a b", "c"], None, "requires y to be passed"),
    ],
)
def test_rows_that_cannot_be_used_are_refused(texts, labels, message):
    with pytest.raises(ValueError, match=message):
        hf_brnn.BrnnClassifier().fit(texts, labels)
