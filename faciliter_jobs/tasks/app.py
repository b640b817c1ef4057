"""The application object: tasks, what they share, and the worker that runs them."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast, overload

from ..base_queue import BaseJobQueue
from ..default import get_job_queue
from ..errors import InvalidArgumentError, InvalidTypeError
from ..handlers import JobHandler
from ..middleware import Layer, Middleware, with_middleware
from ..queue import RedisJobQueue
from .context import JobContext, State
from .handler import handler_of
from .task import SubmitOptions, Task, TaskDefaults

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..worker import JobWorker

P = ParamSpec("P")
R = TypeVar("R")
M = TypeVar("M", bound="Middleware | Layer | type[Middleware]")
H = TypeVar("H", bound=Callable[..., Any])


class TaskDecorator:
    """`@jobs.task(...)` before it has its function."""

    def __init__(self, app: JobApp, name: str | None, options: TaskDefaults) -> None:
        self._app = app
        self._name = name
        self._options = options

    @overload
    def __call__(
        self, function: Callable[Concatenate[JobContext, P], Coroutine[Any, Any, R]]
    ) -> Task[P, Coroutine[Any, Any, R], R]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[JobContext, P], R]) -> Task[P, R, R]: ...
    @overload
    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, R]]
    ) -> Task[P, Coroutine[Any, Any, R], R]: ...
    @overload
    def __call__(self, function: Callable[P, R]) -> Task[P, R, R]: ...
    def __call__(self, function: Callable[..., Any]) -> Any:
        name = getattr(function, "__name__", "") if self._name is None else self._name
        return self._app.add(Task(self._app, name, function, cast(SubmitOptions, self._options)))


class JobApp:
    """The tasks of an application.

        jobs = JobApp()

        @jobs.task
        def resize(path: str, width: int) -> str: ...

        resize("a.png", 640)                    # runs here and now
        job_id = resize.submit("a.png", 640)    # runs in a worker

    queue: where tasks are submitted; by default `get_job_queue()` at that time.
    options: each task's defaults, see `TaskDefaults`.
    """

    def __init__(self, queue: BaseJobQueue | None = None, **options: Unpack[TaskDefaults]) -> None:
        self._queue = queue
        self._options = options
        self._tasks: dict[str, Task[Any, Any, Any]] = {}
        self._included: list[JobApp] = []
        self._parent: JobApp | None = None
        self._middleware: list[Middleware | Layer] = []
        self._startup: list[Callable[..., Any]] = []
        self._shutdown: list[Callable[..., Any]] = []
        self._state = State()

    # --- tasks ------------------------------------------------------------------------------------

    @overload
    def task(
        self, function: Callable[Concatenate[JobContext, P], Coroutine[Any, Any, R]], /
    ) -> Task[P, Coroutine[Any, Any, R], R]: ...
    @overload
    def task(self, function: Callable[Concatenate[JobContext, P], R], /) -> Task[P, R, R]: ...
    @overload
    def task(
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> Task[P, Coroutine[Any, Any, R], R]: ...
    @overload
    def task(self, function: Callable[P, R], /) -> Task[P, R, R]: ...
    @overload
    def task(self, name: str | None = None, /, **options: Unpack[TaskDefaults]) -> TaskDecorator: ...
    def task(self, name: Any = None, /, **options: Any) -> Any:
        """Makes a function a task: `@jobs.task`, or `@jobs.task("name", max_retries=..., ...)`.

        name: the job's type; by default the function's name.
        options: what its jobs are submitted with, in place of the application's.

        Arguments travel by name as `input_data`, so the function may have no positional-only
        parameters and no `*args`. Raises InvalidTypeError, InvalidArgumentError.
        """
        if name is not None and not isinstance(name, str):
            return TaskDecorator(self, None, self._options)(name)
        return TaskDecorator(self, name, cast(TaskDefaults, {**self._options, **options}))

    def add(self, task: Task[P, Any, R]) -> Task[P, Any, R]:
        if task.name in self.root.tasks:
            raise InvalidArgumentError(f"task {task.name!r} exists already")
        self._tasks[task.name] = task
        return task

    def include(self, other: JobApp) -> None:
        """Adds the tasks of another application, with its middleware (inside this one's) and its
        startup and shutdown functions. It shares this one's queue and state from then on.

        Raises InvalidArgumentError, also when both were given a queue and these differ: what one
        submits, the worker of the other would never see.
        """
        if other._parent is not None or other is self.root:
            raise InvalidArgumentError("include: this application is included already")
        if both := self.root.tasks.keys() & other.tasks.keys():
            raise InvalidArgumentError(f"include: task {min(both)!r} exists already")
        queue = self.own_queue
        for app in other._family():
            if not (queue is None or app._queue is None or _same(queue, app._queue)):
                raise InvalidArgumentError("include: other: its queue isn't that of this application")
        for app in other._family():
            app._queue = None
        other._parent = self
        self._included.append(other)

    @property
    def tasks(self) -> dict[str, Task[Any, Any, Any]]:
        """By name, with those of included applications."""
        found = dict(self._tasks)
        for other in self._included:
            found.update(other.tasks)
        return found

    @property
    def root(self) -> JobApp:
        return self if self._parent is None else self._parent.root

    # --- what they share --------------------------------------------------------------------------

    @property
    def queue(self) -> BaseJobQueue:
        """Where tasks are submitted: this application's own queue, else that of the one that includes
        it, else the default one."""
        own = self.own_queue
        return get_job_queue() if own is None else own

    @queue.setter
    def queue(self, queue: BaseJobQueue | None) -> None:
        self._queue = queue

    @property
    def own_queue(self) -> BaseJobQueue | None:
        """`queue`, or None where that would be the default one."""
        if self._queue is not None or self._parent is None:
            return self._queue
        return self._parent.own_queue

    @contextlib.contextmanager
    def using_queue(self, queue: BaseJobQueue) -> Iterator[None]:
        """Submits there for the time being, the tasks of included applications too: for tests."""
        before = [(app, app._queue) for app in self._family()]
        for app, _ in before:
            app._queue = queue
        try:
            yield
        finally:
            for app, own in before:
                app._queue = own

    @property
    def state(self) -> State:
        """What the `on_startup` functions made, in this process."""
        return self.root._state

    def on_startup(self, function: H) -> H:
        """Before a worker's first job, in each of its processes: called with `state` when it takes an
        argument. May be async."""
        self._startup.append(function)
        return function

    def on_shutdown(self, function: H) -> H:
        """After a worker's last job; as `on_startup`, in reverse order."""
        self._shutdown.append(function)
        return function

    def middleware(self, middleware: M) -> M:
        """Wraps each task, the first one outermost: `def layer(job, call_next)`, a `Middleware`, or a
        class of one that takes no arguments."""
        if isinstance(middleware, type):
            self._middleware.append(middleware())
        elif callable(middleware) or isinstance(middleware, Middleware):
            self._middleware.append(middleware)
        else:
            raise InvalidTypeError(
                f"middleware: expected a Middleware or a function, got {type(middleware).__name__}"
            )
        return middleware

    # --- work -------------------------------------------------------------------------------------

    def handlers(self) -> list[JobHandler]:
        """Of all tasks, with their middleware. Raises InvalidTypeError for a task whose annotations
        can't be used, and for middleware that doesn't fit around a task."""
        own = [handler_of(task) for task in self._tasks.values()]
        included = [handler for other in self._included for handler in other.handlers()]
        return [with_middleware(handler, *self._middleware) for handler in (*own, *included)]

    def worker(self, **options: Any) -> JobWorker:
        """A JobWorker that serves all tasks. options: JobWorker's; `job_queue` is the application's by
        default."""
        from ..worker import JobWorker  # producers don't need it

        if options.get("job_queue") is None:
            options["job_queue"] = self.own_queue  # else the worker takes the default one
        worker = JobWorker(**options)
        self.register_on(worker)
        return worker

    def register_on(self, worker: JobWorker) -> None:
        """Has a worker serve all tasks, and run the startup and shutdown functions."""
        tasks = self.tasks
        for handler in self.handlers():
            worker.register_handler(handler, timeout=tasks[handler.get_job_type()].timeout)
        for hook in self.startup_hooks():
            worker.on_startup(hook)
        for hook in self.shutdown_hooks():
            worker.on_shutdown(hook)

    def startup_hooks(self) -> list[Callable[[], Any]]:
        """With what they take; those of included applications after its own."""
        return [_hook(function, app.state) for app in self._family() for function in app._startup]

    def shutdown_hooks(self) -> list[Callable[[], Any]]:
        """As `startup_hooks`: whoever runs them does so from the last to the first."""
        return [_hook(function, app.state) for app in self._family() for function in app._shutdown]

    def _family(self) -> list[JobApp]:
        return [self, *(app for other in self._included for app in other._family())]


def _same(a: BaseJobQueue, b: BaseJobQueue) -> bool:
    """Whether jobs of the one are jobs of the other."""
    return a is b or (type(a) is type(b) is RedisJobQueue and a.config == b.config)


def _hook(function: Callable[..., Any], state: State) -> Callable[[], Any]:
    return partial(function, state) if inspect.signature(function).parameters else function
