"""Network backend ipbatch: addresses on lo, and in a file for `ip -batch`."""

import hashlib
import ipaddress
import json
import os
import re
import select
import socket
import subprocess
import sys
import threading

from grpc import StatusCode
from stentor.plugin.v1 import common_pb2 as common
from stentor.plugin.v1 import network_pb2 as network

import stentor_plugin
from stentor_plugin import Fault

MANIFEST = {"name": "ipbatch", "kind": "network", "version": "1.0", "api": stentor_plugin.API, "caps": ["persist"]}
DEFAULT = "/etc/stentor/addresses.batch"
OWNER = "# written by Stentor's backend ipbatch, sha256="
ADVICE = "# At boot: ip -force -batch THIS-FILE. Do not edit it: change stentor.toml.\n"
LINE = re.compile(r"(#adopted )?address replace (\S+) dev lo # ([A-Za-z0-9_.-]+)")
MAX_FILE = 1 << 20


def ip(*args, stdin=""):
    done = subprocess.run(("ip",) + args, input=stdin, capture_output=True, text=True, timeout=20)
    if done.returncode:
        raise Fault(StatusCode.UNKNOWN, f"ip {' '.join(args)}: {done.stderr.strip()}")
    return done.stdout


def live():
    """The links of each address on the host, those of lo first."""
    found = {}
    for link in json.loads(ip("-json", "address", "show")):
        for a in link.get("addr_info", []):
            if "local" in a:
                found.setdefault(ipaddress.ip_address(a["local"]), []).append(link["ifname"])
    return {a: "lo" if "lo" in links else links[0] for a, links in found.items()}


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


def render(entries):
    """The file for {address: (VIP's name, adopted)}."""
    if not entries:
        return ""
    body = ADVICE
    for a, (name, adopted) in sorted(entries.items(), key=lambda e: (e[0].version, e[0])):
        body += f"{'#adopted ' if adopted else ''}address replace {a}/{a.max_prefixlen} dev lo # {name}\n"
    return OWNER + sha(body) + "\n" + body


def diff(old, new):
    """The lines that go and come."""
    before, after = old.splitlines(), new.splitlines()
    had, has = set(before), set(after)
    return "\n".join([f"-{l}" for l in before if l not in has] + [f"+{l}" for l in after if l not in had])


