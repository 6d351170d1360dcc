"""An argument parser whose complaint is one line."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, NoReturn


class Parser(argparse.ArgumentParser):
    """Says what is wrong with the words and where the right ones are listed; its sub-commands too.

    argparse prints its usage first, which for ``run`` is a page of options. ``hints`` has what is
    added to a complaint that names a word.
    """

    hints: Mapping[str, str] = MappingProxyType({})

    def error(self, message: str) -> NoReturn:
        """One line on standard error, and exit status 2: wrong use."""
        message += "".join(hint for word, hint in self.hints.items() if word in message)
        self.exit(2, f'{self.prog}: {message}. See "{self.prog} --help".\n')

    def parse_known_args(self, *args: Any, **named: Any) -> Any:
        """Words that nobody knows are wrong use here, where it is known what they were meant for.

        argparse gives a sub-command's unknown words to the main parser, which has other options.
        """
        found, unknown = super().parse_known_args(*args, **named)
        if unknown:
            option = next((word for word in unknown if word.startswith("-")), "").split("=")[0]
            if not option:
                self.error(f"'{unknown[0]}' is a word too many")
            near = get_close_matches(option, self._option_string_actions, 1)
            self.error(f"there is no {option}" + (f"; the nearest is {near[0]}" if near else ""))
        return found, unknown
