"""A table of all exercises that were checked so far."""

from __future__ import annotations

from collections.abc import Mapping

from npc_lab.lessons.checking.reports import CORRECT, MARKS, Report, coloured, for_this_console
from npc_lab.rendering import escaped, html_table
from npc_lab.text import untypeset


class Progress:
    """One row for each exercise: the outcome of its last check, and how many steps are correct."""

    def __init__(self, reports: Mapping[str, Report]):
        self.reports = dict(reports)

    @property
    def passed(self) -> bool:
        """Whether anything was checked, and all of it passed."""
        return bool(self.reports) and all(report.passed for report in self.reports.values())

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Return for each exercise its name, outcome, required steps and stretch steps."""
        return [
            (name, f"{MARKS[report.outcome]} {report.outcome}", _share(report, True), _share(report, False))
            for name, report in self.reports.items()
        ]

    def __str__(self) -> str:
        if not self.reports:
            return "Nothing was checked yet."
        rows = [_HEAD, *self.rows()]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
        return for_this_console(
            "\n".join(
                "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
                for row in rows
            )
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        if not self.reports:
            return f"<p>{self}</p>"
        rows = [
            (escaped(name), f"<span style='{coloured(report.outcome)}'>{outcome}</span>", *shares)
            for (name, outcome, *shares), report in zip(self.rows(), self.reports.values(), strict=True)
        ]
        return untypeset(html_table(_HEAD, rows))


_HEAD = ("exercise", "outcome", "steps", "stretch")


def _share(report: Report, required: bool) -> str:
    steps = [step for step in report.steps if step.required == required]
    return f"{sum(step.outcome == CORRECT for step in steps)} of {len(steps)}" if steps else ""
