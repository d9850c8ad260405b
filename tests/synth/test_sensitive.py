from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from synth.sensitive import KINDS, find_sensitive, mask, masked_kinds

# Put together here, so that scanners of this repository find no secret in it.
AWS = "AKIA" + "IOSFODNN7EXAMPLE"
GITHUB = "ghp_" + "a1B2" * 9
JWT = "eyJ" + "hbGciOiJIUzI1NiJ9" + ".eyJ" + "zdWIiOiIxMjM0In0" + ".c2lnbmF0dXJl"
BODY = "\n".join(["MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"] * 3 + ["MzEfYyji"])
BEGIN, END = "-----BEGIN RSA " + "PRIVATE KEY-----", "-----END RSA " + "PRIVATE KEY-----"


def masked(text: str) -> str:
    return mask(text, find_sensitive(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Write to ana.ruiz+tax@mail.acme.co.uk.", "Write to [EMAIL]."),
        ("<müller@example.de>, mailto:o'neil@acme.io", "<[EMAIL]>, mailto:o'[EMAIL]"),
        ("call (408) 996-1010 or 408.996.1010", "call [PHONE] or [PHONE]"),
        ("Telephone: 1-800-691-0410, fax\n(408)\n996–1010;", "Telephone: [PHONE], fax\n[PHONE];"),
        ("+1 408 996 1010, +14089961010, +1 (408) 996-1010", "[PHONE], [PHONE], [PHONE]"),
        ("+44 (0)20 7946 0958 / +49-30-1234567 / +33.1.23.45.67.89", "[PHONE] / [PHONE] / [PHONE]"),
        ("card 4111 1111 1111 1111 12/25", "card [CARD] 12/25"),
        ("12,5555-5555-5555-4444,9", "12,[CARD],9"),
        ("3782 822463 10005; 378282246310005; 4222222222222", "[CARD]; [CARD]; [CARD]"),
        ("IBAN DE89 3704 0044 0532 0130 00 EUR", "IBAN [ACCOUNT] EUR"),
        ("GB82WEST12345698765432.", "[ACCOUNT]."),
        ("Account number: 12345678 and a/c no. 1234-5678-90", "Account number: [ACCOUNT] and a/c no. [ACCOUNT]"),
        ("acct 000123456789; account #9876 5432 10", "acct [ACCOUNT]; account #[ACCOUNT]"),
        (f"key {AWS} leaked", "key [SECRET] leaked"),
        (f"git clone https://{GITHUB}@host/x", "git clone https://[SECRET]@host/x"),
        ("github_pat_" + "11ABC_" * 5, "[SECRET]"),
        ("hf_" + "aB3" * 11, "[SECRET]"),
        ("sk-" + "proj-aB3xY9" * 4, "[SECRET]"),
        (f"the keys AKIA{'ABCD' * 4} and AIza{'abcde' * 7}", "the keys [SECRET] and [SECRET]"),
        (f"a token eyJ{'abcd' * 4}.eyJ{'efgh' * 4}", "a token [SECRET]"),
        ("xoxb-" + "123456-abcdef", "[SECRET]"),
        (f"Authorization: Bearer {JWT}", "Authorization: Bearer [SECRET]"),
        ("curl -H 'authorization: bearer 0a1b2c3d4e5f6a7b8c9d'", "curl -H 'authorization: bearer [SECRET]'"),
        (f"cookie={JWT};", "cookie=[SECRET];"),
        ("postgres://admin:s3cr3t@db.acme.io:5432/x", "postgres://[SECRET]@db.acme.io:5432/x"),
        ('api_key = "abcdefghij"', 'api_key = "[SECRET]"'),
        ("password: hunter2hunter2, then", "password: [SECRET], then"),
        ("{'client_secret': 'correcthorse'}", "{'client_secret': '[SECRET]'}"),
        ("export AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG", "export AWS_SECRET_ACCESS_KEY=[SECRET]"),
    ],
)
def test_sensitive_data_is_found_and_nothing_around_it(text: str, expected: str) -> None:
    assert masked(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Revenue was 1,234,567 and 12,345,678 in 2019-2020, 2018 and 2017.",
        "2019 2018 2017 2016 2015 2014 2013 2012",
        "Commission File Number 001-36743, IRS No. 94-2404110, CIK 0000320193",
        "0000320193-22-000108 was filed on 2022-10-28 at 2022-10-28T18:01:14",
        "$ (408) $ (996) 1,010 (2,345) +8% +1,234,567 +1.234.567.890",
        "4111 1111 1111 1112 and 9111 1111 1111 1111 and 0.4111111111111111",
        "1620000000000000 41111111111111111111 x4111111111111111",
        "GB82WEST12345698765433 and ZZ82WEST12345698765432 and GB82WEST1234569876543",
        "on account 2019 2018 2017 of accounts payable 12345678",
        "systemctl start getty@tty1.service; icon@2x.png; lodash@4.17.21; @pytest.fixture",
        "a Bearer of responsibilities-and-obligations; a risk-adjusted-return-on-capital-2022",
        "class sk-learn-something-very-long-name",
        "password: required. Password = getpass.getpass() secret = load1234(path)",
        'password: "${DB_PASSWORD}" token=$TOKEN1234 api_key: <your-key-1> pwd: "********"',
        "https://acme.io:8080/path@2 and ftp://{{user}}:{{password}}@host",
        "find . -size +1073741824 -perm -4000 192.168.100.200",
        "the trade secret: customers",
    ],
)
def test_figures_identifiers_and_placeholders_are_left_alone(text: str) -> None:
    assert find_sensitive(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"before\n{BEGIN}\n{BODY}\n{END}\nafter", "before\n[SECRET]\nafter"),
        (f"a key\n{BEGIN}\nProc-Type: 4,ENCRYPTED\n\n{BODY}", "a key\n[SECRET]"),
        (f"{BODY}\n{END}\nafter", "[SECRET]\nafter"),
        (f"Here is prose\n{BODY}\n{END}\n{BEGIN}\n{BODY}\n{END}", "Here is prose\n[SECRET]\n[SECRET]"),
        (f'"{BEGIN}\\n{BODY[:64]}\\n{END}"', '"[SECRET]"'),
        (f"A file with {BEGIN}: what is it? Some prose.", "A file with [SECRET]: what is it? Some prose."),
    ],
)
def test_a_private_key_is_found_whole_even_where_a_chunk_cuts_it(text: str, expected: str) -> None:
    assert masked(text) == expected


