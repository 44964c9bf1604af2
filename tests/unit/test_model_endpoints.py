"""Which endpoint a name leads to, and which key may go there."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path
from typing import Any

import keyring
import pytest
from keyring.backend import KeyringBackend

from orchestrator.errors import NotReady, UsageError
from orchestrator.models.endpoint import Endpoint
from orchestrator.models.presets import PRESETS
from orchestrator.settings import ModelSettings, ProviderSettings, Settings
from tasks.endpoints import endpoints_of, shown_chain

KEYS = {preset.key_env: f"key-of-{preset.name}" for preset in PRESETS.values()}
OWN = {**KEYS, "QUAESTOR_API_KEY": "own-key"}
AZURE = {"AZURE_OPENAI_ENDPOINT": "https://mine.openai.azure.com/"}
LOCAL = "http://10.0.0.5:11434/v1"
GATEWAY = "https://gateway.example.com/v1"


def settings(**models: Any) -> Settings:
    work = ProviderSettings(base_url="https://llm.example.org/v1", api_key_env="WORK_KEY")
    near = ProviderSettings(preset="openrouter")
    return Settings(models=ModelSettings(**models), providers={"work": work, "near": near})


@pytest.mark.parametrize(
    ("name", "models", "environ", "expected"),
    [
        # (model, base URL, key)
        ("gpt-x", {}, KEYS, ("gpt-x", "https://api.openai.com/v1", "key-of-openai")),
        ("gpt-x", {}, OWN, ("gpt-x", "https://api.openai.com/v1", "own-key")),
        ("gpt-x", {"base_url": GATEWAY}, OWN, ("gpt-x", GATEWAY, "own-key")),
        ("gpt-x", {"base_url": GATEWAY}, KEYS, ("gpt-x", GATEWAY, "key-of-openai")),
        ("m", {"base_url": "https://openrouter.ai/api/v1"}, KEYS,
         ("m", "https://openrouter.ai/api/v1", "key-of-openrouter")),
        ("m", {"base_url": "https://openrouter.ai/api/v1"}, {"OPENAI_API_KEY": "k"},
         ("m", "https://openrouter.ai/api/v1", None)),
        ("gpt-x", {"base_url": GATEWAY}, {**KEYS, "OPENAI_BASE_URL": GATEWAY},
         ("gpt-x", GATEWAY, "key-of-openai")),
        ("m", {"base_url": "https://openrouter.ai/api/v1", "api_key_env": "OPENAI_API_KEY"}, KEYS,
         ("m", "https://openrouter.ai/api/v1", "key-of-openai")),
        ("ollama:qwen3:8b", {}, KEYS, ("qwen3:8b", "http://127.0.0.1:11434/v1", "key-of-ollama")),
        ("ollama:qwen3", {}, {}, ("qwen3", "http://127.0.0.1:11434/v1", None)),
        ("ollama:qwen3", {"base_url": LOCAL}, {}, ("qwen3", LOCAL, None)),
        ("mistral:7b", {"base_url": LOCAL}, KEYS, ("mistral:7b", LOCAL, "key-of-openai")),
        ("mistral:large", {}, KEYS, ("large", "https://api.mistral.ai/v1", "key-of-mistral")),
        ("anthropic:claude-x", {}, KEYS,
         ("claude-x", "https://api.anthropic.com/v1", "key-of-anthropic")),
        ("gemini:gemini-x", {}, KEYS,
         ("gemini-x", "https://generativelanguage.googleapis.com/v1beta/openai", "key-of-gemini")),
        ("openrouter:a/b:free", {}, KEYS,
         ("a/b:free", "https://openrouter.ai/api/v1", "key-of-openrouter")),
        ("azure:mine", {}, {**KEYS, **AZURE},
         ("mine", "https://mine.openai.azure.com/openai/v1", "key-of-azure")),
        ("azure:mine", {"base_url": "https://o.openai.azure.com/openai/v1"}, OWN,
         ("mine", "https://o.openai.azure.com/openai/v1", "own-key")),
        ("vllm:m", {}, {}, ("m", "http://127.0.0.1:8000/v1", None)),
        ("llamacpp:m", {}, {}, ("m", "http://127.0.0.1:8080/v1", None)),
        ("lmstudio:m", {}, {}, ("m", "http://127.0.0.1:1234/v1", None)),
        ("a/b", {"preset": "openrouter"}, KEYS,
         ("a/b", "https://openrouter.ai/api/v1", "key-of-openrouter")),
        ("m", {"preset": "openrouter", "base_url": GATEWAY}, KEYS, ("m", GATEWAY, None)),
        ("work:m", {}, {**OWN, "WORK_KEY": "w"}, ("m", "https://llm.example.org/v1", "w")),
        ("work:m", {}, OWN, ("m", "https://llm.example.org/v1", None)),
        ("near:m", {}, OWN, ("m", "https://openrouter.ai/api/v1", "key-of-openrouter")),
        ("ft:gpt-x:me", {}, KEYS, ("ft:gpt-x:me", "https://api.openai.com/v1", "key-of-openai")),
    ],
)  # fmt: skip
def test_a_name_leads_to_one_endpoint_with_its_own_key(
    name: str, models: dict[str, Any], environ: dict[str, str], expected: tuple[str, str, str]
) -> None:
    (found,) = endpoints_of(settings(**models), name, environ)
    assert (found.model, found.base_url, found.api_key) == expected
    assert found.key_env


def test_a_chain_leads_to_several_endpoints_and_no_key_is_shared() -> None:
    chosen = settings(base_url=GATEWAY, window=9_000)
    found = endpoints_of(chosen, "gpt-x, ollama:qwen3 ,work:m,mistral:large", OWN)
    assert [(end.host, end.api_key) for end in found] == [
        ("gateway.example.com", "own-key"),
        ("127.0.0.1:11434", "key-of-ollama"),
        ("llm.example.org", None),
        ("api.mistral.ai", "key-of-mistral"),
    ]
    assert [end.window for end in found] == [9_000, None, None, None]
    shown = shown_chain(chosen, "gpt-x,ollama:qwen3", {})
    assert shown == "gpt-x at gateway.example.com, then qwen3 at 127.0.0.1:11434"


@pytest.mark.parametrize(
    ("name", "models", "said"),
    [
        ("gpt-x", {}, "no key for model 'gpt-x'"),
        ("anthropic:c", {}, "no key for model 'c'"),
        ("a/b", {"preset": "openrouter"}, "no key"),
        ("azure:m", {}, "has no address"),
        ("m", {"preset": "nobody"}, "no preset 'nobody'"),
        (" , ", {}, "names no model"),
    ],
)
def test_what_leads_nowhere_is_said_before_anything_is_sent(
    name: str, models: dict[str, Any], said: str
) -> None:
    with pytest.raises((NotReady, UsageError), match=said) as refused:
        endpoints_of(settings(**models), name, {})
    assert refused.value.fix


def key_from(**models: Any) -> str | None:
    (found,) = endpoints_of(settings(base_url=GATEWAY, **models), "m", {"QUAESTOR_API_KEY": "no"})
    return found.api_key


def test_a_key_comes_from_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sk-file\n", encoding="utf-8")
    file.chmod(0o600)
    assert key_from(api_key_file=str(file)) == "sk-file"
    file.chmod(0o640)
    with pytest.raises(NotReady, match=r"can be read by others \(mode 0640\)") as refused:
        key_from(api_key_file=str(file))
    assert "chmod 600" in (refused.value.fix or "")
    assert "sk-file" not in str(refused.value)


def test_a_key_comes_from_a_program_without_a_shell(tmp_path: Path) -> None:
    tell = "import sys; print(sys.argv[1]); print('second line')"
    assert key_from(api_key_command=(sys.executable, "-c", tell, "$HOME;`id`")) == "$HOME;`id`"


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import sys; sys.stderr.write('sk-leak'); sys.exit(3)", "ended with code 3"),
        ("print()", "holds no key"),
    ],
)
def test_a_program_that_gives_no_key_is_named_and_not_quoted(program: str, said: str) -> None:
    with pytest.raises(NotReady, match=said) as refused:
        key_from(api_key_command=(sys.executable, "-c", program))
    assert "sk-leak" not in str(refused.value)


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(NotReady, match="cannot be started"):
        key_from(api_key_command=("no-such-program",))


def test_a_key_comes_from_the_keyring() -> None:
    class Memory(KeyringBackend):
        priority = 1.0

        def get_password(self, service: str, username: str) -> str | None:
            return "sk-ring" if (service, username) == ("llm", "me") else None

        def set_password(self, service: str, username: str, password: str) -> None:
            raise NotImplementedError

    before = keyring.get_keyring()
    keyring.set_keyring(Memory())
    try:
        assert key_from(api_key_keyring="llm/me") == "sk-ring"
        with pytest.raises(NotReady, match="holds no key") as refused:
            key_from(api_key_keyring="llm")
    finally:
        keyring.set_keyring(before)
    assert refused.value.fix == "keyring set llm quaestor"


def test_an_address_without_tls_loads_no_certificates_and_would_believe_none() -> None:
    plain = Endpoint("m", "http://127.0.0.1:9/v1").trust()
    assert isinstance(plain, ssl.SSLContext)
    assert (plain.verify_mode, plain.get_ca_certs()) == (ssl.CERT_REQUIRED, [])
    assert Endpoint("m", "https://api.example.com/v1").trust() is True
