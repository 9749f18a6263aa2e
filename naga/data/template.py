"""The chat format as text: a Jinja template that renders what data/chat.py renders to tokens.

It is saved beside every chat tokenizer, so that other programs (transformers, vLLM) prompt our
models as we do. It inserts contents literally: keeping control strings apart is the tokenizer's
business.
"""

CHAT_TEMPLATE = """\
{%- set last = namespace(user=-1) -%}
{%- for message in messages -%}
  {%- if message.role == 'user' -%}{%- set last.user = loop.index0 -%}{%- endif -%}
{%- endfor -%}
{%- for message in messages -%}
  {%- if message.role == 'assistant' -%}
    {{- '<|assistant|><think>' -}}
    {%- if loop.index0 > last.user and message.reasoning_content -%}
      {{- message.reasoning_content -}}
    {%- endif -%}
    {{- '</think>' + message.content + '<|end|>' -}}
  {%- elif message.role == 'system' or message.role == 'user' -%}
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
