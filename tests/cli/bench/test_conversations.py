"""What `naga bench cache-trace` refuses before it starts a server."""

from cli.running import Run, refused


def test_an_unknown_trace_is_refused(naga: Run) -> None:
    message = refused(naga("bench", "cache-trace", "m", "--traces", "novel"))
    assert message == "--traces 'novel': use some of contract,agent,steps"
