"""Reports of spam as RFC 5965 shows them, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.connectors.mail_reports import opt_out_of

ACCOUNTS = ("support@acme.example", "news@acme.example")
AT = 1_790_000_000_000
# as in its appendix B
REPORT = b"""From: <abusedesk@example.com>\r
Date: Thu, 8 Mar 2005 17:40:36 EDT\r
Subject: FW: Earn money\r
To: <support@acme.example>\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type=feedback-report;\r
     boundary="part1_13d.2e68ed54_boundary"\r
\r
--part1_13d.2e68ed54_boundary\r
Content-Type: text/plain; charset="US-ASCII"\r
Content-Transfer-Encoding: 7bit\r
\r
This is an email abuse report for an email message received from IP\r
192.0.2.1 on Thu, 8 Mar 2005 14:00:00 EDT.\r
\r
--part1_13d.2e68ed54_boundary\r
Content-Type: message/feedback-report\r
\r
Feedback-Type: abuse\r
User-Agent: SomeGenerator/1.0\r
Version: 1\r
Original-Mail-From: <news@acme.example>\r
Original-Rcpt-To: <Ann@People.example>\r
Arrival-Date: Thu, 8 Mar 2005 14:00:00 EDT\r
\r
--part1_13d.2e68ed54_boundary\r
Content-Type: message/rfc822\r
Content-Disposition: inline\r
\r
From: <news@acme.example>\r
To: <ann+news@people.example>\r
Subject: Earn money\r
Message-ID: 8787KJKJ3K4J3K4J3K4J3.mail@acme.example\r
Date: Thu, 02 Sep 2004 12:31:03 -0500\r
\r
Spam Spam Spam\r
--part1_13d.2e68ed54_boundary--\r
"""


def test_it_is_an_opt_out_of_whom_the_mail_was_for() -> None:
    found = opt_out_of(REPORT, AT, ACCOUNTS)
    assert found is not None
    assert (found["kind"], found["account"], found["published_at"]) == ("opt_out", "email:news@acme.example", AT)
    assert found["contact_id"] == found["author_id"] == "ann@people.example"
    again = opt_out_of(REPORT.replace(b"17:40:36", b"18:40:36"), AT + 1, ACCOUNTS)
    assert again is not None
    assert again["id"] == found["id"], "told twice, it counts once"


def test_whom_it_was_for_may_stand_in_the_mail_alone() -> None:
    left_out = REPORT.replace(b"Original-Rcpt-To: <Ann@People.example>\r\n", b"")
    headers = left_out.replace(b"message/rfc822", b"text/rfc822-headers")
    for raw in (left_out, headers, REPORT.replace(b"<Ann@People.example>", b"redacted@people.example")):
        found = opt_out_of(raw, AT, ACCOUNTS)
        assert found is not None
        assert found["contact_id"] == "ann+news@people.example"
    other = opt_out_of(left_out.replace(b"From: <news@", b"From: <noreply@"), AT, ACCOUNTS)
    assert other is not None
    assert other["account"] == "email:support@acme.example"


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (b"Feedback-Type: abuse", b"Feedback-Type: not-spam"),
        (b"Feedback-Type: abuse", b"Feedback-Type: auth-failure"),
        (b"report-type=feedback-report", b"report-type=delivery-status"),
        (b"multipart/report", b"multipart/mixed"),
        (b"<Ann@People.example>", b"<support@acme.example>"),
    ],
)
def test_what_is_no_report_of_spam(right: bytes, wrong: bytes) -> None:
    assert right in REPORT
    assert opt_out_of(REPORT.replace(right, wrong), AT, ACCOUNTS) is None


@given(st.binary(max_size=40), st.integers(0, len(REPORT)), st.integers(0, 60))
def test_whatever_is_in_it_it_is_one_or_none(other: bytes, place: int, length: int) -> None:
    raw = REPORT[:place] + other + REPORT[place + length :]
    found = opt_out_of(raw, AT, ACCOUNTS)
    assert found is None or found["kind"] == "opt_out"
