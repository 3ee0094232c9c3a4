"""What people read: tables, figures and the page."""
