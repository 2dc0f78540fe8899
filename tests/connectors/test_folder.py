"""A folder of files, beyond the contract: when a file is whole, in the middle of one, what cannot be read, every format."""

import asyncio
import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest

from streams.errors import Reason
from tests.connectors.plant import NAME, PACE, Plant, connected, until
from tests.connectors.test_contract import counted

TWCS = """\
tweet_id,author_id,inbound,created_at,text,in_response_to_tweet_id
1,33,True,Tue Oct 31 22:10:47 +0000 2017,@acme where is it?,
2,acme,False,Tue Oct 31 22:11:47 +0000 2017,@33 here,1
"""
PAIRS = """\
customer_tweet_id,customer_id,created_at_customer,reply_tweet_id,agent_id,created_at_reply
1,33,2017-10-31 22:10:47,2,acme,2017-10-31 22:11:47
"""


def stanza(folder: Path, file_format: str = "jsonl", **others: object) -> dict[str, Any]:
    return {
        "type": "folder",
        "path": str(folder),
        "format": file_format,
        "settled_seconds": 0.1,
        "poll_seconds": 0.02,
        **others,
    }


def lines(first: int, number: int) -> str:
    return "".join(
        json.dumps({"id": f"desk:{n}", "account": "desk:acme", "kind": "mention", "published_at": n}) + "\n"
        for n in range(first, first + number)
    )


def waiting(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def taken(folder: Path) -> list[str]:
    return waiting(folder / "taken")


def test_a_crash_in_the_middle_of_a_file_goes_on_there(tmp_path: Path) -> None:
    async def scenario() -> None:
        plant = Plant(acknowledges_after=0.001)
        (tmp_path / "big.jsonl").write_text(lines(0, 20_000))
        (tmp_path / "next.jsonl").write_text(lines(20_000, 10))
        for goal in (2_000, 9_000, 15_000):
            async with connected(plant, stanza(tmp_path)) as kill:
                await until(lambda: len(plant.events) >= goal)  # noqa: B023 - awaited at once
                await kill()
        assert plant.cursor != "[1,0]"
        async with connected(plant, stanza(tmp_path)):
            await until(lambda: len(plant.kinds()) == 20_010)
        assert len(plant.events) < 40_000, "it does not begin anew each time"
        assert plant.cursor == "[3,0]"
        assert taken(tmp_path) == ["0000000001-big.jsonl", "0000000002-next.jsonl"]

    asyncio.run(scenario())


def test_a_file_is_taken_when_it_does_not_change_any_more(tmp_path: Path) -> None:
    async def scenario() -> None:
        plant = Plant()
        async with connected(plant, stanza(tmp_path)):
            (tmp_path / "upload.part").write_text(lines(100, 1))
            (tmp_path / ".hidden").write_text(lines(101, 1))
            began = time.monotonic()
            with (tmp_path / "slow.jsonl").open("w") as file:
                for number in range(15):
                    file.write(lines(number, 1))
                    file.flush()
                    await asyncio.sleep(0.02)
                    assert not plant.events
            await until(lambda: len(plant.events) == 15)
            assert time.monotonic() - began >= 15 * 0.02 + 0.1
        assert taken(tmp_path) == ["0000000001-slow.jsonl"]
        assert waiting(tmp_path) == [".hidden", "taken", "upload.part"]

    asyncio.run(scenario())


def test_what_was_taken_and_is_gone_is_a_gap(tmp_path: Path) -> None:
    async def scenario() -> None:
        plant = Plant()
        gaps = counted("rapport_connector_gaps_total")
        (tmp_path / "a.jsonl").write_text(lines(0, 1))
        async with connected(plant, stanza(tmp_path)):
            await until(lambda: plant.events)
        for name in ("b", "c"):
            (tmp_path / "taken" / f"000000000{'_bc'.index(name) + 1}-{name}.jsonl").write_text(lines(ord(name), 1))
        (tmp_path / "taken" / "0000000002-b.jsonl").unlink()
        async with connected(plant, stanza(tmp_path)):
            await until(lambda: len(plant.events) == 2)
        assert counted("rapport_connector_gaps_total") == gaps + 1
        for file in (tmp_path / "taken").iterdir():  # all of it was read
            file.unlink()
        (tmp_path / "d.jsonl").write_text(lines(500, 1))
        async with connected(plant, stanza(tmp_path)):
            await until(lambda: len(plant.events) == 3)
        assert counted("rapport_connector_gaps_total") == gaps + 1
        assert taken(tmp_path) == ["0000000004-d.jsonl"]

    asyncio.run(scenario())


def test_a_file_that_cannot_be_read_is_a_dead_letter_and_the_next_is_read(tmp_path: Path) -> None:
    async def scenario() -> None:
        plant = Plant()
        (tmp_path / "1.gz").write_bytes(gzip.compress(lines(0, 5_000).encode())[:-1000])
        (tmp_path / "2.gz").write_bytes(b"no gzip")
        await asyncio.sleep(0.01)
        (tmp_path / "3.gz").write_bytes(gzip.compress(lines(100_000, 1).encode()))
        async with connected(plant, stanza(tmp_path), pace=PACE):
            await until(lambda: ("desk:acme", "desk:100000") in plant.kinds())
        assert [it.reason for it in plant.letters] == [Reason.MALFORMED_RECORD] * 2
        assert [Path(it.place).name for it in plant.letters] == ["0000000001-1.gz", "0000000002-2.gz"]
        assert len(plant.kinds()) > 3_000, "what could be read of it counts"

    asyncio.run(scenario())


@pytest.mark.parametrize(("name", "content"), [("twcs", TWCS), ("pairs", PAIRS)])
def test_each_format_is_read(tmp_path: Path, name: str, content: str) -> None:
    async def scenario() -> None:
        plant = Plant()
        (tmp_path / "file").write_text(content)
        async with connected(plant, stanza(tmp_path, name, accounts=["twitter:acme"])):
            await until(lambda: len(plant.kinds()) == 2)
        assert plant.kinds() == {("twitter:acme", "twitter:1"): "mention", ("twitter:acme", "twitter:2"): "reply"}
        assert {it["source"] for it in plant.events} == {NAME}

    asyncio.run(scenario())


def test_parquet_is_read_as_the_same_lines_are(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")

    async def scenario() -> None:
        plant = Plant()
        rows = [json.loads(line) for line in lines(0, 2_500).splitlines()]
        parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "file.parquet")
        async with connected(plant, stanza(tmp_path, "parquet", accounts=["desk:*"])):
            await until(lambda: len(plant.kinds()) == 2_500)
        assert not plant.letters

    asyncio.run(scenario())


def test_a_folder_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    async def scenario() -> None:
        plant = Plant()
        async with connected(plant, stanza(tmp_path / "mount")):
            await asyncio.sleep(0.1)
            (tmp_path / "mount").mkdir()
            (tmp_path / "mount" / "a").write_text(lines(0, 1))
            await until(lambda: plant.events)

    asyncio.run(scenario())
