"""Write the figures of a study's checks to data/published: `python -m tools.make.published libs|gejiu|mir`."""

import sys

from tools.make.published import write_figures

if __name__ == "__main__":
    write_figures(sys.argv[1])
