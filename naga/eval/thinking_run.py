"""The same held-out questions in every mode: always with a thought, never, or as the model decides.

always and never are switches of the prompt; a model that was taught `/think` and `/no_think` can be
told by them as well (instructed). A question that the engine fails at fails the run.
"""

from collections.abc import Callable, Mapping, Sequence

from naga.data.instructions import Place, with_instruction
from naga.data.messages import Thinking
from naga.engine.chat import Reply, chat_request, complete_all
from naga.engine.engine import Engine
from naga.engine.request import SamplingParams
from naga.eval.thinking import Mode, ModeReport, Thought
from naga.tasks import Example, Task

SWITCHES: Mapping[Mode, Thinking] = {"always": True, "never": False, "auto": "auto"}


def ask_mode(
    engine: Engine,
    tasks: Mapping[str, Task],
    examples: Sequence[Example],
    sampling: SamplingParams,
    mode: Mode,
    *,
    difficulties: Sequence[float | None] | None = None,
    instructed: Place | None = None,
    name: str | None = None,
    finished: Callable[[], None] = lambda: None,
) -> ModeReport:
    """Answers in one mode, graded; `difficulties`: one of each example.

    `instructed`: where an instruction stands as well as the switch, and decides in its stead: with
    one the model itself closes its thought, or does not.
    """
    switch = SWITCHES[mode] if instructed is None else "auto"
    requests = [
        chat_request(
            engine.tokenizer,
            with_instruction(example.prompt, mode, instructed),
            sampling,
            enable_thinking=switch,
        )
        for example in examples
    ]
    replies = complete_all(engine, requests, finished)
    known = [None] * len(examples) if difficulties is None else difficulties
    return ModeReport(
        mode=name or mode,
        answers=tuple(
            _judged(tasks[example.family], example, reply, difficulty)
            for example, reply, difficulty in zip(examples, replies, known, strict=True)
        ),
    )


def _judged(task: Task, example: Example, reply: Reply, difficulty: float | None) -> Thought:
    if reply.finish_reason in ("error", "cancelled"):
        raise RuntimeError(f"a request ended as {reply.finish_reason}: {reply.error}")
    return Thought(
        family=example.family,
        level=example.level,
        difficulty=difficulty,
        thought=bool(reply.reasoning.strip()),
        tokens=reply.usage.completion_tokens,
        score=task.grade(example, reply.text).score,
    )
