# SPDX-License-Identifier: Apache-2.0
"""Packages and sources of newer Debian releases, without touching the system's own package state.

A private apt (its own lists, cache and empty "installed" list in one folder) asks the mirror that the machine's apt
already uses, for suites the machine is not subscribed to. Nothing is installed: archives are downloaded, checked by
apt against Debian's keys as ever, and unpacked by the caller. No root needed. Standard library only, Python 3.8+.
"""

import glob
import os
import shutil
import subprocess
import tarfile

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
NEEDED = ["apt-get", "apt-cache", "dpkg-deb"]
# apt has checked who made these archives; newer Pythons would refuse some links that packages hold
TRUSTED = {"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}


class NotHere(Exception):
    """Something that cannot be had on this machine; the text is one sentence that says what."""


def run(command, **more):
    """Run a program, return its output; NotHere with its last words if it fails."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more
    )
    text = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        lines = [line for line in text.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("E: ") or "rror" in line]
        last = (errors or lines or ["ended with status %d" % done.returncode])[0].strip()
        raise NotHere("%s: %s" % (os.path.basename(command[0]), last))
    return text


def find_mirror():
    """The address of the Debian mirror that this machine's apt is set up with, whatever it is."""
    for tool in NEEDED:
        if not shutil.which(tool):
            raise NotHere("%s is not on this machine: newer Pythons are taken from Debian's packages" % tool)
    text = run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)", "Created-By: Packages"]
    )
    for line in text.splitlines():
        origin, label, address = (line.split("|") + ["", ""])[:3]
        if origin == "Debian" and label == "Debian":
            return address
    raise NotHere("apt knows no Debian mirror here; on Debian, 'apt-get update' as root makes it known")


class PrivateApt:
    """An apt of our own in a folder, for this machine or another (Debian's name of it, such as arm64)."""

    def __init__(self, folder, suites, architecture=None):
        self.folder = folder
        self.suites = suites
        self.architecture = architecture
        self.conf = os.path.join(folder, "apt.conf")

    def prepare(self):
        """Write the configuration and fetch the lists. NotHere if there is no mirror or it does not answer."""
        mirror = find_mirror()
        for name in ("lists/partial", "cache/archives/partial", "empty"):
            os.makedirs(os.path.join(self.folder, name), exist_ok=True)
        signed = "Signed-By: %s\n" % KEYRING if os.path.exists(KEYRING) else ""
        self._write(
            "debian.sources",
            "Types: deb deb-src\nURIs: %s\nSuites: %s\nComponents: main\n%s"
            % (mirror, " ".join(self.suites), signed),
        )
        self._write("status", "")
        settings = {
            "Dir::State": self.folder,
            "Dir::State::status": os.path.join(self.folder, "status"),
            "Dir::Cache": os.path.join(self.folder, "cache"),
            "Dir::Etc::SourceList": os.path.join(self.folder, "debian.sources"),
            "Dir::Etc::SourceParts": os.path.join(self.folder, "empty"),
            "Acquire::Check-Valid-Until": "false",
            "Acquire::Languages": "none",
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "",
            # the private folder is never the system's: nothing in it may be taken for installed
            "Debug::NoLocking": "true",
        }
        if self.architecture:
            settings["APT::Architecture"] = self.architecture
            settings["APT::Architectures"] = self.architecture
        self._write("apt.conf", "".join('%s "%s";\n' % item for item in sorted(settings.items())))
        self._apt("apt-get", "-qq", "update")

    def _write(self, name, text):
        with open(os.path.join(self.folder, name), "w") as file:
            file.write(text)

    def _apt(self, *command, **more):
        return run(list(command), env=dict(os.environ, APT_CONFIG=self.conf, LC_ALL="C"), **more)

    def download(self, packages):
        """Fetch packages with all that they depend on; return the paths of the .deb files."""
        archives = os.path.join(self.folder, "cache", "archives")
        for old in glob.glob(os.path.join(archives, "*.deb")):
            os.unlink(old)
        self._apt("apt-get", "-qq", "-y", "--download-only", "install", *packages)
        return sorted(glob.glob(os.path.join(archives, "*.deb")))

    def source(self, package, folder):
        """Fetch and unpack the original source of the newest version that the mirror holds; return its folder."""
        os.makedirs(folder, exist_ok=True)
        text = self._apt("apt-cache", "showsrc", "--only-source", package)
        versions = [line.split()[1] for line in text.splitlines() if line.startswith("Version: ")]
        if not versions:
            raise NotHere("the Debian mirror lists no source of %s" % package)
        for version in sorted(set(versions), key=natural_key, reverse=True):
            fetch = ["-qq", "--download-only", "--tar-only", "source", "%s=%s" % (package, version)]
            try:
                self._apt("apt-get", *fetch, cwd=folder)
            except NotHere:
                continue  # listed, but the mirror does not hold the file: the next older one may be there
            (archive,) = glob.glob(os.path.join(folder, "*.orig.tar.*[!c]"))
            with tarfile.open(archive) as tar:
                tar.extractall(folder, **TRUSTED)
            os.unlink(archive)
            (tree,) = (entry.path for entry in os.scandir(folder) if entry.is_dir())
            return tree
        raise NotHere("the Debian mirror lists the source of %s but does not hold its files" % package)


def natural_key(version):
    """Orders 3.14.9-1 before 3.14.10-1."""
    return [int(part) if part.isdigit() else 0 for part in version.replace("-", ".").split(".")]


def unpack(deb, folder, wanted):
    """Unpack those files of a .deb whose path `wanted(path)` maps to a new relative path (None: leave out)."""
    process = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE)
    with tarfile.open(fileobj=process.stdout, mode="r|") as tar:
        for member in tar:
            target = wanted(os.path.normpath(member.name))
            if target is None or member.isdir():
                continue
            member.name = target
            if member.islnk():
                member.linkname = wanted(os.path.normpath(member.linkname)) or member.linkname
            place = os.path.join(folder, target)
            if os.path.lexists(place):
                os.unlink(place)
            tar.extract(member, folder, **TRUSTED)
    process.stdout.close()
    if process.wait() != 0:
        raise NotHere("%s could not be unpacked" % os.path.basename(deb))
