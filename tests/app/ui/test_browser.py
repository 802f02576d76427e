"""The page in a real browser: a file goes in through one language's page and is found in another's."""

from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from app.client import Client
from tests.app.ui.browsing import find

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]


def test_a_file_goes_in_is_found_in_another_languages_page_and_opens(
    browser: webdriver.Chrome, empty_page: tuple[str, Client], tmp_path: Path
) -> None:
    page = empty_page[0]
    file = tmp_path / "Hütte.md"
    file.write_text(
        "# Mountain hut\n\nThe hut is open from June to September. Dogs stay on the ground floor.\n"
        "\n# Hostile\n\n&lt;script&gt;document.title='owned'&lt;/script&gt; ![x](http://127.0.0.1:9/x.png)"
    )

    browser.get(f"{page}/ingest")
    find(browser, "//input[@type='file']").send_keys(str(file))
    find(browser, "//button[contains(., 'Ingest 1 files')]").click()
    find(browser, "//*[contains(text(), '1 of 1 documents')]")

    browser.get(f"{page}/?lang=de")
    box = find(browser, "//input[@placeholder='Wonach suchen Sie?']")
    box.send_keys("Wann ist die Hütte offen?" + Keys.ENTER)  # no word of it is in the file
    find(browser, "//div[contains(@class, 'kalm-text') and contains(., 'open from June')]")
    box = find(browser, "//input[@placeholder='Wonach suchen Sie?']")
    box.send_keys(Keys.CONTROL + "a" + Keys.NULL + "When can I stay at the hut?" + Keys.ENTER)
    mark = "//div[contains(@class, 'kalm-text') and contains(., 'open from June')]//mark[text()='stay']"
    find(browser, mark)
    assert "q=When" in browser.current_url

    find(browser, "//a[contains(., 'Öffnen')]").click()
    opened = find(browser, "//div[contains(@class, 'opened')]")
    assert "Dogs stay on the ground floor." in opened.text
    assert "<script>" in find(browser, "//body").text
    assert "document=" in browser.current_url
    assert find(browser, "//*[contains(text(), 'kalm-nano')]").is_displayed()
    assert browser.title != "owned"
    assert not browser.find_elements(By.XPATH, "//img[contains(@src, '127.0.0.1:9')]")
