"""What a page was instead of an answer is a type of the report, never a success."""

from __future__ import annotations

import pytest

from agents.web_surfer.agent import judged
from orchestrator.agent import Obstacle, Report, ReportStatus

PAGE = ("https://a.test/", "")
CAPTCHA = ("https://b.test/", "captcha")


@pytest.mark.parametrize(
    ("status", "walls", "judged_as", "obstacle"),
    [
        ("done", [], "done", ""),
        ("done", [PAGE], "done", ""),
        ("done", [CAPTCHA, PAGE], "done", ""),
        ("done", [PAGE, CAPTCHA], "done", "captcha"),
        ("done", [CAPTCHA, CAPTCHA], "blocked", "captcha"),
        ("failed", [CAPTCHA], "failed", "captcha"),
        ("needs_human", [PAGE, ("https://c.test/", "login_wall")], "needs_human", "login_wall"),
    ],
)
def test_a_report_names_the_obstacle_at_which_its_work_ended(
    status: ReportStatus,
    walls: list[tuple[str, Obstacle]],
    judged_as: ReportStatus,
    obstacle: Obstacle,
) -> None:
    report = judged(Report(status=status, summary="The lamp costs 12 EUR."), walls)
    assert (report.status, report.obstacle) == (judged_as, obstacle)
    assert not obstacle or obstacle in report.summary
