"""Sandboxes that wait: started ahead in the background, used once, thrown away, replaced.

Threads of its own start and close them, and live as long as the pool (bubblewrap dies with the
thread that started it). A worker that was killed while it waited is replaced. Does not limit how
many are in use; whoever takes one gives it back.
"""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock

from naga.sandbox.worker import Broken, Setting, Worker

TRIES = 3


class Pool:
    def __init__(self, setting: Setting, size: int) -> None:
        self._setting = setting
        self._threads = ThreadPoolExecutor(max_workers=size, thread_name_prefix="sandbox")
        self._lock = Lock()
        self._closing: deque[Future[None]] = deque()
        self._waiting: deque[Future[Worker]] = deque(self._begin() for _ in range(size))

    def take(self) -> Worker:
        """A fresh one, alive; Broken if none can be started."""
        reason = ""
        for _ in range(TRIES):
            with self._lock:
                future = self._waiting.popleft()
                self._waiting.append(self._begin())
            try:
                worker = future.result()
            except (Broken, OSError) as error:
                reason = f"{error}"
                continue
            if worker.alive:
                return worker
            self.throw_away(worker)
            reason = "it was killed while it waited"
        raise Broken(f"no sandbox starts: {reason}")

    def throw_away(self, worker: Worker) -> None:
        with self._lock:
            self._closing.append(self._threads.submit(worker.close))
            while self._closing and self._closing[0].done():
                self._closing.popleft().result()

    def close(self) -> None:
        """Ends every sandbox and waits for it."""
        with self._lock:
            waiting, self._waiting = self._waiting, deque()
        for future in waiting:
            if not future.cancel() and future.exception() is None:
                self.throw_away(future.result())
        self._threads.shutdown(wait=True)
        for closed in self._closing:
            closed.result()

    @property
    def processes(self) -> list[int]:
        """Of those that wait now."""
        with self._lock:
            ready = [future for future in self._waiting if future.done()]
        return [future.result().process for future in ready if future.exception() is None]

    def _begin(self) -> Future[Worker]:
        return self._threads.submit(Worker, self._setting)
