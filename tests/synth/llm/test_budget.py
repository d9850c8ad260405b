from __future__ import annotations

from synth.llm.budget import Allowance, Budget, Purse


def test_clients_that_follow_each_other_share_an_allowance() -> None:
    allowance = Allowance(Budget(requests=10, tokens=500))
    assert allowance.left == Budget(requests=10, tokens=500)
    allowance.spend(4, 120)
    assert allowance.left == Budget(requests=6, tokens=380)


def test_under_a_spent_allowance_nothing_is_asked() -> None:
    for budget, spent in ((Budget(requests=3), (3, 0)), (Budget(tokens=9), (1, 12)), (Budget(hours=1e-12), (0, 0))):
        allowance = Allowance(budget)
        allowance.spend(*spent)
        assert Purse(allowance.left).is_closed


def test_without_bounds_an_allowance_never_ends() -> None:
    allowance = Allowance(Budget())
    allowance.spend(10**9, 10**12)
    assert allowance.left == Budget()


def test_a_purse_says_what_was_paid() -> None:
    purse = Purse(Budget())
    purse.send(b"question")
    assert purse.paid == (1, 0)
    purse.receive(b"question", 10, 5)
    assert purse.paid == (1, 15)
