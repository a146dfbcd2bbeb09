"""The page in a real browser: cells are drawn where they are, can be read and compared."""

import io
import os
import re
import shutil
import time

import matplotlib.image
import numpy as np
import pytest

from surrogates.channels import GENOTYPES, NODES
from tests.output.stand_in import StandIn, advance, record
from tme_sim.output.recorder import Recorder
from tme_sim.output.run import open_run

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.browser

NAMES = ("chromium", "chromium-browser", "google-chrome")
SOFTWARE_DRAWING = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
SIZE = {"width": 1400, "height": 900}
READY = "html[data-ready=yes][data-curves=yes]"
TUMOR = (0xD5, 0x5E, 0x00)
POLICY = "Content Security Policy"
WAIT = 60_000  # [ms] for a machine that draws in software and is busy


@pytest.fixture(scope="module")
def browser():
    installed = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    with sync_api.sync_playwright() as playwright:
        try:
            found = playwright.chromium.launch(
                executable_path=installed, args=["--no-sandbox", *SOFTWARE_DRAWING]
            )
        except sync_api.Error as error:
            pytest.skip(f"no Chromium is installed: {error.message.splitlines()[0]}")
        yield found
        found.close()


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport=SIZE, color_scheme="light")
    context.set_default_timeout(WAIT)
    opened = context.new_page()
    opened.errors = []
    opened.asked, opened.refused = [], []
    opened.on("pageerror", lambda error: opened.errors.append(str(error)))
    opened.on("request", lambda request: opened.asked.append(request.url))
    opened.on(
        "console", lambda told: opened.refused.append(told.text) if POLICY in told.text else 0
    )
    yield opened
    assert opened.errors == []
    assert opened.refused == []
    context.close()


def visit(page, address, frame=None):
    page.goto(address)
    page.wait_for_selector(READY)
    if frame is not None:
        shown(page, frame)


