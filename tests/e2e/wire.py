"""A TCP proxy between a client and a server, both of this machine: cuts connections when told, counts bytes, and writes down what
was asked."""

import re
import socket
import struct
import threading

REQUEST = re.compile(rb"(GET|HEAD|POST|PUT|PATCH|DELETE) (\S+) HTTP/1\.1\r\n((?:[^\r\n]+\r\n)*)\r\n")
RESET = struct.pack("ii", 1, 0)


class Wire:
    def __init__(self, server=None):
        self.server, self.lock = server, threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.requests, self.cuts_left, self.cut_after, self.cut_up, self.cuts = [], 0, 0, False, 0
        self.passed = {True: 0, False: 0}
        threading.Thread(target=self.accept, daemon=True).start()

    def cut(self, after, times=1, up=False, gently=False):
        """The next `times` connections that carry more than `after` bytes (up: of the client) are reset there; gently: ended, so that
        what was on its way still arrives. Forgets what was asked."""
        with self.lock:
            self.requests, self.cuts_left, self.cut_after, self.cut_up, self.cuts = [], times, after, up, 0
            self.gently = gently

    def asked(self, method, text=""):
        """The paths of requests by that method that contain `text`."""
        return [path for m, path, _ in self.requests if m == method and text in path]

    def moved(self):
        """Bytes (up, down) since the last call."""
        with self.lock:
            out, self.passed = (self.passed[True], self.passed[False]), {True: 0, False: 0}
        return out

    def ranges(self):
        return [headers for _, _, headers in self.requests if "\r\nrange:" in "\r\n" + headers.lower()]

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self.server.split(":"))
            except OSError:
                client.close()
                continue
            for up in (True, False):
                threading.Thread(target=self.pump, args=(client, server, up), daemon=True).start()

    def pump(self, client, server, up):
        source, target = (client, server) if up else (server, client)
        carried, seen = 0, b""
        try:
            while data := source.recv(1 << 16):
                carried += len(data)
                if up:
                    seen = self.note(seen + data)
                if self.take_cut(carried, up):
                    for end in (client, server):
                        if not self.gently:
                            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                        end.shutdown(socket.SHUT_RDWR)
                    break
                target.sendall(data)
                with self.lock:
                    self.passed[up] += len(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        finally:
            source.close()

    def take_cut(self, carried, up):
        with self.lock:
            if up != self.cut_up or self.cuts_left == 0 or carried <= self.cut_after:
                return False
            self.cuts_left -= 1
            self.cuts += 1
            return True

    def note(self, data):
        end = 0
        for match in REQUEST.finditer(data):
            end = match.end()
            self.requests.append((match[1].decode(), match[2].decode(), match[3].decode(errors="replace")))
        return data[max(end, len(data) - 20_000) :]

    def close(self):
        self.listener.close()
