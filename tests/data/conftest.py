"""One small tokenizer, trained once, for every test of this folder."""

import pytest

from naga.data.tokenizer import Tokenizer, train_tokenizer

CORPUS = [
    "The tenant shall pay the rent on the first day of each month, 1200 dollars in 12 parts.",
    "第一条　甲方应当在合同签订之日起十日内支付租金。\n第二条　乙方应当交付房屋。",
    "It's 3 + 4 = 7, isn't it?\n\n  (Yes, it's 7.)\n",
] * 4


@pytest.fixture(scope="session")
def corpus() -> list[str]:
    return CORPUS


@pytest.fixture(scope="session")
def tokenizer(corpus: list[str]) -> Tokenizer:
    return train_tokenizer(corpus, 400)
