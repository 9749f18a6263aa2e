"""Which format a checkpoint's files name, and what is refused."""

import json
from pathlib import Path

import pytest
from data import talkers

from naga.config.base import ConfigError
from naga.data.formats import format_of, known_format, ready
from naga.data.tokenizer import Tokenizer, train_tokenizer


def change_template(folder: Path, text: str | None) -> Tokenizer:
    file = folder / "chat_template.jinja"
    if text is None:
        file.unlink()
    else:
        file.write_text(text, encoding="utf-8")
    return Tokenizer.load(folder)


def test_each_family_has_its_format(tmp_path: Path) -> None:
    granite = Tokenizer.load(talkers.granite_folder(tmp_path / "granite"))
    nemotron = Tokenizer.load(talkers.nemotron_folder(tmp_path / "nemotron"))
    assert format_of(granite).name == "granite-4"
    assert format_of(nemotron).name == "nemotron-3"
    assert format_of(train_tokenizer(["a"], 263)).name == "naga"


@pytest.mark.parametrize("several", [False, True])
def test_the_template_may_stand_in_the_config(tmp_path: Path, several: bool) -> None:
    folder = talkers.granite_folder(tmp_path)
    (folder / "chat_template.jinja").unlink()
    template: object = talkers.GRANITE_TEMPLATE
    if several:
        template = [{"name": "rag", "template": "x"}, {"name": "default", "template": template}]
    config = json.dumps({"chat_template": template})
    (folder / "tokenizer_config.json").write_text(config, encoding="utf-8")
    assert format_of(Tokenizer.load(folder)).name == "granite-4"


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        (None, "no chat template"),
        ("{{ messages }}", "no format known"),
        ("<|start_of_role|><|end_of_role|><|tool_call|>", "no format known"),
        (talkers.GRANITE_TEMPLATE + "{{ enable_thinking }}", "no format known"),
        (talkers.NEMOTRON_TEMPLATE, "no token '<|im_start|>'"),
    ],
)
def test_what_is_not_known_is_refused_in_one_line(
    tmp_path: Path, template: str | None, problem: str
) -> None:
    tokenizer = change_template(talkers.granite_folder(tmp_path), template)
    with pytest.raises(ConfigError, match=problem.replace("|", r"\|")) as caught:
        format_of(tokenizer)
    assert "\n" not in str(caught.value)
    assert known_format(tokenizer) is None and ready(tokenizer) is tokenizer


def test_a_broken_config_is_refused(tmp_path: Path) -> None:
    folder = talkers.granite_folder(tmp_path)
    (folder / "chat_template.jinja").unlink()
    (folder / "tokenizer_config.json").write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match="not valid JSON"):
        format_of(Tokenizer.load(folder))


def test_added_names_become_control_tokens_to_talk(tmp_path: Path) -> None:
    tokenizer = Tokenizer.load(talkers.granite_folder(tmp_path))
    talker = ready(tokenizer)
    assert not tokenizer.has_control("<tool_call>") and talker.has_control("<tool_call>")
    assert tokenizer.encode("<tool_call>") == [talker.control_id("<tool_call>")]
    assert talker.control_id("<tool_call>") not in talker.encode("<tool_call>")
    assert talker.encode("Pay the rent. 付款") == tokenizer.encode("Pay the rent. 付款")


def test_naga_has_no_tools() -> None:
    tokenizer = train_tokenizer(["a"], 263)
    with pytest.raises(ConfigError, match="no tools"):
        format_of(tokenizer).call_schema(())
