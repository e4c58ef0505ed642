"""Measures the handlers of a Flask-like application and pushes to llmwatch.

Run as a script it serves 25 made-up requests, 3 of which fail, and pushes them
to the llmwatch at LLMWATCH_URL (http://localhost:5000). It needs `requests`.

In an application:

    pusher = Pusher("http://localhost:5000")
    pusher.start()

    @app.post("/api/v1/generate")
    @pusher.measured("POST", "/api/v1/generate")
    def generate(): ...
"""

import collections
import datetime
import functools
import logging
import os
import sys
import threading
import time

import requests
from urllib3.exceptions import NewConnectionError

BATCH = 1000  # Events a push.
INTERVAL = 1.0  # Seconds between pushes.


def never_sent(error):
    """Says whether a request failed before anything was sent."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(error, requests.ConnectTimeout) or isinstance(reason, NewConnectionError)


class Pusher:
    """Gathers events and pushes them in batches, off the path of requests."""

    def __init__(self, url):
        self.url = url.rstrip("/") + "/api/v1/monitoring/metrics/api"
        # While llmwatch is away the oldest events go first. Appending to and
        # popping from a deque is safe in threads.
        self.events = collections.deque(maxlen=10 * BATCH)

    def measured(self, method, route):
        """Decorates a handler that returns a body, or a body and a status."""

        def decorate(handler):
            @functools.wraps(handler)
            def wrapper(*args, **kwargs):
                begin = time.perf_counter()
                status = 500  # What the framework makes of an exception.
                try:
                    answer = handler(*args, **kwargs)
                    status = answer[1] if isinstance(answer, tuple) else 200
                    return answer
                finally:
                    self.events.append({
                        "timestamp": datetime.datetime.now(datetime.timezone.utc).isoformat(),
                        "route": route,  # The template; a raw path would go to "endpoint".
                        "method": method,
                        "status_code": status,
                        "response_time_ms": (time.perf_counter() - begin) * 1000,
                    })

            return wrapper

        return decorate

    def flush(self):
        """Pushes what has been gathered. Returns how many events were counted.

        One thread at a time: once start() was called, its own. What llmwatch has
        certainly not counted is kept for the next time. If only the answer was lost,
        the batch has been counted already, and is not sent again.
        """
        accepted = 0
        while self.events:
            batch = [self.events.popleft() for _ in range(min(BATCH, len(self.events)))]
            try:
                response = requests.post(self.url, json=batch, timeout=5)
            except requests.ConnectionError as error:
                if never_sent(error):
                    self.put_back(batch)
                raise
            if response.status_code in (429, 503):  # Refused unread: busy, or starting.
                self.put_back(batch)
            if not response.ok:
                raise requests.HTTPError(f"{response.status_code}: {response.text}", response=response)
            answer = response.json()
            for error in answer["errors"]:
                logging.warning("llmwatch refused event %(index)d: %(error)s", error)
            accepted += answer["accepted"]
        return accepted

    def put_back(self, batch):
        """Keeps a batch for the next flush, its newest events first if room is short."""
        while batch and len(self.events) < self.events.maxlen:
            self.events.appendleft(batch.pop())

    def start(self):
        """Flushes every second in the background; failures are only logged."""

        def run():
            while True:
                time.sleep(INTERVAL)
                try:
                    self.flush()
                except requests.RequestException as error:
                    logging.warning("pushing to llmwatch failed: %s", error)

        threading.Thread(target=run, name="llmwatch-push", daemon=True).start()


def main():
    pusher = Pusher(os.environ.get("LLMWATCH_URL", "http://localhost:5000"))

    @pusher.measured("POST", "/api/v1/generate")
    def generate(number):
        if number % 8 == 7:
            raise RuntimeError("the model is out of memory")
        return {"text": "hello"}, 200

    for number in range(25):
        try:
            generate(number)
        except RuntimeError:
            pass  # Number 7, 15 and 23: the framework would answer 500.

    try:
        accepted = pusher.flush()
    except requests.RequestException as error:
        sys.exit(f"pushing to {pusher.url} failed: {error}")
    print(f"pushed 25 events, {accepted} counted")
    if accepted != 25:
        sys.exit(1)


if __name__ == "__main__":
    main()
