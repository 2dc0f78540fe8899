"""What `make peers` compares is a part of what Rapport measures, and every program that it names is there."""

from tests.batch import Partition
from tests.benchmarks.peers import results
from tests.benchmarks.peers.programs import HERE, PROGRAMS
from tests.benchmarks.peers.work import FIELDS


def test_the_plain_pass_counts_what_the_fold_counts() -> None:
    told = results.events(3_000, 3)
    partition = Partition()
    for start in range(0, len(told), 100):
        partition.message(told[start : start + 100])
    found = {
        account: [sum(pane.get(name, 0) for pane in of["panes"].values()) for name in FIELDS]
        for account, of in partition.results().items()
    }
    assert found == results.expected(told)
    assert all(map(sum, zip(*found.values(), strict=True)))


def test_every_program_is_there() -> None:
    for program in PROGRAMS:
        assert (HERE / f"{program.module}.py").exists() or (HERE / program.module / "Peer.java").exists()
