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

    Some pieces put their state elsewhere, and some of those are thrown away and computed again.
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
        batch = place(
            takes,
            [done[i] for i in chosen],
            targets,
            [pages[i][: -(-(done[i] + take) // PAGE)] for i, take in spans],
            "cpu",
            [slots[i] for i in chosen],
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
