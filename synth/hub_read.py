"""Datasets of the Hugging Face Hub, read at one commit, in batches.

Only this module and `synth.hub` import huggingface_hub and datasets, and only when they talk to the Hub.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from synth.errors import InputError, suggest

if TYPE_CHECKING:
    import pyarrow as pa

SCHEME = "hf://"
_ADDRESS = re.compile(
    r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[^/:\s]+))?(/(?P<config>[^:\s]+))?(:(?P<split>[\w.-]+))?"
)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_BATCH = 1_000
_LOOK_SECONDS = 10.0
_FRONT_MATTER = re.compile(r"---\s*\n(.*?)\n---", re.DOTALL)


@dataclass(frozen=True)
class Address:
    """`hf://ORG/NAME[@REVISION][/CONFIG][:SPLIT]`; '' where nothing was said."""

    repo: str
    revision: str = ""
    config: str = ""
    split: str = ""

    @staticmethod
    def parse(text: str) -> Address:
        """InputError where `text` is no such address."""
        found = _ADDRESS.fullmatch(text.removeprefix(SCHEME))
        if found is None:
            raise InputError(
                f"{text} names no dataset of the Hub: write hf://ORG/NAME, hf://ORG/NAME@REVISION, with /CONFIG and :SPLIT behind it"
            )
        return Address(**{name: value or "" for name, value in found.groupdict().items()})

    @property
    def is_pinned(self) -> bool:
        """Whether the revision is a commit, so that it means the same for ever."""
        return _COMMIT.fullmatch(self.revision) is not None

    def __str__(self) -> str:
        parts = (("@", self.revision), ("/", self.config), (":", self.split))
        return f"{SCHEME}{self.repo}" + "".join(sign + value for sign, value in parts if value)


@dataclass(frozen=True)
class HubDataset:
    """A dataset at a commit: `address.revision` is always one."""

    address: Address
    files: tuple[str, ...]

    def licence(self) -> str:
        """The licence that the card's YAML names, '' where it names none."""
        if "README.md" not in self.files:
            return ""
        card = front_matter(self.download("README.md"))
        licence = card.get("license")
        if licence == "other":
            licence = card.get("license_name") or licence
        return ", ".join(map(str, licence)) if isinstance(licence, list) else str(licence or "")

    def download(self, path: str) -> Path:
        """A file of the dataset, from the Hub's own cache where it is there."""
        from huggingface_hub import hf_hub_download

        with _explained(self.address):
            revision = self.address.revision
            return Path(hf_hub_download(self.address.repo, path, repo_type="dataset", revision=revision))

    def configs(self) -> list[str]:
        """Names of its configurations."""
        from datasets import get_dataset_config_names

        with _explained(self.address):
            return list(get_dataset_config_names(self.address.repo, revision=self.address.revision))

    def splits(self, config: str = "") -> dict[str, Iterator[pa.Table]]:
        """The rows of each split as tables of at most a thousand rows; nothing is read before a split is iterated."""
        from datasets import disable_progress_bars, load_dataset

        disable_progress_bars()
        with _explained(self.address):
            found = load_dataset(
                self.address.repo, config or None, streaming=True, revision=self.address.revision, token=_token()
            )
        return {str(name): self._tables(rows) for name, rows in found.items()}

    def _tables(self, rows: Any) -> Iterator[pa.Table]:
        with _explained(self.address):
            yield from rows.with_format("arrow").iter(batch_size=_BATCH)


def front_matter(card: Path) -> dict[str, Any]:
    """The YAML that a card begins with; empty where there is none that can be read."""
    found = _FRONT_MATTER.match(card.read_text(encoding="utf-8", errors="replace"))
    try:
        said = yaml.safe_load(found[1]) if found else None
    except yaml.YAMLError:
        return {}
    return said if isinstance(said, dict) else {}


def open_hub(address: Address) -> HubDataset:
    """The dataset at the commit that the address means now. Raises InputError where the Hub refuses or can't be reached."""
    from huggingface_hub import HfApi

    with _explained(address):
        info = HfApi(library_name="synth", token=_token()).dataset_info(address.repo, revision=address.revision or None)
    files = tuple(file.rfilename for file in info.siblings or [])
    return HubDataset(replace(address, revision=info.sha or address.revision), files)


def choose_split(address: Address, names: list[str]) -> list[str]:
    """The split that the address names, else `train` where there is one, else all."""
    if address.split and address.split not in names:
        raise InputError(f"{address} has no split {address.split!r}{suggest(address.split, names)}")
    return [address.split] if address.split else ["train"] if "train" in names else names


def _token() -> str | None:
    from huggingface_hub import get_token

    return get_token()


@contextmanager
def _explained(address: Address) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # the clients raise what their transports and parsers do; each becomes one sentence
        token = _token()
        sentence = _explain(error, address, has_token=token is not None)
        raise InputError(sentence.replace(token or "\0", "[token]")) from error


