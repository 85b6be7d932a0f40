"""A stand-in for the daemon that does what a test wants: one thread a connection, requests answered by a function."""
import json
import os
import socket
import threading


class Request:
    def __init__(self, line, headers, body):
        self.method, self.path = line.split(" ")[:2]
        self.headers = headers
        self.body = body

    @property
    def json(self):
        length = int(self.headers.get("inference-header-content-length", len(self.body)))
        return json.loads(self.body[:length])

    @property
    def tensors(self):
        return self.body[int(self.headers["inference-header-content-length"]):]


def reply(body=b"{}", status="200 OK", header_length=None, more=""):
    length = "" if header_length is None else f"Inference-Header-Content-Length: {header_length}\r\n"
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{length}{more}\r\n".encode() + body


def tensor_reply(data, request_id=""):
    """The answer of a model with one output of bytes."""
    head = json.dumps({
        "model_name": "fake", "model_version": "1", "id": request_id,
        "outputs": [{"name": "y", "datatype": "UINT8", "shape": [len(data)],
                     "parameters": {"binary_data_size": len(data)}}]}).encode()
    return reply(head + data, header_length=len(head))


class FakeDaemon:
    """`answer(request, connection)` returns the bytes of an answer, or None to hang up."""

    def __init__(self, path, answer):
        self.path, self.answer = path, answer
        self.connections = 0
        self.hung_up = threading.Semaphore(0)
        if os.path.exists(path):
            os.unlink(path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(128)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        file = connection.makefile("rb")
        try:
            while True:
                line = file.readline().decode().strip()
                if not line:
                    break
                headers = {}
                while (text := file.readline().decode().strip()):
                    name, value = text.split(": ", 1)
                    headers[name.lower()] = value
                request = Request(line, headers, file.read(int(headers.get("content-length", 0))))
                answer = self.answer(request, connection)
                if answer is None:
                    connection.shutdown(socket.SHUT_RDWR)
                    break
                connection.sendall(answer)
        except OSError:
            pass
        connection.close()
        self.hung_up.release()

    def close(self):
        self.listener.close()
        os.unlink(self.path)
