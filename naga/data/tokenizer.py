"""Tokenizer: text <-> token ids, and the training of a byte-level BPE, over `tokenizers`.

What we train: every byte is in the alphabet, so any text round-trips; a digit is always one token;
Chinese runs, words and punctuation never merge with each other; control tokens come first (0..9).
A tokenizer.json from elsewhere (byte-level as GPT-NeoX, byte-fallback as Llama) works for text too.
Text is only ever text: a control string inside it is spelled out, never turned into a control id.
Does not know the order of control tokens in a conversation (chat.py).
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as Backend

from naga.config.base import ConfigError
from naga.data.template import CHAT_TEMPLATE, TOOL_CHAT_TEMPLATE
from naga.disk import write_atomic

END_OF_TEXT = "<|endoftext|>"
SYSTEM = "<|system|>"
USER = "<|user|>"
ASSISTANT = "<|assistant|>"
END = "<|end|>"
THINK = "<think>"
END_THINK = "</think>"
CONTROL = (END_OF_TEXT, SYSTEM, USER, ASSISTANT, END, THINK, END_THINK)
TOOL = "<|tool|>"
CALL = "<tool_call>"
END_CALL = "</tool_call>"
# A chat tokenizer without these, as naga-mini's, talks without tools.
TOOL_CONTROL = (TOOL, CALL, END_CALL)

# The alternatives in order: one digit, a run of Chinese characters, an English contraction, a word
# with the space before it, punctuation with the space before it, line ends, other blanks (the last
# blank is left to the word that follows).
PIECES = (
    r"\p{N}"
    r"|\p{Han}+"
    r"|'(?i:[sdmt]|ll|ve|re)(?!\p{L})"
    r"| ?[[\p{L}\p{M}]&&[^\p{Han}]]+"
    r"| ?[^\s\p{L}\p{M}\p{N}]+"
    r"|\s*[\r\n]+"
    r"|\s+(?!\S)"
    r"|\s+"
)
CONFIG_FILE = "tokenizer_config.json"
TEMPLATE_FILE = "chat_template.jinja"


class Tokenizer:
    """Wraps a `tokenizers.Tokenizer`; make one with `load` or `train_tokenizer`."""

    def __init__(self, backend: Backend, companions: dict[str, str]) -> None:
        """`companions`: the files saved beside tokenizer.json, name -> text."""
        # Special tokens found inside text are then spelled out like any other text.
        backend.encode_special_tokens = True
        self._backend = backend
        added = backend.get_added_tokens_decoder()
        self._special = {token.content: index for index, token in added.items() if token.special}
        self._special_ids = frozenset(self._special.values())
        self._byte_level = _is_byte_level(backend)
        self._token_bytes: dict[int, bytes] = {}
        self._companions = _chat_companions(self.has_tools()) if self.is_chat() else companions
        self.vocab_size: int = max(backend.get_vocab().values()) + 1

    @staticmethod
    def load(path: Path) -> "Tokenizer":
        """Read tokenizer.json, or the folder it is in; ConfigError if missing or broken."""
        folder = path if path.is_dir() else path.parent
        file = path / "tokenizer.json" if path.is_dir() else path
        if not file.is_file():
            raise ConfigError(
                f"{file}: no such file; give a folder with tokenizer.json, or the file"
            )
        text = _read_text(file)
        try:
            backend = Backend.from_str(text)
        except Exception as error:  # the library raises nothing narrower
            raise ConfigError(f"{file}: not a tokenizer.json: {error}") from None
        names = (CONFIG_FILE, TEMPLATE_FILE, "special_tokens_map.json")
        found = {name: folder / name for name in names if path.is_dir()}
        companions = {name: _read_text(file) for name, file in found.items() if file.is_file()}
        try:
            return Tokenizer(backend, companions)
        except ConfigError as error:
            raise ConfigError(f"{file}: {error}") from None

    def encode(self, text: str) -> list[int]:
        """Token ids of plain text; control strings inside it are text."""
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` of each text, on all cores."""
        try:
            encodings = self._backend.encode_batch_fast(list(texts), add_special_tokens=False)
        except TypeError:  # what the library says to a str that UTF-8 cannot express
            raise ConfigError("text is not valid Unicode: it has half a surrogate pair") from None
        return [encoding.ids for encoding in encodings]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of the ids; control ids are rendered as nothing, broken UTF-8 as U+FFFD."""
        return str(self._backend.decode(list(ids), skip_special_tokens=True))

    def token_bytes(self, index: int) -> bytes:
        """The bytes of one token; none for control tokens and ids beyond the vocabulary.

        They may be part of a character: only the bytes of a whole text are UTF-8.
        """
        known = self._token_bytes.get(index)
        if known is None:
            known = self._token_bytes[index] = self._bytes_of(index)
        return known

    def _bytes_of(self, index: int) -> bytes:
        token = self._backend.id_to_token(index)
        if token is None or index in self._special_ids:
            return b""
        return _byte_level_bytes(token) if self._byte_level else _byte_fallback_bytes(token)

    @property
    def merges(self) -> bool:
        """Whether any two tokens make another one."""
        return bool(json.loads(self._backend.to_str())["model"].get("merges"))

    def name(self, index: int) -> str:
        """As its file spells it."""
        found = self._backend.id_to_token(index)
        assert found is not None, index
        return str(found)

    def control_id(self, name: str) -> int:
        """Id of a control token; ConfigError if this tokenizer has no such token."""
        if name not in self._special:
            raise ConfigError(
                f"this tokenizer has no control token {name!r}; those of `naga tokenizer train` do"
            )
        return self._special[name]

    def has_control(self, name: str) -> bool:
        return name in self._special

    def control_name(self, index: int) -> str | None:
        """The name of a control token; None for any other."""
        return self._backend.id_to_token(index) if index in self._special_ids else None

    def is_chat(self) -> bool:
        """Whether it has every control token, so that chat.py can render with it."""
        return all(name in self._special for name in CONTROL)

    def has_tools(self) -> bool:
        """Whether, being a chat tokenizer, it has what chat.py writes calls of tools with."""
        return self.is_chat() and all(name in self._special for name in TOOL_CONTROL)

    @property
    def added(self) -> frozenset[str]:
        """The names that its file adds to the vocabulary, control tokens and others."""
        tokens = self._backend.get_added_tokens_decoder().values()
        return frozenset(token.content for token in tokens)

    @property
    def template(self) -> str | None:
        """The chat template that came with it: its own file's, or the one named `default` or alone
        in tokenizer_config.json; None without one. ConfigError for a config that is no JSON."""
        if TEMPLATE_FILE in self._companions:
            return self._companions[TEMPLATE_FILE]
        try:
            config = json.loads(self._companions.get(CONFIG_FILE, "{}"))
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{CONFIG_FILE}: not valid JSON: {error}") from None
        found = config.get("chat_template") if isinstance(config, dict) else None
        for entry in found if isinstance(found, list) else ():
            if isinstance(entry, dict) and entry.get("name") == "default":
                found = entry.get("template")
        return found if isinstance(found, str) else None

    def with_control(self, names: Iterable[str]) -> "Tokenizer":
        """With these of its added tokens as control tokens, which no text is encoded to."""
        wanted = set(names) & self.added - self._special.keys()
        if not wanted:
            return self
        described = json.loads(self._backend.to_str())
        for token in described["added_tokens"]:
            token["special"] |= token["content"] in wanted
        return Tokenizer(Backend.from_str(json.dumps(described)), self._companions)

    def filled(self, vocab_size: int) -> "Tokenizer":
        """With so many tokens: each new one is a name, `<300>`, that no text is encoded to."""
        described = json.loads(self._backend.to_str())
        names = described["model"]["vocab"]
        names |= {f"<{index}>": index for index in range(self.vocab_size, vocab_size)}
        return Tokenizer(Backend.from_str(json.dumps(described)), self._companions)

    def save(self, folder: Path) -> None:
        """Write tokenizer.json and its companions; transformers.AutoTokenizer opens the folder.

        A chat tokenizer gets our config and template; any other keeps the files it came with.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in self._companions.items():
            write_atomic(folder / name, text)
        write_atomic(folder / "tokenizer.json", self._backend.to_str(pretty=True))


