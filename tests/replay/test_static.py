"""The built page that ships: up to date with its source, readable, and usable from the keyboard."""

import re
from pathlib import Path

import pytest

import tme_sim.replay

REPLAY = Path(tme_sim.replay.__file__).parent
STYLE = (REPLAY / "viewer/src/app.css").read_text("utf-8")
PAGE = (REPLAY / "static/index.html").read_text("utf-8")
AA = 4.5


def variables(selector):
    block = STYLE[STYLE.index(selector + " {") :].split("}")[0]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))


def luminance(color):
    parts = [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("selector", [":root", ':root[data-theme="dark"]'])
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        ("ink", "panel"),
        ("ink", "page"),
        ("ink", "tissue"),
        ("ink", "hover"),
        ("quiet", "panel"),
        ("quiet", "page"),
        ("quiet", "tissue"),
        ("warn", "warn-page"),
        ("panel", "accent"),
        ("accent", "panel"),
        ("panel", "run-a"),
        ("panel", "run-b"),
        ("on", "panel"),
        ("off", "panel"),
    ],
)
def test_text_has_aa_contrast(selector, text, ground):
    colors = variables(selector)
    assert contrast(colors[text], colors[ground]) >= AA


def test_the_built_page_is_that_of_the_source():
    for name in ("index.html", "icon.svg"):
        built, source = REPLAY / "static" / name, REPLAY / "viewer/src" / name
        assert built.read_bytes() == source.read_bytes(), "run npm run build in replay/viewer"


def test_the_script_uses_every_element_of_the_page():
    script = (REPLAY / "static/app.js").read_text("utf-8")
    named = set(re.findall(r'id="([\w-]+)"', PAGE))
    told = set(re.findall(r'aria-(?:labelledby|describedby|controls)="([\w-]+)"', PAGE))
    used = {n for n in named if f'"{n}"' in script or f"#{n}" in STYLE}
    assert named - used - told == set()


def test_every_control_has_a_name():
    for tag in re.findall(r"<button[^>]*>.*?</button>", PAGE, re.DOTALL):
        text = re.sub(r"<[^>]*>", "", tag).strip()
        assert text or "aria-label=" in tag, tag
    for tag in re.findall(r"<(?:select|input)[^>]*>", PAGE):
        before = PAGE[: PAGE.index(tag)]
        labelled = before.rfind("<label") > before.rfind("</label")
        assert labelled or "aria-label=" in tag, tag
