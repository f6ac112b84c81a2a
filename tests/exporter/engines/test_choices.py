"""Requests are counted once, however many answers they asked for."""

from __future__ import annotations

from inferometer.engines.choices import MOST_UNSETTLED, RequestsOfAnswers


def test_requests_for_one_answer_are_counted_as_the_engine_counts_them() -> None:
    requests = RequestsOfAnswers[str]()
    assert requests.add({"stop": 5, "length": 2}, 7, 7) == {"stop": 5, "length": 2}
    assert requests.add({"stop": 6, "length": 2}, 8, 8) == {"stop": 6, "length": 2}
    assert not requests.several


def test_requests_are_shared_out_over_the_endings_of_their_answers() -> None:
    requests = RequestsOfAnswers[str]()
    counts = requests.add({"stop": 25, "length": 5}, 10, 30)
    assert counts == {"stop": 8, "length": 2}
    assert requests.add({"stop": 28, "length": 5}, 11, 33) == {"stop": 9, "length": 2}


def test_answers_of_a_request_that_has_not_ended_altogether_wait_for_it() -> None:
    requests = RequestsOfAnswers[str]()
    requests.add({"stop": 3}, 1, 3)
    assert requests.add({"stop": 5}, 1, 3) == {"stop": 1}
    assert requests.add({"stop": 6}, 2, 6) == {"stop": 2}


def test_an_engine_that_starts_anew_adds_to_what_was_counted() -> None:
    requests = RequestsOfAnswers[str]()
    requests.add({"stop": 30}, 10, 30)
    assert requests.add({"stop": 3}, 1, 3) == {"stop": 11}


def test_where_the_histogram_stands_still_answers_are_counted_in_the_end() -> None:
    requests = RequestsOfAnswers[str]()
    requests.add({"stop": 3}, 1, 3)
    counts = requests.add({"stop": 3 + MOST_UNSETTLED + 1}, 1, 3)
    assert counts == {"stop": 1 + MOST_UNSETTLED + 1}


def test_requests_of_which_no_answer_is_on_the_page_are_not_counted() -> None:
    requests = RequestsOfAnswers[str]()
    assert requests.add({}, 4, 12) == {}
    assert requests.add({"stop": 3}, 5, 15) == {"stop": 1}
