#!/usr/bin/env python3
"""Tables of what Python's csv and NumPy have written, asked by tritonclient and compared with them: tables.py THIMBLE"""
import contextlib, csv, json, os, pathlib, random, socket, subprocess, sys, tempfile, time
import http.client
import numpy as np

if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
    sys.exit(__doc__)
THIMBLE = os.path.abspath(sys.argv[1])
WORDS, ROWS, WIDTH = 20_000, 5_000, 100


def check(what, holds):
    if not holds:
        sys.exit(f"tables.py: {what}")


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(60)
        self.sock.connect(self.path)


def ask(connection, method, url, body=None, headers={}):
    connection.request(method, url, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read(), answer.headers


def tensors(connection, model, name, datatype, values, shape=None, parameters=None, outputs=None, status=200):
    """As JSON."""
    request = {"inputs": [{"name": name, "datatype": datatype, "shape": shape or [len(values)], "data": values}]}
    if parameters:
        request["parameters"] = parameters
    if outputs:
        request["outputs"] = [{"name": output} for output in outputs]
    found, body, _ = ask(connection, "POST", f"/v2/models/{model}/infer", json.dumps(request))
    check(f"{model}: {found} {body[:300]}", found == status)
    answer = json.loads(body)
    return answer["error"] if status != 200 else {o["name"]: (o["shape"], o["data"]) for o in answer["outputs"]}


def make(folder):
    chance, numbers = random.Random(1), np.random.default_rng(1)
    words = {}
    for i in range(WORDS):
        word = f'word "{i}", ü\n' if i % 1000 == 7 else f"word{i}"
        words[word] = (chance.randrange(-10**12, 10**12), f"{chance.random():.5f}", f"category {i % 17}, {'x' * (i % 50)}")
    with open(f"{folder}/words.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["word", "count", "score", "category"])
        items = list(words.items())
        chance.shuffle(items)
        writer.writerows([word, *values] for word, values in items)
    matrix = numbers.standard_normal((ROWS, WIDTH)).astype("float32")
    np.save(f"{folder}/floats.npy", matrix)
    np.save(f"{folder}/bytes.npy", numbers.integers(-128, 128, (ROWS, WIDTH), dtype="int8"))
    pathlib.Path(folder, "keys.txt").write_text("".join(f"key {i}\n" for i in range(ROWS)))
    for name, *options in (
        ("words", "words.csv"), ("floats", "floats.npy"), ("quantized", "floats.npy", "--int8"), ("bytes", "bytes.npy"),
        ("keyed", "floats.npy", "--keys", f"{folder}/keys.txt"),
    ):
        os.makedirs(f"{folder}/repository/{name}/1")
        subprocess.run([THIMBLE, "import", f"{folder}/{options[0]}", *options[1:], "-o", f"{folder}/repository/{name}/1/model.thimble"],
                       check=True, stdout=subprocess.DEVNULL)
    return words, matrix, np.load(f"{folder}/bytes.npy")


def rows(connection, words, matrix, whole):
    wanted = list(words)[::97] + ["nobody's", ""]
    answer = tensors(connection, "words", "key", "BYTES", wanted)
    check("found", answer["found"][1] == [word in words for word in wanted])
    for place, word in enumerate(wanted):
        count, score, category = words.get(word, (0, "0", ""))
        got = [answer[name][1][place] for name in ("count", "score", "category")]
        check(f"{word}: {got}", got == [count, got[1], category] and np.float32(got[1]) == np.float32(score))
    check("outputs", list(tensors(connection, "words", "key", "BYTES", ["word1"], outputs=["category"])) == ["category"])
    numbers = [0, 1, ROWS - 1, ROWS, -1, 2**62]
    for model, expected in ("floats", matrix), ("bytes", whole):
        answer = tensors(connection, model, "id", "INT64", numbers)
        check(f"{model} found", answer["found"][1] == [True] * 3 + [False] * 3)
        vectors = np.array(answer["vector"][1], expected.dtype).reshape(answer["vector"][0])
        check(f"{model} rows", np.array_equal(vectors[:3], expected[[0, 1, ROWS - 1]]) and not vectors[3:].any())
    answer = tensors(connection, "quantized", "id", "INT64", list(range(50)))
    vectors = np.array(answer["vector"][1], "float32").reshape(50, WIDTH) * np.array(answer["scale"][1], "float32")[:, None]
    steps = np.abs(matrix[:50]).max(axis=1, keepdims=True) / 127
    check("quantized rows", (np.abs(vectors - matrix[:50]) <= steps * 0.5001).all())
    keys = tensors(connection, "keyed", "key", "BYTES", ["key 17", "key 4999"])
    check("keyed rows", np.array_equal(np.array(keys["vector"][1], "float32").reshape(2, WIDTH), matrix[[17, 4999]]))


def neighbors(connection, matrix, whole):
    queries = np.random.default_rng(2).standard_normal((3, WIDTH)).astype("float32")
    answer = tensors(connection, "quantized", "id", "INT64", list(range(ROWS)), outputs=["vector", "scale"])
    quantized = np.array(answer["vector"][1], "float64").reshape(ROWS, WIDTH) * np.array(answer["scale"][1])[:, None]
    for model, rows in ("floats", matrix), ("bytes", whole), ("quantized", quantized), ("keyed", matrix):
        for count in 1, 10, 300:
            answer = tensors(connection, model, "vector", "FP32", queries.ravel().tolist(), [3, WIDTH], {"thimble_neighbors": count})
            scores = np.array(answer["neighbor_scores"][1]).reshape(3, count)
            ids = answer["neighbor_keys" if model == "keyed" else "neighbor_ids"][1]
            ids = np.array([int(str(i).split()[-1]) for i in ids]).reshape(3, count)
            expected = queries.astype("float64") @ rows.T.astype("float64")
            for query in range(3):
                best = np.sort(expected[query])[::-1][:count]
                close = 1e-5 * np.abs(rows).max() * WIDTH
                check(f"{model} scores", np.allclose(scores[query], best, atol=close))
                check(f"{model} ids", np.allclose(expected[query][ids[query]], scores[query], atol=close) and len(set(ids[query])) == count)
    default = tensors(connection, "floats", "vector", "FP32", queries[0].tolist(), [WIDTH])
    check("the default", default["neighbor_ids"][0] == [1, 10] and list(default) == ["neighbor_ids", "neighbor_scores"])


def refusals(connection):
    for expected, *question in (
        ("one of its inputs", "words", "key", "BYTES", ["a"]),
        ("no input", "words", "id", "INT64", [1]),
        ("INT64", "floats", "id", "INT32", [1]),
        ("shape", "floats", "vector", "FP32", [1.0] * 7),
        ("has no output", "floats", "id", "INT64", [1], None, None, ["neighbor_ids"]),
        ("at most", "floats", "vector", "FP32", [1.0] * WIDTH, None, {"thimble_neighbors": 100_000}),
        ("string", "words", "key", "BYTES", [3]),
    ):
        if expected == "one of its inputs":
            two = [{"name": "key", "datatype": "BYTES", "shape": [1], "data": ["a"]}, {"name": "b", "datatype": "BYTES", "shape": [1], "data": ["a"]}]
            status, body, _ = ask(connection, "POST", "/v2/models/words/infer", json.dumps({"inputs": two}))
            check(f"{status} {body}", status == 400 and expected in body.decode())
            continue
        error = tensors(connection, *question, status=400)
        check(f"{expected}: {error}", expected in error)
    # The server's own way to write BYTES: cut off, too long, a length beyond all.
    for data in b"", b"\x01", b"\x05\0\0\0abc", b"\xff\xff\xff\xffabc", b"\x01\0\0\0ab":
        head = json.dumps({"inputs": [{"name": "key", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": len(data)}}]}).encode()
        status, body, _ = ask(connection, "POST", "/v2/models/words/infer", head + data, {"Inference-Header-Content-Length": str(len(head))})
        check(f"{data}: {status} {body}", status == 400)


def with_tritonclient(connection, words):
    import tritonclient.http as triton
    wanted = list(words)[:200] + ["nobody's"]
    for binary in True, False:
        keys = triton.InferInput("key", [len(wanted)], "BYTES")
        keys.set_data_from_numpy(np.array(wanted, dtype=object), binary_data=binary)
        outputs = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("category", "count", "found")]
        body, length = triton.InferenceServerClient.generate_request_body([keys], outputs=outputs)
        status, answer, headers = ask(connection, "POST", "/v2/models/words/infer", body,
                                      {"Inference-Header-Content-Length": str(length)} if length else {})
        check(f"tritonclient: {status} {answer[:200]}", status == 200)
        length = headers.get("Inference-Header-Content-Length")
        result = triton.InferResult.from_response_body(answer, header_length=int(length) if length else None)
        categories = [c.decode() if isinstance(c, bytes) else c for c in result.as_numpy("category")]
        check("tritonclient", categories == [words[w][2] if w in words else "" for w in wanted])
        check("tritonclient", result.as_numpy("count").tolist() == [words[w][0] if w in words else 0 for w in wanted])
        check("tritonclient", result.as_numpy("found").tolist() == [w in words for w in wanted])


def memory(connection, daemon, words):
    """Asked for long, it keeps to its budget, and what it keeps is in the figures."""
    keys = list(words)
    for start in range(0, WORDS, 500):
        tensors(connection, "words", "key", "BYTES", keys[start:start + 500], outputs=["found"])
    status = pathlib.Path(f"/proc/{daemon.pid}/status").read_text()
    peak = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
    check(f"VmHWM {peak} KiB", peak <= 8 * 1024)
    return peak


def main():
    with tempfile.TemporaryDirectory() as folder:
        words, matrix, whole = make(folder)
        path = f"{folder}/socket"
        daemon = subprocess.Popen([THIMBLE, "serve", "--models", f"{folder}/repository", "--socket", path, "--memory-budget", "8M", "--quiet"])
        try:
            for _ in range(400):
                if os.path.exists(path):
                    break
                time.sleep(0.01)
            with contextlib.closing(Connection(path)) as connection:
                status, body, _ = ask(connection, "GET", "/v2/models/keyed")
                check(f"metadata {body}", status == 200 and json.loads(body)["platform"] == "thimble_table")
                rows(connection, words, matrix, whole)
                neighbors(connection, matrix, whole)
                refusals(connection)
                with_tritonclient(connection, words)
                peak = memory(connection, daemon, words)
                for model in "words", "keyed":
                    check("unload", ask(connection, "POST", f"/v2/repository/models/{model}/unload")[0] == 200)
                    check("load", ask(connection, "POST", f"/v2/repository/models/{model}/load")[0] == 200)
                rows(connection, words, matrix, whole)
        finally:
            daemon.terminate()
            check("the daemon's end", daemon.wait(30) == 0)
        print(f"tables: rows and neighbors as csv and NumPy have them; VmHWM {peak} KiB of 8192")


main()
