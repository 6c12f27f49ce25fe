"""What services and environments lay over the base, and over each other."""

from __future__ import annotations

from typing import Any, Final

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from etter_obs._internal.slo.analysis.reach_table import remarks
from etter_obs._internal.slo.loading.loader import SpecError, parse_specs
from tests.slo.specs import BASE, dumped, error_of, text_of

SLI: Final = "sli: { requests: { bad_status: 5xx } }"
A: Final = f"{{ name: a, description: A., objective: 99%, runbook: Base., {SLI} }}"
B: Final = f"{{ name: b, description: B., objective: 98%, {SLI} }}"
OWN: Final = f"{{ name: own, description: Own., objective: 97%, {SLI} }}"


def layered(service: str = "", environment: str = "") -> str:
    """Return a spec with SLOs a and b; billing and staging lay these SLOs over them."""
    return text_of(
        A,
        B,
        more=f"services:\n  billing:\n    slos: [{service}]\n"
        f"environments:\n  staging:\n    slos: [{environment}]\n",
    )


def promised(text: str, environment: str | None = None) -> dict[str, dict[str, str]]:
    """Return what each service promises: its SLOs' objectives by name."""
    return {
        spec.service: {slo.name: f"{slo.objective.normalize()}" for slo in spec.slos}
        for spec in parse_specs(text, "slo.yaml", environment)
    }


def test_what_a_service_took_away_an_environment_may_take_away_too() -> None:
    """Both have `remove: true` for one SLO; it is removed in both, without an error."""
    text = layered("{ name: b, remove: true }", "{ name: b, remove: true }")
    assert promised(text) == {"shop": {"a": "0.99", "b": "0.98"}, "billing": {"a": "0.99"}}
    assert promised(text, "staging") == {"shop": {"a": "0.99"}, "billing": {"a": "0.99"}}


def test_an_environment_changes_an_slo_only_where_it_is() -> None:
    """A change passes over the services without the SLO: who removed it, who never had it."""
    text = layered(
        f"{{ name: b, remove: true }}, {OWN}",
        "{ name: b, objective: 90% }, { name: own, objective: 91% }",
    )
    assert promised(text)["billing"] == {"a": "0.99", "own": "0.97"}
    assert promised(text, "staging") == {
        "shop": {"a": "0.99", "b": "0.9"},
        "billing": {"a": "0.99", "own": "0.91"},
    }


def test_an_environment_takes_away_what_only_one_service_has() -> None:
    """It is no slip for the services that never had it."""
    text = layered(OWN, "{ name: own, remove: true }")
    assert set(promised(text)["billing"]) == {"a", "b", "own"}
    assert set(promised(text, "staging")["billing"]) == {"a", "b"}


def test_a_whole_slo_is_put_where_it_is_missing() -> None:
    """An entry that says all an SLO needs is a new one for who has none of that name."""
    text = layered(f"{{ name: a, remove: true }}, {OWN}", f"{A.replace('99%', '95%')}, {OWN}")
    assert promised(text, "staging") == {
        "shop": {"a": "0.95", "b": "0.98", "own": "0.97"},
        "billing": {"b": "0.98", "own": "0.97", "a": "0.95"},
    }


def test_an_slo_removed_and_put_anew_in_one_layer_inherits_nothing() -> None:
    """The new one applies, without fields of the old one."""
    anew = f"{{ name: a, description: Anew., objective: 96%, {SLI} }}"
    text = layered("", f"{{ name: a, remove: true }}, {anew}")
    for spec in parse_specs(text, "slo.yaml", "staging"):
        slo = spec.slo("a")
        assert (slo.description, str(slo.objective), slo.runbook) == ("Anew.", "0.96", "")


