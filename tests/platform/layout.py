"""What the tests of the layout share: the folders, and which module imports which."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SERVICES = sorted(
    f"services.{folder.name}"
    for folder in (ROOT / "services").iterdir()
    if (folder / "app.py").is_file()
)
PACKAGES = ["gateway", *SERVICES]
CODE = ("atoll", "bench", "examples", "gateway", "servicekit", "services", "tests")


def folder(package: str) -> Path:
    """Return the folder of a package."""
    return ROOT / package.replace(".", "/")


def modules(package: str) -> Iterator[tuple[str, Path]]:
    """Yield each module of a package: its dotted name and its file."""
    for path in sorted(folder(package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports(path: Path, module: str) -> set[str]:
    """Return the dotted names that a file imports, wherever in the file it does so."""
    found: set[str] = set()
    inside = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join(
                    [*inside.split(".")[: len(inside.split(".")) - node.level + 1], base]
                ).strip(".")
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return found


def belongs(name: str, package: str) -> bool:
    """Tell whether a dotted name is a package or inside it."""
    return name == package or name.startswith(package + ".")
