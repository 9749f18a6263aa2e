"""Small tokenizers of other families, with templates written from the rules of docs/formats.md.

The templates are an oracle of their own: transformers runs them, and must get the same tokens.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from naga.data.tokenizer import Tokenizer, train_tokenizer

TEXTS = [
    "The client shall pay each invoice within 30 days.\n\nuser assistant system\n",
    '{"name": "pay", "arguments": {"amount": 3}}\n<function=pay>\n<parameter=amount>\n',
    "甲方应在收到发票后三十日内付款。",
]
GRANITE_CONTROL = ("<|end_of_text|>", "<|start_of_role|>", "<|end_of_role|>")
# In the published file these are added tokens, and not special ones.
TAGS = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
NEMOTRON_CONTROL = ("<|im_start|>", "<|im_end|>")
NANO_CONTROL = ("<SPECIAL_12>", "<SPECIAL_10>", "<SPECIAL_11>")
NANO_TAGS = ("<TOOLCALL>", "</TOOLCALL>", "<TOOL_RESPONSE>", "</TOOL_RESPONSE>")
THOUGHT = ("<think>", "</think>")
CONTROL = (*GRANITE_CONTROL, *NEMOTRON_CONTROL, *NANO_CONTROL, *TAGS, *NANO_TAGS, *THOUGHT)

GRANITE_TEMPLATE = """\
{%- set about = 'You are a helpful assistant with access to the following tools. You may call one \
or more tools to assist with the user query.\\n\\nYou are provided with function signatures within \
<tools></tools> XML tags:\\n<tools>' -%}
{%- set how = '\\n</tools>\\n\\nFor each tool call, return a json object with function name and \
arguments within <tool_call></tool_call> XML tags:\\n<tool_call>\\n{"name": <function-name>, \
"arguments": <args-json-object>}\\n</tool_call>. If a tool does not exist in the provided list of \
tools, notify the user that you do not have the ability to fulfill the request.' -%}
{%- set own = messages[0].content if messages[0].role == 'system' else '' -%}
{%- set parts = [own] if own else [] -%}
{%- if tools -%}
  {%- set lines = namespace(text=about) -%}
  {%- for tool in tools -%}
    {%- set lines.text = lines.text + '\\n' + (tool | tojson) -%}
  {%- endfor -%}
  {%- set parts = parts + [lines.text + how] -%}
{%- endif -%}
{%- if parts -%}
  {{- '<|start_of_role|>system<|end_of_role|>' + parts | join('\\n\\n') + '<|end_of_text|>\\n' -}}
{%- endif -%}
{%- for message in messages -%}
  {%- if message.role == 'system' and loop.first -%}
  {%- elif message.role == 'tool' -%}
    {%- if loop.first or loop.previtem.role != 'tool' -%}
      {{- '<|start_of_role|>user<|end_of_role|>' -}}
    {%- endif -%}
    {{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' -}}
    {%- if loop.last or loop.nextitem.role != 'tool' -%}{{- '<|end_of_text|>\\n' -}}{%- endif -%}
  {%- else -%}
    {{- '<|start_of_role|>' + message.role + '<|end_of_role|>' + message.content -}}
    {%- for call in message.tool_calls or [] -%}
      {{- '\\n' if message.content or not loop.first else '' -}}
      {{- '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' -}}
      {{- (call.function.arguments | tojson) + '}\\n</tool_call>' -}}
    {%- endfor -%}
    {{- '<|end_of_text|>\\n' -}}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|start_of_role|>assistant<|end_of_role|>' -}}{%- endif -%}
"""

NEMOTRON_TEMPLATE = """\
{#- truncate_history_thinking: always -#}
{%- set thinking = enable_thinking is not defined or enable_thinking -%}
{%- set own = messages[0].content if messages[0].role == 'system' else '' -%}
{%- set rest = messages[1:] if messages[0].role == 'system' else messages -%}
{{- '<|im_start|>system\\n' + own + '<|im_end|>\\n' -}}
{%- set last = namespace(user=-1) -%}
{%- for message in rest -%}
  {%- if message.role == 'user' -%}{%- set last.user = loop.index0 -%}{%- endif -%}
{%- endfor -%}
{%- for message in rest -%}
  {%- if message.role == 'tool' -%}
    {{- '<|im_start|>user\\n' if loop.first or loop.previtem.role != 'tool' else '' -}}
    {{- '<tool_response>\\n' + message.content + '\\n</tool_response>\\n' -}}
    {{- '<|im_end|>\\n' if loop.last or loop.nextitem.role != 'tool' else '' -}}
  {%- elif message.role == 'assistant' -%}
    {%- if loop.index0 < last.user -%}
      {%- set said = '<think></think>' + message.content | trim -%}
    {%- elif message.reasoning_content | default('') | trim -%}
      {%- set said = ('<think>\\n' + message.reasoning_content + '\\n</think>\\n' \
+ message.content) | trim -%}
    {%- else -%}
      {%- set said = ('<think></think>' + message.content) | trim -%}
    {%- endif -%}
    {{- '<|im_start|>assistant\\n' + said -}}
    {%- for call in message.tool_calls or [] -%}
      {{- '\\n' if loop.first else '' -}}
      {{- '<tool_call>\\n<function=' + call.function.name + '>\\n' -}}
      {%- for name, value in call.function.arguments | items -%}
        {%- set json = value is mapping or (value is sequence and value is not string) -%}
        {{- '<parameter=' + name + '>\\n' + (value | tojson if json else value | string) -}}
        {{- '\\n</parameter>\\n' -}}
      {%- endfor -%}
      {{- '</function>\\n</tool_call>\\n' -}}
    {%- endfor -%}
    {{- '<|im_end|>\\n' -}}
  {%- else -%}
    {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' -}}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- '<|im_start|>assistant\\n<think>' + ('\\n' if thinking else '</think>') -}}
{%- endif -%}
"""


NANO_TEMPLATE = """\
{%- set mode = namespace(on=true) -%}
{%- for message in messages if message.role in ('user', 'system') -%}
  {%- if '/think' in message.content -%}{%- set mode.on = true -%}
  {%- elif '/no_think' in message.content -%}{%- set mode.on = false -%}
  {%- endif -%}
{%- endfor -%}
{%- if not enable_thinking | default(true) -%}{%- set mode.on = false -%}{%- endif -%}
{%- set first = messages[0].content if messages[0].role == 'system' else '' -%}
{%- set own = first | replace('/think', '') | replace('/no_think', '') | trim -%}
{{- '<SPECIAL_10>System\\n' + own -}}
{%- if tools -%}
  {{- ('\\n\\n' if own else '') + 'You can use the following tools to assist the user if ' -}}
  {{- 'required:\\n<AVAILABLE_TOOLS>[' -}}
  {%- for tool in tools -%}
    {{- (tool.function | tojson) + ('' if loop.last else ', ') -}}
  {%- endfor -%}
  {{- ']</AVAILABLE_TOOLS>\\n\\nIf you decide to call any tool(s), use the following ' -}}
  {{- 'format:\\n<TOOLCALL>[{{"name": "tool_name1", "arguments": "tool_args1"}}, ' -}}
  {{- '{{"name": "tool_name2", "arguments": "tool_args2"}}]</TOOLCALL>\\n\\nThe user will ' -}}
  {{- 'execute tool-calls and return ' -}}
  {{- 'responses from tool(s) in this format:\\n<TOOL_RESPONSE>[{{"tool_response1"}}, ' -}}
  {{- '{{"tool_response2"}}]</TOOL_RESPONSE>\\n\\nBased on the tool responses, you can call ' -}}
  {{- 'additional tools if needed, correct tool calls if any errors are found, or just respond ' -}}
  {{- 'to the user.' -}}
{%- endif -%}
{{- '\\n' -}}
{%- for message in (messages[1:] if messages[0].role == 'system' else messages) -%}
  {%- if message.role == 'tool' -%}
    {%- set begins = loop.first or loop.previtem.role != 'tool' -%}
    {{- '<SPECIAL_11>User\\n<TOOL_RESPONSE>[' if begins else ', ' -}}
    {{- message.content -}}
    {{- ']</TOOL_RESPONSE>\\n' if loop.last or loop.nextitem.role != 'tool' else '' -}}
  {%- elif message.role == 'user' -%}
    {%- set said = message.content | replace('/think', '') | replace('/no_think', '') | trim -%}
    {{- '<SPECIAL_11>User\\n' + said + '\\n' -}}
  {%- else -%}
    {{- '<SPECIAL_11>Assistant\\n' -}}
    {%- set thought = message.reasoning_content | default('') | trim -%}
    {%- if loop.last -%}
      {{- '<think>\\n' + thought + '\\n</think>\\n' if thought else '<think></think>' -}}
    {%- endif -%}
    {{- message.content | trim -}}
    {%- for call in message.tool_calls or [] -%}
      {{- ('\\n\\n' if message.content | trim else '') + '<TOOLCALL>[' if loop.first else ', ' -}}
      {{- '{"name": "' + call.function.name + '", "arguments": ' -}}
      {{- (call.function.arguments | tojson) + '}' + (']</TOOLCALL>' if loop.last else '') -}}
    {%- endfor -%}
    {{- '\\n<SPECIAL_12>\\n' -}}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- '<SPECIAL_11>Assistant\\n<think>' + ('\\n' if mode.on else '</think>') -}}
{%- endif -%}
"""


def naga_folder(folder: Path, *, tags: bool = True) -> Path:
    """As `naga tokenizer train` makes it, which has tokens for calls."""
    assert tags
    train_tokenizer(TEXTS * 4, 340).save(folder)
    return folder


def without_tools(tokenizer: Tokenizer) -> Tokenizer:
    """As naga's were before calls: the tokens for them are other control tokens."""
    with TemporaryDirectory() as folder:
        tokenizer.save(Path(folder))
        file = Path(folder) / "tokenizer.json"
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace("<|tool|>", "<|other|>"), encoding="utf-8")
        return Tokenizer.load(Path(folder))


def granite_folder(folder: Path, *, tags: bool = True) -> Path:
    """`tags`: whether calls are opened and closed by tokens of their own."""
    return _folder(folder, GRANITE_CONTROL, TAGS if tags else (), GRANITE_TEMPLATE)


def nemotron_folder(folder: Path, *, tags: bool = True) -> Path:
    added = THOUGHT + (TAGS if tags else ())
    return _folder(folder, NEMOTRON_CONTROL, added, NEMOTRON_TEMPLATE)


def nano_folder(folder: Path, *, tags: bool = True) -> Path:
    added = THOUGHT + NANO_TAGS if tags else ()
    return _folder(folder, NANO_CONTROL, added, NANO_TEMPLATE)


def _folder(folder: Path, special: tuple[str, ...], added: tuple[str, ...], template: str) -> Path:
    """A tokenizer's files: one trained here, whose control tokens have other names."""
    train_tokenizer(TEXTS * 4, 340).save(folder)
    file = folder / "tokenizer.json"
    described = json.loads(file.read_text(encoding="utf-8"))
    names = special + added
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    vocabulary = described["model"]["vocab"]
    for old in [token["content"] for token in described["added_tokens"]]:
        vocabulary.pop(old)
    first = max(vocabulary.values()) + 1
    described["added_tokens"] = [
        {"id": first + index, "content": name, "special": name in special, **flags}
        for index, name in enumerate(names)
    ]
    # The old names' numbers, so that none is without a token.
    vocabulary |= {f"<{number}>": number for number in set(range(first)) - set(vocabulary.values())}
    file.write_text(json.dumps(described), encoding="utf-8")
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": special[0]}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def spell(tokenizer: Tokenizer, tokens: list[int]) -> str:
    """The tokens as a string, control tokens by name."""
    spelled = (
        (tokenizer.control_name(token) or "").encode() or tokenizer.token_bytes(token)
        for token in tokens
    )
    return b"".join(spelled).decode()
