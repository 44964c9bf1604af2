"""The Human: the person at the terminal, as a member of the roster."""

from __future__ import annotations

from orchestrator.agent import Assignment, Observation, Question, Report, Source, WorkContext

PATIENCE_S = 3600.0


class Human:
    """Answers questions that only the person can answer."""

    name = "Human"
    description = (
        "the person who gave the task. Ask one clear question, only for what cannot be found "
        "otherwise: a preference, a missing detail, a decision."
    )

    async def work(self, assignment: Assignment, ctx: WorkContext) -> Report:
        question = Question(kind="ask", text=assignment.instruction, timeout_s=PATIENCE_S)
        answer = await ctx.ask("ask", question)
        if answer.status == "unanswered":
            return Report(status="blocked", summary="the person did not answer")
        said = Observation(text=answer.text, source=Source(kind="human", ref=answer.by or "person"))
        evidence = await ctx.add_evidence("said/1", said)
        return Report(status="done", summary=answer.text, evidence=(evidence.id,))

    async def close(self) -> None:
        """Nothing to let go of."""
