"""One file a scenario, each a function from a Bench to a Result. Imported in the order of the report."""

from . import submit  # isort: skip
from . import bulk  # isort: skip
from . import drain  # isort: skip
from . import latency  # isort: skip
from . import contention  # isort: skip
from . import idle  # isort: skip
from . import lifecycle  # isort: skip
from . import listing  # isort: skip
from . import memory  # isort: skip
from . import backlog  # isort: skip
from . import history  # isort: skip
from . import tenants  # isort: skip
from . import imports  # isort: skip
from .registry import SCENARIOS, Scenario

__all__ = [
    "SCENARIOS",
    "Scenario",
    "backlog",
    "bulk",
    "contention",
    "drain",
    "history",
    "idle",
    "imports",
    "latency",
    "lifecycle",
    "listing",
    "memory",
    "submit",
    "tenants",
]
