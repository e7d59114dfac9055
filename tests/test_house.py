"""The page of the house is true to the files, and the house stays small."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import napari_attn_unet

ROOT = Path(__file__).parent.parent
PACKAGE = Path(napari_attn_unet.__file__).parent
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
MOST_ENTRIES, MOST_LINES, MOST_STRATA = 20, 350, 9
WHY_WITHIN = 25
"""Lines from a file's first within which it says why it is long."""


def first_level() -> set[str]:
    """Return what lies directly in the package, folders with a slash, as the tree writes them."""
    return {
        f"{path.name}/" if path.is_dir() else path.name
        for path in PACKAGE.iterdir()
        if path.name != "__pycache__"
    }


def tree() -> list[Path]:
    """Return the paths that the page's tree names, below the package."""
    block = re.search(rf"^{PACKAGE.name}/\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert block is not None
    named: list[Path] = []
    above: list[str] = []
    for line in block[1].splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        name, told = line.strip().split(maxsplit=1)
        assert told
        above = [*above[: depth - 1], name]
        named.append(Path(*above))
    return named


@pytest.mark.parametrize("path", tree(), ids=str)
def test_what_the_tree_names_exists(path: Path) -> None:
    assert (PACKAGE / path).exists()


def test_the_tree_names_every_room_and_every_module_beside_them() -> None:
    assert {
        f"{path}/" if (PACKAGE / path).is_dir() else str(path)
        for path in tree()
        if len(path.parts) == 1
    } == first_level()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w/]+\.(?:py|yaml))", PAGE))))
def test_every_file_the_page_speaks_of_exists_or_is_yet_to_come(path: str) -> None:
    beside = {p.name for p in PACKAGE.rglob("*.py")} | {p.name for p in PACKAGE.glob("*.yaml")}
    to_come = {"io/nrrd.py"}
    assert path in to_come or any((r / path).exists() for r in (ROOT, PACKAGE)) or path in beside


def test_the_package_can_be_seen_at_a_glance() -> None:
    assert len(first_level()) <= MOST_ENTRIES


LONG = [f for d in (PACKAGE, ROOT / "tests", ROOT / "tools") for f in sorted(d.rglob("*.py"))]


@pytest.mark.parametrize("path", LONG, ids=lambda path: str(path.name))
def test_a_long_file_says_why(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    if len(lines) > MOST_LINES:
        assert any(line.startswith("# Over 350 lines:") for line in lines[:WHY_WITHIN])


def test_there_are_few_strata() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract.get("exhaustive"))
    assert len(layers) <= MOST_STRATA


def test_the_citation_is_of_this_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {napari_attn_unet.__version__}\n" in citation
    assert "\nlicense: MIT\n" in citation


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        path, _, heading = link.partition("#")
        there = page.parent / path if path else page
        assert there.exists(), link
        if heading:
            titles = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in titles}
            assert heading in anchors, link


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_files_that_pages_name_exist(page: Path) -> None:
    named = re.findall(r"`((?:tests|tools|docs)/[\w/]+\.\w+)", page.read_text(encoding="utf-8"))
    assert [path for path in named if not (ROOT / path).exists()] == []
