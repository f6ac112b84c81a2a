"""What a call costs, to the nano-USD: by a price list, by the user's own prices, or unknown."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from genai_prices.data import providers as PROVIDERS
from genai_prices.types import ModelInfo
from genai_prices.types import Usage as ListUsage
from hypothesis import given
from hypothesis import strategies as st

from inferometer.config import Config, parse
from inferometer.cost import library
from inferometer.cost.prices import CallPrices
from inferometer.cost.tariffs import MOST_COST, Rate, Tariff, kinds_of, nano
from inferometer.facts import ModelCall, Usage
from inferometer.pricing import NANO, CallToPrice, PricedCall, PriceSource

DAY = 86400 * NANO  # nanoseconds
NOW = int(datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()) * NANO
HOSTED, OURS, UNKNOWN = PriceSource.HOSTED, PriceSource.SELF_HOSTED, PriceSource.UNKNOWN


def prices(text: str = "") -> CallPrices:
    opened = CallPrices(parse(text, "x.yml") if text else Config())
    opened.open()
    return opened


def priced(by: CallPrices, usage: Usage, model: str, provider: str = "openai", *,
           arrived: int = NOW, engine_seen: bool = False,
           **fields: Any) -> PricedCall:
    call = ModelCall(trace_id=bytes(16), span_id=bytes(8), provider=provider,
                     request_model=model, usage=usage, **{"operation": "chat", **fields})
    return by.price(CallToPrice(call, usage, 1, arrived, engine_seen))


@pytest.mark.parametrize(("model", "provider", "usage", "fields", "nano_usd"), [
    ("gpt-4o-mini", "openai", Usage(1000, None, None, 100), {}, 210_000),
    ("gpt-4o-mini", "openai", Usage(1000, 400, None, 100), {}, 180_000),
    ("gpt-4o-mini", "openai", Usage(1000, 400, None, 100), {"service_tier": "default"}, 180_000),
    ("gpt-4o-mini", "openai", Usage(1000, 400, None, 100), {"service_tier": "batch"}, 105_000),
    ("gpt-4o-mini", "openai", Usage(1000, 400, None, 100), {"service_tier": "priority"}, 300_000),
    ("gpt-4o", "openai", Usage(1, None, None, 0), {"response_model": "gpt-4o-mini-2024-07-18"},
     150),
    ("openai/gpt-4o-mini", "openai", Usage(1000, None, None, 100), {}, 210_000),
    ("gpt-4o-mini", "openai", Usage(1000, None, None, 100), {"server_address": "api.openai.com"},
     210_000),
    ("gpt-4o-mini", "azure.ai.openai", Usage(1000, None, None, 100),
     {"server_address": "https://mine.openai.azure.com:443/openai"}, 210_000),
    # OpenAI's library, Groq's server.
    ("llama-3.1-8b-instant", "openai", Usage(10**6, None, None, 0),
     {"server_address": "api.groq.com"}, 50_000_000),
    ("claude-sonnet-4-5", "anthropic", Usage(1340, 1000, 300, 24), {},
     40 * 3000 + 1000 * 300 + 300 * 3750 + 24 * 15_000),
    ("claude-sonnet-4-5", "anthropic", Usage(300_000, None, None, 0), {}, 1_800_000_000),
    ("o4-mini", "openai", Usage(60, None, None, 200, 128), {}, 60 * 1100 + 200 * 4400),
    ("text-embedding-3-small", "openai", Usage(10**6, None, None, None),
     {"operation": "embeddings"}, 20_000_000),
    ("text-embedding-3-small", "openai", Usage(7, None, None, None), {}, 140),
])
def test_known_prices(model: str, provider: str, usage: Usage, fields: dict[str, Any],
                      nano_usd: int) -> None:
    assert priced(prices(), usage, model, provider, **fields) == PricedCall(
        HOSTED, nano_usd, nano_usd > NANO)


@pytest.mark.parametrize(("model", "provider", "fields"), [
    ("gpt-oss-20b", "openai", {"server_address": "localhost"}),
    ("gpt-4o-mini", "openai", {"server_address": "10.0.0.7"}),
    ("gpt-4o-mini", "openai", {"server_address": "http://proxy.example.org:4000/v1"}),
    ("gpt-4o-mini", "openai", {"server_address": "[half"}),
    ("openai/gpt-4o-mini", "openai", {"server_address": "localhost"}),
    ("openai/gpt-4o-mini", "", {"server_address": "proxy"}),
    ("gpt-4o-mini", "", {}),
    ("gpt-4o-mini", "openai-compatible", {}),
    ("no-such-model", "openai", {}),
    ("anthropic/claude-sonnet-4-5", "openai", {}),
    ("whisper-1", "openai", {}),
    ("x" * 5000, "openai", {}),
    ("\ud800", "openai", {}),
    ("", "openai", {}),
    ("llama3", "ollama", {"server_address": "ollama.example.com"}),
])
def test_what_nobody_knows_is_unknown_and_never_0(model: str, provider: str,
                                                   fields: dict[str, Any]) -> None:
    assert priced(prices(), Usage(1000, None, None, 100), model, provider, **fields) == (
        PricedCall(UNKNOWN, None))


@pytest.mark.parametrize(("provider", "fields", "engine_seen"), [
    ("vllm", {}, False),
    ("ollama", {"server_address": "localhost"}, False),
    ("vllm", {"server_address": "chat.models.svc.cluster.local"}, False),
    ("openai", {"server_address": "10.0.0.7"}, True),
])
def test_what_is_ours_costs_nothing_here(provider: str, fields: dict[str, Any],
                                         engine_seen: bool) -> None:
    assert priced(prices(), Usage(1000, None, None, 100), "gpt-oss-20b", provider,
                  engine_seen=engine_seen, **fields) == PricedCall(OURS, 0)


@pytest.mark.parametrize("usage", [
    Usage(100, 400, None, 10), Usage(100, 80, 70, 10), Usage(None, 100, None, 10),
    Usage(100, None, None, 10, 30), Usage(0, 100, 100, 10),
])
def test_parts_beyond_their_whole_are_mended_before_they_are_priced(usage: Usage) -> None:
    fresh, cached, written, output, reasoning = kinds_of(usage)
    assert min(fresh, cached, written, output, reasoning) >= 0
    assert fresh + cached + written == (100 if usage.input is None else usage.input)
    assert output + reasoning == 10
    assert priced(prices(), usage, "claude-sonnet-4-5", "anthropic").source is HOSTED


OWN = """
prices:
  - {provider: openai, model: "gpt-*", input: 2, cached: 0.5, output: 8, valid_from: 2026-01-01}
  - {provider: openai, model: "gpt-*", input: 1, output: 4, valid_from: 2026-11-01}
  - {provider: openai, model: "gpt-*", input: 100, output: 400, valid_from: 2027-01-01}
  - {model: "gpt-4o-mini", input: 50, output: 50}
  - {provider: "*", model: local-*, self_hosted: true}
  - {model: search, per_request: 0.005}
  - {model: thinker, input: 1, cache_write: 2, output: 3, reasoning: 10, per_request: 0.1}
  - {model: later, input: 1, output: 1, valid_from: 2026-12-01}
