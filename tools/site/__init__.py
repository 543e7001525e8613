"""From the sources of the chapters to notebooks and a site."""
