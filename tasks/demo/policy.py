"""The scripted model of the demo: one policy that plays the lead and every worker.

It answers by reading what it is shown; nothing of the demo's answer is in it. A role that it does
not know gets the same honest reply as a task that it does not know.
"""

from __future__ import annotations

from orchestrator.models.llm import Completion, Request
from orchestrator.models.scripted import Policy, ScriptedModel
from tasks.demo.lead import ONLY_THE_DEMO, lead
from tasks.demo.speaking import report
from tasks.demo.verifier import verifier
from tasks.demo.web import web_surfer
from tasks.demo.workers import coder, file_surfer

PLAYERS: dict[str, Policy] = {
    "lead": lead,
    "FileSurfer": file_surfer,
    "WebSurfer": web_surfer,
    "Coder": coder,
    "verifier": verifier,
}
OPENINGS = {
    "You lead a small team": "lead",
    "You are the FileSurfer": "FileSurfer",
    "You are the WebSurfer": "WebSurfer",
    "You are the Coder": "Coder",
    "You check an answer": "verifier",
    "Try to prove an answer wrong": "verifier",
}
"""How the system prompts begin: over an endpoint a request does not say who asks."""


def demo_model() -> ScriptedModel:
    """The model behind `quaestor run --demo`."""
    return ScriptedModel(policy)


def policy(request: Request) -> Completion | str:
    """The reply of whoever is asked."""
    player = PLAYERS.get(request.role or role_of(request.messages[0].content))
    if player is None:
        return report(request, "failed", ONLY_THE_DEMO)
    return player(request)


def role_of(system: str) -> str:
    """Whose system prompt this is, or ""."""
    return next((role for words, role in OPENINGS.items() if words in system), "")
