"""What people type after `textbcs`, one module a command; stages are none."""
