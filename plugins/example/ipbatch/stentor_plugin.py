"""Serves a backend to Stentor: the wire of stentor.plugin.v1 without its SDK."""

import json
import os
import signal
import sys
import threading
import time
from concurrent import futures

import grpc

API = 1
MAX_MESSAGE = 16 << 20
# grpc.StatusCode's numbers, as google.rpc.Status has them.
NUMBERS = {code: code.value[0] for code in grpc.StatusCode}


class Fault(Exception):
    """An error with the code that tells core what to do."""

    def __init__(self, code, text, detail=None):
        super().__init__(text)
        self.code, self.detail = code, detail


def log(level, message, **more):
    """A line that arrives in Stentor's log with its level and keys."""
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())
    print(json.dumps({"@level": level, "@message": message, "@timestamp": now, **more}), file=sys.stderr, flush=True)


def field(number, value):
    """A length-delimited field of a protobuf message."""
    size, out = len(value), bytes([number << 3 | 2])
    while size > 0x7F:
        out, size = out + bytes([size & 0x7F | 0x80]), size >> 7
    return out + bytes([size]) + value


def status(fault):
    """google.rpc.Status: Debian has no Python package with it that gRPC needs."""
    name = fault.detail.DESCRIPTOR.full_name
    packed = field(1, b"type.googleapis.com/" + name.encode()) + field(2, fault.detail.SerializeToString())
    return bytes([1 << 3, NUMBERS[fault.code]]) + field(2, str(fault).encode()) + field(3, packed)


def guarded(call):
    """Turns what a call raises into a status."""

    def unary(request, context):
        try:
            return call(request, context)
        except Fault as fault:
            if fault.detail is not None:
                context.set_trailing_metadata((("grpc-status-details-bin", status(fault)),))
            context.abort(fault.code, str(fault))
        except Exception as e:  # one call's error is not the end of the process
            log("error", "a call failed", error=repr(e))
            context.abort(grpc.StatusCode.INTERNAL, f"{type(e).__name__}: {e}")

    return unary


def service(pb, name, calls, stream=()):
    """The handlers of one service of a _pb2 module."""
    handlers = {}
    for method in pb.DESCRIPTOR.services_by_name[name].methods:
        if method.name not in calls:
            continue  # gRPC answers UNIMPLEMENTED
        parse = getattr(pb, method.input_type.name).FromString
        write = getattr(pb, method.output_type.name).SerializeToString
        if method.name in stream:
            handlers[method.name] = grpc.unary_stream_rpc_method_handler(calls[method.name], parse, write)
        else:
            handlers[method.name] = grpc.unary_unary_rpc_method_handler(guarded(calls[method.name]), parse, write)
    return grpc.method_handlers_generic_handler(f"stentor.plugin.v1.{name}", handlers)


def fixed(name, method, answer, then=lambda: None):
    """A service with one method that always gives the same bytes."""

    def call(_request, _context):
        then()
        return answer

    return grpc.method_handlers_generic_handler(name, {method: grpc.unary_unary_rpc_method_handler(call)})


def serve(manifest, services):
    """The main function: answers a person, or serves until Stentor ends it."""
    if sys.argv[1:] == ["--manifest"]:
        print(json.dumps(manifest, indent=2))
        return 0
    if os.environ.get("STENTOR_PLUGIN") != "stentor.plugin":
        print(f"{manifest['name']} is a backend for Stentor, which starts it by itself.", file=sys.stderr)
        return 2
    if str(API) not in os.environ.get("PLUGIN_PROTOCOL_VERSIONS", "").split(","):
        print(f"{manifest['name']} speaks API {API}, and Stentor does not.", file=sys.stderr)
        return 2
    end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: end.set())
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), options=[
        ("grpc.max_receive_message_length", MAX_MESSAGE),
        # Core probes an idle connection every few seconds, which gRPC takes for
        # an attack by default (GOAWAY with too_many_pings).
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 1000),
        ("grpc.http2.max_ping_strikes", 0),
    ])
    server.add_generic_rpc_handlers(tuple(services) + (
        fixed("grpc.health.v1.Health", "Check", b"\x08\x01"),  # status: SERVING
        fixed("plugin.GRPCController", "Shutdown", b"", end.set),
    ))
    path = os.path.join(os.environ["PLUGIN_UNIX_SOCKET_DIR"], "plugin")
    server.add_insecure_port("unix:" + path)
    server.start()
    print(f"1|{API}|unix|{path}|grpc", flush=True)
    end.wait()
    server.stop(0.5).wait()
    return 0
