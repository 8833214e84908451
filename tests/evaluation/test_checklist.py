import numpy as np

from hf_brnn.evaluation.checklist import checklist_table, checks


def one_hot(labels):
    return np.eye(2)[labels]


def test_a_classifier_that_looks_at_one_letter_fails_where_it_should():
    """It says positive where an l stands: it can't tell negation, and misses upper-case L."""
    table, failures = checklist_table(lambda texts: one_hot([int("l" in text) for text in texts]))
    rates = table["pass rate"]
    assert rates["outer white space"] == rates["repeated punctuation"] == rates["addresses"] == 1
    assert rates["case"] < 1
    assert rates["negation"] < 0.8
    assert len(failures) == (table["checks"] - table["passed"]).sum()
    assert any("'I do not like it at all' should be labeled as negative" in line for line in failures)


def test_a_classifier_that_knows_the_answers_passes_all():
    answers = {check.text: check.expected for check in checks() if isinstance(check.expected, int)}
    same = {check.text: check.expected for check in checks() if isinstance(check.expected, str)}

    def label(text):
        return answers.get(text, 0) if text not in same else label(same[text])

    table, failures = checklist_table(lambda texts: one_hot([label(text) for text in texts]))
    assert not failures
    assert (table["pass rate"] == 1).all()
