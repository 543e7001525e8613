"""From the sources of the chapters to tested notebooks and a site."""
