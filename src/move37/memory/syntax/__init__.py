"""Source text to a normal form: equal for programs that differ in spelling only.

Runs in a child process (`child`), started by `memory.forms`; standard library only, because that
child is started without site-packages. Text is parsed here and never executed.

Taken away: names of locals, parameters, private helpers and attributes of self; comments,
docstrings, annotations, unused or differently spelled imports, spelling of constants, order of
keyword arguments, order of statements that cannot affect each other. In doubt a difference is kept:
two programs with one form compute the same thing, two spellings of one program mostly, not always,
have one form.
"""
