import pytest

# A failed comparison shows both sides.
pytest.register_assert_rewrite("tests.model.machine", "tests.model.model")
