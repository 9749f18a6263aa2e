"""A judge in this process: a model in naga's own engine, which has log-probabilities.

Does not load a model: the caller opens the engine and closes it.
"""

from dataclasses import dataclass

from naga.config.base import ConfigError
from naga.data.messages import Message
from naga.engine.chat import chat_request, complete
from naga.engine.engine import Engine
from naga.engine.request import SamplingParams
from naga.rewards.endpoint import TOP_LOGPROBS, Question, Said, Token, Unanswered


@dataclass(frozen=True, kw_only=True)
class LocalJudge:
    """Asks."""

    engine: Engine
    max_tokens: int = 16
    thinking: bool = False

    @property
    def concurrency(self) -> int:
        return self.engine.config.max_running

    def ask(self, question: Question) -> Said:
        messages = [
            Message(role="system", content=question.system),
            Message(role="user", content=question.user),
        ]
        sampling = SamplingParams(
            temperature=1.0 if question.sample else 0.0,
            seed=question.sample,
            max_tokens=self.max_tokens,
            top_logprobs=TOP_LOGPROBS,
        )
        tokenizer = self.engine.tokenizer
        try:
            request = chat_request(tokenizer, messages, sampling, enable_thinking=self.thinking)
            reply = complete(self.engine, request)
        except ConfigError as error:  # the prompt is longer than the model's context
            raise Unanswered(f"judge: {error}") from None
        if reply.error is not None:
            raise Unanswered(f"judge: {reply.error}")
        tokens = tuple(
            Token(
                text=tokenizer.decode([token]),
                top=tuple((tokenizer.decode([other]), logprob) for other, logprob in top),
            )
            for token, top in zip(reply.tokens, reply.top_logprobs, strict=True)
        )
        return Said(text=reply.text, tokens=tokens)
