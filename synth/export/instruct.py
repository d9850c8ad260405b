"""Instructions in the forms in which trainers and models take them."""

from __future__ import annotations

from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from synth.export.formats import FORMATS
from synth.files import read_batches
from synth.store import VersionRef

Instruction = Literal["column", "prefix", "none"]


def query_prompt(instruction: str) -> str:
    """What stands before a query in the form of E5, GTE and Qwen3-Embedding; '' without an instruction.

    >>> query_prompt("Find the note that answers the question")
    'Instruct: Find the note that answers the question\\nQuery: '
    """
    return f"Instruct: {instruction}\nQuery: " if instruction else ""


def instructions_of(version: VersionRef, most: int = 2) -> list[str]:
    """The instructions of a version's records, each once, no more than `most` of them."""
    found: dict[str, None] = {}
    for path in version.record_files():
        for batch in read_batches(path, ("instruction",)):
            found |= dict.fromkeys(pc.unique(batch["instruction"]).to_pylist())
            if len(found) >= most:
                return list(found)[:most]
    return list(found)


def trainer_prompts(version: VersionRef, name: str) -> dict[str, str]:
    """`prompts=` of SentenceTransformerTrainingArguments for a format: the column of the query and what stands before it.

    Empty where records have different instructions, or none; the former are exported with `--instruction prefix`.

    >>> trainer_prompts(store.find("finance@1"), "triplet")
    {'anchor': 'Instruct: Given a finance question, retrieve the passage that answers it\\nQuery: '}
    """
    instructions = instructions_of(version)
    prompt = query_prompt(instructions[0]) if len(instructions) == 1 else ""
    return {FORMATS[name].query: prompt} if prompt else {}


def prefixed(queries: pa.Array, instructions: pa.Array) -> pa.Array:
    """Queries behind their instructions, those without one as they are."""
    prompts = pc.binary_join_element_wise("Instruct: ", instructions, "\nQuery: ", "")
    return pc.binary_join_element_wise(pc.if_else(pc.equal(instructions, ""), "", prompts), queries, "")
