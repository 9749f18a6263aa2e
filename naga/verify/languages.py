"""Which language a text is written in, by its script and its commonest words; no models.

Enough for graders that ask for *one* language out of those of IFEval and a few more. Scripts that
one language uses decide alone; among languages of one script the one with most of its common words
and letters wins. A short text without any of them is None: unknown.
"""

import re
from collections import Counter
from typing import Final

SCRIPTS: Final = {
    "zh": "\u4e00-\u9fff",
    "ja": "\u3040-\u30ff",
    "ko": "\uac00-\ud7af\u1100-\u11ff",
    "th": "\u0e00-\u0e7f",
    "bn": "\u0980-\u09ff",
    "pa": "\u0a00-\u0a7f",
    "gu": "\u0a80-\u0aff",
    "ta": "\u0b80-\u0bff",
    "te": "\u0c00-\u0c7f",
    "kn": "\u0c80-\u0cff",
    "ml": "\u0d00-\u0d7f",
    "he": "\u0590-\u05ff",
    "el": "\u0370-\u03ff",
    "devanagari": "\u0900-\u097f",
    "arabic": "\u0600-\u06ff",
    "cyrillic": "\u0400-\u04ff",
    "latin": "A-Za-z\u00c0-\u024f\u1e00-\u1eff",
}
LETTERS: Final = {name: re.compile(f"[{span}]") for name, span in SCRIPTS.items()}
FAMILIES: Final = {
    "devanagari": ("hi", "mr", "ne"),
    "arabic": ("ar", "fa", "ur"),
    "cyrillic": ("ru", "bg", "uk"),
    "latin": ("en", "de", "fr", "es", "pt", "it", "vi", "fi", "sw", "nl", "pl", "sv", "tr", "id"),
}
COMMON: Final = {
    "hi": ("है हैं का की के में से को और यह वह नहीं था थी थे एक पर ने लिए भी हो कर किया आप हम मैं तुम जो तो"),
    "mr": (
        "आहे आहेत आणि हे ही हा मध्ये चा ची चे च्या नाही होते होता होती एक या त्या "
        "साठी करा मी तुम्ही आम्ही पण तर"
    ),
    "ne": ("छ छन् हो र मा को का यो त्यो छैन थियो थिए गर्न लागि एक भएको गर्नुहोस् म तपाईं हामी तर पनि हुन्छ"),
    "ar": ("في من على أن إلى هذا هذه التي الذي ما لا كان عن مع هو هي كل بعد قد لم و أو يا إن"),
    "fa": ("است در به از که این را با آن برای می یک شما ما های هم و نیست بود شد خود باید اگر"),
    "ur": ("ہے ہیں کا کی کے میں سے کو اور یہ وہ نہیں تھا ایک پر نے لیے بھی آپ ہم کیا گیا کر"),
    "ru": (
        "и в не на что я он как это с по но они мы вы для из от за так же его её был есть или очень"
    ),
    "bg": (
        "и в на да се не за от е с по че като но са ще този това тази които има към "
        "във съм ние може"
    ),
    "uk": (
        "і в не на що я він як це з та але ми ви для від за так його її був є або дуже у до які"
    ),
    "en": (
        "the and of to in is that it for you with on are this be as at have not was "
        "we they from or by an will your can i he she do but if a"
    ),
    "de": (
        "der die das und ist nicht ein eine zu mit auf für den dem von ich sie es im "
        "wir sind auch als an wird haben aus bei oder des einen einer"
    ),
    "fr": (
        "le la les et est une un des du que qui dans pour pas vous nous je il elle "
        "sur avec sont au ce cette plus ne se par mais ou en"
    ),
    "es": (
        "el la los las y es una un de que en por para con no se su como más pero lo "
        "al del está son muy este esta nos yo"
    ),
    "pt": (
        "o os as e é uma um de que em por para com não se seu sua como mais mas do da "
        "dos das no na está são muito este esta você nós eu ao"
    ),
    "it": (
        "il lo gli e è una un di che in per con non si suo come più ma del della dei "
        "sono molto questo questa al alla nel noi io la le"
    ),
    "vi": (
        "và là của có không được trong cho một những các với này người đã tôi bạn để "
        "khi như từ về ở sẽ rất"
    ),
    "fi": (
        "ja on ei se että hän oli kun mutta niin myös ovat tämä joka minä sinä mitä "
        "kuin tai olen jos hyvin sen voi ole"
    ),
    "sw": (
        "na ya wa kwa ni katika la za kuwa hii hiyo yake yangu sana pia lakini cha "
        "huu ambayo kama hakuna wewe mimi sisi kila vya watu"
    ),
    "nl": (
        "de het een en van is dat niet in op te zijn voor met ik je ook er maar aan "
        "om heeft wij naar bij"
    ),
    "pl": (
        "i w nie na to jest się z że do jak co dla od po ale są jego oraz był przez może czy tak"
    ),
    "sv": (
        "och det att i en är som på inte för med har av den ett jag du till om men vi "
        "så kan från var"
    ),
    "tr": (
        "ve bir bu için de da ne ile çok var mı ben sen o gibi ama daha olan olarak değil en kadar"
    ),
    "id": (
        "yang dan di ini itu dengan untuk tidak dari dalam akan pada juga ke karena "
        "saya anda kami ada atau oleh bisa"
    ),
}
WORDS_OF: Final = {language: frozenset(listed.split()) for language, listed in COMMON.items()}
MARKS: Final = {
    "vi": "ăđơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ",
    "de": "ßäöü",
    "fi": "äö",
    "pt": "ãõç",
    "es": "ñ¿¡",
    "pl": "łąęśżźćń",
    "tr": "ğışç",
    "sv": "åäö",
    "fa": "پچژگ",
    "ur": "ٹڈڑںےہھ",
    "ru": "ыэё",
    "bg": "ъ",
    "uk": "іїєґ",
    "mr": "ळ",
}
WORD: Final = re.compile(r"[^\W\d_]+(?:[\u0900-\u0903\u093a-\u094f\u0600-\u061f]+[^\W\d_]*)*")
MAX_TEXT = 20_000


def detect_language(text: str) -> str | None:
    """ISO 639-1 code of the language most of the letters belong to; None if nobody can say."""
    text = text[:MAX_TEXT]
    counts = {name: len(letters.findall(text)) for name, letters in LETTERS.items()}
    # Japanese mixes its own letters with Chinese ones; a foreign name is far less.
    counts["ja"] += counts["zh"] if counts["ja"] * 10 > counts["zh"] else 0
    script = max(counts, key=lambda name: counts[name])
    if counts[script] == 0:
        return None
    return script if script not in FAMILIES else _by_words(text.casefold(), FAMILIES[script])


def _by_words(text: str, languages: tuple[str, ...]) -> str | None:
    words = Counter(WORD.findall(text))
    scores = {
        language: sum(count for word, count in words.items() if word in WORDS_OF[language])
        + sum(text.count(mark) for mark in MARKS.get(language, "")) / 3
        for language in languages
    }
    best = max(scores, key=lambda language: scores[language])
    return best if scores[best] > 0 else None
