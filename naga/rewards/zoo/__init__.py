"""The hacking zoo: policies that cheat, let loose on the reward system; what they earn, as a table.

`naga reward zoo` runs it. policies.py are the animals, cages.py the problems, scripted.py a judge
that obeys what it reads, run.py lets them loose, table.py writes docs/results/reward-hacking.md.
"""

from naga.rewards.zoo.run import Outcome, Zoo, run_zoo
from naga.rewards.zoo.table import as_markdown, as_table, to_json, write_markdown

__all__ = ["Outcome", "Zoo", "as_markdown", "as_table", "run_zoo", "to_json", "write_markdown"]
