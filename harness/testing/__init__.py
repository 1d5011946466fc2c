"""What a plugin must keep, as checks that anybody can run: ``bench check NAME``, or from a test.

    def test_my_model_keeps_the_contract() -> None:
        assert_passes(check_model(MyModel))

The built-in plugins are tested by these functions too. All of it runs on a processor, in seconds.
"""

from .dataset import check_dataset
from .executor import check_executor
from .features import check_features
from .findings import Checked, Finding, assert_passes
from .metric import check_metric
from .model import check_model

__all__ = [
    "Checked",
    "Finding",
    "assert_passes",
    "check_dataset",
    "check_executor",
    "check_features",
    "check_metric",
    "check_model",
]
