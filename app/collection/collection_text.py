"""Cards of the collection as text: the worth of a submission, gradings side by side, the track record, disk use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.collection.collection import CollectionCard, Prices, worth_of
from app.collection.returned_grades import CollectionRecord
from app.labels.card_names import label_text
from app.markdown import counted, escape, table
from app.models.calibration_report import grade_range
from db.schema import Grading, LabelEvent
from engine.cards.grades import grade_name
from engine.cards.submission import GRADE_STEP, VALUE_STEP, Factor, SubmissionCosts, SubmissionWorth
from engine.evaluation.track_record import Proportion

NO_CARDS = "Your collection is empty. Grade a card in the **Grade** tab and press **Keep this card**."
NOTHING_RETURNED = "No grade has come back yet. Enter those that do, and this shows how often the predictions held."
MANY_CARDS = 30
FEW_CARDS = "These are few cards yet; the more grades you enter, the more this tells."
NO_PRICES = "Enter above what the card sells for ungraded and with at least one grade."
NO_PREDICTION = "This card got no grade, for the pictures were too poor; take better ones and grade it again."
HEADS = {
    "submit": "Submit it",
    "borderline": "Borderline",
    "keep": "Keep it ungraded",
}
CHANGES: dict[Factor, str] = {
    "grade": "the grade: if it is half a grade lower than predicted",
    "graded values": f"what graded cards sell for: if that is {VALUE_STEP:.0%} less",
    "raw value": f"what the ungraded card sells for: if that is {VALUE_STEP:.0%} more",
}
assert GRADE_STEP == 0.5
BYTE_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def amount(value: float) -> str:
    """A gain as text, with its sign: "+59.10", "−1,204"."""
    text = f"{abs(value):,.0f}" if abs(value) >= 1000 else f"{abs(value):.2f}"
    return f"{'−' if value < 0 and float(text.replace(',', '')) else '+'}{text}"


def percent(probability: float) -> str:
    """A probability as text: "30 %", "1.4 %", "less than 0.1 %"."""
    if 0 < probability < 0.001:
        return "less than 0.1 %"
    return f"{100 * probability:.{1 if probability < 0.1 else 0}f} %".replace(".0 %", " %")


def worth_text(worth: SubmissionWorth, costs: SubmissionCosts) -> str:
    """The advice, the expected gain with its range, the break-even chance of a 10, and what it hangs on."""
    why = {
        "submit": "it should pay, even if one estimate is somewhat too high.",
        "borderline": "it pays on average, but not if one estimate is somewhat too high.",
        "keep": "on average, submitting it does not pay.",
    }[worth.advice]
    lines = [
        f"### {HEADS[worth.advice]}: {why}",
        f"- Expected gain **{amount(worth.expected_gain)}**: what submitting many such cards would bring you for each. "
        f"For the grades in the range it is {amount(worth.low)} to {amount(worth.high)}.",
        f"- {_break_even_text(worth)}",
        f"- Chance that you gain anything: {percent(worth.chance_of_gain)}.",
        f"- What matters most is {CHANGES[worth.hangs_on]}, the expected gain is "
        f"{amount(worth.changed_gains[worth.hangs_on])}.",
    ]
    if costs == SubmissionCosts():
        lines.append("- No fees are entered yet.")
    return "\n".join([*lines, "", "Gain: compared with selling the card ungraded, after all costs."])


def _break_even_text(worth: SubmissionWorth) -> str:
    chance = f"Chance of a 10: {percent(worth.p10)}"
    if worth.break_even_p10 == 0:
        return f"{chance}. Submitting pays without a 10 too."
    if worth.break_even_p10 is not None:
        return f"{chance}. Submitting pays if it is at least {percent(worth.break_even_p10)}."
    return f"{chance}." if worth.gains[-1] > 0 else f"{chance}. Even a 10 does not pay."


def card_worth_text(prediction: Mapping[str, Any], prices: Prices | None, costs: SubmissionCosts) -> str:
    """The worth of a card as `worth_text`, or what is missing for it."""
    if prediction["probabilities"] is None:
        return NO_PREDICTION
    worth = worth_of(prediction, prices, costs)
    return NO_PRICES if worth is None else worth_text(worth, costs)


def prediction_text(prediction: Mapping[str, Any]) -> str:
    """A prediction in a few words: "9 Mint", "not graded: too uncertain", "no grade"."""
    if prediction["grade"] is None:
        return "no grade"
    grade = f"{prediction['grade']} {grade_name(prediction['grade'])}"
    return f"too uncertain, most likely {grade}" if prediction["abstained"] else grade


def range_of(prediction: Mapping[str, Any]) -> str:
    """The range of a prediction: "8 to 10"; empty without a prediction."""
    interval = prediction["interval"]
    return "" if interval is None else grade_range(interval["low"], interval["high"])


def gradings_text(card: CollectionCard, costs: SubmissionCosts) -> str:
    """The last two gradings side by side, in Markdown."""
    shown: Sequence[Grading] = card.gradings[-2:]
    rows = [
        ["Grade", *(prediction_text(grading.prediction) for grading in shown)],
        ["Range", *(range_of(grading.prediction) for grading in shown)],
        ["Expected grade", *(_number(grading.prediction["expected"]) for grading in shown)],
        ["Expected gain", *(_gain_text(worth_of(grading.prediction, card.card.prices, costs)) for grading in shown)],
        ["Model", *(f"{escape(grading.model_name)} ({grading.model_sha256[:12]})" for grading in shown)],
        ["Graded on", *(f"{grading.created_at.day} {grading.created_at:%b %Y}" for grading in shown)],
    ]
    heads = ["", "Now"] if len(shown) == 1 else ["", "Before", "Now"]
    earlier = len(card.gradings) - len(shown)
    note = [f"{earlier} earlier {'grading is' if earlier == 1 else 'gradings are'} kept too."] if earlier else []
    return "\n".join([*table(heads, rows), *note])


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _gain_text(worth: SubmissionWorth | None) -> str:
    return "" if worth is None else amount(worth.expected_gain)


def returned_text(card: CollectionCard) -> str:
    """The grade that came back, in one sentence."""
    if card.returned is None:
        return "Not back yet."
    cert = f", certificate {escape(card.card.cert)}" if card.card.cert else ""
    return f"Came back as **{label_text(card.returned)}**{cert}."


def short_label(label: LabelEvent) -> str:
    """A returned grade in a few characters: "8.5", "9 OC", "AUTHENTIC"."""
    grade = "" if label.grade is None else f"{label.grade:g}"
    return f"{grade} {label.qualifier or ''}".strip()


def summary_text(cards: Sequence[CollectionCard], shown: int) -> str:
    """The number of cards, and what submitting those that pay would bring."""
    if not cards:
        return NO_CARDS
    count = counted(len(cards))
    head = count if shown == len(cards) else f"{shown} of {count}"
    paying = [card.worth for card in cards if card.worth is not None and card.worth.advice == "submit"]
    if not paying:
        return f"{head}."
    gain = amount(sum(worth.expected_gain for worth in paying))
    return f"{head}. {len(paying)} worth submitting: expected gain {gain}."


def record_text(collection: CollectionRecord) -> str:
    """The track record in Markdown: how often the predictions were right, with 95 % intervals of the shares."""
    record = collection.record
    if not record.exact.n:
        text = NOTHING_RETURNED
    else:
        lines = [
            f"- Grade exactly right: {_proportion_text(record.exact)}",
            f"- Within one grade: {_proportion_text(record.within_one)}",
            f"- Range contained the grade: {_proportion_text(record.ranges_held)}",
            *([f"- {FEW_CARDS}"] if record.exact.n < MANY_CARDS else []),
        ]
        if record.mean_error is not None and abs(record.mean_error) >= 0.05:
            direction = "higher" if record.mean_error > 0 else "lower"
            lines.append(f"- Predictions were {abs(record.mean_error):.1f} grades {direction} on average")
        text = "\n".join(lines)
    left_out = [
        f"{count} {reason}"
        for count, reason in (
            (collection.no_grade, "with a qualifier or without a grade"),
            (collection.not_graded, "that Loupe did not grade"),
        )
        if count
    ]
    return f"{text}\n\nLeft out: {', '.join(left_out)}." if left_out else text


def _proportion_text(share: Proportion) -> str:
    if share.value is None or share.low is None or share.high is None:
        return "no cards"
    return (
        f"**{share.count} of {share.n}** ({100 * share.value:.0f} %; "
        f"in the long run probably {100 * share.low:.0f} to {100 * share.high:.0f} %)"
    )


def disk_text(parts: Mapping[str, int]) -> str:
    """Disk use of the parts of the data folder, as a list."""
    return "\n".join(f"- {name}: {size_text(size)}" for name, size in parts.items())


def size_text(size_bytes: int) -> str:
    """A size as text: "512 bytes", "3.4 MB"."""
    size = float(size_bytes)
    for unit in BYTE_UNITS[:-1]:
        if size < 1000:
            return f"{size:.0f} {unit}" if size >= 100 or unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} {BYTE_UNITS[-1]}"
