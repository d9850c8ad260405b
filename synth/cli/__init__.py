"""The command line: one small file a verb. Heavy imports happen inside the verbs."""

from __future__ import annotations

import sys

import typer

from synth.cli import (
    audit,
    calibrate,
    catalog,
    datasets,
    dedup,
    deploy,
    doctor,
    domains,
    enrich,
    export,
    gate,
    gc,
    generate,
    importing,
    mine,
    personas,
    plan,
    preview,
    push,
    refine,
    resume,
    serve,
    sql,
    tasks,
    topics,
)
from synth.cli.output import err
from synth.errors import InputError, SynthError
from synth.memory import few_collections

app = typer.Typer(
    name="synth",
    help="Turn documents, or nothing but a domain name, into training data for embedding models.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(generate.generate)
app.command()(calibrate.calibrate)
app.command()(dedup.dedup)
app.command()(export.export)
app.command()(gate.gate)
app.command("import")(importing.import_source)
app.command()(mine.mine)
app.command()(plan.plan)
app.command()(preview.preview)
app.command()(refine.refine)
app.command()(resume.resume)
app.add_typer(domains.app)
app.add_typer(enrich.app)
app.command()(tasks.tasks)
app.command()(doctor.doctor)
app.add_typer(personas.app)
app.add_typer(topics.app)
app.add_typer(datasets.app)
app.add_typer(audit.app)
app.command()(sql.sql)
app.command()(gc.gc)
app.add_typer(catalog.app)
app.command()(push.push)
app.command()(serve.serve)
app.command()(deploy.deploy)


def main() -> None:
    """Exit codes: 0 done, 1 failed, 2 the input is wrong, 130 interrupted."""
    try:
        with few_collections():
            app(args=spread_documents(sys.argv[1:]))
    except SynthError as error:
        err.print(f"[bold red]Error:[/] {_escape(str(error))}")
        sys.exit(2 if isinstance(error, InputError) else 1)
    except KeyboardInterrupt:
        err.print("Interrupted.")
        sys.exit(130)


def spread_documents(arguments: list[str]) -> list[str]:
    """`--documents a b` as `--documents a --documents b`, so that shell patterns work.

    >>> spread_documents(["generate", "--documents", "a.md", "b.md", "--limit", "5"])
    ['generate', '--documents', 'a.md', '--documents', 'b.md', '--limit', '5']
    """
    spread: list[str] = []
    inside = False
    for argument in arguments:
        if argument.startswith("-"):
            inside = argument == "--documents"
        elif inside and spread[-1] != "--documents":
            spread.append("--documents")
        spread.append(argument)
    return spread


def _escape(text: str) -> str:
    return text.replace("[", r"\[")
