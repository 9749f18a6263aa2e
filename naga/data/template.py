"""The chat format as text: Jinja templates that render what data/chat.py renders to tokens.

One is saved beside every chat tokenizer, so that other programs (transformers, vLLM) prompt our
models as we do: TOOL_CHAT_TEMPLATE where the tokenizer has tokens for tools, else CHAT_TEMPLATE,
which saved checkpoints hold and which must not change. Contents are inserted literally: keeping
control strings apart is the tokenizer's business.
"""

# What the system turn says before the tools; without a "'", for the template quotes it.
TOOLS_HEADING = "You can call these tools, one in each line:"

_LAST_USER = """\
{%- set last = namespace(user=-1) -%}
{%- for message in messages -%}
  {%- if message.role == 'user' -%}{%- set last.user = loop.index0 -%}{%- endif -%}
{%- endfor -%}
"""
_ASSISTANT = """\
  {%- if message.role == 'assistant' -%}
    {{- '<|assistant|><think>' -}}
    {%- if loop.index0 > last.user and message.reasoning_content -%}
      {{- message.reasoning_content -}}
    {%- endif -%}
"""
_REST = """\
    {{- '<|' + message.role + '|>' + message.content + '<|end|>' -}}
  {%- else -%}
    {{- raise_exception('unknown role: ' + message.role) -}}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- '<|assistant|><think>' -}}
  {%- if enable_thinking is defined and not enable_thinking -%}{{- '</think>' -}}{%- endif -%}
{%- endif -%}
"""

CHAT_TEMPLATE = (
    _LAST_USER
    + """\
{%- for message in messages -%}
"""
    + _ASSISTANT
    + """\
    {{- '</think>' + message.content + '<|end|>' -}}
  {%- elif message.role == 'system' or message.role == 'user' -%}
"""
    + _REST
)

TOOL_CHAT_TEMPLATE = (
    _LAST_USER
    + "{%- set offered = namespace(text='') -%}\n{%- if tools -%}\n"
    + f"  {{%- set offered.text = '{TOOLS_HEADING}' -%}}\n"
    + """\
  {%- for tool in tools -%}
    {%- set offered.text = offered.text + '\\n' + (tool.function | tojson) -%}
  {%- endfor -%}
  {%- if messages[0].role != 'system' -%}
    {{- '<|system|>' + offered.text + '<|end|>' -}}
  {%- endif -%}
{%- endif -%}
{%- for message in messages -%}
"""
    + _ASSISTANT
    + """\
    {{- '</think>' + (message.content or '') -}}
    {%- for call in message.tool_calls or [] -%}
      {%- set given = call.function.arguments -%}
      {{- '<tool_call>{"name": ' + call.function.name | tojson + ', "arguments": ' -}}
      {{- (given if given is string else given | tojson) + '}</tool_call>' -}}
    {%- endfor -%}
    {{- '<|end|>' -}}
  {%- elif message.role == 'system' and loop.first and offered.text -%}
    {{- '<|system|>' + message.content + ('\\n\\n' if message.content else '') -}}
    {{- offered.text + '<|end|>' -}}
  {%- elif message.role in ('system', 'user', 'tool') -%}
"""
    + _REST
)
