"""How a command ends; `run` in the following is a function of arguments to exit code, stdout and stderr, as lines."""

STOPPED = ["spectrakit: stopped; the same command goes on with the tasks that are left"]


def done(run, *arguments, **options):
    """Lines on stdout of a command, which has to end well and to write nothing on stderr."""
    code, out, err = run(*arguments, **options)
    assert (code, err) == (0, []), err
    return out


def refused(run, *arguments, **options):
    """The line on stderr of a command, which has to end with exit code 2 and to write nothing else."""
    code, out, err = run(*arguments, **options)
    assert (code, out, len(err)) == (2, [], 1), (out, err)
    return err[0]
