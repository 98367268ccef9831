"""What a reviewer looks at: the review page, the contact sheet, overlays."""
