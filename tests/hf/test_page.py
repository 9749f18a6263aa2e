"""docs/interop.md: its Python runs, block after block, as a reader would run it."""

import re
from pathlib import Path

import pytest

REASON = "needs the extra: pip install 'naga-lm[interop]'"
for name in ("trl", "peft", "lm_eval"):
    pytest.importorskip(name, reason=REASON)

ROOT = Path(__file__).parents[2]


# Other people's libraries warn of themselves.
@pytest.mark.filterwarnings("ignore")
def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "docs" / "interop.md").read_text(encoding="utf-8")
    (tmp_path / "naga").symlink_to(ROOT / "naga")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 4
    exec("\n".join(blocks), {})
    assert (tmp_path / "runs" / "merged" / "model.safetensors").is_file()
