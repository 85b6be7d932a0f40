#!/usr/bin/env python3
"""Whether the manifests of targets/kubernetes make sense: check_manifests.py THIMBLE

Checked are: fields that their kinds need, selectors, volumes, ports and targets of scaling that name something, arguments and
probes against what the program's help lists, budgets against limits, sockets in a volume, metrics against a daemon's.
"""
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import yaml

PROJECT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = sys.argv[1]
VERSIONS = {
    "Namespace": "v1", "Service": "v1", "DaemonSet": "apps/v1", "Deployment": "apps/v1", "Job": "batch/v1",
    "NetworkPolicy": "networking.k8s.io/v1", "HorizontalPodAutoscaler": "autoscaling/v2", "ScaledObject": "keda.sh/v1alpha1",
    "ServingRuntime": "serving.kserve.io/v1alpha1", "InferenceService": "serving.kserve.io/v1beta1"}
UNITS = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "": 1}
HEADROOM = 16 << 20
problems = []


class Strict(yaml.SafeLoader):
    """YAML without keys that come twice."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"a key twice at {node.start_mark}"
        return super().construct_mapping(node, deep)


def expect(condition, what):
    if not condition:
        problems.append(what)


def byte_count(text):
    number, unit = re.fullmatch(r"(\d+)([KMG]i?|)", text).groups()
    return int(number) * UNITS[unit]


def options(command):
    result = subprocess.run([PROGRAM, command, "--help"], capture_output=True, text=True)
    return dict(re.findall(r"^  --([a-z-]+)( [^ ]+)?  ", result.stdout, flags=re.M)) if result.returncode == 0 else None


def check_arguments(where, words):
    """The options by name of a command line of thimble's, as --name=value or --name."""
    known, given = options(words[0]), {}
    expect(known is not None, f"{where}: there is no `thimble {words[0]}`")
    for word in words[1:]:
        name, equals, value = word.removeprefix("--").partition("=")
        given[name] = value
        expect(known is None or name in known, f"{where}: `thimble {words[0]}` has no --{name}")
        expect(known is None or bool(known.get(name)) == bool(equals), f"{where}: --{name} takes {known and known.get(name)}")
    return given


def check_pod(where, pod):
    volumes = {volume["name"] for volume in pod.get("volumes", [])}
    for container in pod["containers"]:
        name = f"{where}/{container['name']}"
        expect(re.fullmatch(r"docker\.io/library/thimble:\d+\.\d+\.\d+", container["image"]), f"{name}: image {container['image']}")
        version = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True).stdout.split()[1]
        expect(container["image"].endswith(f":{version}"), f"{name}: the image is not {version}")
        mounts = {mount["mountPath"]: mount for mount in container.get("volumeMounts", [])}
        for mount in mounts.values():
            expect(mount["name"] in volumes, f"{name}: there is no volume {mount['name']}")
        security = container.get("securityContext", {})
        expect(security.get("readOnlyRootFilesystem") and security.get("allowPrivilegeEscalation") is False
               and security.get("capabilities") == {"drop": ["ALL"]}, f"{name}: its security context")
        given = check_arguments(name, container["args"])
        socket = pathlib.PurePath(given["socket"])
        mount = mounts.get(str(socket.parent))
        expect(mount, f"{name}: {socket} is in no volume")
        limit = byte_count(container["resources"]["limits"]["memory"])
        if container["args"][0] != "serve":
            continue
        expect(mount and not mount.get("readOnly"), f"{name}: it cannot make {socket}")
        expect("/var/cache/thimble" in mounts, f"{name}: no volume for what is measured")
        expect(byte_count(given["memory-budget"]) + HEADROOM <= limit, f"{name}: limit {limit} for {given['memory-budget']}")
        requests = byte_count(container["resources"]["requests"]["memory"])
        expect(requests <= limit, f"{name}: requests more than its limit")
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            if probe == "startupProbe" and probe not in container:
                continue
            command = container[probe]["exec"]["command"]
            expect(command[0] == "/usr/bin/thimble", f"{name}: {probe}: {command[0]} is not in the image")
            asked = check_arguments(f"{name}: {probe}", command[1:])
            expect(asked["socket"] == given["socket"], f"{name}: {probe} asks at another socket")
            expect(("ready" in asked) == (probe != "livenessProbe"), f"{name}: {probe}")
        ports = {port["containerPort"] for port in container.get("ports", [])}
        listened = {int(given["listen"].split(":")[-1])} if "listen" in given else set()
        expect(ports == listened, f"{name}: ports {ports}, listening {listened}")
        drain = 30
        expect(pod.get("terminationGracePeriodSeconds", drain + 1) > drain, f"{name}: no time to finish requests")


