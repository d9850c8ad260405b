"""`synth doctor`: is everything there that a run needs, and what to type where it is not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from synth.cli.fusion import RescoreOption
from synth.cli.output import JsonOption, StoreOption, out, show_json

if TYPE_CHECKING:
    from synth.doctor import Check
    from synth.doctor.finding import Finding

_COLOURS = {"ok": "green", "warning": "yellow", "broken": "red"}


LlmOption = Annotated[
    list[str] | None,
    typer.Option(
        "--llm",
        metavar="URL|vllm:MODEL",
        help="A server that writes, as `synth generate` takes it. Repeat for several.",
        show_default=False,
    ),
]
TeacherOption = Annotated[
    list[str] | None,
    typer.Option(
        "--teacher",
        metavar="NAME|URL",
        help="A teacher, as `synth generate` takes it; no model is fetched for it. Repeat for several. Default: the domain's.",
        show_default=False,
    ),
]


def doctor(
    domain: Annotated[
        str, typer.Option("--domain", "-d", help="The domain that context and teacher are judged by, by name or path.")
    ] = "finance",
    llm: LlmOption = None,
    teacher: TeacherOption = None,
    rescore: RescoreOption = None,
    store: StoreOption = None,
    timeout: Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds that a check may take.")] = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Look at all that a run needs, and say what to do about what is missing or broken.

    Exit code 1 where something is broken; warnings are allowed. Nothing is made but the mark of a store in a bucket.
    """
    from synth.doctor import Check, examine
    from synth.doctor.everything import SERVICES, Asked, list_checks

    asked = Asked(domain, llm or (), teacher or (), rescore, store, timeout)
    checks = [*list_checks(asked), Check(SERVICES, "prefect", _look_at_prefect)]
    answers = examine(checks, timeout)
    found = list(answers) if as_json else _show(answers)
    states: list[str] = [finding.state for _, finding in found]
    if as_json:
        rows = [{"section": check.section, **vars(finding)} for check, finding in found]
        show_json({"findings": rows, **{state: states.count(state) for state in _COLOURS}})
    else:
        out.print(f"\n{_sum_up(states.count('broken'), states.count('warning'))}")
    if "broken" in states:
        raise typer.Exit(1)


def _look_at_prefect() -> Iterable[Finding]:
    from flows.doctor import check_prefect

    yield check_prefect()


def _show(answers: Iterable[tuple[Check, Finding]]) -> list[tuple[Check, Finding]]:
    """Print each finding as it comes, under its section."""
    from rich.markup import escape

    shown: list[tuple[Check, Finding]] = []
    with out.status("looking …"):
        for check, finding in answers:
            if not shown or shown[-1][0].section != check.section:
                out.print(f"{'' if not shown else chr(10)}[bold]{escape(check.section)}[/]")
            colour = _COLOURS[finding.state]
            out.print(f"  [{colour}]{finding.state:<7}[/]  {finding.name:<9}  {escape(finding.said)}")
            if finding.fix:
                out.print(f"{'':<9}  {'':<9}  [bold]→[/] {escape(finding.fix)}")
            shown.append((check, finding))
    return shown


def _sum_up(broken: int, warnings: int) -> str:
    warned = f"{warnings} warning{'s' if warnings > 1 else ''}" if warnings else "no warnings"
    if not broken:
        return f"Nothing is broken; {warned}."
    return f"{broken} {'things are' if broken > 1 else 'thing is'} broken; {warned}. Each → says what to do."
