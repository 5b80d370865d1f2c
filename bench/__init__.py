"""Timed cases; see __main__."""

from serpent_cli.settings import prepare_torch

prepare_torch()  # as the command line does, before any case imports torch
