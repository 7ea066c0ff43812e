# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Container images: built by buildah from the recipes in `images/`, kept as one OCI layout, imported by ctr.

An image has a stable reference (localhost/NAME:dev) and a content hash of all that went into it, which is also its
label `org.opencontainers.image.revision`. It is built and imported only when that hash is another.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import stat
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.devhub import older

from . import debian, packages, wheels
from .locks import locked
from .paths import CHECKOUT, SOURCES, ClusterError, cache_root
from .progress import step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from .paths import Places

RECIPES = SOURCES / "images"
LABEL = "org.opencontainers.image.revision"
BASE = "debian"
IMAGES = ("pause", "postgres", "devhub", "devhub-1.34", "rabbitmq", "koji-builder", "haproxy", "kdc")
NAME_ANNOTATION = "io.containerd.image.name"
KEPT = 4  # contents of an image in the layout, newest last: other checkouts have theirs
NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")


@dataclass(frozen=True)
class Built:
    """A built image: its reference, content hash and the OCI descriptor of its manifest."""

    reference: str
    hash: str
    descriptor: dict[str, Any]


def reference(name: str) -> str:
    """What pods call the image."""
    return f"localhost/{name}:dev"


# -- what goes into an image -----------------------------------------------------------------------------------------


def add_busybox(context: Path) -> None:
    """The machine's static busybox."""
    program = Path("/bin/busybox")
    if not program.exists():
        raise ClusterError(f"{program} is missing: install Debian's busybox-static")
    shutil.copy2(program, context / "busybox")


def add_devhub(context: Path) -> None:
    """The hub's code, in the places that its imports and the Apache configuration expect."""
    target = context / "koji-hub"
    tests = target / "tests"
    shutil.copytree(CHECKOUT / "tests/devhub", tests / "devhub", ignore=NOT_COPIED)
    shutil.copy2(CHECKOUT / "tests/__init__.py", tests / "__init__.py")
    entry = CHECKOUT / "tests/devhub/kojiapp.py"
    if entry.exists():
        shutil.copy2(entry, target / "kojiapp.py")

    # Its gssapi is Debian's.
    add_wheels(context, (*wheels.PROJECTS, "requests-gssapi"))
    messaging = context / "messaging"
    messaging.mkdir(exist_ok=True)
    for wheel in wheels.ensure(messaging / "requirements.txt", (), wheels.COMPILED).iterdir():
        shutil.copy2(wheel, messaging)
    add_schema(context, older.VERSIONS[-1])
    add_devweb(context)


def add_devweb(context: Path) -> None:
    """The stand-in for the web pages, which Fedora's hub image has beside the hub."""
    web = CHECKOUT / "tests/devweb"
    (context / "koji-web/scripts").mkdir(parents=True)
    shutil.copy2(web / "wsgi_publisher.py", context / "koji-web/scripts")
    shutil.copytree(web / "static", context / "koji-web/static")


def add_older_schema(context: Path) -> None:
    """What an older hub has in /usr/share/koji."""
    add_schema(context, "1.34")


def add_schema(context: Path, version: str) -> None:
    """schema.sql of a version, and the files that lead to it."""
    target = context / "koji"
    target.mkdir()
    (target / "schema.sql").write_text(older.schema(version))
    for file in set(older.upgrades(older.VERSIONS[0])) - set(older.upgrades(version)):
        shutil.copy2(file, target)


def add_wheels(context: Path, projects: tuple[str, ...] = wheels.PROJECTS) -> None:
    """The koji library and what it needs at run time, as locked in requirements.txt."""
    shutil.copytree(wheels.ensure(CHECKOUT / "requirements.txt", projects), context / "wheels")


ADDITIONS: dict[str, Callable[[Path], None]] = {
    "pause": add_busybox,
    "devhub": add_devhub,
    "devhub-1.34": add_older_schema,
    "koji-builder": add_wheels,
}


def make_context(name: str, context: Path) -> None:
    """Fill a folder with all that the recipe of an image copies."""
    shutil.copytree(RECIPES / name, context, dirs_exist_ok=True, ignore=NOT_COPIED)
    if name in ADDITIONS:
        ADDITIONS[name](context)


def tree_hash(folder: Path) -> str:
    """Hash of a folder's files: path, whether executable, content."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = file.read_bytes()
        executable = bool(file.stat().st_mode & stat.S_IXUSR)
        digest.update(f"{file.relative_to(folder)}\0{executable}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def content_hash(name: str, context: Path) -> str:
    """Hash of all that decides an image, given its filled context."""
    content = tree_hash(context)
    below = parent(name)
    if below is not None:
        content = hashlib.sha256(f"{parent_hash(below)} {content}".encode()).hexdigest()[:16]
    return content


def parent(name: str) -> str | None:
    """The image of ours that a recipe stands on."""
    found = re.search(r"^FROM localhost/(\S+):dev$", (RECIPES / name / "Containerfile").read_text(), re.MULTILINE)
    return found[1] if found else None


def parent_hash(name: str) -> str:
    """The content hash of an image that others stand on."""
    if name == BASE:
        return base_hash()
    with tempfile.TemporaryDirectory(prefix="koji-context-") as folder:
        make_context(name, Path(folder))
        return content_hash(name, Path(folder))


def base_hash() -> str:
    """Hash of what decides the Debian root; fixes that Debian published since come with a new cache folder only."""
    text = json.dumps([debian.SUITE, debian.PACKAGES, debian.EXCLUDED])
    return hashlib.sha256(text.encode() + (RECIPES / BASE / "Containerfile").read_bytes()).hexdigest()[:16]


# -- building --------------------------------------------------------------------------------------------------------


def store() -> Path:
    """The folder with the OCI layout (`oci`), the record of it (`built.json`, newest last) and buildah's layers."""
    return cache_root() / "images"


