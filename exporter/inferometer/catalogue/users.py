"""What single users cost: off by default."""

from __future__ import annotations

from inferometer.catalogue.model import Label, Metric

USER_SEATS = 100
USER = Label("user", "A user, by the gateway's keyed hash: `inferometer ledger who NAME` makes it "
             "of a name.", budget=USER_SEATS, folds=True)
USER_COST = Metric(
    "llm_user_cost_usd", "gauge",
    "What the calls of a user cost in this month (UTC), reckoned once an hour, of the dearest "
    "users alone; off by default.",
    (USER,), USER_SEATS, replaced=True,
    unread="It is asked by who has switched it on; alerts and boards name no user.")
USER_METRICS = (USER_COST,)
