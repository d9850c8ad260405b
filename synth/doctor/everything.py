"""All checks of this layer, in the order they are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from synth.doctor import TIMEOUT, Check
from synth.doctor.disk import check_disk, places
from synth.doctor.domain import check_domain
from synth.doctor.endpoint import examine_endpoint
from synth.doctor.finding import Finding, from_error, ok, warning
from synth.doctor.gpu import check_gpu, check_search, check_torch
from synth.doctor.hub import check_hub
from synth.doctor.packages import Wanted, check_extras, check_packages, check_pins, check_python, find_checkout
from synth.doctor.store import examine_store
from synth.doctor.teacher import check_rescorer, check_teacher
from synth.doctor.vllm import check_served, check_vllm
from synth.domains import LoadedDomain, load_domain
from synth.errors import InputError
from synth.llm.endpoints import parse_endpoint
from synth.llm.server import PREFIX
from synth.store import Store, choose_store
from synth.teachers.scoring import choose_scoring

T = TypeVar("T")

MACHINE, SERVICES = "this machine", "services"


@dataclass(frozen=True)
class Asked:
    """What `synth doctor` was told to look at; `store` None for the usual one."""

    domain: str
    llm: Sequence[str] = ()
    teachers: Sequence[str] = ()
    """Empty for the domain's."""
    rescore: str | None = None
    """None for the domain's, which may have none."""
    store: str | None = None
    timeout: float = TIMEOUT


def list_checks(asked: Asked) -> Iterator[Check]:
    """A domain or a store that can't be had is a finding, and what needs none is looked at all the same."""
    loaded, no_domain = _attempt("domain", lambda: load_domain(asked.domain))
    store, no_store = _attempt("store", lambda: choose_store(asked.store))
    yield from _of_machine(store)
    section = f"domain {asked.domain}"
    yield Check(section, "domain", lambda: [no_domain or check_domain(_there(loaded))])
    yield from _of_scoring(asked, loaded, section)
    if store is None:
        yield Check("store", "store", lambda: [_there(no_store)])
    else:
        yield Check(f"store {store.where}", "store", partial(examine_store, store))
    for flag in asked.llm:
        yield _of_server(flag, loaded, asked.timeout)
    if not asked.llm:
        yield Check(
            SERVICES, "llm", lambda: [ok("llm", "no server was named; look at one with --llm http://HOST:8000/v1")]
        )
    yield Check(SERVICES, "hub", lambda: [check_hub()])


def _of_machine(store: Store | None) -> Iterator[Check]:
    wanted = partial(Wanted.find, find_checkout())
    yield Check(MACHINE, "python", lambda: [check_python()])
    yield Check(MACHINE, "packages", lambda: (check(wanted()) for check in (check_packages, check_pins, check_extras)))
    yield Check(MACHINE, "disk", lambda: [check_disk(places(store.root if store else None))])
    yield Check(MACHINE, "gpu", lambda: (check() for check in (check_gpu, check_search, check_torch)))
    yield Check(MACHINE, "vllm", lambda: [check_vllm()])


def _of_scoring(asked: Asked, loaded: LoadedDomain | None, section: str) -> Iterator[Check]:
    if loaded is None and not asked.teachers:
        said = "not looked at: the domain that names it can't be read"
        yield Check(section, "teacher", lambda: [warning("teacher", said, "give --domain NAME, or --teacher NAME")])
    before = loaded.domain if loaded else None
    chosen, problem = _attempt("teacher", lambda: choose_scoring(asked.teachers, rescore=asked.rescore, before=before))
    if chosen is None:
        yield Check(section, "teacher", lambda: [_there(problem)])
        return
    if loaded is not None or asked.teachers:
        for name in (chosen.teacher, *chosen.fusion.teachers):
            yield Check(section, "teacher", partial(_one, check_teacher, name))
    if chosen.rescorer:
        yield Check(section, "rescorer", partial(_one, check_rescorer, chosen.rescorer))


def _of_server(flag: str, loaded: LoadedDomain | None, timeout: float) -> Check:
    if flag.startswith(PREFIX):
        return Check("--llm vllm:…", "model", partial(_one, check_served, flag))
    address, _ = _attempt("model", lambda: parse_endpoint(flag).url)
    section = f"--llm {address}" if address else "--llm"  # a flag that is not understood may hold a password
    return Check(section, "model", partial(examine_endpoint, flag, loaded, timeout), is_apart=True)


def _one(check: Callable[[str], Finding], argument: str) -> Iterator[Finding]:
    yield check(argument)


def _attempt(name: str, read: Callable[[], T]) -> tuple[T | None, Finding | None]:
    try:
        return read(), None
    except InputError as error:
        return None, from_error(name, error)


def _there(thing: T | None) -> T:
    assert thing is not None
    return thing
