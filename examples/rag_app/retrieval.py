"""Finds passages by meaning: embeddings whose weights come with the package, and numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import wordllama
from opentelemetry.util.genai.handler import TelemetryHandler
from opentelemetry.util.genai.types import RetrievalDocument

from .passages import Passage

MODEL = "l2_supercat_256"


@dataclass(frozen=True)
class Hit:
    """A passage, and how near it is: the cosine."""

    passage: Passage
    score: float


class Index:
    """All passages with their vectors."""

    def __init__(self, passages: Sequence[Passage], handler: TelemetryHandler) -> None:
        # The weights and the tokenizer are files of the package: nothing is downloaded.
        self._model = wordllama.WordLlama.load(
            cache_dir=Path(wordllama.__file__).parent, disable_download=True)
        self._handler = handler
        self.passages = list(passages)
        self._vectors = self._embedded([f"{passage.page}. {passage.heading}. {passage.text}"
                                        for passage in passages])

    def _embedded(self, texts: Sequence[str]) -> np.ndarray:
        return np.asarray(self._model.embed(list(texts), norm=True))

    def find(self, question: str, most: int, least_score: float) -> list[Hit]:
        """The nearest ones, nearest first; none where nothing is near enough."""
        with self._handler.retrieval(data_source_id="docs", provider="in_memory",
                                     request_model=MODEL) as retrieval:
            retrieval.top_k, retrieval.query_text = most, question
            scores = self._vectors @ self._embedded([question])[0]
            hits = [Hit(self.passages[index], round(float(scores[index]), 4))
                    for index in np.argsort(-scores)[:most] if scores[index] >= least_score]
            retrieval.documents = [RetrievalDocument(id=hit.passage.id, score=hit.score)
                                   for hit in hits]
        return hits
