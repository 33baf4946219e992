"""The gRPC service of `proto/dwell/v1/events.proto` in Python, which pushes each event to Redis: the yardstick of the gateway's.

usage: REDIS_URL=URL PROTO=FOLDER python grpc_events.py PORT

Makes the classes of the contract in the current folder, and prints "ready". What it has answered is in Redis's memory only.
"""

import os
import sys
from concurrent import futures
from importlib import resources

import grpc
import redis
from grpc_tools import protoc

CONTRACT = "dwell/v1/events.proto"

well_known = str(resources.files("grpc_tools") / "_proto")
failed = protoc.main(
    ["", f"-I{os.environ['PROTO']}", f"-I{well_known}", "--python_out=.", "--grpc_python_out=.", CONTRACT]
)
if failed:
    sys.exit("the classes of the contract were not made")
sys.path.insert(0, os.getcwd())

from dwell.v1 import events_pb2, events_pb2_grpc  # noqa: E402

store = redis.Redis.from_url(os.environ["REDIS_URL"])


class Events(events_pb2_grpc.EventsServicer):
    def Report(self, request_iterator, context):
        accepted = 0
        for request in request_iterator:
            for event in request.events:
                store.lpush("events", event.SerializeToString())
                accepted += 1
        return events_pb2.ReportResponse(accepted=accepted)


server = grpc.server(futures.ThreadPoolExecutor(max_workers=10))
events_pb2_grpc.add_EventsServicer_to_server(Events(), server)
server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
server.start()
print("ready", flush=True)
server.wait_for_termination()
