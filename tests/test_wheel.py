"""The wheel, installed alone in an empty environment, serves the model it carries."""

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_wheel_in_an_empty_environment_serves(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", tmp_path, ROOT], check=True)
    (wheel,) = tmp_path.glob("naga_lm-*.whl")
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    install = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    subprocess.run([*install, "-c", ROOT / "constraints.txt", wheel], check=True)
    subprocess.run([python, ROOT / "tests" / "wheel_smoke.py"], check=True, cwd=tmp_path)
    server = subprocess.Popen(
        [tmp_path / "venv" / "bin" / "naga", "serve", "--port", "0"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        greeting = server.stdout.readline()
        (url,) = (word for word in greeting.split() if word.startswith("http://"))
        with urllib.request.urlopen(f"{url}/v1/models") as reply:
            assert b'"naga-mini"' in reply.read()
        with urllib.request.urlopen(url) as page:
            assert b"<html" in page.read()
    finally:
        server.terminate()
        assert server.wait(timeout=30) == 0
        if server.stdout is not None:
            server.stdout.close()
