"""What importing the package costs, and what `load` gives."""

import embedder
from embedder.fake import FakeEncoder
from tests.embedder.conftest import python


def test_importing_the_package_does_not_import_torch() -> None:
    assert python("import sys, embedder; print('torch' in sys.modules)") == "False"


def test_truncating_needs_no_torch_either() -> None:
    assert python("import sys, embedder.pooling; print('torch' in sys.modules)") == "False"


def test_fake_is_a_name() -> None:
    assert isinstance(embedder.load("fake"), FakeEncoder)
