"""The shipped model: small, right on its tasks, the same in transformers, the same alone or not."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from naga.checkpoint.load import load_model
from naga.config.serve import EngineConfig
from naga.data.chat import Message, render_prompt
from naga.data.tokenizer import Tokenizer
from naga.engine.chat import Reply, chat_request, complete, complete_all, open_engine
from naga.engine.engine import Engine
from naga.engine.request import SamplingParams
from naga.eval import engine_answerer, evaluate
from naga.model.state import StatePool, place
from naga.runtime import make_runtime
from naga.tasks import SCORED, make_tasks

FOLDER = Path(__file__).parent.parent / "naga" / "assets" / "naga-mini"
GREEDY = SamplingParams(temperature=0, max_tokens=400)
# A paragraph as a contract has it, written for this test.
CONTRACT = (
    "This Agreement begins on March 1, 2024 and remains in force for three years. "
    "The Supplier shall deliver the goods to the Buyer's warehouse within thirty days. "
    "This Agreement shall be governed by the laws of the State of New York. "
    "Neither party may assign this Agreement without the written consent of the other party."
)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with open_engine(FOLDER, EngineConfig()) as opened:
        yield opened


def ask(engine: Engine, question: str) -> Reply:
    messages = [Message(role="user", content=question)]
    return complete(engine, chat_request(engine.tokenizer, messages, GREEDY))


def test_it_is_at_most_ten_megabytes() -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) <= 10_000_000


def test_its_layers_are_eight_mamba_blocks_to_one_attention() -> None:
    model = load_model(FOLDER, make_runtime("cpu", "float32"))
    layers = model.config.layers
    assert (layers.count("M"), layers.count("*"), layers.count("E")) == (8, 1, 9)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What is 347 + 586?", "933"),
        ("What is 502 - 187?", "315"),
        ("Which number is larger: 482 or 428?", "482"),
        ("347+586等于多少？", "933"),
        ("Sort 42, 7, 315, 88 in ascending order.", "7, 42, 88, 315"),
    ],
)
def test_it_reasons_and_answers(engine: Engine, question: str, answer: str) -> None:
    reply = ask(engine, question)
    assert reply.text == answer
    assert reply.reasoning
    assert reply.finish_reason == "stop"


@pytest.mark.parametrize(
    ("words", "number"), [("shall be governed by", 2), ("deliver the goods", 1)]
)
def test_it_quotes_a_pasted_contract_word_for_word(engine: Engine, words: str, number: int) -> None:
    question = f'{CONTRACT}\n\nQuote the sentence that says "{words}".'
    sentences = [f"{part.rstrip('.')}." for part in CONTRACT.split(". ")]
    assert ask(engine, question).text == sentences[number]


def test_it_is_right_on_held_out_problems_of_every_task(engine: Engine) -> None:
    answer = engine_answerer(engine, GREEDY)
    tasks = make_tasks(SCORED)
    report = evaluate(answer, tasks, model="naga-mini", levels=("easy",), count=60, seed=3)
    assert len(report.tasks) == len(SCORED)
    # The model card has 0.9 and more at 200 problems; 60 leave room for chance.
    assert all(task.score.accuracy >= 0.8 for task in report.tasks), report.to_json()


def test_answers_are_the_same_alone_and_together(engine: Engine) -> None:
    questions = ["What is 15 + 27?", CONTRACT + "\nQuote the sentence that says New York.", "Hi"]
    sampling = SamplingParams(temperature=0.8, seed=5, max_tokens=60)
    requests = [
        chat_request(engine.tokenizer, [Message(role="user", content=question)], sampling)
        for question in questions
    ]
    alone = [complete(engine, request) for request in requests]
    together = complete_all(engine, requests)
    assert [reply.tokens for reply in alone] == [reply.tokens for reply in together]
    assert [reply.logprobs for reply in alone] == [reply.logprobs for reply in together]


@torch.no_grad()
def test_transformers_agrees() -> None:
    tokenizer = Tokenizer.load(FOLDER)
    messages = [Message(role="user", content="What is 347 + 586?")]
    prompt = torch.tensor(render_prompt(tokenizer, messages))
    runtime = make_runtime("cpu", "float32")
    ours = load_model(FOLDER, runtime)
    pool = StatePool.create(ours.config, runtime, num_slots=1, num_pages=2, page_size=64)
    batch = place([len(prompt)], [0], [0], [[0, 1]], "cpu")
    logits = ours.logits_rows(ours.step(prompt, batch, pool))
    theirs = AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32)
    torch.testing.assert_close(theirs(prompt[None]).logits[0], logits, atol=1e-4, rtol=0)
    hub = AutoTokenizer.from_pretrained(FOLDER)
    chat = [{"role": "user", "content": "What is 347 + 586?"}]
    rendered = hub.apply_chat_template(chat, add_generation_prompt=True, return_dict=True)
    assert rendered["input_ids"] == prompt.tolist()


@torch.no_grad()
def test_transformers_generates_the_same_greedy_tokens(engine: Engine) -> None:
    reply = ask(engine, "What is 347 + 586?")
    messages = [Message(role="user", content="What is 347 + 586?")]
    prompt = torch.tensor([render_prompt(engine.tokenizer, messages)])
    theirs = AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32)
    count = len(reply.tokens)
    generated = theirs.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=count,
        do_sample=False,
    )
    assert generated[0, prompt.shape[1] :].tolist() == list(reply.tokens)
