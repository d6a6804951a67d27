# SPDX-License-Identifier: Apache-2.0
"""A Python of another machine, run here by qemu-user, with all that it starts in turn.

The Python is Debian's for that machine, unpacked into a folder of its own (debian.py: nothing is installed). Inside a
user namespace of our own the kernel is told to hand that machine's programs to qemu (binfmt_misc, which is a
namespace's own since Linux 6.7), and the folder becomes the root: the machine outside is not changed. Needs
qemu-user-static. Standard library only, Python 3.8+.
"""

import os
import shutil
import subprocess

import debian

MACHINES = {  # machine: Debian's name for it, and the number in the head of its programs
    "aarch64": ("arm64", 0xB7),
}
ENTER = r"""
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
printf '%%s' '%(rule)s' >/proc/sys/fs/binfmt_misc/register
mount --rbind /proc "$ROOT/proc"
mount --bind /dev/null "$ROOT/dev/null"
exec chroot "$ROOT" "$@"
"""


def find_emulator(machine):
    emulator = shutil.which("qemu-%s-static" % machine)
    if emulator is None:
        raise debian.NotHere("there is no qemu-%s-static here (Debian's package qemu-user-static)" % machine)
    return emulator


def make_root(machine, suite, package, root):
    """Debian's `package` of that machine and all it needs, below `root`. NotHere if it cannot be had."""
    if os.path.exists(os.path.join(root, "complete")):
        return
    shutil.rmtree(root, ignore_errors=True)
    apt = debian.PrivateApt(os.path.join(root, "apt"), [suite], MACHINES[machine][0])
    apt.prepare()
    for deb in apt.download([package]):
        debian.unpack(deb, root, lambda path: path)
    shutil.rmtree(os.path.join(root, "apt"))
    for name in ("proc", "dev", "tmp", "work"):
        os.makedirs(os.path.join(root, name), exist_ok=True)
    open(os.path.join(root, "dev", "null"), "w").close()
    open(os.path.join(root, "complete"), "w").close()


def rule(machine, emulator):
    """The line for binfmt_misc: 64-bit little-endian programs of that machine, fixed or movable."""
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00" + bytes([MACHINES[machine][1], 0])
    mask = b"\xff" * 7 + b"\x00" + b"\xff" * 8 + b"\xfe\xff\xff\xff"
    text = ["".join("\\x%02x" % byte for byte in part) for part in (head, mask)]
    return ":%s:M::%s:%s:%s:OCF" % (machine, text[0], text[1], emulator)


def run(machine, root, words, **variables):
    """Run a program below `root`; its output, standard error with it. NotHere if it failed or could not be run."""
    path = "/usr/bin:/bin:/usr/sbin:/sbin"
    environment = {"PATH": path, "HOME": "/tmp", "LC_ALL": "C.UTF-8", "ROOT": root, **variables}
    script = "set -eu\n" + ENTER % {"rule": rule(machine, find_emulator(machine))}
    done = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", *words],
                          env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    if done.returncode != 0:
        raise debian.NotHere("%s ended with status %d: %s" % (words[0], done.returncode, done.stdout.strip()[-2000:]))
    return done.stdout
