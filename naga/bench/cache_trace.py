"""Traces over HTTP against naga's server and others': what came from the cache, and how soon.

An engine is a command that serves on the port it is given, started and ended here, or the address
of one that runs, which cannot be started anew. It is asked in OpenAI's manner, streamed: as a chat,
or, where its model has no tokenizer (llama.cpp's files of naga bench convert-gguf), with the tokens
that naga renders. The first token is there with the first event that carries one. One engine runs
at a time, one request at a time. What fails is told in its row and ends the trace.
"""

import json
import os
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from statistics import median
from typing import Any, Literal
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from naga.bench.machine import Machine
from naga.bench.traces import TRACES, Ask, Trace, Words
from naga.config.base import ConfigError
from naga.data.chat import render_prompt
from naga.data.tokenizer import Tokenizer
from naga.train.progress import say

Api = Literal["chat", "tokens"]
# Seconds: to load a model, to end, and of a request's silence.
START_S, END_S, SILENCE_S = 900.0, 60.0, 1800.0


@dataclass(frozen=True, kw_only=True)
class TraceRow:
    engine: str
    trace: str
    turn: int
    """From 1."""
    kind: str
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    """None: the engine does not tell."""
    ttft_s: float | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class TraceSummary:
    engine: str
    trace: str
    turns: int
    cached_fraction: float | None
    """Of the prompt tokens of all turns."""
    cached_fraction_later: float | None
    """Of those after the first, of which something can be known."""
    ttft_first_s: float | None
    """Cold, and of the shortest prompt."""
    ttft_later_s: float | None
    """Median of the turns after it."""
    ttft_later_max_s: float | None
    speedup: float | None
    """ttft_first_s / ttft_later_s."""


@dataclass(frozen=True, kw_only=True)
class TraceReport:
    model: str
    command: str
    seed: int
    new_tokens: int
    machine: Machine
    rows: tuple[TraceRow, ...]

    @property
    def summaries(self) -> tuple[TraceSummary, ...]:
        found: dict[tuple[str, str], list[TraceRow]] = {}
        for row in self.rows:
            found.setdefault((row.engine, row.trace), []).append(row)
        return tuple(summarise(rows) for rows in found.values())

    def to_json(self) -> str:
        summaries = [asdict(one) for one in self.summaries]
        data = {"schema": "naga.bench.cache-trace.1", **asdict(self), "summaries": summaries}
        return json.dumps(data, ensure_ascii=False, indent=1)

    def table(self) -> Table:
        table = Table(title=self.model)
        for heading in SUMMARY:
            table.add_column(heading, justify="right")
        for one in self.summaries:
            table.add_row(*_summary_cells(one))
        return table

    def to_markdown(self) -> str:
        machine = self.machine
        parts = [f"# Conversations over HTTP: `{self.model}`", ""]
        parts += _markdown(SUMMARY, [_summary_cells(one) for one in self.summaries])
        for trace in dict.fromkeys(row.trace for row in self.rows):
            rows = [_row_cells(row) for row in self.rows if row.trace == trace]
            parts += ["", f"## {trace}", "", *_markdown(ROW, rows)]
        busy = ", so **something else may have taken its share**" if machine.busy else ""
        parts += ["", f"Seed {self.seed}, answers of {self.new_tokens} tokens; {machine.cpu},"]
        parts += [f"{machine.threads} threads, load before {machine.load_at_start}{busy}; naga"]
        parts += [f"{machine.naga} {machine.commit or ''}.", "", "```", self.command, "```"]
        return "\n".join(parts) + "\n"


SUMMARY = ("engine", "trace", "turns", "cached", "after the first", "first s", "later s", "ratio")
ROW = ("engine", "turn", "kind", "prompt tokens", "cached", "computed", "first token s")