def check(document, workloads):
    kind, name = document["kind"], document["metadata"]["name"]
    where, spec = f"{kind} {name}", document.get("spec", {})
    expect(VERSIONS.get(kind) == document["apiVersion"], f"{where}: {document['apiVersion']}")
    expect(re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name), f"{where}: its name")
    if kind in ("DaemonSet", "Deployment"):
        labels = spec["template"]["metadata"]["labels"]
        expect(spec["selector"]["matchLabels"].items() <= labels.items(), f"{where}: selects other pods")
        workloads[kind, name] = spec["template"]
    if kind in ("DaemonSet", "Deployment", "Job"):
        check_pod(where, spec["template"]["spec"])
    if kind == "Job":
        expect(spec["template"]["spec"]["restartPolicy"] in ("Never", "OnFailure"), f"{where}: restartPolicy")
    if kind == "ServingRuntime":
        check_pod(where, spec)
        expect(spec["containers"][0]["name"] == "kserve-container" and spec["protocolVersions"] == ["v2"], f"{where}: container")
        workloads[kind, name] = spec
    return where, kind, spec


def check_references(where, kind, spec, workloads, metrics):
    pods = [pod for (kind, _), pod in workloads.items() if kind in ("Deployment", "DaemonSet")]
    if kind in ("Service", "NetworkPolicy"):
        selector = spec["selector"] if kind == "Service" else spec["podSelector"]["matchLabels"]
        chosen = [pod for pod in pods if selector.items() <= pod["metadata"]["labels"].items()]
        expect(len(chosen) == 1, f"{where}: selects {len(chosen)} workloads")
        ports = spec["ports"] if kind == "Service" else [port for rule in spec["ingress"] for port in rule["ports"]]
        names = {port["name"] for pod in chosen for container in pod["spec"]["containers"] for port in container["ports"]}
        for port in ports:
            expect(port.get("targetPort", port["port"]) in names, f"{where}: port {port}")
    if kind in ("ScaledObject", "HorizontalPodAutoscaler"):
        target = spec["scaleTargetRef"]
        expect((target.get("kind", "Deployment"), target["name"]) in workloads, f"{where}: scales nothing")
        texts = [trigger["metadata"]["query"] for trigger in spec.get("triggers", [])]
        texts += [metric["pods"]["metric"]["name"] for metric in spec.get("metrics", [])]
        for text in texts:
            names = re.findall(r"\b(?:nv|thimble)_\w+", text)
            expect(names and all(name in metrics for name in names), f"{where}: {names} are not in /metrics")
        expect(texts, f"{where}: scales by nothing")
    if kind == "InferenceService":
        model = spec["predictor"]["model"]
        runtime = workloads.get(("ServingRuntime", model["runtime"]))
        formats = [(entry["name"], entry["version"]) for entry in (runtime or {}).get("supportedModelFormats", [])]
        expect((model["modelFormat"]["name"], model["modelFormat"]["version"]) in formats, f"{where}: its runtime or format")


def daemon_metrics():
    with tempfile.TemporaryDirectory() as folder:
        socket = f"{folder}/socket"
        daemon = subprocess.Popen([PROGRAM, "serve", "--models", str(PROJECT / "models"), "--socket", socket, "--quiet"])
        try:
            while not pathlib.Path(socket).exists() and daemon.poll() is None:
                time.sleep(0.02)
            answer = subprocess.run(["curl", "-sf", "--unix-socket", socket, "http://localhost/metrics"], capture_output=True, check=True)
        finally:
            daemon.terminate()
            daemon.wait()
    return set(re.findall(r"^(\w+)", answer.stdout.decode(), flags=re.M))


def main():
    metrics, workloads, found = daemon_metrics(), {}, []
    for path in sorted((PROJECT / "targets/kubernetes").glob("*.yaml")):
        for document in yaml.load_all(path.read_text(), Loader=Strict):
            found.append(check(document, workloads))
    for where, kind, spec in found:
        check_references(where, kind, spec, workloads, metrics)
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(found)} objects, {len(problems)} problems")
    return 1 if problems or len(found) < 8 else 0


if __name__ == "__main__":
    sys.exit(main())
