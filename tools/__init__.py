"""The book's pipeline: what turns the chapters' sources into tested notebooks and a site."""