"""


@pytest.mark.parametrize(("model", "provider", "usage", "expected"), [
    ("gpt-4o-mini", "openai", Usage(10, None, None, 10), PricedCall(HOSTED, 50_000)),
    ("gpt-4o-mini", "OpenAI", Usage(10, 10, None, 0), PricedCall(HOSTED, 10_000)),
    ("GPT-of-ours", "openai", Usage(10, None, None, 10), PricedCall(HOSTED, 50_000)),
    ("gpt-4o-mini", "other", Usage(10, None, None, 10), PricedCall(HOSTED, 1_000_000)),
    ("local-llama", "openai", Usage(10, 5, 5, 10, 3), PricedCall(OURS, 0)),
    ("search", "", Usage(10, None, None, 10), PricedCall(HOSTED, 5_000_000)),
    ("thinker", "", Usage(10, None, 4, 10, 7),
     PricedCall(HOSTED, 6 * 1000 + 4 * 2000 + 3 * 3000 + 7 * 10_000 + NANO // 10)),
    ("later", "", Usage(10, None, None, 10), PricedCall(UNKNOWN)),
])
def test_the_users_own_prices_go_first(model: str, provider: str, usage: Usage,
                                       expected: PricedCall) -> None:
    assert priced(prices(OWN), usage, model, provider, server_address="10.0.0.1") == expected


def test_a_price_is_valid_from_midnight_utc_on() -> None:
    own = prices(OWN)
    midnight = int(datetime(2026, 12, 1, tzinfo=UTC).timestamp()) * NANO
    usage = Usage(10, None, None, 10)
    assert priced(own, usage, "later", arrived=midnight - 1).source is UNKNOWN
    assert priced(own, usage, "later", arrived=midnight) == PricedCall(HOSTED, 20_000)
    january = int(datetime(2027, 1, 1, tzinfo=UTC).timestamp()) * NANO
    costs = [priced(own, usage, "gpt-x", arrived=moment).cost for moment in (
        NOW - 300 * DAY, NOW, january - 1, january)]
    assert costs == [100_000, 50_000, 50_000, 5_000_000]
    before_all = priced(own, usage, "gpt-4o-mini", arrived=NOW - 700 * DAY)
    assert before_all.cost == 1_000_000  # the next entry that is for it


def test_a_kind_of_token_without_a_price_makes_the_call_unknown() -> None:
    own = prices("prices: [{model: m, input: 1}]")
    assert priced(own, Usage(5, None, None, 0), "m") == PricedCall(HOSTED, 5000)
    assert priced(own, Usage(5, None, None, 1), "m") == PricedCall(UNKNOWN)


def test_a_call_over_the_limit_says_so() -> None:
    million = Usage(10**6, None, None, 0)
    table = "prices: [{model: '*', input: %s, output: 1}]\n"
    assert not priced(prices(table % 1), million, "m").over
    assert priced(prices(table % 1.000001), million, "m").over
    assert priced(prices(table % 1 + "limits: {call_cost_usd: 0.5}"), million, "m").over
    assert not priced(prices(table % 5 + "limits: {call_cost_usd: 5}"), million, "m").over
    models = table % 1 + "fleet: {limits: {call_cost_usd: 9}, models: {m: {limits: %s}}}"
    strict = prices(models % "{call_cost_usd: 0.1}")
    assert [priced(strict, million, model).over for model in ("m", "n")] == [True, False]
    gateway = prices(table % 1 + "models: {m: {limits: {call_cost_usd: 0.1}}}")
    assert [priced(gateway, million, model).over for model in ("m", "n")] == [True, False]


def test_what_cannot_be_is_unknown() -> None:
    own = prices("prices: [{model: '*', input: 1000000, output: 1000000}]")
    assert priced(own, Usage(2**40, None, None, 2**40), "m") == PricedCall(UNKNOWN)
    assert Tariff(Rate(10**15)).cost(Usage(10**4)) == MOST_COST
    assert Tariff(Rate(10**15)).cost(Usage(10**4 + 1)) is None


def test_other_prices_are_for_later_calls() -> None:
    own = prices("prices: [{model: m, input: 1, output: 1}]")
    usage = Usage(10, None, None, 10)
    before = priced(own, usage, "m")
    own.configure(parse("prices: [{model: m, input: 5, output: 5}]", "x.yml"))
    assert (before.cost, priced(own, usage, "m").cost) == (20_000, 100_000)


def test_the_price_list_is_that_of_the_package_and_nothing_is_fetched() -> None:
    script = """
