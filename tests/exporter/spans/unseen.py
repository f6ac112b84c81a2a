"""Figures of captured scenarios that no span has, and why.

A scenario is listed with each field that stays unknown, or below the truth.
"""

from __future__ import annotations

from collections.abc import Mapping

# A stream whose request asked for no usage: nobody was told.
UNASKED = {"input", "cached", "output"}
# One span of the SDK's call, which tried twice.
TRIES = {"calls"}
# The instrumentation makes no span of a tool that the application ran in its own loop.
TOOLS = {"tools"}
# It makes no span of embeddings.
NO_EMBEDDINGS = {"calls", "succeeded", "input"}
# Its span has no time of a first token, or one of an event that has no token.
FIRST_TOKEN = {"first_tokens"}

# No span of its trace is that of a notification.
NOTIFICATIONS = {"operations"}
# Its span has no cached tokens.
CACHED = {"cached"}

# Its span does not say how many documents came back.
DOCUMENTS = {"documents"}

UNSEEN: Mapping[str, Mapping[str, set[str]]] = {
    "anthropic-sdk-native-2.14.0": {
        "tool_loop": TOOLS,
        "retry429": TRIES,
    },
    "google-adk-2.13.0": {
        "stream_usage": FIRST_TOKEN,
        "retry429": TRIES,
    },
    "handwritten-genai-0.1.0": {
        "stream_nousage": UNASKED,
        "rag": {"reranks"},
        "retry429": TRIES,
    },
    "litellm-otel-1.108.7": {
        "stream_usage": {"cached", "calls", "first_tokens", "input", "output", "succeeded"},
        "stream_nousage": {"cached", "calls", "first_tokens", "input", "output", "succeeded"},
        "tool_loop": TOOLS,
        "stream_cache_read": {"cache_write",
            "cached",
            "calls", "first_tokens", "input", "output", "succeeded"},
        "async": {"cached", "calls", "input", "output", "succeeded"},
        "retry429": TRIES,
    },
    "mlflow-3.17.2": {
        "stream_nousage": UNASKED,
        "retry429": TRIES,
    },
    "official-genai-anthropic-1.3b0": {
        "tool_loop": TOOLS,
        "retry429": TRIES,
    },
    "official-genai-dspy-1.3b0": {
        "rag": {"documents"},
        "embed": NO_EMBEDDINGS,
        "retry429": TRIES,
    },
    "official-genai-langgraph-1.3b0": {
        "stream_tool_loop": UNASKED,
        "stream_nousage": UNASKED,
        "embed": NO_EMBEDDINGS,
        "rag": {"documents"},
        "rag_empty": {"documents"},
        "rag_vectorstore": {"calls", "documents", "input", "succeeded"},
        "retry429": TRIES,
    },
    "official-genai-openai-agents-1.3b0": {
        "responses": {"cached", "calls", "input", "output", "reasoning", "succeeded"},
        "responses_reasoning": {"calls", "input", "output", "reasoning", "succeeded"},
        "chat": {"cached", "calls", "input", "output", "succeeded"},
        "stream_responses": {"cached",
            "calls",
            "first_tokens", "input", "output", "reasoning", "succeeded"},
        "stream_chat": {"cached", "calls", "first_tokens", "input", "output", "succeeded"},
        "tool_loop": {"cached", "calls", "input", "output", "succeeded"},
        "tool_loop_chat": {"cached", "calls", "input", "output", "succeeded"},
        "handoff": {"cached", "calls", "input", "output", "succeeded"},
        "retry429": {"cached", "calls", "input", "output", "reasoning", "succeeded"},
        "ratelimit": TRIES,
        "boom": TRIES,
    },
    "openinf-anthropic-3.1.0": {
        "tool_loop": TOOLS,
        "retry429": TRIES,
    },
    "openinf-crewai-1.1.21": {
        "retry429": TRIES,
        "boom": TRIES,
    },
    "openinf-dspy-0.1.48": {
        "chat": UNASKED,
        "chain_of_thought": UNASKED,
        "rag": {"cached", "documents", "input", "output"},
        "react": UNASKED,
        "embed": NO_EMBEDDINGS,
        "retry429": TRIES | UNASKED,
    },
    "openinf-langgraph-0.1.80": {
        "stream_tool_loop": UNASKED | FIRST_TOKEN,
        "stream_usage": FIRST_TOKEN,
        "stream_nousage": UNASKED | FIRST_TOKEN,
        "embed": NO_EMBEDDINGS,
        "rag_vectorstore": NO_EMBEDDINGS,
        "retry429": TRIES,
    },
    "openinf-litellm-0.1.51": {
        "stream_usage": FIRST_TOKEN,
        "stream_nousage": UNASKED | FIRST_TOKEN,
        "tool_loop": TOOLS,
        "stream_cache_read": FIRST_TOKEN,
        "retry429": TRIES,
    },
    "openinf-llama-index-4.6.1": {
        "stream_usage": FIRST_TOKEN,
        "stream_nousage": UNASKED | FIRST_TOKEN,
        "embed": {"input"},
        "rag_rerank": {"input", "reranks"},
        "rag": {"input"},
        "rag_empty": {"input"},
        "stream_tool_loop": UNASKED | FIRST_TOKEN,
        "retry429": TRIES,
    },
    "openinf-openai-agents+openai-2.6.0-both": {
        "stream_responses": FIRST_TOKEN,
        "stream_chat": UNASKED,
        "retry429": TRIES,
    },
    "openinf-openai-agents-2.6.0": {
        "chat": {"cached"},
        "stream_responses": FIRST_TOKEN,
        "stream_chat": UNASKED | FIRST_TOKEN,
        "tool_loop_chat": {"cached"},
        "retry429": TRIES,
    },
    "pydantic-ai-2.68.0": {
        "embed": NO_EMBEDDINGS,
        "retry429": TRIES,
    },
    "strands-1.62.0-default": {
        "retry429": TRIES,
    },
    "traceloop-langgraph-0.62.4": {
        "stream_tool_loop": UNASKED | FIRST_TOKEN,
        "stream_usage": FIRST_TOKEN,
        "stream_nousage": UNASKED | FIRST_TOKEN,
        "responses": {"reasoning"},
        "embed": NO_EMBEDDINGS,
        "rag_vectorstore": NO_EMBEDDINGS,
        "retry429": TRIES,
    },
    "vercel-ai-7.0.173-legacy": {
        "retry429": TRIES,
    },
    "haystack-3.4.1": {
        "stream_nousage": UNASKED,
    },
    "langfuse-5.0.4-nested": {
        "stream_nousage": UNASKED,
        "stream_responses": FIRST_TOKEN,
        "lc_stream": UNASKED,
    },
    "langsmith-0.15.1": {
        "stream_usage": FIRST_TOKEN,
        "stream_nousage": UNASKED | FIRST_TOKEN,
        "embed": NO_EMBEDDINGS,
        "stream_responses": FIRST_TOKEN,
        "lc_stream": UNASKED | FIRST_TOKEN,
    },
    "logfire-5.4.0": {
        "stream_usage": FIRST_TOKEN,
        "stream_nousage": UNASKED | FIRST_TOKEN,
        "stream_responses": FIRST_TOKEN,
    },
    "openinf-agno-1.0.15": {
        "stream": FIRST_TOKEN,
    },
    "openlit-1.45.0": {
        "stream_usage": FIRST_TOKEN,
        "stream_nousage": UNASKED | FIRST_TOKEN,
        "stream_responses": FIRST_TOKEN,
    },
    "ddtrace-4.16.0": {
        "stream_usage": FIRST_TOKEN,
        "stream_nousage": FIRST_TOKEN,  # it asks for usage itself
        "stream_responses": FIRST_TOKEN,
    },
    "semantic-kernel-1.45.0": {
        "chat": CACHED,
        "stream_usage": CACHED | FIRST_TOKEN,
        "tool_loop": CACHED,
        "prompt": CACHED,
        "agent": CACHED,
    },
    "vercel-ai-7.0.173-otel": {
        "responses": {"reasoning"},
    },
    "openinf+traceloop-langchain+openai-four": {
        "stream_nousage": UNASKED,
    },
    "llama-index-otel-0.7.0": {
        "stream_nousage": UNASKED | FIRST_TOKEN,
        "rag": {"input"},
    },
    "autogen+openinf-openai-0.7.5": {
        "stream_nousage": UNASKED,
    },
    "traceloop-bedrock-0.62.4": {
        "stream_converse": FIRST_TOKEN,
        "stream_invoke_nocache": FIRST_TOKEN,
        "boom": TRIES,
    },
    "official-botocore-0.66b2": {
        "stream_converse": FIRST_TOKEN,
        "stream_invoke_nocache": FIRST_TOKEN,
        "boom": TRIES,
    },
    "openinf-mistralai-2.2.2": {"embed": NO_EMBEDDINGS},
    "traceloop-google-generativeai-0.62.4": {
        "stream": FIRST_TOKEN,
        # One span for the three calls of a loop that Google's client runs by itself.
        "tool_loop": {"tools", "input", "calls", "cached", "output", "succeeded"},
        "embed": NO_EMBEDDINGS,
    },
    "traceloop-cohere-0.62.4": {
        "stream": FIRST_TOKEN,
        "embed": {"input"},
        "boom": TRIES,
    },
    "traceloop-qdrant-0.62.4": dict.fromkeys(("rag", "rag_empty"), DOCUMENTS),
    "traceloop-mcp-0.62.4+mcp-1.30.0": {
        "mcp_tool": NOTIFICATIONS,
        "mcp_tool_error": NOTIFICATIONS,
    },
    "openlit-mcp-1.45.0+mcp-1.30.0": dict.fromkeys((
        "lists", "tool", "tool_keywords", "tool_error", "tool_unknown", "tool_of_an_agent",
        "resource", "resource_missing", "prompt", "prompt_missing"), NOTIFICATIONS),
    "mcp-python-sdk-2.3.0": {"older_protocol": NOTIFICATIONS},
    "agent-framework-1.23.0": {
        "stream_usage": FIRST_TOKEN,
        "boom": TRIES,
    },
}
