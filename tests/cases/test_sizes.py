"""How big things may be: measured in real bytes, cut by reference, packed, and read back whole."""

import hashlib
import tracemalloc
import zlib
from typing import Annotated, Any, ClassVar, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.billing import BillingSection
from cases.errors import DamagedBody, InvalidInput
from cases.policy import Decision, PolicySection
from cases.records import Record
from cases.sections import Section
from cases.sizes import (
    COMPRESS_BYTES,
    KEPT_MESSAGES,
    REASONING_CHARS,
    SECTION_LIMIT_BYTES,
    WARN_BYTES,
    Archived,
    ArchivedText,
    LongText,
    Size,
    archive_long,
    kept,
    measure,
    pack,
    shown,
    total,
    unpack,
    within_limit,
)
from cases.state import StepUpdate
from tests.samples import case, duplicates, order

THREE_MB = 3_000_000


class Note(Record):
    said: str = ""
    thought: LongText = ""


class EssaySection(Section):
    """A section with long texts in every place that a field can have."""

    name: ClassVar[str] = "essay"
    owner: ClassVar[str] = "essay"

    title: str = ""
    reasoning: LongText = ""
    second: LongText | None = None
    drafts: tuple[Annotated[LongText, "a draft"], ...] = ()
    pair: tuple[str, LongText] = ("", "")
    by_model: dict[str, LongText] | None = None
    notes: tuple[Note, ...] = ()
    note: Note | None = None


def step(section: Section) -> StepUpdate:
    return StepUpdate(step="essay:1", owner=section.owner, sections={section.name: section})


def archived(section: Section) -> tuple[Any, dict[str, str]]:
    """The section as it is after the step boundary, and the texts that left it, by digest."""
    update, texts = archive_long(step(section))
    return update.sections[section.name], {text.digest: text.text for text in texts}


