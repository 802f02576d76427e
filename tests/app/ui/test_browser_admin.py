"""The admin pages in a real browser, one service for all of them."""

import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from app.client import Client
from app.schemas import NewJob
from tests.app.conftest import wait
from tests.app.ui.browsing import find, running_page, see
from tests.app.ui.conftest import PAGES

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]

SAMPLE = PAGES.parent / "sample" / "library"
Address = tuple[str, Client]
ROW_PX = 35
"""Of a table."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Client]]:
    """The page's address and a client of its service, which holds three documents."""
    folder = tmp_path_factory.mktemp("documents")
    for name in ("maintenance-manual.pdf", "trail-notes.txt", "rental-terms.md"):
        (folder / name).write_bytes((SAMPLE / name).read_bytes())
    with running_page(tmp_path_factory.mktemp("data")) as (page, service), Client(service) as client:
        client.create_collection("library")
        assert wait(client, client.ingest(NewJob(place=str(folder))).id) == {"added": 3}
        yield page, client


def test_a_deep_link_opens_with_the_menu(browser: webdriver.Chrome, address: Address) -> None:
    browser.get(f"{address[0]}/jobs?lang=fr")  # nobody has been at any page before

    see(browser, "//a[contains(., 'Chercher')]")
    see(browser, "//*[contains(text(), '3 documents sur 3')]")


def test_a_job_stays_open_while_the_page_refreshes(browser: webdriver.Chrome, address: Address) -> None:
    browser.get(f"{address[0]}/jobs")
    find(browser, "//p[text()='Details']").click()
    see(browser, "//th[text()='encode']")

    address[1].upload("library", [("later.md", BytesIO(b"# Later\n\nIt came later."))])

    see(browser, "//p[contains(., 'later.md')]")  # by itself
    see(browser, "//bdi[text()='trail-notes.txt']")


def test_a_file_is_looked_into_before_it_is_ingested(
    browser: webdriver.Chrome, address: Address, tmp_path: Path
) -> None:
    file = tmp_path / "hut.md"
    file.write_text("# Mountain hut\n\nThe hut is open from June to September.")
    before = address[1].documents("library").total
    browser.get(f"{address[0]}/ingest")
    find(browser, "//input[@type='file']").send_keys(str(file))

    box = find(browser, "//input[contains(@aria-label, 'Look into a file first')]")
    box.send_keys("hut" + Keys.ENTER)

    assert "open from June" in find(browser, "//div[contains(@class, 'kalm-passage')]").text
    assert address[1].documents("library").total == before


def select_row(browser: webdriver.Chrome, row: int) -> None:
    """Tick a row of the table, which is one picture; again if it was not drawn yet."""
    for _ in range(10):
        table = see(browser, "//canvas[@data-testid='data-grid-canvas']")
        left, top = 18 - table.size["width"] // 2, ROW_PX // 2 - table.size["height"] // 2
        ActionChains(browser).move_to_element_with_offset(
            table, left, top + (row + 1) * ROW_PX
        ).click().perform()
        try:
            WebDriverWait(browser, 3).until(
                lambda one: one.find_elements(By.XPATH, "//button[contains(., 'Delete (1)')]")
            )
        except TimeoutException:
            continue
        return


def test_selected_documents_are_deleted(browser: webdriver.Chrome, address: Address) -> None:
    page, client = address
    before = [one.name for one in client.documents("library").documents]
    browser.get(f"{page}/library")
    see(browser, f"//*[contains(text(), '{len(before)} documents')]")
    select_row(browser, before.index("rental-terms.md"))
    see(browser, "//button[contains(., 'Delete (1)')]").click()
    dialog = "//*[@data-testid='stDialog']"
    assert "rental-terms.md" in see(browser, f"{dialog}//li").text
    see(browser, f"{dialog}//button[contains(., 'Delete (1)')]").click()

    see(browser, f"//*[contains(text(), '{len(before) - 1} documents')]")
    assert "rental-terms.md" not in [one.name for one in client.documents("library").documents]


def test_a_pdf_is_read_page_by_page(browser: webdriver.Chrome, address: Address) -> None:
    page, client = address
    manual = client.documents("library", text="maintenance").documents[0].id
    browser.get(f"{page}/document?document={manual}&passage=1")

    see(browser, "//img[@alt='Page 1 of 2']")
    begin = client.document(manual).passages[1].text[:30]
    assert begin in find(browser, "//div[contains(@class, 'opened')]").text
    find(browser, "//*[@data-testid='stPagination']//button[last()]").click()
    see(browser, "//img[@alt='Page 2 of 2']")


