"""Primary gates secondary: bookkeeping under any scores."""

from hypothesis import given
from hypothesis import strategies as st

from naga.rewards import AggregateConfig, Secondary, aggregate
from naga.rewards.aggregate import brevity, freshness, of_tests
from naga.tasks import Verdict

shares = st.floats(0, 1)
terms = st.dictionaries(
    st.sampled_from(["freshness", "brevity", "style", "format"]),
    st.builds(Secondary, value=st.none() | shares, weight=shares),
)


@given(st.none() | shares, terms)
def test_nothing_secondary_pays(score: float | None, secondary: dict[str, Secondary]) -> None:
    primary = Verdict(score=score, parts={"match": score or 0.0}, matched_by="exact")
    found = aggregate(primary, secondary)
    if score is None:
        assert found == primary, "missing stays missing"
        return
    assert found.score is not None and 0 <= found.score <= score
    assert found.parts["primary"] == score and found.parts["match"] == score
    measured = {name: term.value for name, term in secondary.items() if term.value is not None}
    assert {name: found.parts[name] for name in measured} == measured
    missing = [name for name, term in secondary.items() if term.value is None]
    assert all(f"{name} is missing" in found.reason for name in missing)
    if all(term.factor == 1 for term in secondary.values()):
        assert found.score == score


@given(terms)
def test_a_better_term_never_costs(secondary: dict[str, Secondary]) -> None:
    primary = Verdict(score=1.0)
    best = {name: Secondary(value=1.0, weight=term.weight) for name, term in secondary.items()}
    found, ideal = aggregate(primary, secondary).score, aggregate(primary, best).score
    assert found is not None and ideal == 1.0 and found <= ideal


@given(st.integers(0, 10_000), st.integers(0, 5000), st.integers(1, 8000))
def test_brevity_falls_from_one_to_zero(length: int, free: int, most: int) -> None:
    value = brevity(length, free, most)
    assert 0 <= value <= 1 and brevity(length + 1, free, most) <= value
    assert brevity(free, free, most) == 1
    if most > free:
        assert brevity(most, free, most) == 0


def test_freshness_sees_words_and_lines() -> None:
    assert freshness("All of these words are different from each other.", 0.3) == 1
    assert freshness("round and " * 500, 0.3) < 0.05
    assert freshness("= = =\n" * 500, 0.3) < 0.05


def test_partial_credit_is_a_choice() -> None:
    half = Verdict(score=0.0, parts={"tests": 0.5}, reason="2 of 4 tests pass")
    assert of_tests(half, AggregateConfig()).score == 0
    assert of_tests(half, AggregateConfig(tests="fraction")).score == 0.5
    missing = Verdict(score=None, parts={"tests": 0.5})
    assert of_tests(missing, AggregateConfig(tests="fraction")).score is None
