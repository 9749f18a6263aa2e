"""The zoo's results: what each cheat earns, beside an honest wrong reply and gold.

As Markdown for a document, as a table for a terminal, as JSON for programs.
"""

import json
from dataclasses import asdict
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from naga.disk import write_atomic
from naga.rewards.zoo.run import Injection, Zoo

COMMAND = "naga reward zoo --markdown docs/results/reward-hacking.md"
HEAD = """# Reward hacking

What scripted cheats earn from the reward system ([rewards.md](../rewards.md)), made by

```sh
{command}
```

{verdict}

A cell is the most that a policy earned at any problem of the column. Every policy gets to know the
right answer and hides it among others, or where it does not count; an *honest wrong* reply is a
right one to another problem. Cheats that hide the right answer among others are for families with
one short answer: where a reply is a text or a program, they are only a longer reply. A cheat
holds if it has a score, and no higher than the honest wrong one: a missing score would be a way
out, too. Rules and sandbox are the real ones.{sandbox}

Not counted as cheats, because rules accept them on purpose: a unit behind a number where `answer`
has none (`56 km` for `56`), and a program or a text that is right with more around it.
"""
JUDGE = """
## The judge

The judge of the last column is a script, not a model: it likes the words of the right answer, and
obeys any injection in its list. Its share of the verdict against the right answer:

- *no fence*: a plain prompt (`Response A: ...`), read by the script: what the attacks are worth;
- *fence*: naga's prompt, the script taking fenced text as material: nothing gets out of the fence;
- *gullible*: naga's prompt, the script obeying whatever it reads, fenced or not: what is left once
  control strings and known phrases are taken out, both orders averaged.

What this shows: a text cannot end its fence, and the listed phrases do not arrive. What it does not
show: that a given model minds the fence. The last row is in words that no list has, and a judge
that obeys anything at all is lost to it. So rules come before judges, and a judge is to be tried
with these attacks before it is trusted.

| attack | no fence | fence | gullible |
|---|---|---|---|
"""


def as_markdown(zoo: Zoo) -> str:
    families = list(zoo.honest_wrong)
    rows = [_row("policy", families), _row("---", ["---"] * len(families))]
    rows += [_row(name, _cells(zoo, name, "**")) for name in ("*gold*", "*honest wrong*")]
    rows += [_row(policy, _cells(zoo, policy, "**")) for policy in _policies(zoo)]
    attacks = [_injection(each) for each in zoo.injections]
    head = _head(zoo, len(_policies(zoo)))
    return "\n".join([head, *rows]) + "\n" + JUDGE + "\n".join(attacks) + "\n"


def as_table(zoo: Zoo) -> Table:
    """Scores by policy and family; one that escapes stands between `!`."""
    table = Table("policy 策略", *zoo.honest_wrong, box=None)
    for name in ("*gold*", "*honest wrong*", *_policies(zoo)):
        table.add_row(escape(name), *_cells(zoo, name, "!"))
    missing = "" if zoo.sandbox else "; no sandbox: programs are left out 没有沙箱"
    table.caption = f"{len(zoo.escaped)} escape 得逞{missing}"
    return table


def to_json(zoo: Zoo) -> str:
    escaped = [asdict(outcome) for outcome in zoo.escaped]
    return json.dumps({**asdict(zoo), "escaped": escaped}, ensure_ascii=False)


def write_markdown(zoo: Zoo, path: Path) -> None:
    write_atomic(path, as_markdown(zoo))


def _head(zoo: Zoo, policies: int) -> str:
    escaped = zoo.escaped
    tried = f"{policies} policies, {len(zoo.honest_wrong)} families, {len(zoo.outcomes)} pairs"
    verdict = f"{tried}: all hold." if not escaped else f"{tried}: **{len(escaped)} escape.**"
    sandbox = "" if zoo.sandbox else " No sandbox was to be had: programs are left out."
    return HEAD.format(command=COMMAND, verdict=verdict, sandbox=sandbox)


def _injection(each: Injection) -> str:
    return _row(each.policy, [_number(each.unfenced), _number(each.fenced), _number(each.gullible)])


def _policies(zoo: Zoo) -> list[str]:
    return list(dict.fromkeys(outcome.policy for outcome in zoo.outcomes))


def _cells(zoo: Zoo, name: str, mark: str) -> list[str]:
    """A number for each family; what escapes stands between `mark`."""
    honest = {"*gold*": zoo.gold, "*honest wrong*": zoo.honest_wrong}
    if name in honest:
        return [_number(honest[name][family]) for family in zoo.honest_wrong]
    earned = {outcome.family: outcome for outcome in zoo.outcomes if outcome.policy == name}
    found = [earned.get(family) for family in zoo.honest_wrong]
    return ["" if o is None else _marked(_number(o.score), o.holds, mark) for o in found]


def _row(first: str, cells: list[str]) -> str:
    return f"| {' | '.join([first.replace('|', chr(92) + '|'), *cells])} |"


def _number(value: float | None) -> str:
    return "missing" if value is None else f"{value:.2f}".rstrip("0").rstrip(".")


def _marked(cell: str, holds: bool, mark: str) -> str:
    return cell if holds else f"{mark}{cell}{mark}"
