from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest

from synth.llm.budget import Budget, Purse
from synth.llm.ledger import CREDITS, Ledger, affordable, close_ledger, find_ledger, open_ledger


def opened(folder: Path, budget: Budget) -> Ledger:
    open_ledger(folder, budget)
    ledger = find_ledger(folder)
    assert ledger is not None
    return ledger


def spend(purse: Purse, most: int = 10**9) -> int:
    """Ask until the purse is closed; requests sent."""
    before = purse.paid[0]
    while not purse.is_closed and purse.paid[0] - before < most:
        purse.send(b"question")
        purse.receive(b"question", 10, 5)
    return purse.paid[0] - before


@pytest.mark.parametrize("requests", [1, 7, 1_000, 12_345])
def test_the_credits_add_up_to_the_budget(tmp_path: Path, requests: int) -> None:
    ledger = opened(tmp_path, Budget(requests=requests, tokens=1_000_000))
    assert ledger.left == (requests, 1_000_000)
    assert len(list((tmp_path / "budget").iterdir())) == min(CREDITS, requests)


def test_without_a_budget_there_is_no_ledger(tmp_path: Path) -> None:
    open_ledger(tmp_path, Budget())
    assert find_ledger(tmp_path) is None


@pytest.mark.parametrize("requests", [5, 300])
def test_many_who_ask_at_once_spend_the_budget_to_the_last_request(tmp_path: Path, requests: int) -> None:
    budget = Budget(requests=requests)
    ledger = opened(tmp_path, budget)
    sent: list[int] = []

    def ask() -> None:
        purse = Purse(budget, ledger)
        purse.askers = 4
        sent.append(spend(purse))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(sent) == requests
    assert ledger.left.requests == 0


def test_what_is_not_spent_is_there_for_the_others(tmp_path: Path) -> None:
    budget = Budget(requests=100)
    one = Purse(budget, opened(tmp_path, budget))
    assert spend(one, 30) == 30
    assert one.has_room(40, owed=20)
    one.release()
    second = Purse(budget, find_ledger(tmp_path))
    assert spend(second) == 70


def test_one_who_is_killed_takes_along_its_share_at_most(tmp_path: Path) -> None:
    budget = Budget(requests=1_000)
    ledger = opened(tmp_path, budget)
    killed = Purse(budget, ledger)
    killed.askers = 4
    spend(killed, 10)
    assert not killed.has_room(500, owed=1)
    assert killed.has_room(100, owed=1)
    del killed
    left = spend(Purse(budget, ledger))
    assert 700 <= left <= 990


def test_each_holds_its_part_of_what_is_left_so_that_all_end_together(tmp_path: Path) -> None:
    budget = Budget(requests=800)
    ledger = opened(tmp_path, budget)
    purses = [Purse(budget, ledger) for _ in range(8)]
    begun = []
    for purse in purses:
        purse.askers = 8
        owed = 0
        while purse.has_room(1, owed) and owed < 1_000:
            purse.send(b"question")
            owed += 1
        begun.append(owed)
    assert min(begun) >= 10
    assert 2 * sum(begun) <= 800


def test_tokens_are_kept_by_the_sum(tmp_path: Path) -> None:
    budget = Budget(tokens=3_000)
    ledger = opened(tmp_path, budget)
    one, other = Purse(budget, ledger), Purse(budget, ledger)
    assert spend(one, 50) == 50
    one.release()
    assert spend(other) == pytest.approx(150, abs=2)


def test_time_is_that_of_the_execution(tmp_path: Path) -> None:
    budget = Budget(hours=1e-9)
    assert Purse(budget, opened(tmp_path, budget)).is_closed
    open_ledger(tmp_path, Budget(hours=1))
    assert not Purse(Budget(hours=1), find_ledger(tmp_path)).is_closed


def test_after_the_execution_nothing_is_given_and_nothing_taken_back(tmp_path: Path) -> None:
    budget = Budget(requests=100)
    purse = Purse(budget, opened(tmp_path, budget))
    spend(purse, 10)
    purse.has_room(30, owed=1)
    close_ledger(tmp_path)
    purse.release()
    assert spend(purse) == 0
    assert find_ledger(tmp_path) is None


def test_shards_that_requests_do_not_pay_for_are_not_begun(tmp_path: Path) -> None:
    budget = Budget(requests=2_500)
    open_ledger(tmp_path, budget)
    assert affordable(tmp_path, budget, 1_000) == 2
    open_ledger(tmp_path, Budget(tokens=5))
    assert affordable(tmp_path, Budget(tokens=5), 1_000) is None


def test_any_order_of_drawing_spending_and_giving_back_keeps_the_sum(tmp_path: Path) -> None:
    for seed in range(20):
        chance = random.Random(seed)
        budget = Budget(requests=chance.randint(1, 300))
        ledger = opened(tmp_path, budget)
        purses = [Purse(budget, ledger) for _ in range(3)]
        for _ in range(30):
            purse = chance.choice(purses)
            purse.askers = chance.randint(1, 3)
            spend(purse, chance.randint(0, 20))
            if chance.random() < 0.3:
                purse.has_room(chance.randint(0, 50), owed=1)
            if chance.random() < 0.3:
                purse.release()
        for purse in purses:
            purse.release()
        assert budget.requests is not None
        assert sum(purse.paid[0] for purse in purses) + ledger.left.requests == budget.requests
