"""How far two orders of documents differ: by the definition, however the lists look."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inferometer.spans.reordering import disagreement, identity, top_changed

LISTS = st.lists(st.sampled_from(["a", "b", "c", "d", "e", ""]), max_size=9)


def by_definition(before: list[str], after: list[str]) -> float | None:
    """Pair by pair."""
    both = [*dict.fromkeys(one for one in before if one and one in after)]
    pairs = [*combinations(both, 2)]
    turned = sum(after.index(one) > after.index(other) for one, other in pairs)
    return turned / len(pairs) if pairs else None


# A machine that is busy makes lists slowly.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(LISTS, LISTS)
def test_the_distance_is_the_share_of_pairs_that_are_turned(
        before: list[str], after: list[str]) -> None:
    assert disagreement(before, after) == by_definition(before, after)


@pytest.mark.parametrize(("before", "after", "distance"), [
    ("abcd", "abcd", 0.0), ("abcd", "dcba", 1.0), ("abc", "acb", 1 / 3), ("abcd", "db", 1.0),
    ("ab", "bc", None), ("a", "a", None), ("", "abc", None), ("abab", "ba", 1.0),
])
def test_known_orders_have_their_distance(
        before: str, after: str, distance: float | None) -> None:
    assert disagreement([*before], [*after]) == distance


@pytest.mark.parametrize(("before", "after", "changed"), [
    (["a", "b"], ["a", "b"], False), (["a", "b"], ["b", "a"], True), (["a"], ["b"], True),
    ([], ["a"], None), (["a"], [], None), (["", "a"], ["a"], None), (["a"], ["", "a"], None),
])
def test_the_top_changed_where_both_lists_have_a_first_document_that_is_known(
        before: list[str], after: list[str], changed: bool | None) -> None:
    assert top_changed(before, after) is changed


@pytest.mark.parametrize(("one", "other", "is_same"), [
    ({"id": "d1", "content": "x"}, {"id": "d1", "content": "y"}, True),
    ({"id": "d1", "content": "x"}, {"id": "d2", "content": "x"}, False),
    ({"id": None, "page_content": "x"}, {"content": "x"}, True),
    ({"id": 7}, {"id": "7"}, True),
    ({"id": 0}, {"id": 1}, False),
    ({"id": {"a": 1}, "text": "x"}, {"id": [2], "text": "x"}, True),
    ({"node": {"id_": "n1", "text": "x"}, "score": 1}, {"node": {"id_": "n1"}}, True),
    ("d1", "d1", True), (3, "3", True),
    ({"id": "d" * 300}, {"id": "d" * 299 + "e"}, False),
    ({"id": "x"}, {"content": "x"}, False),
])
def test_a_document_is_its_id_else_its_content(one: object, other: object, is_same: bool) -> None:
    assert (identity(one) == identity(other)) is is_same
    assert identity(one)


@pytest.mark.parametrize("nobody", [{}, {"id": ""}, {"id": True}, {"score": 1}, None, [], "", True])
def test_what_has_neither_is_nobody(nobody: object) -> None:
    assert identity(nobody) == ""


def test_content_is_kept_as_a_digest_alone() -> None:
    assert "secret" not in identity({"content": "a secret"})
    assert len(identity({"content": "long " * 100_000})) < 64
