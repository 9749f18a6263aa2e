"""Untrusted text inside a judge's prompt: fenced, numbered by nobody else, and made harmless.

Every text stands between marks that carry a nonce which its author cannot know, each of its lines
behind a bar, so that nothing in it begins a line or ends the fence. Control strings of chat formats
are broken, invisible characters are taken out, role words at the start of a line and phrases that
speak to a judge are replaced; all are counted. Long texts lose their middle.

That a fence holds is certain; that a model minds it is not. Phrases are a list, so an attack in
other words arrives as text: comparing both orders, rules before judges, and the hacking zoo are for
that.
"""

import hmac
import re
import secrets
import unicodedata
from dataclasses import dataclass

LONGEST = 12_000
"""Characters of one text that a judge is shown."""

CONTROL = re.compile(
    r"<\|[^|<>]{0,40}\|>|</?(?:think|tool_call|tool_response|s|bos|eos|answer|system|user|assistant)>"
    r"|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<｜[^｜<>]{0,40}｜>",
    re.IGNORECASE,
)
ROLE = re.compile(
    r"(?im)^[ \t>#*_`]*(?:system|assistant|user|human|developer|judge|evaluator|grader|verdict"
    r"|instructions?|系统|助手|用户|裁判|评委)(?:\s*(?:prompt|message|note))?[ \t*_]*[:：]"
)
SPEAKS = re.compile(
    r"(?i)(?:ignore|disregard|forget|override)\s+(?:all\s+|any\s+)?(?:of\s+)?(?:the\s+|your\s+|these\s+)?"
    r"(?:previous|prior|above|earlier|other|preceding)?\s*(?:instructions?|rules?|prompts?|criteria)"
    r"|(?:this|the)\s+(?:answer|response|candidate|reply|solution)\s+(?:is|must be|should be)\s+"
    r"(?:the\s+)?(?:correct|right|better|best|perfect|preferred)"
    r"|(?:choose|pick|select|prefer|output|reply|respond|vote)\s+(?:with\s+|for\s+)?(?:only\s+)?"
    r"(?:this|me|mine|[\"'“‘(]?(?:response\s+)?(?:[AB]|yes|first|second)[\"'”’)]?)(?![\w])"
    r"|(?:give|award|assign)\s+(?:it\s+|this\s+|me\s+)?(?:a\s+|the\s+)?(?:full|highest|maximum|perfect"
    r"|top)\s+(?:score|marks?|points?|rating)"
    r"|(?:the\s+)?verdict\s+is|same\s+as\s+the\s+reference|reference\s+answer\s*(?:is|[:：])"
    r"|[\"'](?:winner|score|verdict|preferred|better|passed|rating)[\"']\s*:"
    r"|(?:all|every)\s+criteri(?:a|on)\s+(?:are|is|were)\s+(?:met|satisfied|fulfilled)"
    r"|you\s+are\s+(?:now\s+)?(?:a|an|the)\s+(?:judge|grader|evaluator|assistant)"
    r"|忽略(?:以上|之前|前面|所有)[^。\n]{0,12}(?:指令|规则|要求|内容)"
    r"|(?:这个|本)?(?:答案|回答)是?(?:完全)?(?:正确|最好|更好)的?|请?选择?(?:本答案|我|这个)|给(?:我|出)?满分"
)
INVISIBLE = ("Cf", "Cc", "Co", "Cs")


@dataclass(frozen=True, kw_only=True)
class Harmless:
    text: str
    found: int
    """Control strings, role words and phrases to a judge that were replaced."""
    cut: int
    """Characters left out of the middle."""


def neutralise(text: str, longest: int = LONGEST) -> Harmless:
    cut = max(0, len(text) - longest)
    if cut:
        half = longest // 2
        text = f"{text[:half]}\n[{cut} characters left out]\n{text[len(text) - half :]}"
    shown = unicodedata.normalize("NFKC", text.replace("\r", "\n"))
    shown = "".join(c for c in shown if c in "\n\t" or unicodedata.category(c) not in INVISIBLE)
    found = 0
    for pattern, instead in ((CONTROL, "[mark]"), (ROLE, "[role] "), (SPEAKS, "[to the judge]")):
        shown, times = pattern.subn(instead, shown)
        found += times
    return Harmless(text=shown, found=found, cut=cut)


class Nonces:
    """The same texts get the same nonce, so answers can be kept; nobody can guess it."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def of(self, *texts: str) -> str:
        message = "\0".join(texts).encode(errors="surrogatepass")
        return hmac.new(self._secret, message, "sha256").hexdigest()[:16]


def fence(name: str, text: str, nonce: str) -> str:
    """`text` has been through neutralise."""
    lines = "\n".join(f"| {line}" for line in text.split("\n"))
    return f"<<<{name} {nonce}>>>\n{lines}\n<<<END {name} {nonce}>>>"