def test_a_text_about_private_keys_is_no_private_key() -> None:
    assert find_sensitive("A PRIVATE KEY is never shared.") == []


def test_the_graver_kind_wins_where_two_overlap() -> None:
    assert masked("account number 4111 1111 1111 1111") == "account number [CARD]"
    assert masked("postgres://admin:ana@acme.io") == "postgres://[SECRET]@acme.io"
    assert masked("password=x1@acme.io") == "password=[SECRET]"
    assert masked("https://a.b@c.io:hunter22@acme.io") == "https://[SECRET]@acme.io"


def test_masks_are_counted_by_kind() -> None:
    assert masked_kinds("[EMAIL] [CARD] [EMAIL] [email] [OTHER]") == ["email", "card", "email"]


SNIPPETS = st.sampled_from(
    [
        "ana@acme.io",
        "+44 20 7946 0958",
        "(408) 996-1010",
        "4111 1111 1111 1111",
        "GB82WEST12345698765432",
        AWS,
        "account no. 12345678",
        "password=hunter22",
        "http://a:b1@c.io",
        BEGIN,
        END,
        "1,234",
        "2019",
        " ",
        "\n",
        "a",
        ": ",
    ]
)


@given(st.lists(SNIPPETS | st.text(max_size=8), max_size=12).map(" ".join))
@example("")
def test_findings_are_in_order_apart_and_of_a_known_kind(text: str) -> None:
    findings = find_sensitive(text)
    borders = [border for finding in findings for border in (finding.start, finding.end)]
    assert borders == sorted(borders)
    assert all(finding.start < finding.end <= len(text) and finding.kind in KINDS for finding in findings)
    assert len(masked_kinds(mask(text, findings))) >= len(findings)


@given(st.lists(SNIPPETS, max_size=12).map(" | ".join))
def test_masking_leaves_nothing_to_find(text: str) -> None:
    assert find_sensitive(masked(text)) == []


MEGABYTE = 1_000_000


@pytest.mark.slow
@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "a.",
        "a@",
        "@",
        "@a.",
        "1",
        "1 ",
        "1-",
        "+1",
        "+2 ",
        "(408) ",
        "+44 (",
        "4111 ",
        "GB00",
        "GB00 ",
        "sk-",
        "sk-a ",
        "eyJ",
        "eyJaaaaaaaaaaaa.",
        "bearer ",
        "bearer  a",
        "://",
        "://a:",
        "://a:b@",
        "password",
        "password= ",
        "account no",
        "account no. 1 ",
        "acct 1",
        "-----",
        BEGIN,
        END,
        f"{BEGIN}\n",
        f"a{END}",
        "PRIVATE KEY",
        "a: \n",
        "\n",
        "A" * 64 + "\n",
    ],
)
def test_a_megabyte_of_anything_is_read_in_seconds(unit: str) -> None:
    text = unit * (MEGABYTE // len(unit))
    for variant in (text, f"@ :// {text}{END}@"):
        mask(variant, find_sensitive(variant))
