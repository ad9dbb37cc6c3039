#!/usr/bin/env python3
"""Writes the corpus: inputs made with other tools, golden files from what was put in."""

import sys

from recipes import archives, executables, documents, images, mails, packed, pdf, signed

RECIPES = (archives, executables, documents, images, mails, packed, pdf, signed)


if __name__ == "__main__":
    wanted = sys.argv[1:]
    for recipe in RECIPES:
        for make in recipe.MAKERS:
            if not wanted or make.__name__ in wanted:
                make()
