"""passage -> a request of somebody who needs it, the same intent put another way, and an edit that turns the intent."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field

from schemas.base import Strict
from schemas.record import TEXT_PAIR, Pair
from synth.tasks import Draft, Outputs, PassageTask, Step, TaskInput, declared_inputs
from synth.text_pairs import TextPairTask, shared_words

__all__ = ["MinimalEdit"]

INTENT = "intent"
SAME = {
    "paraphrase": "in other words and another build",
    "style": "in another style: a curt note for a polite sentence, a sentence for a note, a question for a statement",
    "reason": "with a plausible reason for it, made up",
    "double_negation": "as a refusal of the opposite, such as not wanting to be left without it",
}
"""Ways to put the same intent."""
TURNED = {
    "other_object": "the same is to be done with another thing of the same kind; only the words for the thing change",
    "other_action": "something else is to be done with the same thing; only the words for the action change",
    "denied": "one or two words are put in or left out, so that it asks for the opposite; everything else stays",
    "no_longer_needed": "it says that this is no longer needed",
    "no_longer_needed_reason": "it says that this is no longer needed, and why",
    "something_else": "it says that not this is wanted but something else, and what",
}
"""Ways to turn it."""
EDITS = frozenset({"other_object", "other_action", "denied"})
"""Families of which hardly a word may change."""
NEGATIONS = frozenset({"double_negation", "denied", "no_longer_needed", "no_longer_needed_reason"})
"""Not drawn for a request that refuses or undoes something itself: a denied cancellation is a wish."""
LEAST_KEPT = 0.4
"""Of the words of request and edit together, those that both have."""
_Text = Annotated[str, Field(min_length=1, max_length=400)]


class Intent(Strict):
    """What somebody wants, taken apart first, and how they say it."""

    action: Annotated[str, Field(min_length=1, max_length=80)]
    object: Annotated[str, Field(min_length=1, max_length=80)]
    refuses: Literal["yes", "no"]
    request: _Text


class Edits(Strict):
    """The same intent in another way, and the one that is turned."""

    positive: _Text
    negative: _Text


def _intent_inputs(task_input: TaskInput, _: Outputs) -> dict[str, Any]:
    return declared_inputs(INTENT, task_input)


class MinimalEdit(PassageTask):
    """A request that the passage serves, the same intent put another way, and an edit of the request that turns it.

    `positive_family` and `negative_family` say how; they are drawn by the item's seed. `action` and `object` are what
    the request was made of. No passage is searched for: positive and negative are requests too.
    """

    name: ClassVar[str] = "minimal-edit"
    prompt: ClassVar[str] = "minimal-edit"
    output: ClassVar[type[BaseModel]] = Edits
    instruction: ClassVar[str] = "Retrieve requests with the same intent"
    paper: ClassVar[str] = "intent encoders under negation: hard positives and negatives by family, made from an intent"
    earlier: ClassVar[tuple[Step, ...]] = (Step(INTENT, INTENT, Intent, _intent_inputs),)
    exempt: ClassVar[frozenset[str]] = frozenset({"copy", "leak"})
    text_pairs: ClassVar[bool] = TextPairTask.text_pairs
    most_share: ClassVar[float] = 0.15
    example: ClassVar[Mapping[str, BaseModel]] = {
        INTENT: Intent(
            action="extend", object="revolving credit facility", refuses="no", request="Please extend our revolver."
        ),
        "minimal-edit": Edits(
            positive="We would be glad of two more years on the bank line, as the ferries are paid off only by then.",
            negative="Please do not extend our revolver, we would rather have a term loan.",
        ),
    }

    @classmethod
    def prompt_inputs(cls, task_input: TaskInput, outputs: Outputs) -> dict[str, Any]:
        said: Intent = outputs[INTENT]
        same, turned = families(task_input.item.seed, is_refusal=said.refuses == "yes")
        given = {"request": said.request, "action": said.action, "object": said.object}
        return super().prompt_inputs(task_input, outputs) | given | {"same": SAME[same], "turned": TURNED[turned]}

    @classmethod
    def draft(cls, task_input: TaskInput, outputs: Outputs, method: str) -> Draft:
        said, edits = outputs[INTENT], outputs[cls.name]
        same, turned = families(task_input.item.seed, is_refusal=said.refuses == "yes")
        parts = {"action": said.action, "object": said.object, "positive_family": same, "negative_family": turned}
        return Draft(
            " ".join(said.request.split()),
            " ".join(edits.positive.split()),
            f"{method}{TEXT_PAIR}",
            instruction=cls.instruction,
            attributes=parts,
            negatives=(" ".join(edits.negative.split()),),
        )

    @classmethod
    def fault(cls, record: Pair) -> tuple[str, str]:
        """Of a family that changes hardly a word: whether that holds, and whether words tell the positive all the same."""
        said = {each.name: each.value for each in record.attributes}
        if said.get("negative_family") not in EDITS:
            return "", ""
        far = shared_words(record.query, record.positive.text)
        for text in record.written:
            near = shared_words(record.query, text)
            if near < LEAST_KEPT:
                return "not_minimal", f"{near:.0%} of the words are those of the request"
            if near <= far:
                return "shortcut", f"{near:.0%} of the words shared with the negative, {far:.0%} with the positive"
        return "", ""


def families(seed: int, *, is_refusal: bool) -> tuple[str, str]:
    """Of the positive and of the negative."""
    source = random.Random(seed)
    same, turned = ([each for each in known if not is_refusal or each not in NEGATIONS] for known in (SAME, TURNED))
    return source.choice(same), source.choice(turned)
