"""lm-eval over NagaForCausalLM: its log-likelihoods are naga's own, and a whole task runs."""

import json
from pathlib import Path

import pytest
import torch
from checkpoint import tiny

from naga.hf import NagaForCausalLM

lm_eval = pytest.importorskip("lm_eval", reason="needs the extra: pip install 'naga-lm[interop]'")

from lm_eval.api.instance import Instance  # noqa: E402
from lm_eval.models.huggingface import HFLM  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402

from hf.tiny import saved_chat  # noqa: E402

# lm-eval and what it imports warn of themselves.
pytestmark = pytest.mark.filterwarnings("ignore")

PAIRS = [("The rent is", " due on Monday"), ("One, two,", " three"), ("甲方", "应当支付租金")]


def test_log_likelihoods_are_nagas_own(tmp_path: Path) -> None:
    ours = saved_chat(tmp_path / "model")
    harness = HFLM(pretrained=str(tmp_path / "model"), device="cpu", batch_size=3)
    assert isinstance(harness.model, NagaForCausalLM)
    requests = [
        Instance(request_type="loglikelihood", doc={}, arguments=pair, idx=index)
        for index, pair in enumerate(PAIRS)
    ]
    for (context, continuation), found in zip(
        PAIRS, harness.loglikelihood(requests, disable_tqdm=True), strict=True
    ):
        before, own = harness._encode_pair(context, continuation)
        tokens = torch.tensor(before + own)
        scores = tiny.step_logits(ours, tokens).log_softmax(-1)[len(before) - 1 : -1]
        expected = scores.gather(1, torch.tensor(own)[:, None]).sum()
        assert found[0] == pytest.approx(expected.item(), abs=1e-3)


def test_a_whole_task_runs(tmp_path: Path) -> None:
    """A choice and a generation of a local data set."""
    saved_chat(tmp_path / "model")
    rows = [{"question": f"{n} + {n} =", "choices": [str(2 * n), "x"], "gold": 0} for n in range(4)]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    common = {
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data)}},
        "test_split": "test",
        "doc_to_text": "{{question}}",
    }
    tasks = [
        common
        | {
            "task": "choose",
            "output_type": "multiple_choice",
            "doc_to_choice": "{{choices}}",
            "doc_to_target": "{{gold}}",
        },
        common
        | {
            "task": "write",
            "output_type": "generate_until",
            "doc_to_target": "{{choices[0]}}",
            "generation_kwargs": {"until": ["\n"], "max_gen_toks": 6, "do_sample": False},
            "metric_list": [
                {"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}
            ],
        },
    ]
    results = lm_eval.simple_evaluate(
        model="hf",
        model_args={"pretrained": str(tmp_path / "model"), "dtype": "float32"},
        tasks=tasks,
        device="cpu",
        batch_size=2,
        bootstrap_iters=0,
        # Its own thousands of tasks take half a minute to list.
        task_manager=TaskManager(include_defaults=False),
    )
    assert results is not None
    assert results["n-samples"]["write"]["effective"] == 4
    assert 0 <= results["results"]["choose"]["acc,none"] <= 1
    assert 0 <= results["results"]["write"]["exact_match,none"] <= 1
