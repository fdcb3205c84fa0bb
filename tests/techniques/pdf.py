"""Writes the guide as a PDF with headings at three levels, a table and a listing."""

from __future__ import annotations

from pathlib import Path

from reportlab.lib import colors
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import PageBreak, Paragraph, Preformatted, SimpleDocTemplate, Table

CODE = '# Not a heading\nprint("refund")'
DAMAGED = (
    "Send a photo within 48 hours of the day on which the parcel came to your door. The refund "
    "takes five days."
)

NOTES = range(60)
WORDS = (
    "Everything about orders. Order guide Refunds Damaged goods "
    f"{DAMAGED} {CODE} Refund time Five working days. "
    "Delivery kind days standard 3 express 1 Weekends don't count."
)
"""Every word of the guide, in its order."""
MORE_WORDS = " ".join(f"Note {number}. {DAMAGED}" for number in NOTES)


def write_pdf(file: Path, *, long: bool = False) -> Path:
    styles = getSampleStyleSheet()
    table = Table([["kind", "days"], ["standard", "3"], ["express", "1"]])
    table.setStyle([("GRID", (0, 0), (-1, -1), 0.5, colors.black)])
    story = [
        Paragraph("Everything about orders.", styles["BodyText"]),
        Paragraph("Order guide", styles["Heading1"]),
        Paragraph("Refunds", styles["Heading2"]),
        Paragraph("Damaged goods", styles["Heading3"]),
        Paragraph(DAMAGED, styles["BodyText"]),
        Preformatted(CODE, styles["Code"]),
        Paragraph("Refund time", styles["Heading3"]),
        Paragraph("Five working days.", styles["BodyText"]),
        PageBreak(),
        Paragraph("Delivery", styles["Heading2"]),
        table,
        Paragraph("Weekends don't count.", styles["BodyText"]),
    ]
    if long:  # over several pages
        story += [Paragraph(f"Note {number}. {DAMAGED}", styles["BodyText"]) for number in NOTES]
    SimpleDocTemplate(str(file)).build(story)
    return file