def read_back(value: Any, texts: dict[str, str]) -> Any:
    """The JSON value with every archived text in its place again."""
    if isinstance(value, list):
        return [read_back(item, texts) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        known = cast("dict[str, Any]", value)
        if known.keys() == Archived.model_fields.keys():
            return texts[known["digest"]]
        return {key: read_back(item, texts) for key, item in known.items()}
    return value


def lengthened(text: str) -> str:
    return text * (REASONING_CHARS // len(text) + 1)


SHORT = st.text(max_size=20)
LONG = st.text(min_size=1, max_size=20).map(lengthened)
ANY = SHORT | LONG
NOTES = st.builds(Note, said=ANY, thought=ANY)


@given(
    st.builds(
        EssaySection,
        title=ANY,
        reasoning=ANY,
        second=ANY | st.none(),
        drafts=st.lists(ANY, max_size=3).map(tuple),
        pair=st.tuples(ANY, ANY),
        by_model=st.dictionaries(SHORT, ANY, max_size=2) | st.none(),
        notes=st.lists(NOTES, max_size=2).map(tuple),
        note=NOTES | st.none(),
    )
)
def test_every_long_text_leaves_its_section_and_is_read_back_by_its_digest(
    essay: EssaySection,
) -> None:
    section, texts = archived(essay)
    stored = EssaySection.model_validate_json(section.model_dump_json())

    assert stored == section
    assert read_back(stored.model_dump(mode="json"), texts) == essay.model_dump(mode="json")
    assert section.title == essay.title
    assert section.pair[0] == essay.pair[0]
    left = [section.reasoning, section.second, section.pair[1], *section.drafts]
    left += [*(section.by_model or {}).values(), *(note.thought for note in section.notes)]
    assert all(not isinstance(t, str) or len(t) <= REASONING_CHARS for t in left)
    assert all(hashlib.sha256(t.encode()).hexdigest() == digest for digest, t in texts.items())


@pytest.mark.parametrize("character", ["x", "ä", "日", "👩‍🚒", "\0", "\u202e"])
def test_a_text_of_3_mb_leaves_its_start_and_its_size(character: str) -> None:
    text = character * (THREE_MB // len(character.encode()))

    section, texts = archived(EssaySection(reasoning=text))

    reference = section.reasoning
    assert reference.start == text[:REASONING_CHARS]
    assert reference.bytes == len(text.encode())
    assert texts == {reference.digest: text}
    assert shown(reference) == text[:REASONING_CHARS] + "…"
    assert len(section.model_dump_json()) < 30_000


def test_the_longest_text_that_stays_has_2000_characters() -> None:
    fits = "x" * REASONING_CHARS

    assert archived(EssaySection(reasoning=fits)) == (EssaySection(reasoning=fits), {})
    assert archived(EssaySection(reasoning=fits + "x"))[1].popitem()[1] == fits + "x"
    assert shown(fits) == fits


def test_the_same_text_twice_is_archived_once() -> None:
    _, texts = archive_long(step(EssaySection(reasoning="x" * 5000, drafts=("x" * 5000,) * 3)))

    digest = hashlib.sha256(b"x" * 5000).hexdigest()
    assert texts == (ArchivedText(digest=digest, text="x" * 5000),)


def test_what_was_archived_stays_as_it_is() -> None:
    section, _ = archived(EssaySection(reasoning="x" * 5000, notes=(Note(thought="y" * 5000),)))

    assert archived(section) == (section, {})


def test_an_update_without_long_texts_is_left_as_it_is() -> None:
    update = step(EssaySection(reasoning="short", notes=(Note(thought="short"),)))

    same, texts = archive_long(update)

    assert same == update
    assert same.sections["essay"] is update.sections["essay"]
    assert texts == ()


@pytest.mark.parametrize(
    "section",
    [
        PolicySection(
            decision=Decision.REFUND,
            rule="proven_duplicate",
            reason="r" * THREE_MB,
            policy_version=1,
            orders=(order("c" * 5000),),
        ),
        duplicates(order("c" * 5000)).model_copy(update={"doubts": ("d" * THREE_MB,)}),
        BillingSection.model_validate({"doubts": ["d" * 5000], "newer_field": "n" * 5000}),
        EssaySection(title="t" * THREE_MB, error="e" * 5000),
    ],
    ids=["policy", "billing", "a field of a newer worker", "plain text"],
)
def test_what_is_not_declared_as_a_long_text_stays_whole(section: Section) -> None:
    assert archived(section) == (section, {})


def test_a_section_that_is_still_too_big_is_refused_with_both_sizes() -> None:
    fits = b"t" * SECTION_LIMIT_BYTES
    assert within_limit("essay", fits) is fits

    with pytest.raises(InvalidInput) as refused:
        within_limit("essay", fits + b"t")

    assert str(refused.value) == "essay: has 8,000,001 bytes, more than the 8,000,000 allowed"


def test_half_a_character_is_refused_by_the_sections_name() -> None:
    text = "\ud83d" * (REASONING_CHARS + 1)

    with pytest.raises(InvalidInput, match="essay: holds text that is not valid Unicode"):
        archive_long(step(EssaySection(reasoning=text)))


def test_a_state_is_measured_in_encoded_bytes_largest_first() -> None:
    essay = EssaySection(title="日" * 1000)
    state = case(essay, BillingSection(), text="ä" * 500)

    sizes = measure(state)

    assert [size.name for size in sizes] == ["essay", "messages", "billing"]
    assert sizes[0].bytes == len(essay.model_dump_json().encode()) > 3000
    assert sizes[1].bytes == len(state.messages[0].model_dump_json().encode()) > 1000
    assert total(sizes) == sum(size.bytes for size in sizes)
    assert total(measure(case(EssaySection(title="t" * THREE_MB)))) > WARN_BYTES


def test_parts_of_one_size_are_listed_by_name() -> None:
    state = case(EssaySection()).model_copy(update={"messages": ()})
    same = state.model_copy(update={"sections": {name: EssaySection() for name in ("z", "a", "m")}})

    assert [size.name for size in measure(same)] == ["a", "m", "z", "messages"]
    assert measure(same)[-1] == Size(name="messages", bytes=0)


@pytest.mark.parametrize(("count", "gone"), [(0, 0), (1, 0), (50, 0), (51, 1), (3000, 2950)])
def test_the_last_messages_are_kept_and_the_others_counted(count: int, gone: int) -> None:
    messages = tuple(range(count))

    assert kept(messages) == (messages[gone:], gone)
    assert len(kept(messages)[0]) <= KEPT_MESSAGES


@given(st.binary(max_size=200), st.integers(0, COMPRESS_BYTES // 100))
def test_what_was_packed_is_unpacked_byte_for_byte(body: bytes, times: int) -> None:
    whole = body * times
    encoding, packed = pack(whole)

    assert unpack(encoding, packed, len(whole)) == whole
    assert unpack(encoding, packed) == whole
    assert len(packed) <= len(whole)


def test_a_body_is_compressed_from_500_kb_on_and_only_if_that_helps() -> None:
    assert pack(b"x" * (COMPRESS_BYTES - 1)) == ("plain", b"x" * (COMPRESS_BYTES - 1))
    encoding, packed = pack(b"x" * COMPRESS_BYTES)
    assert encoding == "zlib"
    assert len(packed) < COMPRESS_BYTES // 100
    already = zlib.compress(b"", 0) + hashlib.shake_256(b"noise").digest(COMPRESS_BYTES)
    assert pack(already) == ("plain", already)


PACKED = zlib.compress(b"x" * 1000)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("brotli", b"x" * 1000),
        ("", b"x" * 1000),
        ("plain", b"x" * 999),
        ("plain", b"x" * 1001),
        ("zlib", b""),
        ("zlib", b"x" * 1000),
        ("zlib", PACKED[:-1]),
        ("zlib", PACKED[:5]),
        ("zlib", PACKED[:-1] + b"\0"),
        ("zlib", PACKED + b"x"),
        ("zlib", zlib.compress(b"x" * 999)),
        ("zlib", zlib.compress(b"x" * 1001)),
    ],
)
def test_a_damaged_body_is_a_clear_error(encoding: str, body: bytes) -> None:
    assert unpack("zlib", PACKED, 1000) == b"x" * 1000
    with pytest.raises(DamagedBody):
        unpack(encoding, body, 1000)


def test_a_bomb_is_stopped_at_what_was_expected() -> None:
    bomb = zlib.compress(b"\0" * 200_000_000)
    tracemalloc.start()
    for expected in (-1, 0, 1000, None):
        with pytest.raises(DamagedBody):
            unpack("zlib", bomb, expected)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 3 * SECTION_LIMIT_BYTES
    with pytest.raises(DamagedBody):
        unpack("zlib", zlib.compress(b"\0" * (SECTION_LIMIT_BYTES + 1)))