# each: the SLOs of billing, those of staging, the words at the place, the words of the message
NOWHERE = [
    ("{ name: aa, remove: true }", "", "true", "no SLO 'aa' to remove; did you mean a?"),
    ("", "{ name: ownn, remove: true }", "true", "no SLO 'ownn' to remove"),
    ("{ name: own, remove: true }", OWN, "true", "no SLO 'own' to remove"),
    (
        f"{OWN}, {{ name: own, remove: true }}",
        "",
        "{ name: own, rem",
        "an entry above already defines",
    ),
    (
        "",
        "{ name: b, alerting: off }, { name: b, team: x }",
        "{ name: b, team",
        "already defines 'b'",
    ),
    ("", "{ name: a, remove: true }, { name: a, remove: true }", "true } ]", "no SLO 'a'"),
    ("", "{ name: a, remove: false }", "false", "remove: true removes an SLO"),
    ("", "{ name: aa, objective: 95% }", "{ name: aa", "missing in slos.aa; did you mean a?"),
    ("{ name: own, objective: 95% }", OWN, "{ name: own, objective: 95%", "'sli' is missing"),
    ("", "{ name: a, remove: true }, { name: a, objective: 95% }", "{ name: a, obj", "'sli' is"),
]


@pytest.mark.parametrize(("service", "environment", "at", "said"), NOWHERE)
def test_an_entry_that_holds_nowhere_is_told(
    service: str, environment: str, at: str, said: str
) -> None:
    """What changes or removes an SLO that no service has is an error at the entry."""
    text = layered(service, environment).replace("}]", "} ]")
    error = error_of(text)
    assert error is not None
    place = text.index(at, text.index("services:"))
    line, column = text.count("\n", 0, place) + 1, place - text.rfind("\n", 0, place)
    told = [one for one in error.splitlines() if said in one]
    assert [one.split(": ")[0] for one in told] == [f"slo.yaml:{line}:{column}"], error


@pytest.mark.parametrize("name", ["Bad_Name", "1", "''", "a" * 64])
@pytest.mark.parametrize("kind", ["services", "environments"])
def test_a_bad_name_is_told_where_it_stands(kind: str, name: str) -> None:
    """The name of a service or an environment is wrong at its own line, not at the base's."""
    text = text_of(A) + f"{kind}:\n  fine: {{}}\n  {name}:\n"
    error = error_of(text)
    assert error is not None
    line = text.count("\n")
    told = f"slo.yaml:{line}:3: {kind.removesuffix('s')}: '{name.strip(chr(39))}' is not a name"
    assert (error.count("\n"), error[: len(told)]) == (0, told)


def test_a_bad_name_that_was_asked_for_is_not_laid_to_the_file() -> None:
    """A wrong environment from elsewhere is reported without a line of slo.yaml."""
    with pytest.raises(
        SpecError, match=r"^slo\.yaml: the requested environment: 'Prod_1' is not a name"
    ):
        parse_specs(text_of(A), "slo.yaml", "Prod_1")


def test_what_the_base_lacks_is_told_once_and_of_the_base() -> None:
    """A layer that changes something is not blamed for what is missing under it."""
    text = layered("{ name: a, objective: 95% }", "team: x").replace("description: A., ", "")
    text = text.replace("slos: [team: x]", "no_traffic_after: 2h").replace("team: shop-team\n", "")
    error = error_of(text)
    assert error is not None
    line = text[: text.index("{ name: a, objective: 99%")].count("\n") + 1
    assert error.splitlines() == [
        "slo.yaml:1:1: 'team' is missing",
        f"slo.yaml:{line}:5: 'description' is missing in slos.a",
    ]


def test_a_combination_that_is_left_without_slos_is_told_at_the_layer() -> None:
    """Who takes the last SLO away reads it of the list that does."""
    text = layered("", "{ name: a, remove: true }, { name: b, remove: true }")
    place = text.index("[{ name: a, remove")
    line, column = text.count("\n", 0, place) + 1, place - text.rfind("\n", 0, place)
    error = error_of(text)
    assert error is not None
    assert error.startswith(f"slo.yaml:{line}:{column}: slos is empty"), error


