"""Endpoints that many people use: where they are, which variable holds their key, what they lack.

A table and nothing else; checked against the vendors' pages on 2026-11-21. What a preset says is
a first guess, corrected by what the endpoint refuses or ignores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.models.capability import Feature


@dataclass(frozen=True, slots=True)
class Preset:
    """`base_url` None: the user names it. `url_env` is a variable that holds the address of the
    resource, to which `url_path` is added. `is_local` servers run where the user likes, so another
    base URL may be given, and need no key."""

    name: str
    title: str
    base_url: str | None
    key_env: str
    is_local: bool = False
    url_env: str = ""
    url_path: str = ""
    lacks: frozenset[Feature] = frozenset()


PRESETS: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("openai", "OpenAI", "https://api.openai.com/v1", "OPENAI_API_KEY"),
        Preset(
            "azure",
            "Azure OpenAI (v1 API; the model is the deployment's name)",
            None,
            "AZURE_OPENAI_API_KEY",
            url_env="AZURE_OPENAI_ENDPOINT",
            url_path="/openai/v1",
        ),
        Preset("openrouter", "OpenRouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
        Preset(
            "anthropic",
            "Anthropic (compatible endpoint)",
            "https://api.anthropic.com/v1",
            "ANTHROPIC_API_KEY",
            # Documented as ignored, so asking for it would only look as if it were kept.
            lacks=frozenset({"json_schema", "json_mode"}),
        ),
        Preset(
            "gemini",
            "Google Gemini (compatible endpoint)",
            "https://generativelanguage.googleapis.com/v1beta/openai",
            "GEMINI_API_KEY",
        ),
        Preset("mistral", "Mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
        Preset("ollama", "Ollama", "http://127.0.0.1:11434/v1", "OLLAMA_API_KEY", is_local=True),
        Preset("vllm", "vLLM", "http://127.0.0.1:8000/v1", "VLLM_API_KEY", is_local=True),
        Preset("llamacpp", "llama.cpp", "http://127.0.0.1:8080/v1", "LLAMA_API_KEY", is_local=True),
        Preset("lmstudio", "LM Studio", "http://127.0.0.1:1234/v1", "LM_API_TOKEN", is_local=True),
    )
}
