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


def write_pdf(file: Path) -> Path:
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
    SimpleDocTemplate(str(file)).build(story)
    return file
