"""A function that can be called as before, and submitted as a job."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack, ExitStack
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypedDict, TypeVar, cast

from .. import validate
from ..config import JobConfig
from ..errors import InvalidArgumentError, InvalidTypeError
from ..job import JobSpec
from ..queue import RedisJobQueue
from . import context as contexts
from . import functions
from .context import JobContext
from .dependencies import make, make_async
from .handle import TaskHandle
from .signature import Signature

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .app import JobApp

P = ParamSpec("P")
C = TypeVar("C")  # what calling it gives: R, or a coroutine of R
R = TypeVar("R")


class TaskDefaults(TypedDict, total=False):
    """What each job of a task is submitted with. Times are in seconds."""

    company_id: str | None
    user_id: str | None
    session_id: str | None
    metadata: dict[str, Any] | None
    ttl: float | None
    max_retries: int | None
    retry_delay: float | None
    timeout: float | None


class SubmitOptions(TaskDefaults, total=False):
    """`TaskDefaults`, and what only one submit has."""

    job_id: str | None
    delay: float | None
    run_at: datetime | float | None


class Task(Generic[P, C, R]):
    """Made by `JobApp.task`. Calling it runs the function here and now."""

    def __init__(
        self,
        app: JobApp,
        name: str,
        function: Callable[..., Any],
        options: SubmitOptions,
    ) -> None:
        if not callable(function):
            raise InvalidTypeError(f"task: expected a function, got {type(function).__name__}")
        first = functions.called(function)
        if inspect.isgeneratorfunction(first) or inspect.isasyncgenfunction(first):
            raise InvalidTypeError(f"{name}: a generator has no result that a job could keep")
        functools.update_wrapper(self, function)  # first: it brings attributes of the function's own
        self.app = app
        self.name = validate.job_type(name, "task's name")
        self.is_async = functions.is_async(function)
        self.signature = Signature(name, function)
        self.logger = logging.getLogger(getattr(function, "__module__", None) or "faciliter_jobs.tasks")
        self._function = function
        self._options = _checked(options, name, TaskDefaults)
        if not self.is_async:
            for parameter, dependency in self.signature.dependencies.items():
                if dependency.is_async:
                    raise InvalidTypeError(f"{name}: {parameter}: an async dependency needs an async task")

    def __repr__(self) -> str:
        return f"<Task {self.name}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> C:
        """Runs the function in-line. Dependencies are made for it, unless they are given by name."""
        context = contexts.of_call(self.name, self.app.state, self.logger)
        run = self.run_async if self.is_async else self.run
        return cast(C, run(context, args, kwargs))

    @property
    def timeout(self) -> float | None:
        """Seconds that an attempt may take, whoever submitted the job."""
        return self._options.get("timeout")

    # --- submit -----------------------------------------------------------------------------------

    def submit(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Adds a job that calls the function with these arguments, and returns its id.

        Raises InvalidTypeError, InvalidArgumentError for arguments that don't fit, before anything is
        written, and what `RedisJobQueue.submit_job` raises.
        """
        input_data = self.signature.dump(args, kwargs)
        return self.app.queue.submit_job(
            job_type=self.name, input_data=input_data, **cast(Any, self._options)
        )

    async def submit_async(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """`submit`, without holding up the event loop."""
        import asyncio

        return await asyncio.to_thread(self.submit, *args, **kwargs)

    def spec(self, *args: P.args, **kwargs: P.kwargs) -> JobSpec:
        """The job, checked but not submitted: for `submit_many`, or `submit_jobs` with jobs of other
        tasks."""
        return JobSpec(self.name, self.signature.dump(args, kwargs), **cast(Any, self._options))

    def submit_many(self, jobs: Iterable[JobSpec]) -> list[str]:
        """Adds up to 10,000 jobs in one call, all or none; returns their ids in order.

        `resize.submit_many(resize.spec(width) for width in widths)`
        """
        specs = list(jobs)
        for position, spec in enumerate(specs):
            if not isinstance(spec, JobSpec) or spec.job_type != self.name:
                raise InvalidTypeError(f"jobs[{position}]: expected what {self.name}.spec(...) returns")
        return cast(RedisJobQueue, self.app.queue).submit_jobs(specs)

    def options(self, **options: Unpack[SubmitOptions]) -> Task[P, C, R]:
        """The same task with other options for submit; those not given stay as they are."""
        bound: Task[P, C, R] = Task.__new__(Task)
        bound.__dict__.update(self.__dict__)
        bound._options = _checked({**self._options, **options}, self.name, SubmitOptions)
        return bound

    # --- results ----------------------------------------------------------------------------------

    def start(self, *args: P.args, **kwargs: P.kwargs) -> TaskHandle[R]:
        """`submit`, with a handle on the job instead of its id."""
        return self.handle(self.submit(*args, **kwargs))

    def handle(self, job_id: str) -> TaskHandle[R]:
        """A handle on a job of this task: `.result(timeout)`, `.status()`, `.job()`, `.cancel()`."""
        return TaskHandle(self, job_id)

    def result_of(self, job_id: str) -> R | None:
        """The result of a COMPLETED job as the function's return type, else None. Doesn't wait."""
        job = self.app.queue.get_job(job_id)
        return None if job is None or job.result is None else self.load_result(job.result)

    def load_result(self, result: Any) -> R:
        """What a job has returned, as the function's return type. Raises InvalidArgumentError."""
        return cast(R, self.signature.load_result(result))

    # --- run --------------------------------------------------------------------------------------

    def run(self, context: JobContext, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        reset = contexts.current.set(context)
        try:
            if not self.signature.dependencies:
                return self._call(context, args, kwargs)
            return self._with_dependencies(context, args, kwargs)
        finally:
            contexts.current.reset(reset)

    def _with_dependencies(
        self, context: JobContext, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        failure: BaseException | None = None
        with ExitStack() as stack:
            try:
                made = make(self._needs(kwargs), context, stack, {})
                result = self._call(context, args, {**kwargs, **made})
            except BaseException as error:
                failure = error
                raise
        if failure is not None:  # a generator that doesn't raise it again would hide it
            raise failure
        return result

    async def run_async(self, context: JobContext, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        reset = contexts.current.set(context)
        try:
            if not self.signature.dependencies:
                return await self._call_async(context, args, kwargs)
            return await self._with_dependencies_async(context, args, kwargs)
        finally:
            contexts.current.reset(reset)

    async def _with_dependencies_async(
        self, context: JobContext, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        failure: BaseException | None = None
        async with AsyncExitStack() as stack:
            try:
                made = await make_async(self._needs(kwargs), context, stack, {})
                result = await self._call_async(context, args, {**kwargs, **made})
            except BaseException as error:
                failure = error
                raise
        if failure is not None:
            raise failure
        return result

    def _call(self, context: JobContext, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        result = self._function(*self._first(context), *args, **kwargs)
        if inspect.isawaitable(result):
            # Whoever awaited it would do so when the dependencies are closed.
            if inspect.iscoroutine(result):
                result.close()
            raise InvalidTypeError(
                f"{self.name}: a function that isn't async returned an awaitable: define it with async def"
            )
        return result

    async def _call_async(self, context: JobContext, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        if inspect.iscoroutinefunction(functions.called(self._function)):
            return await self._function(*self._first(context), *args, **kwargs)
        # A decorator that isn't async: it hands on what the function returned, or waits for it itself
        # (`asyncio.run`), which can't be done beside an event loop.
        import asyncio

        result = await asyncio.to_thread(self._function, *self._first(context), *args, **kwargs)
        return await result if inspect.isawaitable(result) else result

    def _needs(self, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        return {name: need for name, need in self.signature.dependencies.items() if name not in kwargs}

    def _first(self, context: JobContext) -> tuple[JobContext, ...]:
        return (context,) if self.signature.wants_context else ()


def _checked(options: Mapping[str, Any], name: str, known: type) -> SubmitOptions:
    """The options that are given. Raises as `submit_job` would, now."""
    for option in options:
        if option not in known.__annotations__:
            raise InvalidArgumentError(f"{name}: unknown option {option!r}")
    given = {option: value for option, value in options.items() if value is not None}
    validate.new_job(JobSpec(name, None, **given), JobConfig())
    return cast(SubmitOptions, given)