def _markdown(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    head = ["| " + " | ".join(headings) + " |", "|---|" + "---:|" * (len(headings) - 1)]
    return [*head, *("| " + " | ".join(line) + " |" for line in lines)]


def _summary_cells(one: TraceSummary) -> tuple[str, ...]:
    return (
        one.engine,
        one.trace,
        str(one.turns),
        _said(one.cached_fraction, "{:.1%}"),
        _said(one.cached_fraction_later, "{:.1%}"),
        _said(one.ttft_first_s, "{:.2f}"),
        _said(one.ttft_later_s, "{:.3f}"),
        _said(one.speedup, "{:.1f}"),
    )


def _row_cells(row: TraceRow) -> tuple[str, ...]:
    computed = None
    if row.prompt_tokens is not None and row.cached_tokens is not None:
        computed = row.prompt_tokens - row.cached_tokens
    told = (row.prompt_tokens, row.cached_tokens, computed)
    seconds = row.error or _said(row.ttft_s, "{:.3f}")
    return (row.engine, str(row.turn), row.kind, *(_said(n, "{:,}") for n in told), seconds)


def _said(value: float | None, how: str) -> str:
    return "–" if value is None else how.format(value)


def summarise(rows: Sequence[TraceRow]) -> TraceSummary:
    """Of one engine and trace."""
    whole = [row for row in rows if row.error is None]
    later = [row.ttft_s for row in whole[1:] if row.ttft_s is not None]
    first = whole[0].ttft_s if whole else None
    typical = median(later) if later else None
    return TraceSummary(
        engine=rows[0].engine,
        trace=rows[0].trace,
        turns=len(whole),
        cached_fraction=_fraction(whole),
        cached_fraction_later=_fraction(whole[1:]),
        ttft_first_s=first,
        ttft_later_s=typical,
        ttft_later_max_s=max(later, default=None),
        speedup=first / typical if first and typical else None,
    )


def _fraction(rows: Sequence[TraceRow]) -> float | None:
    prompt = sum(row.prompt_tokens or 0 for row in rows)
    if not prompt or any(row.cached_tokens is None for row in rows):
        return None
    return sum(row.cached_tokens or 0 for row in rows) / prompt


@dataclass(frozen=True, kw_only=True)
class Contender:
    name: str
    place: str
    """http://HOST:PORT, or a command with {port} in it."""
    api: Api

    @property
    def address(self) -> str | None:
        """None for a command."""
        return self.place if self.place.startswith("http://") else None


def parse_contender(item: str, api: Api) -> Contender:
    """NAME=URL or NAME=COMMAND; ConfigError says how it is written."""
    name, _, place = item.partition("=")
    if not name or not (place.startswith("http://") or "{port}" in place):
        raise ConfigError(
            f"--beside {item!r}: write NAME=http://HOST:PORT, or NAME=COMMAND with {{port}} in it"
        )
    return Contender(name=name, place=place, api=api)


def our_contender(model: Path, arguments: str) -> Contender:
    """naga's own server; `arguments`: more of naga serve's."""
    program = "from naga.cli import main; main()"
    words = [sys.executable, "-X", "utf8", "-c", program, "serve", str(model)]
    command = shlex.join([*words, "--port", "{port}"])
    return Contender(name="naga", place=f"{command} {arguments}".rstrip(), api="chat")


class Server:
    """A contender that runs; a context manager."""

    def __init__(self, contender: Contender) -> None:
        self.name = contender.name
        self._contender = contender
        self._process: subprocess.Popen[bytes] | None = None
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115  (closed in __exit__)
        # What it saves must neither come from another run nor stay.
        self._states = tempfile.TemporaryDirectory()
        self._address = contender.address or f"http://127.0.0.1:{_free_port()}"

    def __enter__(self) -> "Server":
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._printed.close()
        self._states.cleanup()

    @property
    def can_restart(self) -> bool:
        return self._contender.address is None

    def restart(self) -> None:
        self._end()
        self._start()

    def connect(self) -> HTTPConnection:
        parts = urlsplit(self._address)
        return HTTPConnection(parts.hostname or "", parts.port or 80, timeout=SILENCE_S)

    def model(self) -> str:
        """The name that it serves its model by."""
        with self._answer("GET", "/v1/models", None, "") as response:
            return str(json.load(response)["data"][0]["id"])

    def post(self, path: str, body: dict[str, Any], user: str) -> Iterator[dict[str, Any]]:
        """Server-sent events as they come; ConfigError if there are none."""
        with self._answer("POST", path, body, user) as response:
            for line in response:
                if line.startswith(b"data:") and line[5:].strip() != b"[DONE]":
                    yield json.loads(line[5:])

    def ask(self, path: str, body: dict[str, Any]) -> Any:
        """An answer in one piece; ConfigError if there is none."""
        with self._answer("POST", path, body, "") as response:
            return json.load(response)

    @contextmanager
    def _answer(
        self, method: str, path: str, body: dict[str, Any] | None, user: str
    ) -> Iterator[HTTPResponse]:
        connection = self.connect()
        headers = {"Content-Type": "application/json"}
        if user:
            headers["Authorization"] = f"Bearer {user}"
        try:
            data = None if body is None else json.dumps(body).encode()
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            if response.status != 200:
                said = response.read(500).decode("utf-8", "replace")
                raise ConfigError(f"{self.name}: HTTP {response.status}: {said}")
            yield response
        except (OSError, HTTPException, json.JSONDecodeError) as error:
            raise ConfigError(f"{self.name}: {type(error).__name__}: {error}") from None
        finally:
            connection.close()

    def _start(self) -> None:
        if self._contender.address is None:
            port = str(urlsplit(self._address).port)
            words = shlex.split(self._contender.place)
            command = [word.replace("{port}", port) for word in words]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=self._printed,
                stderr=subprocess.STDOUT,
                env=os.environ | {"NAGA_STATE_DIR": self._states.name},
            )
        deadline = time.monotonic() + START_S
        while not self._ready():
            if self._process is not None and self._process.poll() is not None:
                raise ConfigError(f"{self.name} ended before it served: {self._last_words()}")
            if time.monotonic() > deadline:
                raise ConfigError(f"{self.name}: does not answer at {self._address}")
            time.sleep(0.2)

    def _ready(self) -> bool:
        with suppress(ConfigError):
            self.model()
            return True
        return False

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _last_words(self) -> str:
        self._printed.seek(0)
        lines = self._printed.read().decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


