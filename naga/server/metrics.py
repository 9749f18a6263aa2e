"""What the engine holds and has done, in Prometheus' text format (version 0.0.4).

Gauges are of the engine's last step, counters since it started. Holds no numbers of its own.
"""

from collections.abc import Iterator

from naga.config.serve import EngineConfig
from naga.engine.engine import Load

MEDIA_TYPE = "text/plain; version=0.0.4"


def exposition(load: Load, config: EngineConfig) -> str:
    return "".join(
        f"# HELP naga_{name} {text}\n# TYPE naga_{name} {kind}\nnaga_{name} {value}\n"
        for name, kind, value, text in _rows(load, config)
    )


def _rows(load: Load, config: EngineConfig) -> Iterator[tuple[str, str, int, str]]:
    pages, counts = config.kv_tokens // config.page_size, load.counts
    yield "requests_running", "gauge", load.running, "Requests that hold memory."
    yield "requests_waiting", "gauge", load.waiting, "Requests that wait for memory."
    yield "slots", "gauge", config.max_running, "Requests that may run at once."
    yield "slots_free", "gauge", load.free_slots, "Of those, free."
    yield "kv_pages", "gauge", pages, f"Pages of {config.page_size} tokens."
    yield "kv_pages_free", "gauge", load.free_pages, "Of those, held by nobody."
    yield "kv_pages_known", "gauge", load.cached_pages, "Of those, in the prefix tree."
    yield "snapshots", "gauge", load.snapshots, "Snapshots of recurrent states."
    yield "snapshot_bytes", "gauge", load.snapshots * load.state_bytes, "Memory of the snapshots."
    yield "tokens_asked_total", "counter", counts.asked, "Tokens of sequences taken in."
    yield "tokens_matched_total", "counter", counts.matched, "Of those, keys and values known."
    yield "tokens_restored_total", "counter", counts.restored, "Of those, not computed again."
    yield "tokens_replayed_total", "counter", counts.replayed, "Known but computed again."
    yield "snapshots_planted_total", "counter", counts.snapshots_planted, "Snapshots taken."
    yield "snapshots_evicted_total", "counter", load.evicted_snapshots, "Snapshots dropped."
    yield "kv_pages_evicted_total", "counter", load.evicted_pages, "Known pages dropped."
    yield "requests_gave_way_total", "counter", load.gave_way, "Requests interrupted for others."
