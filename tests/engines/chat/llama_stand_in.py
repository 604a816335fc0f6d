"""Stands in for llama.cpp's server: its flags, its variables, its end points, and its ways to fail.

What it does is written in the "model" behind the magic: "bad" cannot be loaded, "mortal" dies on the word "die".
"""

import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FLAGS = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
MODEL = Path(FLAGS["--model"])
HERE = Path(__file__).parent


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    polls = 0

    def do_GET(self) -> None:
        if self.path == "/health":
            Answering.polls += 1
            is_loaded = Answering.polls > 2
            self.send(200 if is_loaded else 503, {"status": "ok"} if is_loaded else {"error": "Loading model"})
        else:
            self.send(200, {"data": [{"id": FLAGS["--alias"]}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        (HERE / "asked.json").write_text(json.dumps(body))
        if self.headers["Authorization"] != f"Bearer {os.environ['LLAMA_API_KEY']}":
            self.send(401, {"error": {"message": "Invalid API Key"}})
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.say("Hello")
        if "die" in body["messages"][-1]["content"]:
            print("GGML_ASSERT(n_tokens > 0) failed", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        self.say(" there", "stop")
        self.wfile.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")

    def say(self, text: str, finish: str | None = None) -> None:
        data = (
            b"data: %s\n\n" % json.dumps({"choices": [{"delta": {"content": text}, "finish_reason": finish}]}).encode()
        )
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def send(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    variables = {name: value for name, value in os.environ.items() if name.startswith("LLAMA_")}
    told = {"flags": FLAGS, "variables": variables, "group": os.getpgrp(), "pid": os.getpid()}
    (HERE / "started.json").write_text(json.dumps(told))
    print("main: loading model", flush=True)
    if b"bad" in MODEL.read_bytes():
        print("llama_model_load: error loading model: tensor 'output.weight' is missing", flush=True)
        sys.exit(1)
    if b"stuck" in MODEL.read_bytes():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    server = ThreadingHTTPServer((FLAGS["--host"], int(FLAGS["--port"])), Answering)
    server.daemon_threads = True
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    server.serve_forever()


if __name__ == "__main__":
    main()