@dataclass(frozen=True, kw_only=True)
class Heard:
    """A streamed answer."""

    ttft_s: float
    text: str
    """Visible: thinking is left out."""
    prompt_tokens: int | None
    cached_tokens: int | None


class Client:
    """Plays traces against one server."""

    def __init__(
        self, server: Server, tokenizer: Tokenizer, api: Api, *, new_tokens: int, ours: bool
    ) -> None:
        """`ours`: ask for log-probabilities too, so that a token is an event of its own even if
        its bytes are not a character yet; name conversations, so that they survive a restart."""
        self._server, self._tokenizer, self._api = server, tokenizer, api
        self._new_tokens, self._ours = new_tokens, ours
        self._model = server.model()

    def play(self, name: str, trace: Trace, spare: Words) -> Iterator[TraceRow]:
        """`spare`: stands for answers with nothing visible."""
        ask, turn = next(trace), 1
        while True:
            if ask.restart and not self._server.can_restart:
                return
            row = TraceRow(engine=self._server.name, trace=name, turn=turn, kind=ask.kind)
            try:
                if ask.restart:
                    self._server.restart()
                heard = self._hear(ask)
            except ConfigError as error:
                yield replace(row, error=str(error))
                return
            yield replace(
                row,
                prompt_tokens=heard.prompt_tokens,
                cached_tokens=heard.cached_tokens,
                ttft_s=heard.ttft_s,
            )
            try:
                ask, turn = trace.send(heard.text or spare.text(self._new_tokens)), turn + 1
            except StopIteration:
                return

    def _hear(self, ask: Ask) -> Heard:
        started = time.perf_counter()
        first: float | None = None
        text: list[str] = []
        usage: dict[str, Any] = {}
        cached: int | None = None
        for event in self._server.post(*self._body(ask), ask.user):
            if "error" in event:
                raise ConfigError(f"{self._server.name}: {event['error']}")
            choice = (event.get("choices") or [{}])[0]
            if first is None and self._has_token(choice):
                first = time.perf_counter() - started
            text.append((choice.get("delta") or {}).get("content") or choice.get("text") or "")
            usage = event.get("usage") or usage
            cached = (event.get("timings") or {}).get("cache_n", cached)
        if first is None:
            raise ConfigError(f"{self._server.name}: an answer without a token")
        details = usage.get("prompt_tokens_details") or {}
        return Heard(
            ttft_s=first,
            text="".join(text),
            prompt_tokens=usage.get("prompt_tokens"),
            cached_tokens=details.get("cached_tokens", cached),
        )

    def _has_token(self, choice: dict[str, Any]) -> bool:
        """The first event of a chat has a role, and empty content at most."""
        delta = choice.get("delta") or {}
        said = any(delta.get(key) for key in ("content", "reasoning", "reasoning_content"))
        # llama-cpp-python's sign of a token that has no text.
        said = said or ("content" in delta and "role" not in delta)
        return bool("text" in choice or said or choice.get("logprobs"))

    def _body(self, ask: Ask) -> tuple[str, dict[str, Any]]:
        common: dict[str, Any] = {"model": self._model, "max_tokens": self._new_tokens}
        # The likeliest token of random weights is often a control token, of which nothing is seen.
        # No seed: vLLM 0.32's engine dies on a CPU of one with a prompt longer than its chunk.
        common |= {"temperature": 1}
        common |= {"stream": True, "stream_options": {"include_usage": True}}
        if self._api == "tokens":
            prompt = render_prompt(self._tokenizer, ask.messages)
            return "/v1/completions", {**common, "prompt": prompt}
        messages = [{"role": one.role, "content": one.content} for one in ask.messages]
        ours = {"logprobs": True, "prompt_cache_key": ask.user} if self._ours else {}
        return "/v1/chat/completions", {**common, **ours, "messages": messages}


def run_traces(
    model: Path,
    contenders: Sequence[Contender],
    traces: Sequence[str],
    *,
    seed: int,
    new_tokens: int,
    machine: Machine,
    command: str,
    console: Console,
) -> TraceReport:
    """Every trace against every contender, each in a server of its own if it can be started."""
    tokenizer = Tokenizer.load(model)
    rows = []
    for name in traces:
        for contender in contenders:
            with Server(contender) as server:
                client = Client(
                    server,
                    tokenizer,
                    contender.api,
                    new_tokens=new_tokens,
                    ours=contender.name == "naga",
                )
                # Whether an engine says anything visible must not change what comes next.
                spare = Words(~seed, tokenizer)
                for row in client.play(name, TRACES[name](Words(seed, tokenizer)), spare):
                    rows.append(row)
                    say(console, "  ".join((row.trace, *_row_cells(row))))
    return TraceReport(
        model=str(model),
        command=command,
        seed=seed,
        new_tokens=new_tokens,
        machine=machine,
        rows=tuple(rows),
    )
