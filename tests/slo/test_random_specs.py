"""Any valid spec gives rules that promtool accepts; any invalid one gives an error with a line."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from etter_obs._internal.slo.loading.loader import SpecError, parse_specs
from etter_obs._internal.text.yaml import GENERATED
from tests.slo.specs import (
    BASE,
    SHIPPED,
    dumped,
    error_of,
    generated,
    promtool,
    spec_trees,
    written,
)

_PLACED = re.compile(r"slo\.yaml:\d+:\d+: \S")
_HARD = "\0\t\x7f\x80\x85\u2028\u2029\ufeff\ufffd\ufffe\uffff'\"\\{}#: "
"""What some reader of YAML, PromQL or templates takes for something else."""
_relaxed = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@settings(_relaxed, max_examples=25)
@given(spec_trees())
def test_promtool_accepts_the_rules_of_any_valid_spec(tree: dict[str, Any]) -> None:
    """Rules and tests of a random valid spec load and lint clean, and no two rules are alike."""
    with tempfile.TemporaryDirectory() as folder:
        rules = written(generated(parse_specs(dumped(tree), "slo.yaml")), Path(folder))
        promtool("check", "rules", "--lint=all", "--lint-fatal", *rules)


@settings(_relaxed, max_examples=25)
@given(spec_trees())
def test_what_is_written_reads_back_as_it_was_meant(tree: dict[str, Any]) -> None:
    """The small YAML writer gives, for any spec, text that a YAML reader takes for YAML."""
    for path, text in generated(parse_specs(dumped(tree), "slo.yaml")).items():
        if path.endswith(".yml"):
            assert GENERATED in text.splitlines()[0]
            content = yaml.safe_load(text)
            assert isinstance(content, dict)
            for group in content.get("groups", []):
                for rule in group["rules"]:
                    assert isinstance(rule["expr"], str)
                    assert all(isinstance(value, str) for value in rule["labels"].values())


@settings(_relaxed, max_examples=40)
@given(
    st.text(st.one_of(st.sampled_from(_HARD), st.characters(codec="utf-8")), min_size=1, max_size=2)
)
@example("\ufeff")
@example("\uffff")
def test_any_text_arrives_as_it_is_or_is_refused_with_a_line(text: str) -> None:
    """Of all Unicode, control characters too: what a description takes, Prometheus reads alike."""
    for description, routes in ((text, []), ("A.", [f"/{text}"])):
        sli = {"requests": {"bad_status": "5xx", "routes": routes}}
        slo = {"name": "a", "description": description, "objective": "99%", "sli": sli}
        spec = dumped(yaml.safe_load(BASE) | {"slos": [slo]})
        error = error_of(spec)
        if error is not None:
            assert _PLACED.match(error), error
            continue
        specs = parse_specs(spec, "slo.yaml")
        files = generated(specs)
        with tempfile.TemporaryDirectory() as folder:
            promtool("check", "rules", "--lint=all", "--lint-fatal", *written(files, Path(folder)))
        groups = yaml.safe_load(files["prometheus/rules/shop.a.yml"])["groups"]
        told = [rule["labels"].get("description") for group in groups for rule in group["rules"]]
        assert specs[0].slo("a").description in told


_junk = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 10**20),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=20),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
    st.sampled_from(["100%", "0%", "0", "-1", "200", "30", "1e9", "{{", "$selector", "5xx", "off"]),
)


def _places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items = (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree)
        if isinstance(tree, list)
        else ()
    )
    for key, item in items:
        found += _places(item, (*path, key))
    return found


@settings(_relaxed, max_examples=120)
@given(st.data())
def test_a_spoilt_spec_gives_an_error_with_a_line_or_is_still_valid(data: st.DataObject) -> None:
    """Whatever is put, renamed or taken away in a spec, the loader names a place or takes it."""
    tree = data.draw(spec_trees())
    place = data.draw(st.sampled_from(_places(tree)))
    parent = tree
    for key in place[:-1]:
        parent = parent[key]
    how = data.draw(st.sampled_from(["replace", "remove", "rename"]))
    if how == "replace":
        parent[place[-1]] = data.draw(_junk)
    elif how == "remove" or not isinstance(parent, dict):
        del parent[place[-1]]
    else:
        parent[f"{place[-1]}x"] = parent.pop(place[-1])
    text = dumped(tree)
    error = error_of(text)
    if error is None:
        assert generated(parse_specs(text, "slo.yaml"))
    else:
        assert _PLACED.match(error), error


@settings(_relaxed, max_examples=120)
@given(st.data())
def test_damaged_text_gives_an_error_with_a_line_or_is_still_valid(data: st.DataObject) -> None:
    """Text cut, doubled or spoilt anywhere never ends in a traceback."""
    text = SHIPPED.read_text(encoding="utf-8")
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, min(len(text), begin + 80)))
    spoilt = text[:begin] + data.draw(st.text(max_size=8)) + text[end:]
    error = error_of(spoilt)
    assert error is None or _PLACED.match(error), error


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "- 1",
            "a: &a [*a]",
            "a: b: c",
            "? [1, 2]\n: 3",
            "a: 1\na: 2",
            "\x00",
            "--- 1\n--- 2",
        ),
        *("[" * 5000, "a: " + "{b: " * 200, "slos: [" + "x, " * 300_000 + "]", "services: {a: 1}"),
    ],
    ids=lambda text: repr(text[:20]),
)
def test_text_that_is_no_spec_gives_an_error_with_a_line(text: str) -> None:
    """Empty, nested absurdly, recursive or enormous text is refused with a place."""
    with pytest.raises(SpecError, match=r"^slo\.yaml:\d+:\d+: "):
        parse_specs(text, "slo.yaml")
