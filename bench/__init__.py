"""Timed cases; see __main__."""

from serpent_cli.settings import own_process

own_process()  # as the command line does, before any case imports torch
