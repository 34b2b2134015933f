# SPDX-License-Identifier: Apache-2.0
#
# Types into an interactive zsh and presses Tab: zsh_complete.py SCRIPT LINE WANTED ...
# Exits with 1 and says what came instead when WANTED does not come in time.
import os
import pty
import select
import sys
import time

child, terminal = pty.fork()
if child == 0:
    os.environ.update(TERM='dumb', PS1='ready> ')
    os.execvp('zsh', ['zsh', '-f', '-i'])


heard = ''


def expect(wanted):
    global heard
    end = time.monotonic() + 10
    while wanted not in heard and time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            heard += os.read(terminal, 65536).decode('utf8', 'replace')
    if wanted not in heard:
        sys.exit(f'not {wanted!r}: {heard!r}')
    heard = heard[heard.index(wanted) + len(wanted):]


script, *cases = sys.argv[1:]
expect('ready>')
os.write(terminal, f"autoload -Uz compinit && compinit -D -u; source '{script}'; print loa''ded\n".encode())
expect('loaded')
expect('ready>')
for line, wanted in zip(cases[::2], cases[1::2]):
    os.write(terminal, f'{line}\t\t'.encode())
    expect(wanted)
    os.write(terminal, b'\x15')  # the line goes
os.write(terminal, b'exit\n')
os.waitpid(child, 0)