import socket
def refuse(*_, **__):
    raise AssertionError("it opened a connection")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
import threading
from inferometer.config import Config
from inferometer.cost.prices import CallPrices
from inferometer.facts import ModelCall, Usage
from inferometer.pricing import CallToPrice
prices = CallPrices(Config())
prices.open()
for model in ("gpt-4o-mini", "no-such-model"):
    call = ModelCall(trace_id=bytes(16), span_id=bytes(8), provider="openai", request_model=model)
    print(prices.price(CallToPrice(call, Usage(1000, 400, None, 100), 1, 10**18, False)).cost)
print(threading.active_count(), *prices.source)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                          check=False, timeout=100)
    assert done.stdout.split() == ["180000", "None", "1", library.NAME, library.VERSION], done


def test_a_flood_of_names_is_looked_up_so_often_and_no_oftener(
        monkeypatch: pytest.MonkeyPatch) -> None:
    listed = library.PriceList()
    looked_up: list[str] = []
    find = library._quote

    def noted(call: ModelCall) -> library.Quote | None:
        looked_up.append(call.request_model)
        return find(call)

    monkeypatch.setattr(library, "_quote", noted)
    call = ModelCall(trace_id=bytes(16), span_id=bytes(8), provider="openai")
    for number in range(library.MOST_MISSES + 50):
        listed.quote(replace(call, request_model=f"m{number}"), NOW)
    assert len(looked_up) == library.MOST_MISSES
    assert listed.quote(replace(call, request_model="m1"), NOW) is None
    assert len(looked_up) == library.MOST_MISSES
    assert listed.quote(replace(call, request_model="gpt-4o-mini"), NOW + library.MINUTE)
    assert len(looked_up) == library.MOST_MISSES + 1


