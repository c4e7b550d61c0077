"""The promises of the layout: who may import whom, and the shape that every service has."""

import sys

import pytest

from tests.platform.layout import CODE, PACKAGES, ROOT, SERVICES, belongs, folder, imports, modules

EXPECTED = {"identity", "notify", "portal", "registers"}
SHAPE = (
    "README.md",
    "app.py",
    "settings.py",
    "start_state.py",
    "openapi.yaml",
    "domain",
    "migrations/0001_start.py",
)


def test_the_services_of_the_platform_are_found() -> None:
    assert {name.removeprefix("services.") for name in SERVICES} >= EXPECTED


@pytest.mark.parametrize("package", PACKAGES)
def test_no_service_imports_another(package: str) -> None:
    others = [
        name for name in [*PACKAGES, "atoll", "tests", "bench", "examples"] if name != package
    ]
    for module, path in modules(package):
        reached = {
            name for name in imports(path, module) for other in others if belongs(name, other)
        }
        assert not reached, f"{module} imports {reached}"


def test_the_kit_knows_no_service() -> None:
    for module, path in modules("servicekit"):
        reached = [n for n in imports(path, module) for p in (*PACKAGES, "atoll") if belongs(n, p)]
        assert not reached, f"{module} imports {reached}"


def test_the_command_line_reaches_services_over_http_only() -> None:
    for module, path in modules("atoll"):
        reached = [n for n in imports(path, module) for p in PACKAGES if belongs(n, p)]
        assert not reached, f"{module} imports {reached}"


@pytest.mark.parametrize("package", PACKAGES)
def test_domain_is_pure(package: str) -> None:
    """Rules use the standard library only, and none of its doors to the outside."""
    doors = ("socket", "urllib.request", "http", "sqlite3", "subprocess", "threading", "asyncio")
    for module, path in modules(package):
        if not belongs(module, f"{package}.domain"):
            continue
        for name in imports(path, module):
            top = name.partition(".")[0]
            own = belongs(name, f"{package}.domain") or name == package
            assert own or top in sys.stdlib_module_names, f"{module} imports {name}"
            assert not any(belongs(name, door) for door in doors), f"{module} imports {name}"


@pytest.mark.parametrize("package", PACKAGES)
def test_layers_point_one_way(package: str) -> None:
    for module, path in modules(package):
        reached = imports(path, module)
        if module != f"{package}.app" and not belongs(module, f"{package}.routes"):
            bad = [n for n in reached if belongs(n, f"{package}.routes")]
            assert not bad, f"{module} imports {bad}: nothing but app imports routes"
        bad = [n for n in reached if belongs(n, f"{package}.app")]
        assert not bad, f"{module} imports {bad}: nothing imports app"
        if belongs(module, f"{package}.storage"):
            allowed = (f"{package}.domain", f"{package}.storage", "servicekit", package)
            bad = [
                n
                for n in reached
                if belongs(n, package)
                and not any(belongs(n, a) for a in allowed[:2])
                and n != package
            ]
            assert not bad, f"{module} imports {bad}: storage builds on domain only"


@pytest.mark.parametrize("package", SERVICES)
def test_every_service_has_the_same_shape(package: str) -> None:
    missing = [name for name in SHAPE if not (folder(package) / name).exists()]
    assert not missing, f"{package} lacks {missing}"


@pytest.mark.parametrize("package", PACKAGES)
def test_the_composition_root_is_short(package: str) -> None:
    lines = (folder(package) / "app.py").read_text(encoding="utf-8").splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("def create_app"))
    body = [line for line in lines[start + 1 :] if line.strip()]
    end = next((n for n, line in enumerate(body) if not line.startswith((" ", ")"))), len(body))
    assert end <= 45, f"create_app of {package} has {end} lines"


def test_no_file_is_too_long_to_read() -> None:
    for top in CODE:
        for path in (ROOT / top).rglob("*"):
            if path.suffix in {".py", ".html", ".css", ".js"} and path.is_file():
                count = len(path.read_text(encoding="utf-8").splitlines())
                assert count <= 400, f"{path.relative_to(ROOT)} has {count} lines"


def test_the_kit_stays_small() -> None:
    total = sum(
        len([line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()])
        for _, path in modules("servicekit")
    )
    assert total <= 2600, f"servicekit has {total} lines that are not blank"
