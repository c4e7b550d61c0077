"""Docs are tested: every setting, scope, problem type and route of the platform is explained."""

import dataclasses
import importlib
import re

import pytest
import yaml

from atoll.__main__ import parser
from servicekit.problems import Problem
from servicekit.settings import variable
from tests.platform.layout import PACKAGES, ROOT, SERVICES, folder, modules


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_setting_is_documented(package: str) -> None:
    prefix = package.rpartition(".")[2].upper()
    settings = importlib.import_module(f"{package}.settings").Settings
    text = read("docs/reference/settings.md")
    readme = (folder(package) / "README.md").read_text(encoding="utf-8")
    for field in dataclasses.fields(settings):
        name = variable(field, prefix)
        assert field.metadata["doc"], f"{name} has no sentence"
        assert f"`{name}`" in text or f"`{name}`" in readme, f"{name} is not documented"


def scopes() -> set[str]:
    found = set()
    for package in PACKAGES:
        for _, path in modules(package):
            code = path.read_text(encoding="utf-8")
            for call in re.findall(r"@(?:access\.)?scope\(([^)]*)\)", code):
                found |= set(re.findall(r'"([a-z.]+)"', call))
    return found


def test_every_scope_is_documented() -> None:
    assert scopes() >= {"registers.append", "identity.contact"}
    text = read("docs/reference/scopes.md")
    assert not [name for name in scopes() if f"`{name}`" not in text]


def problem_slugs() -> set[str]:
    for package in PACKAGES:
        for module, path in modules(package):
            if "Problem" in path.read_text(encoding="utf-8") and "migrations" not in module:
                importlib.import_module(module)

    def walk(kind: type[Problem]) -> set[str]:
        return {kind.slug}.union(*(walk(child) for child in kind.__subclasses__()))

    return {slug for slug in walk(Problem) if slug}


def test_every_problem_type_is_explained_in_both_languages() -> None:
    pages = yaml.safe_load(read("services/portal/content/problems.yaml"))
    for slug in problem_slugs():
        assert slug in pages, f"problems.yaml does not explain {slug}"
        for part in ("title", "means", "do"):
            assert pages[slug][part]["en"], f"{slug}: {part} in English"
            assert pages[slug][part]["dv"], f"{slug}: {part} in Dhivehi"


def test_the_service_table_names_every_folder() -> None:
    readme = read("README.md")
    for package in PACKAGES:
        assert f"`{package.replace('.', '/')}/`" in readme


def test_one_request_can_be_read_in_an_afternoon() -> None:
    page = read("docs/one-request.md")
    files = set(re.findall(r"`([a-z_/]+\.(?:py|yaml))`", page))
    assert len(files) >= 6
    lines = sum(len(read(file).splitlines()) for file in files)
    assert lines < 2000, f"the files of docs/one-request.md have {lines} lines together"


def test_every_link_between_documents_leads_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *ROOT.glob("services/*/*.md")]:
        for target in re.findall(
            r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text(encoding="utf-8")
        ):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


def pages() -> str:
    """Return the README and every page of docs/ as one text."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    return "\n".join(page.read_text(encoding="utf-8") for page in found)


def test_every_command_that_the_pages_name_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))
    named = set(re.findall(r"`(?:\$ )?make ([a-z]+)", pages()))
    assert named >= {"up", "demo", "test"}
    assert named <= targets, named - targets
    helped = parser().format_help()
    for command in re.findall(r"(?:\.venv/bin/|`)atoll ([a-z]+)", pages()):
        assert re.search(rf"^    {command}\s", helped, re.MULTILINE), f"atoll {command}"


def test_every_decision_is_one_page_with_its_reason() -> None:
    for page in (ROOT / "docs" / "decisions").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        assert "**Decision.**" in text, page.name
        assert "**Why.**" in text, page.name
        assert len(text.splitlines()) < 40, page.name


def test_locks_carry_hashes_and_no_address() -> None:
    for name in ("runtime", "dev"):
        lock = read(f"requirements/{name}.txt")
        assert "http://" not in lock
        assert "https://" not in lock
        assert "--index" not in lock
        assert "--hash=sha256:" in lock
    assert not (ROOT / "uv.lock").exists()


def test_services_are_named_the_same_everywhere() -> None:
    names = {name.removeprefix("services.") for name in SERVICES}
    compose = yaml.safe_load(read("docker-compose.yml"))
    built = {
        service["build"]["args"]["SERVICE"].removeprefix("services/")
        for service in compose["services"].values()
        if isinstance(service.get("build"), dict)
    }
    assert names | {"gateway"} <= built
    assert names | {"gateway"} <= set(compose["services"])
    table = yaml.safe_load(read("gateway/routes.yaml"))
    assert {route["service"] for route in table["routes"]} == names | {"gateway"}
    documented = read("docs/reference/settings.md")
    assert all(f"`{name.upper()}_DATABASE_URL`" in documented for name in names)
