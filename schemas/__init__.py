"""What a document, passage, persona, recipe, record and manifest are.

Every file synth reads or writes is described here once, as a pydantic model;
JSON Schema and Arrow schema are derived from the same models (`schemas.arrow`).
This package imports nothing of ours.
"""