TOKENS = st.integers(0, 10**7)
MODELS = [model for provider in PROVIDERS for model in provider.models]


@given(st.sampled_from(MODELS), st.sampled_from(["", "batch", "priority", "flex"]), TOKENS, TOKENS,
       TOKENS, TOKENS, TOKENS)
def test_every_model_of_the_list_costs_what_the_list_says(
        model: ModelInfo, tier: str, fresh: int, cached: int, written: int, output: int,
        reasoning: int) -> None:
    usage = Usage(fresh + cached + written, cached, written, output + reasoning, reasoning)
    ours = library.Quote(model, tier, False).tariff_of(NOW).cost(usage)
    listed = model.get_prices(datetime.fromtimestamp(NOW // NANO, UTC), library._context(tier))
    theirs = listed.calc_price(ListUsage(
        input_tokens=usage.input, cache_read_tokens=cached, cache_write_tokens=written,
        output_tokens=usage.output, output_reasoning_tokens=reasoning))["total_price"] * NANO
    if ours is not None:
        # Half of the last digit, and as much for each million tokens of a price with more digits.
        assert abs(ours - theirs) <= 0.5 + 5 * 10


@given(st.lists(st.floats(0, 1000), min_size=5, max_size=5), st.lists(TOKENS, min_size=5,
                                                                     max_size=5),
       st.integers(0, 4), st.integers(1, 10**6))
def test_a_cost_is_never_negative_grows_with_tokens_and_is_the_sum_of_its_parts(
        usd: list[float], tokens: list[int], kind: int, more: int) -> None:
    tariff = Tariff(*(Rate(nano(price)) for price in usd))  # type: ignore[arg-type]  # five rates

    def cost(counts: list[int]) -> int | None:
        fresh, cached, written, output, reasoning = counts
        return tariff.cost(Usage(fresh + cached + written, cached, written, output + reasoning,
                                 reasoning))

    total = cost(tokens)
    if total is None:
        return
    parts = [cost([count if place == i else 0 for i, count in enumerate(tokens)]) or 0
             for place in range(5)]
    assert total >= 0
    assert abs(sum(parts) - total) <= 3  # each is rounded once
    greater = cost([count + more * (place == kind) for place, count in enumerate(tokens)])
    assert greater is None or greater >= total