class Backend:
    def __init__(self):
        self.mutex = threading.Lock()  # a call that was cut off may still be at work

    # BackendService

    def Info(self, _request, _context):
        return common.InfoResponse(name="ipbatch", version="1.0", api=stentor_plugin.API, kind=common.KIND_NETWORK, caps=["persist"])

    def Configure(self, request, _context):
        self.path, self.force, self.state = DEFAULT, request.force, request.state_dir
        for key, value in request.settings.entries.items():
            if key != "file":
                self.mistake(key, "unknown key", "it knows file")
            if not value.text.startswith("/"):
                self.mistake(key, "must be an absolute path", "as " + DEFAULT)
            self.path = value.text
        if request.root:
            raise Fault(StatusCode.UNIMPLEMENTED, "ipbatch knows the running host alone")
        return common.ConfigureResponse()

    def mistake(self, key, message, hint):
        detail = common.ErrorDetail(config=common.ConfigMistake(key=key, message=message, hint=hint))
        raise Fault(StatusCode.INVALID_ARGUMENT, f"{key}: {message}", detail)

    def Detect(self, _request, _context):
        return common.DetectResponse(score=0, why="only if it is named: nothing loads its file at boot by itself")

    def Watch(self, _request, context):
        """Looks whenever the kernel tells of an address (rtnetlink(7))."""
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as events:
            events.bind((0, 0x10 | 0x100))  # RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
            while context.is_active():
                if select.select([events], [], [], 0.2)[0]:
                    events.recv(1 << 16)
                    for state in self.ObserveVIPs(None, context).vips:
                        if state.drift:
                            yield common.WatchResponse(change=common.Change(object=state.vip.name, why=state.drift, lost=not state.on_host))

    def Close(self, _request, _context):
        return common.CloseResponse()

    # NetworkBackendService

    def read(self):
        """What stands in the file, as {address: (name, adopted)}, its text, and whether it was edited."""
        try:
            with open(self.path, encoding="utf-8", errors="replace") as f:
                text = f.read(MAX_FILE + 1)
        except FileNotFoundError:
            return {}, "", False
        first, _, body = text.partition("\n")
        if not first.startswith(OWNER) or len(text) > MAX_FILE:
            raise Fault(StatusCode.ALREADY_EXISTS, f"{self.path} is not a file of ipbatch, and is left alone; move it away")
        entries = {}
        for adopted, prefix, name in (m.groups() for m in map(LINE.fullmatch, body.splitlines()) if m):
            entries[ipaddress.ip_interface(prefix).ip] = (name, bool(adopted))
        return entries, text, first != OWNER + sha(body)

    def write(self, text):
        """Whole or not at all."""
        draft = self.path + ".new"
        if not text:
            for path in (self.path, draft):
                if os.path.exists(path):
                    os.remove(path)
            return
        with open(draft, "w", encoding="utf-8") as f:
            f.write(text)
            f.flush()
            os.fsync(f.fileno())
        os.replace(draft, self.path)

    def compare(self, want):
        """What keeps the host from holding exactly want: both Plan and Apply go by it."""
        have, text, edited = self.read()
        if edited and not self.force:
            raise Fault(StatusCode.ALREADY_EXISTS, f"{self.path} was edited by hand, and is kept; undo that, or run: stentor apply --force")
        there, following, add = live(), {}, []
        for vip in want:
            if vip.link != "lo" or not re.fullmatch("[A-Za-z0-9_.-]+", vip.name):
                raise Fault(StatusCode.UNIMPLEMENTED, f"VIP {vip.name} on {vip.link}: ipbatch knows lo alone, and plain names")
            a = ipaddress.ip_address(vip.address)
            following[a] = (vip.name, a in there and have.get(a, (vip.name, True))[1])
            if a not in there:
                add.append(a)
        remove = [a for a, (_, adopted) in have.items() if a not in following and not adopted and there.get(a) == "lo"]
        return have, text, edited, following, add, remove

    def PlanVIPs(self, request, _context):
        with self.mutex:
            _, text, _, following, add, remove = self.compare(request.want)
        steps, new = [], render(following)
        if text != new:
            verb = "add" if not text else "change" if new else "remove"
            steps.append(common.Step(verb=verb, object=self.path, diff=diff(text, new)))
        steps += [common.Step(verb="add", object=f"address {a}/{a.max_prefixlen} on lo") for a in add]
        steps += [common.Step(verb="remove", object=f"address {a}/{a.max_prefixlen} on lo") for a in remove]
        return network.PlanVIPsResponse(plan=common.Plan(steps=steps))

    def ApplyVIPs(self, request, context):
        with self.mutex:
            if not context.is_active():
                raise Fault(StatusCode.CANCELLED, "the call was cut off before it began")
            have, text, edited, following, add, remove = self.compare(request.want)
            new = render(following)
            if text == new and not add and not remove:
                return network.ApplyVIPsResponse()
            if edited:
                with open(os.path.join(self.state, "edited-" + sha(text)[:12]), "w", encoding="utf-8") as f:
                    f.write(text)
            batch = lambda verb, addrs: "".join(f"address {verb} {a}/{a.max_prefixlen} dev lo\n" for a in addrs)
            try:
                # Known as ours before it is on the host, and until it is off.
                self.write(render({**have, **following}))
                ip("-batch", "-", stdin=batch("replace", add) + batch("del", remove))
                self.write(new)
            except (Fault, OSError, subprocess.TimeoutExpired):
                back = batch("del", add) + batch("replace", remove)
                subprocess.run(("ip", "-force", "-batch", "-"), input=back, capture_output=True, text=True, timeout=20)
                self.write(text)
                raise
            stentor_plugin.log("debug", "applied", added=len(add), removed=len(remove))
            return network.ApplyVIPsResponse()

    def ObserveVIPs(self, _request, _context):
        with self.mutex:
            entries, _, edited = self.read()
            there = live()
        states = []
        for a, (name, adopted) in entries.items():
            on_host = there.get(a) == "lo"
            drift = f"{a} is not on lo" if not on_host else f"{self.path} was edited by hand" if edited else ""
            states.append(network.VIPState(vip=network.VIP(name=name, address=str(a), link="lo"), on_host=on_host, adopted=adopted, drift=drift))
        return network.ObserveVIPsResponse(vips=states)


def main():
    b = Backend()
    calls = {name: getattr(b, name) for name in dir(b) if name[0].isupper()}
    return stentor_plugin.serve(MANIFEST, [
        stentor_plugin.service(common, "BackendService", calls, stream=("Watch",)),
        stentor_plugin.service(network, "NetworkBackendService", calls),
    ])


if __name__ == "__main__":
    sys.exit(main())
