"""Stages from the archive to embedded prompts."""
