"""Who serves a model: a provider by its name, or by the address that was called."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from inferometer.catalogue import ENGINE_NAMES, ROUTERS

# Providers by the names that OpenTelemetry, LiteLLM, LangChain and Vercel's SDK give them, and by
# that of the price list. No name is taken for another that it merely contains: who calls a server
# of its own "openai-compatible" pays OpenAI nothing.
_NAMES = {
    "anthropic": ("anthropic",),
    "aws": ("aws", "aws.bedrock", "aws_bedrock", "bedrock", "amazon_bedrock", "amazon-bedrock",
            "bedrock_converse"),
    "azure": ("azure", "azure.ai.openai", "azure.ai.inference", "az.ai.openai", "az.ai.inference",
              "azure_openai", "azure-openai", "azure_ai"),
    "cerebras": ("cerebras",),
    "cohere": ("cohere", "cohere_chat"),
    "deepseek": ("deepseek",),
    "fireworks": ("fireworks", "fireworks_ai"),
    "google": ("google", "gcp.gemini", "gcp.vertex_ai", "gcp.gen_ai", "vertex_ai", "vertexai",
               "gemini", "google_genai", "google_vertexai", "google.generative-ai",
               "google.vertex", "google_ai_studio"),
    "groq": ("groq",),
    "mistral": ("mistral", "mistral_ai", "mistralai"),
    "moonshotai": ("moonshotai", "moonshot_ai", "moonshot"),
    "novita": ("novita",),
    "openai": ("openai", "text-completion-openai"),
    "openrouter": ("openrouter",),
    "perplexity": ("perplexity",),
    "together": ("together", "together_ai", "together-ai", "togetherai"),
    "voyageai": ("voyageai", "voyage", "voyage_ai"),
    "x-ai": ("x-ai", "x_ai", "xai"),
    "zai": ("zai", "z_ai"),
}
_BY_NAME = {name: provider for provider, names in _NAMES.items() for name in names}
# What Vercel's SDK puts behind a provider's name.
_PARTS = (".chat", ".responses", ".messages", ".completion", ".embedding")
# Servers that one runs; those in front of others, and NVIDIA's, may be somebody's API.
_ENGINES = frozenset(ENGINE_NAMES) - frozenset(ROUTERS) - {"unknown", "nim", "kserve", "triton"} | {
    "llama.cpp", "llamacpp", "llama-cpp", "lm_studio", "lmstudio", "llamafile", "hosted_vllm"}
_LOCAL = ("localhost", "local", "internal", "lan", "home.arpa", "svc", "cluster.local")


def provider_by_name(name: str) -> str:
    """The provider, by the name that the price list has; empty for one that is not known."""
    name = name.strip().lower()
    for part in _PARTS:
        name = name.removesuffix(part)
    return _BY_NAME.get(name, "")


def names_engine(provider: str) -> bool:
    """Whether a server that one runs stands where the provider's name does."""
    return provider.strip().lower() in _ENGINES


def host_of(address: str) -> str:
    """The host of an address, which may be a URL or have a port; empty for none."""
    address = address.strip().lower()
    if not address:
        return ""
    try:
        host = urlsplit(address if "//" in address else f"//{address}").hostname
    except ValueError:  # half a bracket
        return address
    return host or address


def is_local(host: str) -> bool:
    """Whether only a network of one's own has this host."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith(tuple(f".{name}" for name in _LOCAL))