def train_tokenizer(documents: Iterable[str], vocab_size: int) -> Tokenizer:
    """Learn a byte-level BPE of at most `vocab_size` tokens; same documents, same result.

    A small corpus may have fewer pairs to merge than asked: see the result's `vocab_size`.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    control = CONTROL + TOOL_CONTROL
    smallest = len(control) + len(alphabet)
    if vocab_size < smallest:
        raise ConfigError(
            f"vocab_size {vocab_size} is too small: {len(control)} control tokens and "
            f"{len(alphabet)} bytes need {smallest}"
        )
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=[AddedToken(name, special=True, normalized=False) for name in control],
        initial_alphabet=alphabet,
        show_progress=False,
    )
    backend.train_from_iterator(_refuse_empty(documents), trainer)
    return Tokenizer(backend, {})


def _refuse_empty(documents: Iterable[str]) -> Iterator[str]:
    """The documents, refusing a corpus without text."""
    empty = True
    for document in documents:
        empty = empty and not document
        yield document
    if empty:
        raise ConfigError("no text to train a tokenizer on")


def _chat_companions(tools: bool) -> dict[str, str]:
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "pad_token": END_OF_TEXT,
        "clean_up_tokenization_spaces": False,
    }
    template = TOOL_CHAT_TEMPLATE if tools else CHAT_TEMPLATE
    return {CONFIG_FILE: json.dumps(config, indent=2) + "\n", TEMPLATE_FILE: template}


def _is_byte_level(backend: Backend) -> bool:
    """Byte-level (GPT) or byte-fallback (Llama), told by what the decoder does."""
    if backend.decoder is not None:
        if backend.decoder.decode(["a", "\u0120"]) == "a ":
            return True
        if backend.decoder.decode(["a", "\u2581"]) == "a ":
            return False
    raise ConfigError("decodes neither byte-level (GPT) nor byte-fallback (Llama) tokens")


@cache
def _byte_of_character() -> dict[str, int]:
    """The inverse of the byte-level alphabet: printable bytes are themselves."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    table = {chr(byte): byte for byte in printable}
    return table | {chr(0x100 + rank): byte for rank, byte in enumerate(others)}


def _byte_level_bytes(token: str) -> bytes:
    table = _byte_of_character()
    if all(character in table for character in token):
        return bytes(table[character] for character in token)
    # An added token is plain text (GPT-NeoX adds runs of spaces).
    return token.encode()


def _byte_fallback_bytes(token: str) -> bytes:
    if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
        return bytes([int(token[3:5], 16)])
    return token.replace("\u2581", " ").encode()


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{file}: not UTF-8 text") from None
