"""A decorator of another module, which knows none of the names that the decorated use."""

import functools


def counted(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper
