"""Functions as jobs: `@jobs.task` gives a function a `.submit` with the function's own signature."""

from .app import JobApp
from .context import JobContext, State
from .dependencies import Depends
from .handle import TaskHandle
from .task import Task

__all__ = ["Depends", "JobApp", "JobContext", "State", "Task", "TaskHandle"]