def shown(page, frame):
    page.wait_for_selector(f"html[data-frame='{frame}']")
    page.evaluate(
        "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )


def until(page, condition):
    """Wait for a condition in the page; ``wait_for_function`` would break its security policy."""
    deadline = time.monotonic() + WAIT / 1000
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(50)


def pixels(page, selector=".pane canvas"):
    content = page.locator(selector).first.screenshot()
    return (matplotlib.image.imread(io.BytesIO(content))[..., :3] * 255).astype(int)


def share_of(image, color, tolerance=24):
    """Share of pixels near a colour."""
    return np.mean(np.abs(image - np.array(color)).max(axis=2) <= tolerance)


def place(page, run, x, y):
    """Where a point of a 2D tissue is on the canvas, before anybody has moved the camera."""
    box = page.locator(".pane canvas").first.bounding_box()
    width, height = run.size[:2]
    half = 0.53 * max(height, width * box["height"] / box["width"])  # um, half the picture's height
    scale = box["height"] / (2 * half)
    across = box["x"] + box["width"] / 2 + scale * (float(x) - width / 2)
    return across, box["y"] + box["height"] / 2 - scale * (float(y) - height / 2)


def loneliest(cells):
    """The row of a living cell that no other covers."""
    where = cells[["x", "y"]].to_numpy()
    away = np.hypot(*(where[:, None] - where[None]).transpose(2, 0, 1))
    np.fill_diagonal(away, np.inf)
    alive = (cells["status"] == "alive").to_numpy()
    inside = ((where > 60) & (where < 540)).all(axis=1)
    return int(np.where(alive & inside, away.min(axis=1), 0).argmax())


def test_a_cell_is_clicked_where_it_is_and_read(page, port, runs):
    run = open_run(runs[0])
    cells = run.cells(360)
    row = loneliest(cells)
    visit(page, f"http://127.0.0.1:{port}/?run=0#t=360&color=ERK", 6)
    page.mouse.click(*place(page, run, cells["x"][row], cells["y"][row]))
    page.wait_for_selector("#cell .cell-name")
    told = page.locator("#cell").inner_text()
    assert f"#{cells['id'][row]}" in told
    assert cells["type"][row] in told.lower().replace("cd8 t", "cd8_t")
    page.locator("#cell summary", has_text=re.compile("signaling", re.I)).click()
    level = page.locator("#cell details tr", has=page.locator("th", has_text=re.compile("^ERK$")))
    assert float(level.locator("td").first.inner_text()) == pytest.approx(
        float(cells["ERK"][row]), abs=0.006
    )
    assert f"cell={cells['id'][row]}" in page.url


def test_colours_types_and_expressions_change_what_is_drawn(page, port, runs):
    run = open_run(runs[0])
    visit(page, f"http://127.0.0.1:{port}/?run=0#t=360&color=type&field=", 6)
    by_type = pixels(page)
    assert share_of(by_type, TUMOR) > 0.005
    page.select_option("#color", "ERK")
    page.wait_for_selector("#scale-choice:not([hidden])")
    shown(page, 6)
    assert share_of(pixels(page), TUMOR) < 0.2 * share_of(by_type, TUMOR)
    page.select_option("#color", "type")
    page.wait_for_selector("#scale-choice", state="hidden")
    page.fill("#where", "ERK > 0.5 and type == tumor")
    page.press("#where", "Enter")
    cells = run.cells(360)
    n = int(((cells["ERK"] > 0.5) & (cells["type"] == "tumor")).sum())
    until(page, "document.querySelector('#where-told').textContent.includes('of')")
    found = int(page.locator("#where-told").inner_text().split(" of ")[0].replace(",", ""))
    assert abs(found - n) <= 2  # levels come in 254 steps
    assert 0 < share_of(pixels(page), TUMOR) < share_of(by_type, TUMOR)
    page.fill("#where", "ERKK > 0.5")
    page.press("#where", "Enter")
    page.wait_for_selector("#where-told.warn")
    assert "nearest: ERK" in page.locator("#where-told").inner_text()
    page.fill("#where", "")
    page.press("#where", "Enter")
    page.locator("#types input").first.uncheck()
    page.wait_for_timeout(300)
    assert share_of(pixels(page), TUMOR) < 0.001


def test_scrubbing_fetches_what_it_shows_and_nothing_else(page, port):
    visit(page, f"http://127.0.0.1:{port}/?run=0#t=0&color=ERK&field=oxygen", 0)
    page.focus("#scrubber")
    page.keyboard.press("End")
    shown(page, 6)
    asked = {re.sub(r".*/frames/", "", a) for a in page.asked if "/frames/" in a}
    parts = ("", "/columns/ERK", "/fields/oxygen?z=0")
    assert asked == {f"{frame}{part}" for frame in (0, 6) for part in parts}
    assert "day 0.25" in page.locator(".clock").inner_text()


def test_playing_to_the_end_asks_for_every_frame_once(page, port):
    visit(page, f"http://127.0.0.1:{port}/?run=0#t=0&color=type&field=", 0)
    page.select_option("#speed", "24")
    page.keyboard.press("Escape")
    page.click("#play")
    shown(page, 6)
    page.click("#back")
    shown(page, 5)
    asked = [a for a in page.asked if re.search(r"/frames/\d+$", a)]
    assert len(asked) == len(set(asked)) <= 7
    use = page.evaluate("memoryUse()")
    assert 0 < use["held"] <= use["limit"]


def test_two_runs_are_shown_in_step_with_their_difference(page, port):
    visit(page, f"http://127.0.0.1:{port}/?run=0&beside=2#t=180&color=type&field=", 3)
    assert page.locator(".pane").count() == 2
    assert page.locator(".clock").all_inner_texts()[1].startswith("day 0.13")
    page.keyboard.press("End")
    shown(page, 6)
    assert [t.split("\n")[0] for t in page.locator(".clock").all_inner_texts()] == ["day 0.25"] * 2
    assert "Difference B" in page.locator("#phases-title").inner_text()
    one, other = pixels(page, ".pane >> nth=0"), pixels(page, ".pane >> nth=1")
    assert share_of(one, TUMOR) > 0.003
    assert share_of(other, TUMOR) > 0.003


def test_a_click_on_a_curve_goes_to_its_time(page, port):
    visit(page, f"http://127.0.0.1:{port}/?run=0#t=0", 0)
    box = page.locator("#burden .u-over").bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 20)
    page.mouse.click(box["x"] + 0.52 * box["width"], box["y"] + 20)
    shown(page, 3)


def test_a_solid_tissue_is_cut_open_and_its_address_keeps_it(page, port):
    visit(page, f"http://127.0.0.1:{port}/?run=1#t=360&color=type", 6)
    whole = pixels(page)
    page.select_option("#clip-axis", "y")
    until(page, "location.hash.includes('clip=y')")
    shown(page, 6)
    assert np.mean(np.abs(pixels(page) - whole).max(axis=2) > 30) > 0.003
    page.focus(".pane canvas")
    page.keyboard.press("Shift+ArrowLeft")
    until(page, "location.hash.includes('camera=')")
    page.evaluate("document.activeElement.blur()")  # its ring is no part of the picture
    turned = pixels(page)
    kept = page.url
    visit(page, kept.replace("run=1", "run=1&again=1"), 6)
    assert np.mean(np.abs(pixels(page) - turned).max(axis=2) > 30) < 0.002