def test_a_collection_is_made_checked_and_deleted(browser: webdriver.Chrome, address: Address) -> None:
    page, client = address
    browser.get(f"{page}/collections")
    find(browser, "//button[contains(., 'New collection')]").click()
    dialog = "//*[@data-testid='stDialog']"
    find(browser, f"{dialog}//input[@type='text']").send_keys("small-parts" + Keys.TAB)
    find(browser, f"{dialog}//button[contains(., 'Create') and not(@disabled)]").click()
    find(browser, "//h3[contains(., 'small-parts')]")
    assert {one.name for one in client.collections()} == {"library", "small-parts"}

    find(browser, "//div[contains(@class, 'st-key-check-of-small-parts')]//button").click()
    find(browser, "//*[contains(text(), 'Ledger and index agree')]")

    find(browser, "//div[contains(@class, 'st-key-delete-small-parts')]//button").click()
    find(browser, f"{dialog}//input[@type='text']").send_keys("small-parts" + Keys.TAB)
    find(browser, f"{dialog}//button[contains(., 'Delete') and not(@disabled)]").click()
    find(browser, "//body[not(.//h3[contains(., 'small-parts')])]")
    assert [one.name for one in client.collections()] == ["library"]


def test_a_source_is_added_synced_changed_and_forgotten(
    browser: webdriver.Chrome, address: Address, tmp_path: Path
) -> None:
    page, client = address
    (tmp_path / "route.md").write_text("# Route\n\nAlong the lake, then up to the pass.")
    browser.get(f"{page}/collections")
    dialog = "//*[@data-testid='stDialog']"

    find(browser, "//div[contains(@class, 'st-key-add-source-library')]//button").click()
    for label, typed in (("Name", "routes"), ("Folder, URL or store", str(tmp_path))):
        see(browser, f"{dialog}//input[@aria-label='{label}']").send_keys(typed + Keys.TAB)
        find(browser, "//*[@data-testid='stApp' and @data-test-script-state='notRunning']")
    find(browser, f"{dialog}//button[contains(., 'Save') and not(@disabled)]").click()
    see(browser, "//p[contains(., 'only by hand')]")
    find(browser, "//div[contains(@class, 'st-key-run-routes')]//button").click()
    see(browser, "//p[contains(., 'added: 1')]")  # by itself, once the sync is done
    assert "route.md" in {one.name for one in client.documents("library").documents}

    find(browser, "//div[contains(@class, 'st-key-edit-routes')]//button").click()
    see(browser, f"{dialog}//label[contains(., 'Watch')]").click()
    find(browser, f"{dialog}//button[contains(., 'Save') and not(@disabled)]").click()
    see(browser, "//p[contains(., 'watched')]")
    (tmp_path / "hut.md").write_text("# Hut\n\nOpen from June.")
    see(browser, "//p[contains(., 'added: 1 · unchanged: 1')]")  # within seconds of the change

    find(browser, "//div[contains(@class, 'st-key-forget-routes')]//button").click()
    find(browser, "//div[contains(@class, 'st-key-forget-it')]//button").click()
    find(browser, "//body[not(.//div[contains(@class, 'st-key-run-routes')])]")
    assert client.sources() == []
    assert {"route.md", "hut.md"} <= {one.name for one in client.documents("library").documents}


def test_a_way_to_search_is_measured_picked_and_undone(browser: webdriver.Chrome, address: Address) -> None:
    browser.get(f"{address[0]}/lab")
    see(browser, "//button[contains(., 'Measure')]").click()
    see(browser, "//*[contains(text(), 'Click a cell')]")
    see(browser, "//*[@role='graphics-document' or name()='canvas']")
    measured = address[1].tuning("library")
    assert measured is not None
    assert {one.quantisation for one in measured.settings if one.candidates} == {"none", "int8", "binary"}

    until = time.monotonic() + 30
    while (found := address[1].tuning("library")) is None or found.applying is not None:
        assert time.monotonic() < until  # the best way found is applied by itself
        time.sleep(0.2)
    browser.refresh()
    see(browser, "//input[@aria-label[contains(., 'Way to search')]]").send_keys(
        "128 dimensions, 1-bit", Keys.ENTER
    )
    find(browser, "//*[@data-testid='stApp' and @data-test-script-state='notRunning']")
    see(browser, "//button[contains(., 'Search this way') and not(@disabled)]").click()
    see(browser, "//*[contains(text(), 'by 128 dimensions (1-bit)')]")

    picked = address[1].tuning("library")
    assert picked is not None
    see(browser, "//button[contains(., 'Undo')]").click()
    until = time.monotonic() + 30
    while (found := address[1].tuning("library")) is None or len(found.previous) >= len(picked.previous):
        assert time.monotonic() < until
        time.sleep(0.2)
