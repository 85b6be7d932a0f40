"""Clients that ask a daemon for random models and compare every answer."""
import bisect, dataclasses, itertools, random, threading, time

from thimble import Client

RETRIES_MAX = 50
SHOWN_MAX = 8


@dataclasses.dataclass
class Question:
    model: object
    inputs: list
    expected: list


def questions(program, models, count, options=()):
    """`count` random inputs a model with what `thimble run` answers; models that it does not run are said and left out."""
    asked = []
    for model in models:
        for seed in range(count):
            inputs = model.random_inputs(seed)
            expected, _, result = program.answer(model, inputs, options)
            if expected is None:
                print(f"LEFT OUT: {model.name}: {result.error.strip()}")
                break
            asked.append(Question(model, inputs, expected))
    return asked


class Crowd:
    """Asks from `clients` threads, each on its own connection, until stopped.

    A 503 is asked again after what Retry-After says, at most 50 times; a request that is never answered with 200 is
    unanswered.
    """

    def __init__(self, socket, asked, clients, seed, skew=0.0):
        self.socket, self.asked = socket, asked
        names = list(dict.fromkeys(question.model.name for question in asked))
        random.Random(seed).shuffle(names)
        weight = {name: (rank + 1) ** -skew for rank, name in enumerate(names)}
        self._cumulative = list(itertools.accumulate(weight[question.model.name] for question in asked))
        self.seconds, self.wrong, self.unanswered, self.retried = [], [], [], 0
        self.models_answered = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(random.Random(f"{seed} {index}"),))
                         for index in range(clients)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        """Every request that was begun is answered or given up before this returns."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def answered(self):
        return len(self.seconds)

    def percentile_milliseconds(self, percent):
        times = sorted(self.seconds)
        return 1e3 * times[min(len(times) - 1, len(times) * percent // 100)] if times else float("nan")

    def report(self):
        """Prints the figures and what is wrong; returns whether all is right."""
        print(f"  {self.answered} answers from {len(self.models_answered)} models, {len(self.wrong)} with wrong bytes, "
              f"{len(self.unanswered)} requests unanswered, {self.retried} asked again after 503; "
              f"p50 {self.percentile_milliseconds(50):.2f} ms, p99 {self.percentile_milliseconds(99):.2f} ms")
        for kind, texts in (("WRONG BYTES", self.wrong), ("UNANSWERED", self.unanswered)):
            for text, count in _counted(texts)[:SHOWN_MAX]:
                print(f"{kind}: {count} × {text}")
        return self.answered > 0 and not self.wrong and not self.unanswered

    def _ask(self, generator):
        client = None
        while not self._stop.is_set():
            question = self.asked[bisect.bisect(self._cumulative, generator.random() * self._cumulative[-1])]
            start = time.monotonic()
            try:
                client = client or Client(self.socket)
                status, outputs = self._infer(client, question)
            except Exception as error:  # whatever goes wrong, the request has no answer
                if client:
                    client.socket.close()
                client, status, outputs = None, None, f"{type(error).__name__}: {error}"
            elapsed = time.monotonic() - start
            with self._lock:
                if status != 200:
                    self.unanswered.append(f"{question.model.name}: {status} {outputs}"[:300])
                else:
                    self.seconds.append(elapsed)
                    self.models_answered.add(question.model.name)
                    if outputs != question.expected:
                        self.wrong.append(question.model.name)
            if status is None:
                self._stop.wait(0.1)

    def _infer(self, client, question):
        for _ in range(RETRIES_MAX):
            status, headers, outputs = client.infer(question.model, question.inputs)
            if status != 503 or "retry-after" not in headers:
                break
            with self._lock:
                self.retried += 1
            time.sleep(min(1.0, float(headers["retry-after"])))
        return status, outputs


def _counted(texts):
    counts = {text: 0 for text in texts}
    for text in texts:
        counts[text] += 1
    return sorted(counts.items(), key=lambda pair: -pair[1])
