"""What LiteRT's reference kernels answer, in the files that Tests/Golden/run_goldens.py reads; and how full layers are."""

import json
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType


def _interpreter(model: Path, layers: bool = False) -> Interpreter:
    interpreter = Interpreter(
        str(model), num_threads=1, experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=layers,
    )
    interpreter.allocate_tensors()
    return interpreter


def _random_input(detail, seed: int) -> np.ndarray:
    info = np.iinfo(detail["dtype"])
    return np.random.default_rng(seed).integers(info.min, info.max + 1, detail["shape"], detail["dtype"])


def write_golden(model: Path, folder: Path, seed: int) -> None:
    """Writes NAME.seedN.json, NAME.seedN.in0.bin and NAME.seedN.out0.bin for random bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    interpreter = _interpreter(model)
    case = f"seed{seed}"
    record = {"model": model.name, "case": case, "inputs": [], "outputs": []}

    def store(detail, array, kind):
        name = f"{model.stem}.{case}.{kind}0.bin"
        array.tofile(folder / name)
        parameters = detail["quantization_parameters"]
        record[{"in": "inputs", "out": "outputs"}[kind]].append({
            "name": detail["name"], "dtype": array.dtype.name, "shape": list(array.shape),
            "scales": [float(scale) for scale in parameters["scales"]],
            "zero_points": [int(zero) for zero in parameters["zero_points"]], "file": name,
        })

    (given,), (answer,) = interpreter.get_input_details(), interpreter.get_output_details()
    value = _random_input(given, seed)
    interpreter.set_tensor(given["index"], value)
    interpreter.invoke()
    store(given, value, "in")
    store(answer, interpreter.get_tensor(answer["index"]), "out")
    (folder / f"{model.stem}.{case}.json").write_text(json.dumps(record, indent=1) + "\n")


def layer_report(model: Path, seed: int) -> list[tuple[str, float, float, int]]:
    """(operator, share of values at −128 or 127 that no ReLU explains, share of non-zero values, different values)."""
    interpreter = _interpreter(model, layers=True)
    (given,) = interpreter.get_input_details()
    interpreter.set_tensor(given["index"], _random_input(given, seed))
    interpreter.invoke()
    details = {detail["index"]: detail for detail in interpreter.get_tensor_details()}
    report = []
    for operator in interpreter._get_ops_details():
        for index in map(int, operator["outputs"]):
            values = interpreter.get_tensor(index)
            zero = int(details[index]["quantization"][1])
            saturated = (values == 127).mean() + (0 if zero == -128 else (values == -128).mean())
            report.append((operator["op_name"], float(saturated), float((values != zero).mean()), len(np.unique(values))))
    return report
