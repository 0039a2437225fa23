"""What the words of a charge say: whether they name one purchase, or a plan that one has once."""

import re

#: So much of a text is searched for marks. What stands behind it is no mark.
_SEARCHED = 300

_PLAN = re.compile(
    r"\b(?:plan|subscription|membership|licence|license|monthly|quarterly|annual|yearly"
    r"|abo|abonnement|mitgliedschaft|lizenz|monatlich|jährlich"
    r"|adhésion|suscripción|abbonamento|assinatura)\b"
)
#: The number of an order: with a "#" whatever it is, else only with three digits ("order 2 teas").
_ORDER = re.compile(
    r"\b(?:order|invoice|inv|receipt|booking|reservation|bestellung|auftrag|rechnung|beleg|buchung"
    r"|commande|facture|pedido|factura|ordine|fattura)"
    r"[\s.:-]{0,3}(?:(?:no|nr|number|nummer|id)\b[\s.:-]{0,3})?"
    r"(?:#\s?[a-z/-]{0,5}\d|(?:[a-z/-]{0,5}\d){3})"
)
#: Letters and a long number. Digits alone may be the number of a telephone, a shop or a day.
_CODE = re.compile(r"\b[a-z]{1,4}[/-]?\d{5,}\b")
_MONTH = r"(?:jan|feb|mar|mär|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez)[a-zä]{0,6}\.?"
_PERIOD = re.compile(
    rf"\b{_MONTH} ?/?20\d\d\b|\b20\d\d-\d\d\b(?!-?\d)"
    rf"|\b\d\d?\.? ?[-\u2013] ?\d\d?\.? {_MONTH}"
)


def plain(description: str) -> str:
    """Without what does not tell purchases apart: case, blanks and punctuation."""
    return re.sub(r"[\s.,;:!?'\"()-]+", " ", description.casefold()).strip()


def names_one_purchase(description: str) -> bool:
    """Whether it has the number of an order or an invoice, or a period such as a month."""
    text = _searched(description)
    return bool(_ORDER.search(text) or _PERIOD.search(text))


def names_a_plan(description: str) -> bool:
    """Whether it is a plan, a subscription, a membership: paid regularly, and had once."""
    return bool(_PLAN.search(_searched(description)))


def has_code(description: str) -> bool:
    """Whether it has a code, of an order perhaps: it may be the till's as well."""
    return bool(_CODE.search(_searched(description)))


def _searched(description: str) -> str:
    return description[:_SEARCHED].casefold()
