"""The calibrated threshold: exact p-values, the policy's own decisions, and a guarantee that holds."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from hrm_agent.halting import HaltContext, make
from hrm_agent.study.calibration import THRESHOLDS, calibrate, halting_segments, wrong
from hrm_agent.study.metrics import Bools
from hrm_agent.study.proportion import binomial_tail
from hrm_agent.study.reliability import sigmoid, temperature

YES, NO = True, False


def puzzles(count: int, seed: int, sureness: float = 1.0, budget: int = 4) -> tuple[np.ndarray, Bools]:
    """Logits and correctness ``(count, budget)``: answers get better and are right with chance σ(q / sureness)."""
    generator = np.random.default_rng(seed)
    q = generator.normal(-3, 2, (count, 1)) + 1.5 * np.arange(budget) + generator.normal(0, 0.5, (count, budget))
    correct = generator.random((count, budget)) < sigmoid(q)
    return (sureness * q).astype(np.float32), correct


@pytest.mark.parametrize("trials", [1, 5, 12])
@pytest.mark.parametrize("probability", [0.01, 0.3, 0.5, 0.9])
def test_binomial_tail_is_the_sum_of_its_terms(trials: int, probability: float) -> None:
    terms = [math.comb(trials, k) * probability**k * (1 - probability) ** (trials - k) for k in range(trials + 1)]
    found = [binomial_tail(k, trials, probability) for k in range(trials + 1)]
    assert found == pytest.approx(np.cumsum(terms).tolist(), rel=1e-12)


def test_binomial_tail_of_many_trials() -> None:
    assert binomial_tail(0, 299, 0.01) == pytest.approx(0.99**299, rel=1e-12)
    middle = Fraction(math.comb(10_000, 5_000), 2**10_000)
    assert binomial_tail(5_000, 10_000, 0.5) == pytest.approx(float((1 + middle) / 2), rel=1e-10)
    assert binomial_tail(10, 10_000, 0.5) == 0.0  # below what a float can hold


def test_thresholds_descend_and_survive_the_string_form() -> None:
    assert list(THRESHOLDS) == sorted(set(THRESHOLDS), reverse=True)
    assert [vars(make(f"q-threshold:{threshold}"))["threshold"] for threshold in THRESHOLDS] == list(THRESHOLDS)


@pytest.mark.parametrize("threshold", [0.02, 0.5, 0.73, 0.999999])
def test_halts_where_the_policy_does(threshold: float) -> None:
    q_halt, _ = puzzles(200, seed=0, sureness=4.0)
    exactly = np.float32(math.log(threshold / (1 - threshold)))
    q_halt[:20] = exactly
    q_halt[20:40] = np.nextafter(exactly, np.float32(-np.inf))
    policy, budget = make(f"q-threshold:{threshold}"), q_halt.shape[1]
    halts = np.stack(
        [
            policy.decide(
                HaltContext(torch.full((200,), m + 1), budget, {"q_halt": torch.from_numpy(q_halt[:, m])})
            ).numpy()
            for m in range(budget)
        ],
        axis=1,
    )
    segments, by_choice = halting_segments(q_halt, threshold)
    assert by_choice.tolist() == halts.any(1).tolist()
    assert segments.tolist() == [int(row.argmax()) + 1 if row.any() else budget for row in halts]
    assert (segments[:20] == 1).all()
    assert not by_choice[20:40].any()


def test_losses_by_hand() -> None:
    correct = np.array([[NO, YES], [NO, NO], [NO, NO], [YES, NO], [NO, YES]])
    segments, by_choice = np.array([1, 1, 2, 1, 2]), np.array([YES, YES, NO, YES, YES])
    assert wrong(correct, segments, by_choice).tolist() == [YES, YES, NO, NO, NO]


def test_the_sequence_by_hand() -> None:
    """1,000 puzzles of one segment: those from 0.9 on are right, of the 100 from 0.8 to 0.9 every fifth is wrong."""
    q_halt = np.log(np.repeat([0.95, 0.85, 0.3], [600, 100, 300]))
    q_halt = (q_halt - np.log1p(-np.exp(q_halt)))[:, None]
    correct = np.ones((1000, 1), bool)
    correct[600:700:5] = False
    correct[700:] = False
    strict = calibrate(q_halt, correct, risk=0.02, thresholds=[0.2, 0.8, 0.9])
    assert (strict.policy, strict.threshold, strict.empirical_risk) == ("q-threshold:0.9", 0.9, 0.0)
    assert strict.p_value == pytest.approx(0.98**1000)
    mild = calibrate(q_halt, correct, risk=0.05, thresholds=[0.2, 0.8, 0.9])
    assert (mild.policy, mild.empirical_risk, mild.puzzles) == ("q-threshold:0.8", 0.02, 1000)
    assert mild.p_value == pytest.approx(binomial_tail(20, 1000, 0.05))
    assert (mild.segments_mean, mild.exact) == (1.0, 0.68)


def test_the_first_failure_ends_the_sequence() -> None:
    """At 0.9 the first segment halts on wrong answers; lower thresholds would be innocent, and are not looked at."""
    q_halt = np.array([[-9.0, 3.0]] * 500, np.float32)
    correct = np.array([[YES, NO]] * 500)
    assert calibrate(q_halt, correct, thresholds=[0.9, 1e-5]).threshold is None
    assert calibrate(q_halt, correct, thresholds=[1e-5]).threshold == 1e-5


def test_no_threshold_means_thinking_to_the_end() -> None:
    q_halt, correct = puzzles(298, seed=1)
    found = calibrate(q_halt, correct, risk=0.01, confidence=0.95)
    assert (found.policy, found.threshold, found.empirical_risk, found.segments_mean) == ("fixed:4", None, 0.0, 4.0)
    assert found.exact == correct[:, -1].mean()
    assert found.p_value == pytest.approx(0.99**298)
    assert "fixed:4: no threshold has a risk (wrong) of at most 0.01" in found.describe()
    assert "299 are needed" in found.describe()
    assert calibrate(*puzzles(299, seed=1), risk=0.01, confidence=0.95).threshold is not None


def test_a_good_head_halts_earlier_than_a_blind_one() -> None:
    q_halt, correct = puzzles(4000, seed=2)
    good = calibrate(q_halt, correct, risk=0.05)
    blind = calibrate(np.random.default_rng(0).permutation(q_halt), correct, risk=0.05)
    assert good.segments_mean < blind.segments_mean - 0.1
    assert good.empirical_risk < 0.05
    assert "risk (wrong) at most 0.05 with confidence 0.95" in good.describe()


@pytest.mark.parametrize("sureness", [0.5, 3.0])
def test_the_temperature_undoes_the_sureness(sureness: float) -> None:
    assert temperature(*puzzles(20_000, seed=3, sureness=sureness)) == pytest.approx(sureness, rel=0.03)


def test_the_guarantee_holds() -> None:
    """Over 200 draws of calibration puzzles, the true risk exceeds δ in a share of α at most, up to noise.

    It does exceed it where thresholds pass whose risk just looks low enough, which is a test with α = 1/2.
    """
    confidence, draws, size, thresholds = 0.9, 200, 400, THRESHOLDS[::2]
    q_halt, correct = puzzles(100_000, seed=4, sureness=2.0)
    true_risk = {
        threshold: float(wrong(correct, *halting_segments(q_halt, threshold)).mean()) for threshold in thresholds
    }
    risk = 0.999 * min(value for value in true_risk.values() if value > 0.05)  # the hardest: one is above it by a hair
    generator = np.random.default_rng(5)

    def risks(confidence: float, draws: int) -> np.ndarray:
        found = []
        for _ in range(draws):
            rows = generator.integers(len(q_halt), size=size)
            threshold = calibrate(q_halt[rows], correct[rows], risk, confidence, thresholds).threshold
            found.append(0.0 if threshold is None else true_risk[threshold])
        return np.array(found)

    tested, hopeful = risks(confidence, draws), risks(0.5, draws // 3)
    noise = 2 * math.sqrt(confidence * (1 - confidence) / draws)
    assert (tested > risk).mean() <= 1 - confidence + noise
    assert tested.mean() > 0.4 * risk  # and it does halt
    assert (hopeful > risk).mean() > 0.25


def test_the_selective_risk_by_hand() -> None:
    """Of 1,000 puzzles 600 are sure and right, 100 less sure and every fifth wrong; 300 are never answered."""
    q_halt = np.log(np.repeat([0.95, 0.85, 0.3], [600, 100, 300]))
    q_halt = (q_halt - np.log1p(-np.exp(q_halt)))[:, None]
    correct = np.ones((1000, 1), bool)
    correct[600:700:5] = False
    strict = calibrate(q_halt, correct, risk=0.02, thresholds=[0.5, 0.8, 0.9], selective=True)
    assert strict.policy == "abstain(q-threshold:0.9,q-threshold:0.9)"
    assert (strict.coverage, strict.empirical_risk, strict.exact) == (0.6, 0.0, 0.6)
    assert strict.level == pytest.approx(0.05 / 3)  # three thresholds are three starts
    assert strict.p_value == pytest.approx(0.98**600)
    mild = calibrate(q_halt, correct, risk=0.05, thresholds=[0.5, 0.8, 0.9], selective=True)
    assert (mild.threshold, mild.coverage, mild.empirical_risk, mild.exact) == (0.5, 0.7, 20 / 700, 0.68)
    assert mild.p_value == pytest.approx(binomial_tail(20, 700, 0.05))
    assert "selective risk at most 0.05 with confidence 0.95; 0.0286 on 1000" in mild.describe()
    assert "70.0% of which are answered" in mild.describe()


def test_without_a_threshold_that_passes_the_policy_never_answers() -> None:
    q_halt = np.array([[3.0, 3.0]] * 500, np.float32)
    found = calibrate(q_halt, np.zeros((500, 2), bool), selective=True)
    assert (found.threshold, found.coverage, found.empirical_risk, found.exact) == (None, 0.0, 0.0, 0.0)
    assert found.segments_mean == 1.0
    policy = make(found.policy)
    policy.reset(torch.ones(2, dtype=torch.bool))
    assert policy.decide(HaltContext(torch.ones(2).long(), 2, {})).all()
    assert torch.as_tensor(policy.abstains()).all()


def test_a_sequence_starts_again_after_a_failure() -> None:
    """The surest answers are too few to show anything; from 0.9 on enough are right."""
    q_halt = np.array([[9.0]] * 10 + [[3.0]] * 990, np.float32)
    found = calibrate(q_halt, np.ones((1000, 1), bool), risk=0.01, selective=True)
    assert (found.threshold, found.coverage) == (THRESHOLDS[-1], 1.0)
    assert calibrate(q_halt[:10], np.ones((10, 1), bool), risk=0.01, selective=True).threshold is None


def selective_risks(q_halt: np.ndarray, correct: Bools, thresholds: tuple[float, ...]) -> dict[float, float]:
    """The share of wrong answers among those that a threshold hands in."""
    found = {}
    for threshold in thresholds:
        segments, by_choice = halting_segments(q_halt, threshold)
        found[threshold] = float(wrong(correct, segments, by_choice).sum() / max(by_choice.sum(), 1))
    return found


def test_the_selective_risk_stays_below_its_bound_until_the_puzzles_get_harder() -> None:
    """The promise holds on at least 1 − α of 1,000 resamples, and breaks on puzzles whose answers are less often right.

    The bound lies a hair below the true risk of a threshold, which is thus the hardest to tell. On the harder puzzles
    the Q head is as sure as before, and one right answer in ten has become wrong.
    """
    thresholds, confidence, draws = THRESHOLDS[::4], 0.9, 1000
    q_halt, correct = puzzles(100_000, seed=4, sureness=2.0)
    harder = correct & (np.random.default_rng(6).random(len(correct)) < 0.9)[:, None]
    same, shifted = (selective_risks(q_halt, right, thresholds) for right in (correct, harder))
    risk = 0.999 * min(value for value in same.values() if value > 0.1)
    generator, chosen = np.random.default_rng(5), []
    for _ in range(draws):
        rows = generator.integers(len(q_halt), size=400)
        chosen.append(calibrate(q_halt[rows], correct[rows], risk, confidence, thresholds, selective=True))
    kept, broken = (
        np.mean([each.threshold is None or risks[each.threshold] <= risk for each in chosen])
        for risks in (same, shifted)
    )
    assert kept >= confidence
    assert broken < 0.5
    assert np.mean([each.coverage for each in chosen]) > 0.15  # and it does answer


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"risk": 0.0}, "a risk between 0 and 1, found 0.0"),
        ({"confidence": 95}, "a confidence between 0 and 1, found 95"),
        ({"thresholds": [0.5, 1.0]}, "a threshold between 0 and 1, found 1.0"),
        ({"thresholds": []}, "at least one threshold, found none"),
        ({"correct": np.ones((3, 4), bool)}, r"q_halt and correct \(N, M\), found \(5, 4\) and \(3, 4\)"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, object], message: str) -> None:
    q_halt, correct = puzzles(5, seed=0)
    with pytest.raises(ValueError, match=message):
        calibrate(**({"q_halt": q_halt, "correct": correct} | arguments))  # type: ignore[arg-type]
