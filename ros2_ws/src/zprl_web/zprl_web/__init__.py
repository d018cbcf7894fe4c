"""What the pages for people have in common: who gets in, encryption, files, lines that wait for no page."""
