# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Content hashes, the OCI layout and the archive that a cluster is given."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster import Cluster, debian, image_builder, packages, wheels
from tests.cluster.paths import CHECKOUT, ClusterError, Places

if TYPE_CHECKING:
    from pathlib import Path


def test_the_tree_hash_follows_path_mode_and_content(tmp_path: Path) -> None:
    def current() -> str:
        return image_builder.tree_hash(tmp_path)

    (tmp_path / "a").write_text("1")
    seen = [current()]
    (tmp_path / "a").write_text("2")
    seen.append(current())
    (tmp_path / "a").chmod(0o755)
    seen.append(current())
    (tmp_path / "a").rename(tmp_path / "b")
    seen.append(current())
    assert len(set(seen)) == 4
    (tmp_path / "b").touch()  # a newer time is no change
    assert current() == seen[-1]


def test_every_image_has_a_recipe() -> None:
    for name in (*image_builder.IMAGES, image_builder.BASE):
        assert (image_builder.RECIPES / name / "Containerfile").exists()
    assert image_builder.parent("pause") is None
    assert image_builder.parent("devhub") == image_builder.BASE
    assert image_builder.parent("devhub-1.34") == "devhub"


def test_no_recipe_names_a_registry() -> None:
    for file in image_builder.RECIPES.rglob("Containerfile"):
        sources = [line.split()[1] for line in file.read_text().splitlines() if line.startswith("FROM ")]
        assert all(source == "scratch" or source.startswith("localhost/") for source in sources)


def test_an_unknown_image_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KOJI_OPERATOR_CACHE", str(tmp_path))
    with pytest.raises(ClusterError, match="nginx"):
        image_builder.build(["nginx"])


def test_images_that_another_checkout_replaced_are_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KOJI_OPERATOR_CACHE", str(tmp_path))
    monkeypatch.setattr(image_builder, "build", lambda names: {})
    gone = FileNotFoundError(2, "No such file", str(image_builder.store() / "oci/blobs/sha256/0"))
    answers: list[Any] = [gone, ["localhost/devhub:dev"], gone, gone, gone, FileNotFoundError(2, "No such file", "ctr")]

    def load(places: Places, built: dict[str, Any]) -> list[str]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        loaded: list[str] = answer
        return loaded

    monkeypatch.setattr(image_builder, "load", load)
    cluster = Cluster(places=Places("images", tmp_path))
    assert cluster.import_images() == ["localhost/devhub:dev"]
    with pytest.raises(ClusterError, match="KOJI_OPERATOR_CACHE"):
        cluster.import_images()
    with pytest.raises(FileNotFoundError):
        cluster.import_images()


def put(layout: Path, data: bytes, media_type: str) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    folder = layout / "blobs/sha256"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / digest).write_bytes(data)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}


def an_image(layout: Path, name: str, layers: list[bytes]) -> image_builder.Built:
    manifest = {
        "config": put(layout, json.dumps({"name": name}).encode(), "config"),
        "layers": [put(layout, layer, "layer") for layer in layers],
    }
    return image_builder.Built(name, "h", put(layout, json.dumps(manifest).encode(), "manifest"))


def test_the_archive_holds_each_blob_once_and_none_that_is_there(tmp_path: Path) -> None:
    one, two = an_image(tmp_path, "localhost/one:dev", [b"base", b"1"]), an_image(tmp_path, "two", [b"base", b"2"])
    base = next(each for each in image_builder.descriptors(tmp_path, one.descriptor) if each["size"] == 4)

    def names(present: set[str]) -> list[str]:
        out = io.BytesIO()
        image_builder.write_archive(out, tmp_path, [one, two], present)
        out.seek(0)
        with tarfile.open(fileobj=out) as archive:
            index = json.load(archive.extractfile("index.json"))  # type: ignore[arg-type]
            assert index["manifests"][0]["annotations"] == {"io.containerd.image.name": "localhost/one:dev"}
            return archive.getnames()

    everything = names(set())
    assert len(everything) == len(set(everything)) == 2 + 7
    assert len(names({base["digest"]})) == 2 + 6


def test_blobs_that_no_image_has_are_deleted(tmp_path: Path) -> None:
    one, two = an_image(tmp_path, "one", [b"base", b"1"]), an_image(tmp_path, "two", [b"base", b"2"])
    image_builder.delete_unused(tmp_path, {"one": {"hash": "h", "descriptor": one.descriptor}})
    assert all(
        image_builder.blob(tmp_path, each).exists() for each in image_builder.descriptors(tmp_path, one.descriptor)
    )
    assert not image_builder.blob(tmp_path, two.descriptor).exists()
    assert len(list((tmp_path / "blobs/sha256").iterdir())) == 4


def test_some_contents_of_an_image_are_kept_for_other_checkouts() -> None:
    record: dict[str, dict[str, Any]] = {"localhost/other:dev x": {"hash": "x"}}
    for content in "abcdea":
        record = image_builder.with_newest(record, "one", content, {})
    assert list(record) == ["localhost/other:dev x", *(f"localhost/one:dev {content}" for content in "cdea")]


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_damaged_record_means_build_again(tmp_path: Path, text: str) -> None:
    (tmp_path / "built.json").write_text(text)
    assert image_builder.read_record(tmp_path / "built.json") == {}


DEB822 = """\
# the machine's mirror
Types: deb deb-src
URIs: http://mirror.invalid/debian
Suites: bookworm
 bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://other.invalid/x
Suites: bookworm-other
Components: main

Enabled: no
Types: deb
URIs: http://off.invalid/x
Suites: bookworm
Components: main
"""
ONE_LINE = """\
deb [arch=amd64 signed-by=/x.gpg] http://mirror.invalid/security bookworm-security main  # fixes
deb-src http://mirror.invalid/debian bookworm main
deb http://vendor.invalid/apt cloud-bookworm main
"""


def test_package_sources_are_the_machines_own_for_the_suite(tmp_path: Path) -> None:
    folder = tmp_path / "sources.list.d"
    folder.mkdir()
    (folder / "debian.sources").write_text(DEB822)
    (tmp_path / "sources.list").write_text(ONE_LINE)
    (folder / "old.list.disabled").write_text("deb http://no.invalid/ bookworm main\n")
    found = debian.host_sources(debian.source_files(tmp_path))
    assert [(address, suite) for address, suite, _ in found] == [
        ("http://mirror.invalid/security", "bookworm-security"),
        ("http://mirror.invalid/debian", "bookworm"),
        ("http://mirror.invalid/debian", "bookworm-updates"),
    ]


def test_a_machine_without_the_suite_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="bookworm"):
        debian.host_sources(debian.source_files(tmp_path))


def test_the_koji_library_is_locked_by_hash() -> None:
    text = wheels.locked_requirements((CHECKOUT / "requirements.txt").read_text())
    assert "\nkoji==1.36.1 \\\n" in text
    assert "gssapi" not in text
    assert "#" not in text
    assert text.count("==") == len(wheels.PROJECTS)
    assert text.count("--hash=sha256:") >= len(wheels.PROJECTS)
    with pytest.raises(ClusterError, match="six"):
        wheels.locked_requirements("koji==1 --hash=sha256:0\n", ("koji", "six"))


def test_missing_packages_are_those_dpkg_does_not_have() -> None:
    assert packages.installed("installed runc\nconfig-files etcd-server\nnot-installed x\n") == {"runc"}
