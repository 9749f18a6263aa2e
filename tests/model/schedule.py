"""A random schedule of several sequences: what an engine could do, and more."""

from collections.abc import Sequence
from random import Random

import torch
from hypothesis import strategies as st
from torch import Tensor

from model.tiny import PAGE
from naga.engine.backend import RowModel
from naga.model.state import StatePool, place

SLOTS, PAGES = 6, 24


def run_schedule(
    model: RowModel, pool: StatePool, texts: Sequence[Tensor], choice: Random, data: st.DataObject
) -> list[Tensor]:
    """Logits of each text's tokens, whoever was in a step, in what order, slot and pages.

    Some pieces put their state elsewhere, and some of those are thrown away and computed again;
    some are cut in two, of which the second goes on from where the first has put its state.
    """
    lengths = [len(text) for text in texts]
    order = data.draw(st.permutations(range(SLOTS)))
    slots, spare = list(order[: len(texts)]), list(order[len(texts) :])
    free = iter(data.draw(st.permutations(range(PAGES))))
    pages = [[next(free) for _ in range(0, length, PAGE)] for length in lengths]
    done, rows = [0] * len(texts), [list[Tensor]() for _ in texts]
    while active := [i for i, length in enumerate(lengths) if done[i] < length]:
        chosen = choice.sample(active, choice.randint(1, len(active)))
        takes = [choice.choice([1, choice.randint(1, lengths[i] - done[i])]) for i in chosen]
        spans = list(zip(chosen, takes, strict=True))
        fate = choice.choice(["stay", "stay", "move", "lose"])
        moved = fate != "stay"
        targets = [spare.pop() if spare and moved else slots[i] for i in chosen]
        between = list(spare)
        # Length, start, target, source and whose.
        entries = list[tuple[int, int, int, int, int]]()
        for (i, take), target in zip(spans, targets, strict=True):
            start, source = done[i], slots[i]
            if take > 1 and between and choice.random() < 0.5:
                cut, middle = choice.randint(1, take - 1), between.pop()
                entries.append((cut, start, middle, source, i))
                take, start, source = take - cut, start + cut, middle
            entries.append((take, start, target, source, i))
        batch = place(
            [take for take, *_ in entries],
            [start for _, start, *_ in entries],
            [target for _, _, target, *_ in entries],
            [pages[i][: -(-(start + take) // PAGE)] for take, start, _, _, i in entries],
            "cpu",
            [source for *_, source, _ in entries],
        )
        tokens = torch.cat([texts[i][done[i] : done[i] + take] for i, take in spans])
        parts = model.logits_rows(model.step(tokens, batch, pool)).split(takes)
        for (i, take), target, part in zip(spans, targets, parts, strict=True):
            if target != slots[i]:
                if fate == "lose":
                    spare.append(target)
                    continue
                spare.append(slots[i])
                slots[i] = target
            rows[i].append(part)
            done[i] += take
    return [torch.cat(parts) for parts in rows]