def test_the_file_opens_from_disk_without_a_server(page, runs, tmp_path):
    from tme_sim.replay.page_file import write

    run = open_run(runs[0])
    path = write([run], tmp_path / "run.html")
    cells = run.cells(360)
    row = loneliest(cells)
    visit(page, f"file://{path}#t=360&color=type&field=oxygen", 6)
    assert share_of(pixels(page), TUMOR) > 0.005
    page.mouse.click(*place(page, run, cells["x"][row], cells["y"][row]))
    page.wait_for_selector("#cell .cell-name")
    told = page.locator("#cell").inner_text()
    assert f"#{cells['id'][row]}" in told
    assert all(a.startswith(("file:", "data:", "blob:")) for a in page.asked)


@pytest.mark.parametrize("form", ["served", "file"])
def test_a_script_that_is_not_the_pages_own_does_not_run(page, port, runs, tmp_path, form):
    from tme_sim.replay.page_file import write

    file = write([open_run(runs[0])], tmp_path / "run.html") if form == "file" else None
    visit(page, f"file://{file}" if file else f"http://127.0.0.1:{port}/?run=0")
    assert page.refused == []
    ran = page.evaluate(
        """() => {
          const foreign = document.createElement("script");
          foreign.textContent = "window.foreign = true";
          const picture = document.createElement("div");
          picture.innerHTML = "<svg onload='window.foreign = true'></svg>";
          document.body.append(foreign, picture);
          return window.foreign === true;
        }"""
    )
    page.wait_for_timeout(200)
    assert not ran
    assert not page.evaluate("window.foreign === true")
    assert len(page.refused) >= 1
    page.refused.clear()


def test_a_file_that_breaks_is_told_in_the_page(page, tmp_path, serving):
    path = tmp_path / "run.h5"
    record(path, ticks=20)
    with serving([path]) as port:
        visit(page, f"http://127.0.0.1:{port}/#t=0", 0)
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size // 2)
        page.keyboard.press("End")
        page.wait_for_selector("#message:not([hidden])")
        assert "truncated" in page.locator("#message").inner_text()


def test_a_run_that_goes_on_grows_in_the_page(page, tmp_path, serving):
    path, model = tmp_path / "run.h5", StandIn()
    recorder = Recorder(path, model)
    recorder.frame(model)
    advance(model, recorder, 10)
    with serving([path], running=True) as port:
        visit(page, f"http://127.0.0.1:{port}/#t=60", 1)
        assert page.locator("#live").is_visible()
        advance(model, recorder, 20)
        shown(page, 3)
        recorder.finish(model, "duration")
        page.wait_for_selector("#live", state="hidden")


