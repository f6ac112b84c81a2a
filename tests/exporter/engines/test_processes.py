"""Several processes behind one port: no growth is made of counts that are not one process'."""

from __future__ import annotations

from inferometer import catalogue as c
from inferometer.engines.processes import ALONE, BY_TURNS, UNSURE
from inferometer.engines.reading import Reading
from tests.exporter.engines.play import Player, exposition, only

NOW = 1000.0  # when Player's clock begins


def vllm(start: float, tokens: int) -> str:
    return (exposition("process_start_time_seconds", "gauge", f"process_start_time_seconds {start}")
            + exposition("vllm:generation_tokens_total", "counter",
                         f'vllm:generation_tokens_total{{model_name="m"}} {tokens}'))


def llama(tokens: int, prompt: int) -> str:
    return (exposition("llamacpp:tokens_predicted_total", "counter",
                       f"llamacpp:tokens_predicted_total {tokens}")
            + exposition("llamacpp:prompt_tokens_total", "counter",
                         f"llamacpp:prompt_tokens_total {prompt}"))


def tokens(player: Player, *pages: str) -> list[object]:
    return [only(player.play(page, after=15), c.SERVER_OUTPUT) for page in pages]


def is_withheld(reading: Reading) -> bool:
    return (reading.points == {} and set(reading.sources.values()) == {"withheld"}
            and set(reading.withheld.values()) == {BY_TURNS})


def test_processes_with_start_times_that_answer_by_turns_make_no_counter() -> None:
    player = Player()
    counted = tokens(player, *(vllm(start, 100 + n) if n % 2 else vllm(start - 50, 400 + n)
                               for n, start in enumerate([NOW - 500] * 12)))
    assert counted == [400.0, *[None] * 11]
    assert is_withheld(player.play(vllm(NOW - 500, 200)))


def test_a_process_that_started_since_the_last_page_has_taken_its_place() -> None:
    player = Player()
    assert tokens(player, vllm(NOW - 500, 400), vllm(NOW + 20, 3), vllm(NOW + 20, 5)) == [400, 3, 5]


def test_a_process_that_stood_by_takes_over_after_a_few_pages() -> None:
    player = Player()
    first = tokens(player, vllm(NOW - 500, 400), *[vllm(NOW - 90, 30)] * UNSURE)
    assert first == [400, *[None] * UNSURE]
    assert tokens(player, vllm(NOW - 90, 31)) == [31]


def test_of_processes_by_turns_the_last_that_is_left_speaks_again() -> None:
    player = Player()
    tokens(player, vllm(500, 400), vllm(600, 30), vllm(500, 410), vllm(600, 35))
    after = tokens(player, *[vllm(500, 420)] * (ALONE + 1))
    assert after == [*[None] * ALONE, 420]


def test_without_start_times_counters_that_go_back_and_forth_are_seen() -> None:
    player = Player()
    counted = tokens(player, *(llama(500 + n, 70 + n) if n % 2 else llama(90 + n, 800 + n)
                               for n in range(12)))
    assert counted == [90, *[None] * 11]
    assert is_withheld(player.play(llama(600, 100)))


def test_without_start_times_a_process_with_less_of_all_is_not_taken_for_a_new_one() -> None:
    player = Player()
    counted = tokens(player, *(llama(50 + n, 7 + n) if n % 2 else llama(900 + n, 800 + n)
                               for n in range(12)))
    assert counted == [900, *[None] * 11]


def test_an_engine_that_starts_anew_speaks_again_on_its_second_page() -> None:
    player = Player()
    assert tokens(player, llama(900, 800), llama(0, 0), llama(3, 9), llama(9, 30)) == [
        900, None, 3, 9]


def test_an_engine_that_starts_again_and_again_is_one() -> None:
    player = Player()
    for _ in range(4):
        tokens(player, llama(0, 0), llama(900, 800))
        assert tokens(player, llama(950, 850), llama(960, 860))[-1] == 960


def test_a_page_without_counters_is_nobodys_life() -> None:
    player = Player()
    assert tokens(player, vllm(NOW - 500, 400), exposition("vllm:num_requests_running", "gauge"),
                  vllm(NOW - 500, 410)) == [400, None, 410]
