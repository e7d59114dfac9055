"""The public names, and the page that shows them at work."""

from __future__ import annotations

import ast
import contextlib
import inspect
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

import napari_attn_unet

PAGE = Path(__file__).parent.parent / "docs/api.md"
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n?```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)
LIGHT = sorted(
    set(napari_attn_unet.__all__)
    - {"AttentionUNet", "Checkpoint", "Predictor", "Session", "knock_out"}
)
"""What needs no torch until it is called."""


def in_a_fresh_interpreter(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_package_imports_neither_torch_nor_numpy() -> None:
    code = "import sys, napari_attn_unet; print(sorted({'torch', 'numpy'} & set(sys.modules)))"
    assert in_a_fresh_interpreter(code) == "[]"


def test_names_that_run_no_network_import_no_torch() -> None:
    names = ", ".join(LIGHT)
    code = f"import sys; from napari_attn_unet import {names}; print('torch' in sys.modules)"
    assert in_a_fresh_interpreter(code) == "False"


@pytest.mark.parametrize("name", sorted(napari_attn_unet._HOMES))
def test_every_public_name_resolves_and_is_documented(name: str) -> None:
    found = getattr(napari_attn_unet, name)
    assert found.__name__ == name
    assert inspect.getdoc(found)


def test_the_list_of_names_is_sorted_and_complete() -> None:
    assert napari_attn_unet.__all__ == sorted(napari_attn_unet.__all__)
    assert set(napari_attn_unet.__all__) == {*napari_attn_unet._HOMES, "__version__"}
    assert set(napari_attn_unet.__all__) <= set(dir(napari_attn_unet))


def test_type_checkers_see_every_name_in_its_home() -> None:
    tree = ast.parse(Path(napari_attn_unet.__file__).read_text(encoding="utf-8"))
    package = f"{napari_attn_unet.__name__}."
    seen = {
        alias.name: node.module.removeprefix(package)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(package)
        for alias in node.names
    }
    assert seen == napari_attn_unet._HOMES


def test_a_name_that_is_none_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'predict'"):
        napari_attn_unet.predict  # noqa: B018


def test_the_page_tells_what_the_program_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) > 5
    for code, expected in blocks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, str(PAGE), "exec"), names)  # noqa: S102  (our own page)
        assert printed.getvalue() == expected


def test_the_page_tells_of_every_name() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [n for n in napari_attn_unet._HOMES if not re.search(rf"`{n}\b", page)] == []
