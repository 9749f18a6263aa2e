"""llama-cpp-python's own OpenAI server, whose texts are token ids in decimals: `17 4 256`.

Its completions take texts alone, and a GGUF file of naga's may have no tokenizer; so prompts and
answers are exact. No token ends an answer. Run by the interpreter of the peer's environment, with
the server's own arguments and a name for --hf_pretrained_model_name_or_path. Imports nothing of
naga.
"""

from llama_cpp import llama_cpp as library
from llama_cpp import llama_tokenizer
from llama_cpp.server.__main__ import main


class IdTokenizer(llama_tokenizer.BaseLlamaTokenizer):  # type: ignore[misc]  # not installed here
    def tokenize(self, text: bytes, add_bos: bool = True, special: bool = True) -> list[int]:
        return [int(word) for word in text.split()]

    def detokenize(
        self, tokens: list[int], prev_tokens: list[int] | None = None, special: bool = False
    ) -> bytes:
        return "".join(f"{token} " for token in tokens).encode()


def _ids_alone(cls: type, pretrained_model_name_or_path: str) -> IdTokenizer:
    return IdTokenizer()


def _ends_nothing(vocabulary: object, token: int) -> bool:
    return False


if __name__ == "__main__":
    library.llama_vocab_is_eog = _ends_nothing
    llama_tokenizer.LlamaHFTokenizer.from_pretrained = classmethod(_ids_alone)
    main()