def _explain(error: BaseException, address: Address, *, has_token: bool) -> str:
    from huggingface_hub import constants, errors

    login = "with a token that may read it" if has_token else "with HF_TOKEN set, or after `hf auth login`"
    where = constants.ENDPOINT
    if isinstance(error, errors.GatedRepoError):
        return f"{address} is gated: ask for access at {where}/datasets/{address.repo}, then try again {login}"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{address} has no revision {address.revision!r}: name a branch, tag or commit that it has"
    if isinstance(error, errors.RepositoryNotFoundError):
        return (
            f"{where} has no dataset {address.repo!r} that may be read: check the name; if it is private, try {login}"
        )
    if isinstance(error, errors.OfflineModeIsEnabled):
        return f"{address} is not here yet and HF_HUB_OFFLINE forbids fetching it: unset it, or give a local path"
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return f"{where} answered {status} for {address}: try again later" + (
            f" {login}" if status in (401, 403) else ""
        )
    if _is_network(error):
        return f"can't reach {where} for {address} ({type(error).__name__}): check the network and HF_ENDPOINT, or give a local path"
    why = " ".join(str(error).split())[:300] or type(error).__name__
    return f"can't read {address}: {why}; check the config and the split, or give a local path"


def _is_network(error: BaseException) -> bool:
    """By name, since the transport differs between major versions of huggingface_hub."""
    names = {cls.__name__ for cls in type(error).__mro__}
    return bool(names & {"ConnectError", "ConnectionError", "TimeoutException", "TimeoutError", "NetworkError"})


@dataclass(frozen=True)
class Login:
    """Who the Hub takes us for. Holds no token."""

    endpoint: str
    source: str = ""
    """Where the token comes from; '' without one."""
    user: str = ""
    role: str = ""
    """What the token may do, as the Hub calls it: read, write, fineGrained."""
    is_offline: bool = False
    is_refused: bool = False
    problem: str = ""
    """Why the Hub could not be asked; '' where it was."""


def look_at_login() -> Login:
    """Ask the Hub about the token of the environment or of `hf auth login`; without one, whether it answers at all."""
    from huggingface_hub import HfApi, constants, get_token
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]
    from huggingface_hub.utils import get_session  # type: ignore[attr-defined]

    endpoint = str(constants.ENDPOINT)
    if constants.HF_HUB_OFFLINE:
        return Login(endpoint, is_offline=True)
    source = ""
    try:
        token = get_token()
        source = ("HF_TOKEN" if os.environ.get("HF_TOKEN") else "`hf auth login`") if token else ""
        if token is None:
            get_session().head(endpoint, timeout=_LOOK_SECONDS)
            return Login(endpoint)
        told = HfApi(endpoint=endpoint, library_name="synth").whoami(token=token)
        role = told.get("auth", {}).get("accessToken", {}).get("role") or ""
        return Login(endpoint, source, user=str(told["name"]), role=str(role))
    except (HTTPError, OSError, ValueError, KeyError, RuntimeError) as error:
        status = getattr(getattr(error, "response", None), "status_code", 0)
        problem = f"HTTP {status}" if status else type(error).__name__
        return Login(endpoint, source, is_refused=status in (401, 403), problem=problem)


@dataclass(frozen=True)
class ModelPlace:
    """Where a model of the Hub is: in the cache of this machine, on the Hub, or nowhere that we can see."""

    is_here: bool
    is_offline: bool = False
    is_there: bool = False
    bytes: int = 0
    """Of all its files on the Hub."""
    problem: str = ""
    """Why the Hub could not be asked; '' where it was, or need not be."""


def look_for_model(repo: str, revision: str = "") -> ModelPlace:
    """Ask cache and Hub about a model; nothing is fetched."""
    from huggingface_hub import HfApi, constants, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, HTTPError  # type: ignore[attr-defined]

    wanted = revision or None
    is_here = isinstance(try_to_load_from_cache(repo, "config.json", revision=wanted), str)
    if constants.HF_HUB_OFFLINE:
        return ModelPlace(is_here, is_offline=True)
    api = HfApi(endpoint=str(constants.ENDPOINT), library_name="synth")
    try:
        info = api.model_info(repo, revision=wanted, timeout=_LOOK_SECONDS, files_metadata=True)
        return ModelPlace(is_here, is_there=True, bytes=sum(each.size or 0 for each in info.siblings or ()))
    except HfHubHTTPError as error:
        status = error.response.status_code
        return ModelPlace(is_here, problem="" if status in (401, 403, 404) else f"HTTP {status}")
    except (HTTPError, OSError, ValueError, RuntimeError) as error:
        return ModelPlace(is_here, problem=type(error).__name__)
