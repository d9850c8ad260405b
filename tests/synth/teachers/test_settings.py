from __future__ import annotations

from collections.abc import Iterator

import pytest
from fake_embedder import Embedder
from fake_llm import FakeLlm, fake_llm

from synth.errors import InputError
from synth.teachers.settings import TeacherModel, TeacherSettings, check_same, parse_model, reach_teacher


@pytest.fixture
def fake() -> Iterator[FakeLlm]:
    with fake_llm(embedder=Embedder()) as server:
        yield server


def test_a_plain_name_is_a_model_and_stays_as_it_is() -> None:
    assert reach_teacher("BAAI/bge-small-en-v1.5") == ("BAAI/bge-small-en-v1.5", TeacherSettings())
    assert reach_teacher("lexical") == ("lexical", TeacherSettings())


def test_what_changes_vectors_goes_to_the_recipe_and_the_rest_does_not() -> None:
    name, settings = reach_teacher("acme/embed,devices=2,dtype=float16,batch=64,revision=abc,max_tokens=512")
    assert name == "acme/embed,dtype=float16,max_tokens=512,revision=abc"
    assert settings == TeacherSettings(devices=2, batch=64)


def test_a_recipe_names_a_served_model_without_its_address(fake: FakeLlm) -> None:
    name, settings = reach_teacher(f"{fake.url},dimensions=8,batch=16")
    assert (name, settings) == ("served:fake,dimensions=8", TeacherSettings(url=fake.url, batch=16))


@pytest.mark.parametrize("route", ["", "/v1", "/v1/", "/v1/embeddings"])
def test_an_address_may_be_given_as_people_have_it(fake: FakeLlm, route: str) -> None:
    assert reach_teacher(f"{fake.url.removesuffix('/v1')}{route}")[1].url == fake.url


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "query: ",
        "Instruct: given a question, find what answers it\nQuery: ",
        " ",
        "a=b",
        "who, me=you",
        "mail@host",
    ],
)
def test_prompts_hold_blanks_commas_and_line_breaks(prompt: str) -> None:
    model = TeacherModel(name="acme", query_prompt=prompt, document_prompt="d, d", revision="x")
    typed = f"acme,query_prompt={prompt},revision=x,document_prompt=d, d"
    assert parse_model(typed)[0] == parse_model(str(model))[0] == model
    served = TeacherModel(name="acme", is_served=True, query_prompt=prompt)
    assert parse_model(str(served))[0] == parse_model(f"http://h:1,query_prompt={prompt},model=acme")[0] == served


def test_a_blank_before_an_option_does_not_make_it_part_of_a_prompt() -> None:
    model, settings = parse_model("acme,query_prompt=find, then rank: , batch=3, dtype=float16")
    assert (model.query_prompt, model.dtype, settings.batch) == ("find, then rank: ", "float16", 3)


def test_the_index_goes_to_the_recipe_and_where_it_is_searched_does_not() -> None:
    name, settings = reach_teacher("acme,index=hnsw,ef_search=64,search_on=auto")
    assert (name, settings) == ("acme,ef_search=64,index=hnsw", TeacherSettings())
    assert reach_teacher("acme,search_on=cpu,index=exact") == ("acme", TeacherSettings(search_on="cpu"))
    assert TeacherSettings(search_on="cpu").flag("acme") == "acme,search_on=cpu"
    assert check_same("acme,index=ivf", "acme,search_on=cpu") == TeacherSettings(search_on="cpu")


WRONG = [
    ("acme,index=hnws", "--teacher acme,index=hnws: Input should be 'exact', 'hnsw', 'ivf' or 'cagra'"),
    ("acme,search_on=tpu", "--teacher acme,search_on=tpu: Input should be 'auto', 'cpu' or 'gpu'"),
    ("acme,ef_search=9", "ef_search=9 belongs to index=hnsw and index=cagra; leave it out"),
    ("acme,index=hnsw,nprobe=9", "nprobe=9 belongs to index=ivf; leave it out"),
    ("acme,index=ivf,search_on=gpu", "index=ivf is searched on the CPU; leave search_on=gpu out"),
    ("acme,index=cagra,search_on=cpu", "index=cagra is searched on a GPU"),
    ("acme,bach=3", "--teacher acme: the option 'bach' is not understood or has no value; did you mean 'batch'"),
    ("acme,batch", "the option 'batch' is not understood or has no value"),
    ("acme,batch=many", "--teacher acme,batch=many: Input should be a valid integer"),
    ("acme,devices=0", "--teacher acme,devices=0: Input should be greater than or equal to 1"),
    ("acme,dtype=fp16", "--teacher acme,dtype=fp16: Input should be .*'float16'"),
    ("lexical,batch=3", "--teacher lexical takes no options"),
    ("", "names no model"),
    (",batch=3", "names no model"),
    ("served:acme", "names no server: write --teacher http://HOST:8001/v1,model=acme"),
    ("http://", "write http://HOST:PORT/v1"),
    ("http://127.0.0.1:9", "does not answer"),
    ("http://me:pass@host:8001/v1", "without user, password or parameters"),
    ("http://me:pa,ss@host:8001/v1", "without user, password or parameters"),
    ("http://host:8001/v1?key=1", "without user, password or parameters"),
    ("http://host:8001,revision=x", "the option 'revision' is not understood"),
    ("http://host:8001,devices=2", "the option 'devices' is not understood"),
]


@pytest.mark.parametrize(("flag", "said"), WRONG)
def test_a_wrong_flag_is_one_sentence_without_secrets(flag: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        reach_teacher(flag)
    assert "pass" not in str(error.value).replace("password", "") and "ss@" not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_model_that_is_not_served_is_named_with_the_nearest(fake: FakeLlm) -> None:
    with pytest.raises(InputError, match="does not serve the model 'fak'; did you mean 'fake'"):
        reach_teacher(f"{fake.url},model=fak")


def test_the_same_teacher_is_reached_elsewhere_without_repeating_its_options(fake: FakeLlm) -> None:
    recipe = "served:fake,dimensions=8,query_prompt=query: "
    assert check_same(recipe, f"{fake.url},batch=7") == TeacherSettings(url=fake.url, batch=7)
    assert check_same(recipe, f"{fake.url},dimensions=8,query_prompt=query: ").url == fake.url
    assert check_same("acme,dtype=float16", "acme,devices=4") == TeacherSettings(devices=4)


@pytest.mark.parametrize(
    ("recipe", "flag"),
    [
        ("served:fake", "{url},dimensions=8"),
        ("acme", "other"),
        ("acme", "{url}"),
        ("lexical", "{url}"),
        ("served:fake", "fake"),
    ],
)
def test_another_teacher_is_refused(fake: FakeLlm, recipe: str, flag: str) -> None:
    with pytest.raises(InputError, match="the run was begun with the teacher .* and can't go on with"):
        check_same(recipe, flag.replace("{url}", fake.url))


def test_a_server_without_the_runs_model_is_refused(fake: FakeLlm) -> None:
    with pytest.raises(InputError, match="does not serve the model 'acme'"):
        check_same("served:acme", fake.url)


@pytest.mark.parametrize("name", ["lexical", "acme,dtype=float16", "served:fake,query_prompt=a, b: "])
def test_the_flag_of_a_run_names_the_same_teacher(name: str) -> None:
    served = name.startswith("served:")
    settings = TeacherSettings(url="http://h:1/v1" if served else "", batch=3 if served else None)
    model, again = parse_model(settings.flag(name))
    assert (str(model), again) == (name, settings)