def test_every_control_is_reached_by_the_keyboard_and_has_a_name(page, port):
    visit(page, f"http://127.0.0.1:{port}/?run=1#t=360&color=ERK&field=oxygen&cell=3", 6)
    page.click("#tab-view")
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, select, input, .pane canvas, summary")]
          .filter(e => e.offsetParent && !(e.ariaLabel || e.getAttribute("aria-label")
            || e.textContent.trim() || (e.labels && e.labels.length)))
          .map(e => e.outerHTML)"""
    )
    assert nameless == []
    wanted = set(page.evaluate(
        """() => [...document.querySelectorAll("button, select, input")]
          .filter(e => e.offsetParent && !e.disabled && e.id && e.tabIndex >= 0)
          .map(e => e.id)"""
    ))  # fmt: skip
    reached = set()
    for _ in range(90):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))
    assert wanted - reached == set()
    page.focus("#tab-view")
    page.keyboard.press("ArrowRight")
    assert page.locator("#inspector").is_visible()


def test_the_keyboard_moves_time_and_reads_the_cell_in_the_middle(page, port):
    visit(page, f"http://127.0.0.1:{port}/?run=0#t=0", 0)
    page.keyboard.press("ArrowRight")
    shown(page, 1)
    page.keyboard.press("]")
    until(page, "document.documentElement.dataset.frame > 1")
    page.keyboard.press("d")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()


def test_the_network_is_shown_at_large_searched_and_walked(page, tmp_path, serving):
    model = StandIn(columns="all", nodes=NODES)
    model.cell_model.name = "tme-cell"
    own = {"mine": {"rate": "1e-3 per division", "nodes": {"RAS": {"times": 3.0}}}}
    resolved = model.scenario.resolved() | {"evolution": own}
    model.scenario.resolved = lambda: resolved
    model.clones[0].genotype = 1 << len(GENOTYPES)  # the first beyond the catalogue's
    model.population["genotype"][:] = model.clones[0].genotype
    record(tmp_path / "run.h5", model, ticks=20)
    run = open_run(tmp_path / "run.h5")
    cells = run.cells(120)
    tumor = cells[(cells["type"] == "tumor") & (cells["status"] == "alive")].iloc[0]
    with serving([tmp_path / "run.h5"]) as port:
        visit(page, f"http://127.0.0.1:{port}/#t=120&cell={tumor['id']}", 2)
        page.focus("#network-open")
        page.keyboard.press("Enter")
        page.wait_for_selector("#network .unit")
        drawn = page.locator("#network .unit").evaluate_all("all => all.map(e => e.dataset.name)")
        assert {*NODES, "oxygen", "g1s_rate", "mine"} <= {*drawn}
        # what is sensed stands left of receptors, those of signaling, and that of decisions
        left = [page.locator(f"#network [data-name='{n}']").bounding_box()["x"]
                for n in ("oxygen", "EGFR", "ERK", "g1s_rate")]  # fmt: skip
        assert left == sorted(left)
        mine = page.locator("#network [data-name=mine]").get_attribute("aria-label")
        assert "RAS \u00d7 3" in mine
        source = page.locator("#network .edge[data-source=mine]")
        assert source.evaluate_all("all => all.map(e => e.dataset.target)") == ["RAS"]
        assert "activates" in source.get_attribute("marker-end")
        page.fill("#network-find", "ERK")
        page.keyboard.press("Enter")
        page.wait_for_selector("#network-facts:not([hidden])")
        assert page.evaluate("document.activeElement.dataset.name") == "ERK"
        told = page.locator("#network-facts").inner_text()
        assert f"{tumor['ERK']:.2f}" in told
        assert "MEK" in told.split("Acts on")[0]
        assert "DUSP6" in told.split("Acts on")[1]
        page.keyboard.press("ArrowRight")
        assert page.evaluate("document.activeElement.dataset.name") not in ("ERK", None)
        wide = page.locator("#network-host svg").get_attribute("viewBox")
        page.keyboard.press("+")
        assert page.locator("#network-host svg").get_attribute("viewBox") != wide
        page.keyboard.press(",")  # a frame back, with the view as it was
        until(page, "document.querySelector('#network-title').textContent.endsWith('day 0.0417')")
        page.keyboard.press("Escape")
        assert not page.locator("#network").is_visible()
        assert page.locator("#cell .cell-name").is_visible()


def test_a_slice_of_a_solid_tissue_is_laid_across_any_axis(page, tmp_path, serving):
    from tme_sim.replay.page_file import write

    record(tmp_path / "run.h5", StandIn(dim=3), ticks=10)
    run, view = open_run(tmp_path / "run.h5"), "#t=60&color=type&field=oxygen"
    seen = {}
    with serving([tmp_path / "run.h5"]) as port:
        visit(page, f"http://127.0.0.1:{port}/{view}&slice=z,0.5", 1)
        for axis, n in zip("zyx", run.shape, strict=True):
            page.select_option("#slice-axis", axis)
            until(page, f"location.hash.includes('slice={axis}')")
            shown(page, 1)
            assert page.get_attribute("#slice", "max") == str(n - 1)
            seen[axis] = pixels(page)
            assert any(f"fields/oxygen?{axis}={n // 2}" in a for a in page.asked)
    for one, other in ("zy", "zx", "yx"):
        assert np.mean(np.abs(seen[one] - seen[other]).max(axis=2) > 10) > 0.05
    alone = write([run], tmp_path / "run.html")  # holds slices across z alone
    visit(page, f"file://{alone}{view}&slice=x,0.5", 1)
    assert np.mean(np.abs(pixels(page) - seen["x"]).max(axis=2) > 30) < 0.002


@pytest.mark.validation
def test_a_large_run_is_there_within_2_seconds_and_fits_its_memory(page, tmp_path, serving):
    path, n, n_frames = tmp_path / "run.h5", 100_000, 200
    model = StandIn(n_cells=n, columns=("ERK",))
    recorder = Recorder(path, model)
    recorder.frame(model)
    for k in range(1, n_frames):
        model.tick_index, model.time = 60 * k, 360.0 * k
        recorder.tick(model)
        recorder.frame(model)
    recorder.finish(model, "duration")
    with serving([path]) as port:
        page.goto(f"http://127.0.0.1:{port}/#color=ERK")
        until(page, "performance.getEntriesByName('first picture').length > 0")
        first = page.evaluate("performance.getEntriesByName('first picture')[0].startTime")
        assert first < 2000, f"{first:.0f} ms"
        page.wait_for_selector(READY)
        page.select_option("#speed", "24")
        page.keyboard.press("Escape")
        page.click("#play")
        page.wait_for_selector(f"html[data-frame='{n_frames - 1}']", timeout=10 * WAIT)
        use = page.evaluate("memoryUse()")
        assert 0.5 * use["limit"] < use["held"] <= use["limit"]
