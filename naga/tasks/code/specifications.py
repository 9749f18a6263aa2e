"""The functions to write, in a table: what is asked, the body of a gold solution, and its inputs.

Each entry has parameters that change what the function does, so that one entry is many problems.
Adding an entry needs nothing else; tests hold its source against its function.
"""

from naga.tasks.code.inputs import (
    integer,
    integers,
    some_integers,
    two_integers,
    two_lists,
    word,
    words,
)
from naga.tasks.code.specification import Specification


def _digits(number: int) -> list[int]:
    return [int(digit) for digit in str(abs(number))]


def _runs(text: str) -> str:
    out = ""
    for i, letter in enumerate(text):
        if i == 0 or text[i - 1] != letter:
            length = len(text[i:]) - len(text[i:].lstrip(letter))
            out += letter + str(length)
    return out


def _steps_to_one(number: int, factor: int) -> int:
    count = 0
    while number > 1:
        number = number // 2 if number % 2 == 0 else number - factor
        count += 1
    return count


SPECIFICATIONS: tuple[Specification, ...] = (
    Specification(
        name="scale",
        level="easy",
        english=("returns {k} times x plus {m}", "multiplies x by {k} and adds {m}"),
        chinese=("返回 x 的 {k} 倍加 {m}", "把 x 乘以 {k} 再加上 {m}"),
        arguments="x",
        inputs=integer,
        source="    return {k} * x + {m}\n",
        solve=lambda p, x: p["k"] * x + p["m"],
        steps="{k} * x + {m}",
        parameters={"k": range(2, 20), "m": range(1, 30)},
    ),
    Specification(
        name="remainder",
        level="easy",
        english=(
            "returns the remainder of x plus y when divided by {k}",
            "adds x and y and returns the sum modulo {k}",
        ),
        chinese=("返回 x 加 y 的和除以 {k} 的余数", "求 x 与 y 之和对 {k} 取模的结果"),
        arguments="x, y",
        inputs=two_integers,
        source="    return (x + y) % {k}\n",
        solve=lambda p, x, y: (x + y) % p["k"],
        steps="(x + y) % {k}",
        parameters={"k": range(3, 60)},
    ),
    Specification(
        name="weighted",
        level="easy",
        english=("returns {k} times x minus {m} times y", "computes {k}x - {m}y"),
        chinese=("返回 x 的 {k} 倍减去 y 的 {m} 倍", "计算 {k}x - {m}y"),
        arguments="x, y",
        inputs=two_integers,
        source="    return {k} * x - {m} * y\n",
        solve=lambda p, x, y: p["k"] * x - p["m"] * y,
        steps="{k} * x - {m} * y",
        parameters={"k": range(2, 12), "m": range(2, 12)},
    ),
    Specification(
        name="add_each",
        level="easy",
        english=(
            "returns a list with {k} added to every number of items",
            "adds {k} to each element of the list items and returns the new list",
        ),
        chinese=(
            "返回给列表 items 的每个数加上 {k} 后的新列表",
            "把 items 中每个元素加 {k}，返回新列表",
        ),
        arguments="items",
        inputs=integers,
        source="    return [x + {k} for x in items]\n",
        solve=lambda p, items: [x + p["k"] for x in items],
        steps="x + {k} for x in items",
        parameters={"k": range(1, 60)},
    ),
    Specification(
        name="clip",
        level="easy",
        english=(
            "returns x, but never less than {k} and never more than {k} + {m}",
            "limits x to the range from {k} to {k} + {m}, both included",
        ),
        chinese=(
            "返回 x，但不小于 {k} 且不大于 {k} + {m}",
            "把 x 限制在 {k} 到 {k} + {m} 之间（含两端）",
        ),
        arguments="x",
        inputs=integer,
        source="    return max({k}, min({k} + {m}, x))\n",
        solve=lambda p, x: max(p["k"], min(p["k"] + p["m"], x)),
        steps="max({k}, min({k} + {m}, x))",
        parameters={"k": range(-20, 20), "m": range(5, 30)},
    ),
    Specification(
        name="repeat",
        level="easy",
        english=("returns the text s written {k} times in a row", "repeats the string s {k} times"),
        chinese=("返回把字符串 s 连写 {k} 次的结果", "把字符串 s 重复 {k} 次后返回"),
        arguments="s",
        inputs=word,
        source="    return s * {k}\n",
        solve=lambda p, s: s * p["k"],
        steps="s * {k}",
        parameters={"k": range(2, 12)},
    ),
    Specification(
        name="sum_divisible",
        level="medium",
        english=(
            "returns the sum of the numbers in items that are divisible by {k}",
            "adds up all elements of items that are multiples of {k}",
        ),
        chinese=("返回列表 items 中能被 {k} 整除的数之和", "求 items 中所有 {k} 的倍数的和"),
        arguments="items",
        inputs=some_integers,
        source="    return sum(x for x in items if x % {k} == 0)\n",
        solve=lambda p, items: sum(x for x in items if x % p["k"] == 0),
        steps="x in items, x % {k} == 0; sum",
        parameters={"k": range(2, 8)},
    ),
    Specification(
        name="count_above",
        level="medium",
        english=(
            "returns how many numbers in items are greater than {k}",
            "counts the elements of items above {k}",
        ),
        chinese=("返回列表 items 中大于 {k} 的数的个数", "数一数 items 里有几个数大于 {k}"),
        arguments="items",
        inputs=some_integers,
        source="    return len([x for x in items if x > {k}])\n",
        solve=lambda p, items: len([x for x in items if x > p["k"]]),
        steps="x in items, x > {k}; count",
        parameters={"k": range(-20, 40)},
    ),
    Specification(
        name="every_nth",
        level="medium",
        english=(
            "returns the elements of items at -1, -1 - {k}, -1 - 2 * {k} and so on, as a list",
            "walks through items backwards from the last element in steps of {k} and returns these "
            "elements as a list",
        ),
        chinese=(
            "从最后一个元素起倒着每隔 {k} 个取一个，返回列表",
            "从 items 末尾开始倒序以步长 {k} 取元素，返回列表",
        ),
        arguments="items",
        inputs=integers,
        source="    return items[::-{k}]\n",
        solve=lambda p, items: items[:: -p["k"]],
        steps="items[::-{k}]",
        parameters={"k": range(2, 5)},
    ),
    Specification(
        name="rotate",
        level="medium",
        english=(
            "rotates the text s to the left by {k} letters",
            "moves the first {k} letters of s to its end, {k} taken modulo its length",
        ),
        chinese=(
            "把字符串 s 向左循环移动 {k} 位",
            "把 s 的前 {k} 个字母移到末尾（{k} 对长度取模）",
        ),
        arguments="s",
        inputs=word,
        source="    n = {k} % len(s)\n    return s[n:] + s[:n]\n",
        solve=lambda p, s: s[p["k"] % len(s) :] + s[: p["k"] % len(s)],
        steps="n = {k} % len(s); s[n:] + s[:n]",
        parameters={"k": range(1, 12)},
    ),
    Specification(
        name="digit_sum",
        level="medium",
        english=(
            "returns the sum of the decimal digits of the number x multiplied by {k}",
            "multiplies the digit sum of x (without its sign) by {k}",
        ),
        chinese=("返回整数 x 各位数字之和乘以 {k}", "求 x 的各位数字之和（不计符号）再乘 {k}"),
        arguments="x",
        inputs=integer,
        source="    return {k} * sum(int(d) for d in str(abs(x)))\n",
        solve=lambda p, x: p["k"] * sum(_digits(x)),
        steps="d in str(abs(x)); sum; {k} *",
        parameters={"k": range(1, 20)},
    ),
    Specification(
        name="long_words",
        level="medium",
        english=(
            "returns the words of the list items that have more than {k} letters, in order",
            "keeps only the strings in items that are longer than {k}",
        ),
        chinese=(
            "按原顺序返回列表 items 中超过 {k} 个字母的单词",
            "只保留 items 中长度大于 {k} 的字符串",
        ),
        arguments="items",
        inputs=words,
        source="    return [w for w in items if len(w) > {k}]\n",
        solve=lambda p, items: [w for w in items if len(w) > p["k"]],
        steps="w in items, len(w) > {k}",
        parameters={"k": range(2, 7)},
    ),
    Specification(
        name="pairs",
        level="medium",
        english=(
            "returns the sum of products of elements of a and b in the same place, plus {k}",
            "computes the dot product of the lists a and b and adds {k}",
        ),
        chinese=("返回 a 与 b 对应元素乘积之和再加 {k}", "计算列表 a 和 b 的点积并加上 {k}"),
        arguments="a, b",
        inputs=two_lists,
        source="    return sum(x * y for x, y in zip(a, b)) + {k}\n",
        solve=lambda p, a, b: sum(x * y for x, y in zip(a, b, strict=True)) + p["k"],
        steps="x * y for x, y in zip(a, b); sum; + {k}",
        parameters={"k": range(1, 60)},
    ),
    Specification(
        name="running",
        level="hard",
        english=(
            "returns the running sums of items, each taken modulo {k}",
            "replaces each number of items by the sum of all up to and including it, modulo {k}",
        ),
        chinese=(
            "返回 items 的前缀和列表，每个都对 {k} 取模",
            "把每个数换成到它为止所有数之和对 {k} 的余数",
        ),
        arguments="items",
        inputs=integers,
        source=(
            "    total = 0\n    out = []\n    for x in items:\n        total += x\n"
            "        out.append(total % {k})\n    return out\n"
        ),
        solve=lambda p, items: [sum(items[: i + 1]) % p["k"] for i in range(len(items))],
        steps="for x: total += x; append total % {k}",
        parameters={"k": range(3, 50)},
    ),
    Specification(
        name="steps_to_one",
        level="hard",
        english=(
            "starts from abs(x) and counts steps while it is above 1: an even number is halved, "
            "from an odd one {k} is subtracted; returns the count",
            "counts how often abs(x) has to be halved if even or lessened by {k} if odd until it "
            "is 1 or less",
        ),
        chinese=(
            "从 abs(x) 开始，大于 1 时偶数除以 2、奇数减 {k}，返回所用步数",
            "求 abs(x) 经过“偶数减半、奇数减 {k}”变到不大于 1 需要几步",
        ),
        arguments="x",
        inputs=integer,
        source=(
            "    x = abs(x)\n    count = 0\n    while x > 1:\n"
            "        x = x // 2 if x % 2 == 0 else x - {k}\n        count += 1\n    return count\n"
        ),
        solve=lambda p, x: _steps_to_one(abs(x), p["k"]),
        steps="while x > 1: halve or - {k}; count",
        parameters={"k": (1, 3, 5, 7, 9, 11, 13, 15, 17, 19)},
    ),
    Specification(
        name="run_lengths",
        level="hard",
        english=(
            "writes each run of equal letters of s as the letter and the length of the run, and "
            "repeats all of that {k} times",
            "returns the run-length encoding of s (letter, then count), {k} times over",
        ),
        chinese=(
            "把 s 中每段相同字母写成字母加长度，整体重复 {k} 次",
            "返回 s 的游程编码（字母后跟个数），重复 {k} 遍",
        ),
        arguments="s",
        inputs=word,
        source=(
            '    out = ""\n    i = 0\n    while i < len(s):\n        j = i\n'
            "        while j < len(s) and s[j] == s[i]:\n            j += 1\n"
            "        out += s[i] + str(j - i)\n        i = j\n    return out * {k}\n"
        ),
        solve=lambda p, s: _runs(s) * p["k"],
        steps="i..j: s[j] == s[i]; s[i] + str(j - i); * {k}",
        parameters={"k": range(1, 9)},
    ),
    Specification(
        name="nearest",
        level="hard",
        english=(
            "returns the number in items that is nearest to {k}, the smaller of two equally near",
            "finds the element of items closest to {k}; of two that are equally close the smaller",
        ),
        chinese=(
            "返回 items 中最接近 {k} 的数，一样近时取较小的",
            "找出 items 里离 {k} 最近的元素，距离相同取小的",
        ),
        arguments="items",
        inputs=integers,
        source="    return min(items, key=lambda x: (abs(x - {k}), x))\n",
        solve=lambda p, items: min(items, key=lambda x: (abs(x - p["k"]), x)),
        steps="min by (abs(x - {k}), x)",
        parameters={"k": range(-30, 60)},
    ),
    Specification(
        name="by_remainder",
        level="hard",
        english=(
            "sorts items by the remainder modulo {k}, numbers of equal remainder by size",
            "returns items in the order of x % {k}, and where that is equal in the order of x",
        ),
        chinese=(
            "按除以 {k} 的余数对 items 排序，余数相同按大小",
            "返回按 x % {k} 排序的 items，余数相等时按 x 排",
        ),
        arguments="items",
        inputs=integers,
        source="    return sorted(items, key=lambda x: (x % {k}, x))\n",
        solve=lambda p, items: sorted(items, key=lambda x: (x % p["k"], x)),
        steps="sorted by (x % {k}, x)",
        parameters={"k": range(3, 12)},
    ),
    Specification(
        name="chunks",
        level="hard",
        english=(
            "cuts items into pieces of {k} (the last may be shorter) and returns the sums of the "
            "pieces",
            "returns the list of sums of each {k} consecutive elements of items, the last group "
            "maybe smaller",
        ),
        chinese=(
            "把 items 每 {k} 个分成一段（最后一段可能较短），返回各段之和",
            "依次求 items 中每 {k} 个元素的和，返回列表",
        ),
        arguments="items",
        inputs=integers,
        source="    return [sum(items[i : i + {k}]) for i in range(0, len(items), {k})]\n",
        solve=lambda p, items: [sum(items[i : i + p["k"]]) for i in range(0, len(items), p["k"])],
        steps="i in range(0, len, {k}): sum(items[i:i + {k}])",
        parameters={"k": range(2, 5)},
    ),
)
