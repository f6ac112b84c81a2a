"""What the demo's applications search: pages that state something, and what is asked about them."""

from __future__ import annotations

from dataclasses import dataclass

PAGES = 400


@dataclass(frozen=True)
class Handbook:
    """Pages by their numbers: `question` and `text` are of one, {page}, with figures of its own."""

    question: str
    text: str
    unknown: str  # what is answered where no page is found

    def page(self, number: int) -> str:
        """What a page says."""
        return self.text.format(page=number, first=20 + number % 17, second=2 + number % 9)

    def invented(self, number: int) -> str:
        """The same with a figure that no page has."""
        return self.text.format(page=number, first=90 + number % 7, second=2 + number % 9)

    def asked(self, number: int) -> str:
        """A question that this page answers."""
        return self.question.format(page=number)


PUMPS = Handbook(
    "How often is pump {page} serviced, and how much oil does it take?",
    "Pump {page} is serviced every {first} days. It takes {second} litres of oil.",
    "The handbook has no page about this pump.")
ORDERS = Handbook(
    "Where is order {page}, and how heavy is it?",
    "Order {page} left the warehouse {first} hours ago. It weighs {second} kg.",
    "There is no order of this number.")
