"""transformers' own model tests, for our models.

PYTHONPATH=FOLDER_OF_TRANSFORMERS_TESTS python -m pytest -o addopts= tests/helpers/model_tester.py

The folder holds `transformers_tests`, the tests of transformers' source distribution (see
tests/model/test_model_tester_mixin.py). Two modules that they import are not in the distribution; both concern what
our models don't do: generate text, and export through transformers' exporters.
"""

import sys
import types
import unittest

import torch

for name, attributes in {
    "exporters": {},
    "exporters.test_export": {"ExportTesterMixin": type("ExportTesterMixin", (), {})},
    "generation": {},
    "generation.test_utils": {"GenerationTesterMixin": type("GenerationTesterMixin", (), {})},
    "utils": {},
    "utils.test_configuration_utils": {"config_common_kwargs": {}},
}.items():
    module = types.ModuleType(f"transformers_tests.{name}")
    vars(module).update(attributes)
    sys.modules[module.__name__] = module

from transformers_tests import test_configuration_common, test_modeling_common  # noqa: E402

from hf_brnn import BrnnConfig, BrnnForSequenceClassification, BrnnForTokenClassification, BrnnModel  # noqa: E402

# By these names the tests find out which models have which labels.
test_modeling_common.MODEL_MAPPING_NAMES["brnn"] = "BrnnModel"
test_modeling_common.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES["brnn"] = "BrnnForSequenceClassification"
test_modeling_common.MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES["brnn"] = "BrnnForTokenClassification"


class BrnnModelTester:
    """Makes the small configurations and batches of the tests."""

    batch_size, seq_length, num_hidden_layers, hidden_size, is_training = 7, 9, 2, 10, True

    def __init__(self, parent):
        self.parent = parent

    def get_config(self):
        # transformers compares hidden_size with the channels of hidden_states: here all of them have 10.
        return BrnnConfig(vocab_size=99, embedding_size=10, hidden_size=5, num_hidden_layers=2)

    def prepare_config_and_inputs_for_common(self):
        input_ids = test_modeling_common.ids_tensor([self.batch_size, self.seq_length], 97) + 2
        attention_mask = torch.ones_like(input_ids)
        attention_mask[0, 5:] = 0
        return self.get_config(), {"input_ids": input_ids, "attention_mask": attention_mask}


class BrnnModelTest(test_modeling_common.ModelTesterMixin, unittest.TestCase):
    all_model_classes = (BrnnModel, BrnnForSequenceClassification, BrnnForTokenClassification)
    has_attentions = False
    test_resize_embeddings = True

    def setUp(self):
        self.model_tester = BrnnModelTester(self)
        self.config_tester = test_configuration_common.ConfigTester(
            self, config_class=BrnnConfig, has_text_modality=True, common_properties=["num_hidden_layers"]
        )

    def test_config(self):
        self.config_tester.run_common_tests()
