from tests.contract.conftest import stage

__all__ = ["stage"]
