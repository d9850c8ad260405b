"""The flags that name several teachers and a rescorer."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Fuse(StrEnum):
    rrf = "rrf"
    weighted = "weighted"
    agreement = "agreement"


class Ensemble(StrEnum):
    intra_sample = "intra_sample"
    cross_sample = "cross_sample"


FuseOption = Annotated[
    Fuse | None,
    typer.Option(
        "--fuse",
        help="How several teachers become one: by their ranks, by their scores stretched from 0 to 1, or by those times the share of teachers that list a passage. Default: rrf.",
        show_default=False,
    ),
]
RescoreOption = Annotated[
    str | None,
    typer.Option(
        "--rescore",
        metavar="NAME|URL",
        help="Who scores anew what ranks first: a cross-encoder by name or folder, or a server that scores pairs, http://HOST:8002/v1.",
        show_default=False,
    ),
]
RescoreDepthOption = Annotated[
    int | None,
    typer.Option(
        "--rescore-depth",
        min=1,
        help="How many are rescored; the others are left out. Default: 50.",
        show_default=False,
    ),
]
EnsembleOption = Annotated[
    Ensemble | None,
    typer.Option(
        "--ensemble",
        help="Mine with each teacher by itself instead of fusing them: a row takes the best of each in turn, or those of one teacher drawn by weight.",
        show_default=False,
    ),
]
