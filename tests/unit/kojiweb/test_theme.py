# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A theme out of a ConfigMap."""

from __future__ import annotations

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojiweb import theme
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

from tests.unit.resources.cluster import NAMESPACE, Objects


@pytest.fixture
def there() -> Objects:
    objects = Objects()
    objects.add("ConfigMap", "looks", {"koji.css": "a {}"}, binaryData={"koji.PNG": "AAAA"})
    return objects


def test_pictures_are_where_koji_looks_for_them(there: Objects) -> None:
    found = theme.look({"theme_configmap": "looks"}, NAMESPACE, there)
    assert found.name == "site"
    assert found.mounts[0]["mountPath"] == "/usr/share/koji-web/static/themes/site"
    items = found.volumes[0]["configMap"]["items"]
    assert items == [{"key": "koji.PNG", "path": "images/koji.PNG"}, {"key": "koji.css", "path": "koji.css"}]


def test_the_themes_name_can_be_chosen_but_is_no_path(there: Objects) -> None:
    spec = {"theme_configmap": "looks", "web_options": {"KojiTheme": "blue"}}
    assert theme.look(spec, NAMESPACE, there).mounts[0]["mountPath"].endswith("/themes/blue")
    for name in ("../../etc", "a/b", "..", "a\nb"):
        with pytest.raises(Problem, match="KojiTheme"):
            theme.look({**spec, "web_options": {"KojiTheme": name}}, NAMESPACE, there)


def test_a_changed_file_rolls_the_pods(there: Objects) -> None:
    before = theme.look({"theme_configmap": "looks"}, NAMESPACE, there).checksum
    there.add("ConfigMap", "looks", {"koji.css": "b {}"})
    assert theme.look({"theme_configmap": "looks"}, NAMESPACE, there).checksum != before


@pytest.mark.parametrize(("data", "words"), [(None, "does not exist"), ({}, "is empty")])
def test_a_theme_that_is_not_there_is_named(data: dict[str, str] | None, words: str) -> None:
    objects = Objects()
    if data is not None:
        objects.add("ConfigMap", "looks", data)
    with pytest.raises(Problem, match=f"'looks' .*{words}"):
        theme.look({"theme_configmap": "looks"}, NAMESPACE, objects)


def test_without_one_it_is_the_images_own() -> None:
    assert theme.look({"theme_configmap": ""}, NAMESPACE, Objects()) == theme.ThemeLook()
