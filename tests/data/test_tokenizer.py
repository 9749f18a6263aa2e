import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, decoders, models, normalizers
from tokenizers import Tokenizer as Backend

from naga.config.base import ConfigError
from naga.data.tokenizer import CONTROL, PIECES, TOOL_CONTROL, Tokenizer, train_tokenizer

NAMES = CONTROL + TOOL_CONTROL
TEXT = st.text(max_size=40) | st.lists(
    st.sampled_from(["你好", "，", " ", "  ", "\n", "a", " the", "'s", "12", "é", *NAMES]),
    max_size=12,
).map("".join)


@given(text=TEXT)
def test_any_text_round_trips(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text


@given(text=TEXT)
def test_text_never_yields_control_ids(tokenizer: Tokenizer, text: str) -> None:
    assert all(index >= len(NAMES) for index in tokenizer.encode(text))


@given(text=TEXT)
def test_token_bytes_join_to_the_text(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert b"".join(tokenizer.token_bytes(index) for index in ids) == text.encode()


@given(data=st.data())
def test_decode_is_the_joined_bytes_with_replacement(tokenizer: Tokenizer, data: st.DataObject):
    ids = data.draw(st.lists(st.integers(0, tokenizer.vocab_size - 1), max_size=30))
    joined = b"".join(tokenizer.token_bytes(index) for index in ids)
    assert tokenizer.decode(ids) == joined.decode("utf-8", "replace")


@given(texts=st.lists(TEXT, max_size=5))
def test_a_batch_encodes_as_its_texts_do_alone(tokenizer: Tokenizer, texts: list[str]) -> None:
    assert tokenizer.encode_batch(texts) == [tokenizer.encode(text) for text in texts]


def test_control_tokens_are_the_first_ids(tokenizer: Tokenizer) -> None:
    assert [tokenizer.control_id(name) for name in NAMES] == list(range(len(NAMES)))
    assert [tokenizer.control_name(index) for index in range(len(NAMES))] == list(NAMES)
    assert tokenizer.control_name(len(NAMES)) is None
    assert tokenizer.is_chat() and tokenizer.has_tools()
    assert all(tokenizer.token_bytes(index) == b"" for index in range(len(NAMES)))
    assert tokenizer.decode(list(range(len(NAMES)))) == ""


def test_every_digit_is_one_token(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("1200 12")
    assert [tokenizer.token_bytes(index) for index in ids] == [
        b"1",
        b"2",
        b"0",
        b"0",
        b" ",
        b"1",
        b"2",
    ]


def test_chinese_merges_but_not_with_punctuation_or_other_scripts() -> None:
    text = "应当。应当 应当rent"
    trained = train_tokenizer([text] * 9, 300)
    tokens = [trained.token_bytes(index).decode() for index in trained.encode(text)]
    assert tokens == ["应当", "。", "应当", " ", "应当", "rent"]


def test_no_prefix_space_is_added(tokenizer: Tokenizer) -> None:
    assert tokenizer.token_bytes(tokenizer.encode("The")[0])[:1] == b"T"


def test_training_twice_gives_the_same_file(
    tokenizer: Tokenizer, corpus: list[str], tmp_path: Path
) -> None:
    tokenizer.save(tmp_path / "a")
    train_tokenizer(corpus, 400).save(tmp_path / "b")
    first, second = (tmp_path / name / "tokenizer.json" for name in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_a_saved_folder_and_its_file_load_equal(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    text = "The rent 应当 <|end|>"
    for path in (tmp_path, tmp_path / "tokenizer.json"):
        loaded = Tokenizer.load(path)
        assert loaded.encode(text) == tokenizer.encode(text)
        assert (loaded.vocab_size, loaded.is_chat()) == (tokenizer.vocab_size, True)


def test_saving_leaves_no_temporary_files(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    tokenizer.save(tmp_path)
    names = {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}
    assert {file.name for file in tmp_path.iterdir()} == names


@pytest.mark.parametrize("size", [0, 265])
def test_a_vocabulary_below_the_alphabet_is_refused(corpus: list[str], size: int) -> None:
    with pytest.raises(ConfigError, match=f"vocab_size {size} is too small.*266"):
        train_tokenizer(corpus, size)


@pytest.mark.parametrize("documents", [[], ["", ""]])
def test_training_on_no_text_is_refused(documents: list[str]) -> None:
    with pytest.raises(ConfigError, match="no text"):
        train_tokenizer(documents, 300)


def test_control_strings_in_the_corpus_stay_text() -> None:
    trained = train_tokenizer(["a<|end|>b"] * 9, 300)
    assert trained.control_id("<|end|>") == CONTROL.index("<|end|>")
    assert trained.decode(trained.encode("a<|end|>b")) == "a<|end|>b"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"not json", "not a tokenizer.json"),
        (b"{}", "not a tokenizer.json"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_a_missing_or_broken_file_is_one_clear_line(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        Tokenizer.load(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_half_a_surrogate_pair_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(ConfigError, match="surrogate"):
        tokenizer.encode("\ud83d")


def byte_fallback_backend() -> Backend:
    """A tokenizer built as Llama's: blanks are U+2581, unknown characters are byte tokens."""
    pieces = ["<unk>", "<s>", *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581", "h", "i"]
    vocabulary = {piece: index for index, piece in enumerate([*pieces, "hi"])}
    backend = Backend(
        models.BPE(vocabulary, [("h", "i")], unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    backend.normalizer = normalizers.Replace(" ", "\u2581")
    backend.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    backend.add_special_tokens([AddedToken("<s>", special=True, normalized=False)])
    return backend


@given(text=st.text(max_size=20).filter(lambda text: "\u2581" not in text))
def test_a_byte_fallback_tokenizer_encodes_and_decodes(text: str) -> None:
    foreign = Tokenizer(byte_fallback_backend(), {})
    ids = foreign.encode(text)
    assert foreign.decode(ids) == text
    assert b"".join(foreign.token_bytes(index) for index in ids) == text.encode()


def test_an_added_token_of_blanks_is_its_own_text(tokenizer: Tokenizer, tmp_path: Path) -> None:
    """As GPT-NeoX has: byte-level, and runs of spaces added beside the vocabulary."""
    tokenizer.save(tmp_path)
    backend = Backend.from_file(str(tmp_path / "tokenizer.json"))
    backend.add_tokens([AddedToken("    ", normalized=False)])
    foreign = Tokenizer(backend, {})
    ids = foreign.encode("甲    方")
    assert foreign.vocab_size == tokenizer.vocab_size + 1
    assert foreign.token_bytes(tokenizer.vocab_size) == b"    "
    assert foreign.decode(ids) == b"".join(map(foreign.token_bytes, ids)).decode() == "甲    方"


def test_a_foreign_tokenizer_is_no_chat_tokenizer(tmp_path: Path) -> None:
    byte_fallback_backend().save(str(tmp_path / "tokenizer.json"))
    foreign = Tokenizer.load(tmp_path)
    assert not foreign.is_chat()
    assert foreign.decode([foreign.control_id("<s>"), *foreign.encode("hi")]) == "hi"
    with pytest.raises(ConfigError, match=r"no control token '<\|end\|>'"):
        foreign.control_id("<|end|>")


def test_a_foreign_tokenizer_keeps_the_files_it_came_with(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    byte_fallback_backend().save(str(source / "tokenizer.json"))
    (source / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<s>"}))
    Tokenizer.load(source).save(tmp_path / "copy")
    copied = tmp_path / "copy" / "tokenizer_config.json"
    assert json.loads(copied.read_text()) == {"eos_token": "<s>"}
    assert not (tmp_path / "copy" / "chat_template.jinja").exists()


def test_a_tokenizer_that_is_not_bpe_over_bytes_is_refused(tmp_path: Path) -> None:
    Backend(models.WordLevel({"a": 0, "?": 1}, unk_token="?")).save(
        str(tmp_path / "tokenizer.json")
    )
    with pytest.raises(ConfigError, match=r"tokenizer\.json: decodes neither byte-level"):
        Tokenizer.load(tmp_path)


def test_the_pieces_are_stored_in_the_file(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    stored = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
    assert stored["pre_tokenizer"]["pretokenizers"][0]["pattern"] == {"Regex": PIECES}