def test_an_alias_is_taken_and_a_merge_key_is_not() -> None:
    """`*name` repeats a whole value; `<<` is exactly one error, which names the alternative."""
    sli = "{ name: b, description: B., objective: 98%, sli: *sli }"
    aliased = text_of(A.replace("sli: {", "sli: &sli {"), sli)
    assert [slo.sli.name for slo in parse_specs(aliased, "slo.yaml")[0].slos] == ["requests"] * 2
    merged = text_of(f"&a {A}", "{ <<: *a, name: b }")
    line = merged.count("\n")
    assert (error_of(merged) or "").split(": ", 1) == [
        f"slo.yaml:{line}:7",
        "merge keys (<<) are not supported; use an alias (*name) of a whole value",
    ]


def test_every_services_period_and_form_are_remarked_on() -> None:
    """A second service's long period and portable form are noted like the first one's."""
    text = (
        text_of(A) + "services:\n  b: { period: 60d, rule_form: portable }\n  c: { period: 90d }\n"
    )
    told = "\n".join(remarks(parse_specs(text, "slo.yaml")))
    assert "a retention of more than 90 days" in told
    assert "rule_form: portable" in told


# -- any layers against what the documentation says of them --------------------------------------

_entries = st.lists(
    st.builds(
        lambda name, how, percent: (name, how, f"{percent}%"),
        st.sampled_from("abc"),
        st.sampled_from(["whole", "change", "remove"]),
        st.integers(91, 99),
    ),
    max_size=4,
)
_layers = st.dictionaries(st.sampled_from(["one", "two"]), _entries)


def _written(name: str, how: str, percent: str) -> dict[str, Any]:
    sli = {"requests": {"bad_status": "5xx"}}
    if how == "remove":
        return {"name": name, "remove": True}
    more = {"description": percent, "sli": sli} if how == "whole" else {"team": f"t{percent[:2]}"}
    return {"name": name, "objective": percent, **more}


def _expected(layers: list[Any], held: set[tuple[int, int]]) -> dict[str, list[str]]:
    """Lay entries over each other in a dictionary; note in ``held`` those that did something."""
    slos: dict[str, list[str]] = {}
    for layer in layers:
        for place, (name, how, percent) in enumerate(layer):
            if how == "whole":
                old = slos.get(name, ["", "", ""])
                slos[name] = [percent, percent, old[2]]
            elif name in slos and how == "change":
                slos[name] = [percent, slos[name][1], f"t{percent[:2]}"]
            elif name in slos:
                del slos[name]
            else:
                continue
            held.add((id(layer), place))
    return slos


@settings(max_examples=200)
@given(base=st.lists(st.sampled_from("abc"), unique=True), services=_layers, environments=_layers)
def test_any_layers_hold_as_documented(
    base: list[str], services: dict[str, Any], environments: dict[str, Any]
) -> None:
    """Base, service, environment, in this order; an error if an entry holds nowhere or twice."""
    under = [("keep", "whole", "99%"), *((name, "whole", "99%") for name in base)]
    tree = yaml.safe_load(BASE) | {"slos": [_written(*entry) for entry in under]}
    for kind, layers in (("services", services), ("environments", environments)):
        tree[kind] = {
            name: {"slos": [_written(*entry) for entry in layer]} for name, layer in layers.items()
        }
    held: set[tuple[int, int]] = set()
    expected = {
        (service, environment): _expected(
            [under, services.get(service, []), environments.get(environment, [])], held
        )
        for environment in ("production", *environments)
        for service in ("shop", *services)
    }
    said = {
        (id(layer), place)
        for layer in (*services.values(), *environments.values())
        for place in range(len(layer))
    }
    text = dumped(tree)
    twice = any(
        name in [earlier for earlier, how, _ in layer[:place] if how != "remove"]
        for layer in (*services.values(), *environments.values())
        for place, (name, _, _) in enumerate(layer)
    )
    if twice or said - held:
        assert error_of(text) is not None
        return
    for environment in ("production", *environments):
        for spec in parse_specs(text, "slo.yaml", environment):
            assert {
                slo.name: [f"{slo.objective * 100:.0f}%", slo.description, slo.team or ""]
                for slo in spec.slos
            } == expected[spec.service, environment]
