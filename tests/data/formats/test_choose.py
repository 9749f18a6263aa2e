"""Which format a checkpoint's files name, and what is refused."""

import json
from pathlib import Path

import pytest
from data import talkers

import naga
from naga.config.base import ConfigError
from naga.data.formats import format_of, known_format, ready
from naga.data.messages import Message, Tool, ToolCall
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
    nano = Tokenizer.load(talkers.nano_folder(tmp_path / "nano"))
    assert format_of(nano).name == "nemotron-nano-2"
    assert format_of(train_tokenizer(["a"], 266)).name == "naga"


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
        (talkers.NANO_TEMPLATE + "<image>", "no format known"),
        (talkers.NANO_TEMPLATE, "no token '<SPECIAL_10>'"),
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


SHIPPED = Path(naga.__file__).parent / "assets" / "naga-mini"


def test_a_tokenizer_of_naga_s_without_tokens_for_tools_has_none(tmp_path: Path) -> None:
    tokenizer = Tokenizer.load(SHIPPED)
    form, question = format_of(tokenizer), [Message(role="user", content="1")]
    tool = Tool(name="pay", declared='{"function": {"name": "pay"}}')
    assert tokenizer.is_chat() and not tokenizer.has_tools() and not form.has_tools
    call = Message(role="assistant", content="", calls=(ToolCall(name="pay", arguments="{}"),))
    for messages, tools in (
        (question, [tool]),
        ([*question, Message(role="tool", content="1")], []),
        ([*question, call], []),
    ):
        with pytest.raises(ConfigError, match="format has no tools; send none"):
            form.render(tokenizer, messages, tools)
        with pytest.raises(ConfigError, match="format has no tools; send none"):
            form.render_prompt(tokenizer, messages, tools=tools)
    with pytest.raises(ConfigError, match="format has no tools; send none"):
        form.demanded_call((tool,))
    tokenizer.save(tmp_path)
    for name in ("chat_template.jinja", "tokenizer_config.json", "tokenizer.json"):
        assert (tmp_path / name).read_bytes() == (SHIPPED / name).read_bytes()
