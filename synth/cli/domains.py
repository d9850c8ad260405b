"""`synth domains`: the domains that are known by name."""

from __future__ import annotations

from synth.cli.output import JsonOption, out, show_json


def domains(as_json: JsonOption = False) -> None:
    """List the domains that --domain knows by name, shipped and from plug-ins."""
    from rich.markup import escape

    from synth import registry
    from synth.domains import load_domain

    found = [load_domain(name) for name in registry.names("domains")]
    rows = [
        {
            "name": one.domain.name,
            "title": one.domain.title,
            "description": one.domain.description,
            "file": str(one.path),
        }
        for one in found
    ]
    if as_json:
        show_json(rows)
        return
    for row in rows:
        out.print(f"[bold]{escape(row['name'])}[/]  {escape(row['description'])}\n  [dim]{escape(row['file'])}[/]")