def read_record(file: Path) -> dict[str, dict[str, Any]]:
    """A JSON record of images by reference; empty when it isn't there or isn't readable."""
    try:
        record = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def write_record(file: Path, record: dict[str, dict[str, Any]]) -> None:
    """Replace a record whole."""
    draft = file.with_suffix(".new")
    draft.write_text(json.dumps(record, indent=1))
    draft.replace(file)


def build(names: Iterable[str] | None = None) -> dict[str, Built]:
    """Build those images that changed; all of the wanted ones, by reference."""
    wanted = list(IMAGES if names is None else names)
    if unknown := sorted(set(wanted) - set(IMAGES)):
        raise ClusterError(f"no image called {', '.join(unknown)}; there are {', '.join(IMAGES)}")
    layout = store() / "oci"
    layout.mkdir(parents=True, exist_ok=True)
    built: dict[str, Built] = {}
    for name in wanted:
        with tempfile.TemporaryDirectory(prefix="koji-context-") as folder:
            context = Path(folder)
            make_context(name, context)
            content = content_hash(name, context)
            found = recorded(name, content)
            if found is None:
                with locked(store().with_suffix(".lock"), "it builds images"):
                    found = recorded(name, content) or build_one(name, context, content)
        built[found.reference] = found
    return built


def recorded(name: str, content: str) -> Built | None:
    """The image, if it is in the layout with this content."""
    entry = read_record(store() / "built.json").get(f"{reference(name)} {content}")
    if entry is None or not blob(store() / "oci", entry["descriptor"]).exists():
        return None
    return Built(reference(name), content, entry["descriptor"])


def with_newest(
    record: dict[str, dict[str, Any]], name: str, content: str, descriptor: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """A record with one more content of an image, and without its oldest ones."""
    key = f"{reference(name)} {content}"
    others = {known: entry for known, entry in record.items() if known != key}
    same = [known for known in others if known.split()[0] == reference(name)]
    for old in same[: max(0, len(same) + 1 - KEPT)]:
        del others[old]
    return {**others, key: {"hash": content, "descriptor": descriptor}}


def build_one(name: str, context: Path, content: str) -> Built:
    """Build an image and record it; called with the lock held."""
    packages.ensure(packages.IMAGES)
    below = parent(name)
    if below == BASE:
        ensure_base()
    elif below is not None:
        ensure_parent(below)
    layout, file = store() / "oci", store() / "built.json"
    with step(f"building image {reference(name)}"):
        run_buildah_build(name, context, content)
        record = with_newest(read_record(file), name, content, push(name, layout))
        write_record(file, record)
        delete_unused(layout, record)
        buildah("rmi", "--prune", "--force")  # layers that no image has any more
    return Built(reference(name), content, record[f"{reference(name)} {content}"]["descriptor"])


def buildah(*arguments: str | Path) -> str:
    """Run buildah on the cache's own storage; what it printed."""
    command = ["buildah", "--root", store() / "buildah", "--runroot", "/run/koji-operator-buildah",
               "--storage-driver", "overlay", *arguments]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"buildah {arguments[0]}: {(done.stdout + done.stderr).strip()[-3000:]}")
    return done.stdout


def run_buildah_build(name: str, context: Path, content: str) -> None:
    """Build one image; buildah keeps the layers, so only what follows a change is done again."""
    # The machine's own network and /etc/resolv.conf, for Debian's packages; no container runtime is needed.
    how = ["--layers", "--isolation=chroot", "--network=host", "--pull-never", "--format=oci"]
    how.append(f"--cni-config-dir={store()}/cni")  # else buildah makes folders in /etc
    how.append(f"--file={context}/Containerfile")
    buildah("build", *how, f"--label={LABEL}={content}", f"--tag={reference(name)}", context)


def ensure_base() -> None:
    """Make the Debian root and its image once; called with the lock held."""
    content = base_hash()
    if is_tagged(BASE, content):
        return
    if os.geteuid() != 0:
        raise ClusterError("a Debian root can only be made by root")
    for left in store().glob(".debian-*"):  # by a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=".debian-", dir=store()) as folder:
        context = Path(folder) / "context"
        context.mkdir()
        with step("making a Debian root by debootstrap (a minute, once)"):
            debian.make_root(Path(folder) / "root", Path("/etc/apt"))
            debian.archive(Path(folder) / "root", context / "root.tar")
        shutil.copytree(RECIPES / BASE, context, dirs_exist_ok=True)
        with step(f"building image {reference(BASE)}"):
            run_buildah_build(BASE, context, content)


