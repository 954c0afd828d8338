"""The images: what is in them, and that both builders make the same files of the same sources."""

import hashlib
import json
import re
import subprocess
import tarfile

import pytest

from compose import ROOT, Compose, docker

SIZE_MAX = 120 * 1000 * 1000  # bytes of the services' image above its base
DEFAULT_SUITE = re.search(r"^ARG SUITE=(\w+)$", (ROOT / "Dockerfile").read_text(), re.M)[1]
TAGS = {"trixie": "test", "bookworm": "test-bookworm"}


def build(target, tag, *options, **environment):
    """Builds a stage of the Dockerfile; answers the image's name."""
    name = f"cartledger/{target}:{tag}"
    docker("build", *options, "--target", target, "--tag", name, ROOT, env=Compose().environment | environment)
    return name


@pytest.mark.parametrize("suite", TAGS)
def test_given_the_services_image_then_it_is_small_and_holds_no_compiler(suite):
    image = build("services", TAGS[suite], "--build-arg", f"SUITE={suite}")
    size, base = (int(docker("image", "inspect", "--format", "{{.Size}}", each).strip())
                  for each in (image, f"debian:{suite}-slim"))
    assert size - base <= SIZE_MAX, f"{(size - base) / 1e6:.0f} MB above its base"
    run = ["run", "--rm", "--network", "none", image]
    assert docker(*run, "sh", "-c", "command -v cc gcc clang meson python3 curl psql || true").strip() == ""
    labels = json.loads(docker("image", "inspect", "--format", "{{json .Config.Labels}}", image))
    assert labels["org.opencontainers.image.title"] == "cartledger" and labels["org.opencontainers.image.revision"]
    packages = docker(*run, "cat", "/usr/share/cartledger/packages")
    assert re.search(r"^libmicrohttpd\S* ", packages, re.M) and re.search(r"^librdkafka1 ", packages, re.M)
    for program in ("command-service", "query-service"):
        assert docker(*run, program, "--version").startswith(program)


def files_of(image, folder):
    """The files that an image adds to its base: path, mode, owner, time and content of each; BuildKit touches /etc."""
    archive = folder / "image.tar"
    docker("save", "--output", archive, image)
    layers = [json.loads(docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", each))
              for each in (image, f"debian:{DEFAULT_SUITE}-slim")]
    assert layers[0][:len(layers[1])] == layers[1]
    found = []
    with tarfile.open(archive) as saved:
        manifest = json.load(saved.extractfile("manifest.json"))[0]
        for name in manifest["Layers"][len(layers[1]):]:
            with tarfile.open(fileobj=saved.extractfile(name)) as layer:
                found += [(each.name, each.type, each.mode, each.uid, each.gid, each.linkname, each.name != "etc" and each.mtime,
                           each.isreg() and hashlib.sha256(layer.extractfile(each).read()).hexdigest()) for each in layer]
    return found


def missing(builder):
    """Why docker cannot build in this way here; empty when it can."""
    tried = subprocess.run(["docker", "build", "--quiet", "-"], input="FROM scratch\nLABEL tried=yes\n", text=True,
                           capture_output=True, timeout=60, check=False, env=Compose().environment | builder)
    return tried.stderr.strip() if tried.returncode else ""


@pytest.mark.parametrize("builder", [{"DOCKER_BUILDKIT": "0"}, {"DOCKER_BUILDKIT": "1"}], ids=["classic", "BuildKit"])
def test_given_the_same_sources_when_the_images_are_built_again_then_they_have_the_same_files(builder, tmp_path):
    if why := missing(builder):
        pytest.skip(why)
    targets = {"jobs": {"usr/bin/sql-migrate", "usr/lib/cartledger/migrate"},
               "services": {"usr/sbin/command-service", "usr/sbin/query-service"}}
    # All of them before anything is built again: of what the cache has, it gives the newest.
    firsts = {target: build(target, "test") for target in targets}
    for target, contents in targets.items():
        # The classic builder has just made this one, on its way to jobs.
        cached = target == "services" and builder["DOCKER_BUILDKIT"] == "0"
        images = firsts[target], build(target, "again", *([] if cached else ["--no-cache"]), **builder)
        assert len(set(docker("image", "inspect", "--format", "{{.Id}}", *images).split())) == 2, "it was not built again"
        first, again = (files_of(image, tmp_path) for image in images)
        assert contents <= {each[0] for each in first}
        assert not set(first) ^ set(again)
