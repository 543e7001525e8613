"""What makes the book (`site`) and the files of `data/` (`make`); not part of the package."""