def ensure_parent(name: str) -> None:
    """Build the image that another one stands on, if it isn't there as it should be; called with the lock held."""
    with tempfile.TemporaryDirectory(prefix="koji-context-") as folder:
        context = Path(folder)
        make_context(name, context)
        content = content_hash(name, context)
        if not is_tagged(name, content):
            build_one(name, context, content)


def is_tagged(name: str, content: str) -> bool:
    """Whether buildah's image of that name is the one with this content."""
    found = buildah("images", "--format", "{{.Name}}:{{.Tag}}", "--filter", f"label={LABEL}={content}")
    return reference(name) in found.split()


def push(name: str, layout: Path) -> dict[str, Any]:
    """Copy an image's blobs to the OCI layout, where images share layers; the descriptor of its manifest."""
    buildah("push", "--quiet", "--compression-format", "zstd", reference(name), f"oci:{layout}:{name}")
    index = json.loads((layout / "index.json").read_text())
    for descriptor in index["manifests"]:
        if descriptor.get("annotations", {}).get("org.opencontainers.image.ref.name") == name:
            return {key: descriptor[key] for key in ("mediaType", "digest", "size")}
    raise ClusterError(f"{layout}/index.json: buildah push left no image {name}")


# -- the OCI layout --------------------------------------------------------------------------------------------------


def blob(layout: Path, descriptor: dict[str, Any]) -> Path:
    """The file of a blob."""
    algorithm, _, value = str(descriptor["digest"]).partition(":")
    return layout / "blobs" / algorithm / value


def descriptors(layout: Path, manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The descriptors of all blobs of an image: manifest, configuration, layers."""
    yield manifest
    content = json.loads(blob(layout, manifest).read_text())
    yield content["config"]
    yield from content["layers"]


def delete_unused(layout: Path, record: dict[str, dict[str, Any]]) -> None:
    """Delete the blobs that no recorded image has; an image whose manifest is gone has none."""
    used = {
        blob(layout, descriptor)
        for entry in record.values()
        if blob(layout, entry["descriptor"]).exists()
        for descriptor in descriptors(layout, entry["descriptor"])
    }
    for file in layout.glob("blobs/*/*"):
        if file not in used:
            file.unlink()


def write_archive(out: Any, layout: Path, images: Sequence[Built], present: set[str]) -> None:
    """Write an OCI archive of several images to a stream, without the blobs that the receiver has."""
    index = {
        "schemaVersion": 2,
        "manifests": [{**image.descriptor, "annotations": {NAME_ANNOTATION: image.reference}} for image in images],
    }
    with contextlib.ExitStack() as opened, tarfile.open(fileobj=out, mode="w|") as archive:
        # All are opened first: what is open may be deleted, by another process that builds a newer image.
        files = {
            str(blob(layout, each).relative_to(layout)): opened.enter_context(blob(layout, each).open("rb"))
            for image in images
            for each in descriptors(layout, image.descriptor)
            if each["digest"] not in present
        }
        small = {"oci-layout": {"imageLayoutVersion": "1.0.0"}, "index.json": index}
        for path, data in small.items():
            text = json.dumps(data).encode()
            info = tarfile.TarInfo(path)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
        for name, file in files.items():
            archive.addfile(archive.gettarinfo(arcname=name, fileobj=file), file)


# -- importing -------------------------------------------------------------------------------------------------------


def load(places: Places, built: dict[str, Built]) -> list[str]:
    """Import into a running cluster what it lacks, in one archive; the references imported."""
    record = read_record(places.images)
    lacking = [image for image in built.values() if record.get(image.reference, {}).get("hash") != image.hash]
    if not lacking:
        return []
    layout = store() / "oci"
    present = {digest for entry in record.values() for digest in entry["blobs"]}
    for image in lacking:
        blobs = [descriptor["digest"] for descriptor in descriptors(layout, image.descriptor)]
        record[image.reference] = {"hash": image.hash, "blobs": blobs}
    with step(f"importing {', '.join(image.reference for image in lacking)} into cluster {places.name}"):
        command = ["ctr", f"--address={places.containerd_socket}", "--namespace=k8s.io", "images", "import", "-"]
        with (
            tempfile.TemporaryFile() as problems,
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=problems) as process,
        ):
            try:
                write_archive(process.stdin, layout, lacking, present)
            except BrokenPipeError:
                pass  # ctr says why
            finally:
                process.stdin.close()  # type: ignore[union-attr]
            if process.wait() != 0:
                problems.seek(0)
                text = problems.read().decode(errors="replace").strip()
                raise ClusterError(f"cluster {places.name}: ctr images import: {text[-2000:]}")
    write_record(places.images, record)
    return [image.reference for image in lacking]
