"""What is agreed for an account: the narrowest table that says it."""

from pathlib import Path

import pytest

from streams.config import load_brands
from streams.errors import SettingsError

MINUTE = 60_000
FILE = """\
[defaults]
target_minutes = 30
expiry_days = 5
calendar = "support"

[networks.reviews]
target_minutes = 1440
lateness_hours = 48
calendar = ""

[accounts."reviews:acme"]
target_minutes = 120
spike_sensitivity = 0
domains = ["Acme.com"]

[[calendars.support]]
time_zone = "UTC"
hours = { mon = ["09:00-17:00"] }
"""


def test_the_narrowest_table_counts_for_each_key(tmp_path: Path) -> None:
    file = tmp_path / "rapport.toml"
    file.write_text(FILE, "utf-8")
    brands = load_brands(file)
    other, reviews, acme = (brands.targets(name) for name in ("x:acme", "reviews:other", "reviews:acme#3"))
    assert [targets.target // MINUTE for targets in (other, reviews, acme)] == [30, 1440, 120]
    assert [targets.lateness // MINUTE // 60 for targets in (other, reviews, acme)] == [24, 48, 48]
    assert [targets.expiry // MINUTE // 1440 for targets in (other, reviews, acme)] == [5, 5, 5]
    assert [targets.sensitivity for targets in (other, reviews, acme)] == [5, 5, 0]
    assert [targets.domains for targets in (other, reviews, acme)] == [(), (), ("acme.com",)]
    opened_at = 1_790_000_000_000
    hours = [targets.calendar.at(opened_at) if targets.calendar else None for targets in (other, reviews, acme)]
    assert [it.name if it else None for it in hours] == ["support", None, None]


@pytest.mark.parametrize("domain", ["https://acme.com", "acme", "acme.com/shop", ".com", "a@acme.com", ""])
def test_a_domain_is_the_name_of_a_host(tmp_path: Path, domain: str) -> None:
    file = tmp_path / "rapport.toml"
    file.write_text(f'[defaults]\ndomains = ["{domain}"]\n', "utf-8")
    with pytest.raises(SettingsError, match=r"line 2: defaults.domains.*acme.com"):
        load_brands(file)
