"""Peers of `embed.py` in Python: the forms of the model that they read, and how each embeds texts."""

import json
import shutil
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from threading import local
from typing import Callable

import numpy as np

# Tokens of a batch of OpenVINO and ONNX Runtime, padding among them; texts of one of sentence-transformers and of fastembed. By trial:
# with twice or half as many, each takes as long or up to a quarter longer.
BUDGET, TEXTS_AT_A_TIME = 512, 16
CALIBRATION_TEXTS = 300
# What each form is named in the folder of forms; fastembed's is with the tokenizer's files.
POOLED_OPENVINO, POOLED_ONNX, HIDDEN_ONNX = "pooled.xml", "pooled.onnx", "hidden/model.onnx"
INT8_OPENVINO, INT8_ONNX = "int8.xml", "int8.onnx"
INPUTS = ["input_ids", "attention_mask", "token_type_ids"]
Embed = Callable[[list[str], int], np.ndarray]


# How the model's forms are made, each once.


def exported(model: Path, pooled: bool):
    """PyTorch's module of the three inputs: unit vectors of texts, or hidden states of tokens."""
    import torch
    from transformers import AutoModel, logging

    # Of the pooler, which the vectors are without.
    logging.set_verbosity_error()

    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bert = AutoModel.from_pretrained(model, add_pooling_layer=False, attn_implementation="sdpa")

        def forward(self, input_ids, attention_mask, token_type_ids):
            hidden = self.bert(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids).last_hidden_state
            weights = attention_mask.unsqueeze(-1).to(hidden.dtype)
            return torch.nn.functional.normalize((hidden * weights).sum(1) / weights.sum(1)) if pooled else hidden

    mask = torch.tensor([[1] * 8, [1] * 5 + [0] * 3])
    return Module().eval(), (torch.ones_like(mask), mask, torch.zeros_like(mask))


def write_openvino(model: Path, forms: Path) -> None:
    import openvino

    module, inputs = exported(model, pooled=True)
    converted = openvino.convert_model(module, example_input=dict(zip(INPUTS, inputs)))
    openvino.save_model(converted, forms / POOLED_OPENVINO, compress_to_fp16=False)


def write_onnx(model: Path, forms: Path, name: str) -> None:
    """With attention, the sum before a norm with it, and GELU with its bias as one operator each."""
    import torch
    from onnxruntime.transformers import optimizer

    module, inputs = exported(model, name == POOLED_ONNX)
    config = json.loads((model / "config.json").read_text())
    axes = {**{each: {0: "texts", 1: "tokens"} for each in INPUTS}, "output": {0: "texts"}}
    if name == HIDDEN_ONNX:
        axes["output"][1] = "tokens"
    path = forms / name
    raw = path.with_suffix(".raw.onnx")
    torch.onnx.export(
        module, inputs, raw, input_names=INPUTS, output_names=["output"], dynamic_axes=axes, opset_version=17, dynamo=False
    )
    fused = optimizer.optimize_model(
        str(raw), "bert", num_heads=config["num_attention_heads"], hidden_size=config["hidden_size"], opt_level=1
    )
    if fused.get_fused_operator_statistics()["Attention"] != config["num_hidden_layers"]:
        sys.exit(f"{path}: the attention of {model} is not fused")
    fused.save_model_to_file(str(path))
    raw.unlink()


def write_int8_openvino(forms: Path, batches) -> None:
    """Weights and activations, by calibration on batches of three inputs."""
    import nncf
    import openvino

    model = openvino.Core().read_model(forms / POOLED_OPENVINO)
    dataset = nncf.Dataset([dict(zip(INPUTS, batch)) for batch in batches])
    quantized = nncf.quantize(model, dataset, model_type=nncf.ModelType.TRANSFORMER, subset_size=CALIBRATION_TEXTS)
    openvino.save_model(quantized, forms / INT8_OPENVINO, compress_to_fp16=False)


def write_int8_onnx(forms: Path) -> None:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # The fused operators' outputs are of a type that shapes' inference does not know.
    options = {"DefaultTensorType": onnx.TensorProto.FLOAT}
    quantize_dynamic(forms / POOLED_ONNX, forms / INT8_ONNX, per_channel=True, weight_type=QuantType.QInt8, extra_options=options)


def write_form(name: str, model: Path, forms: Path, calibration: list[str]) -> None:
    """A form that is not there yet, and what it is made from."""
    path = forms / name
    if path.exists():
        return
    warnings.simplefilter("ignore")
    path.parent.mkdir(parents=True, exist_ok=True)
    match name:
        case "pooled.xml":
            write_openvino(model, forms)
        case "pooled.onnx":
            write_onnx(model, forms, POOLED_ONNX)
        case "hidden/model.onnx":
            for file in ["config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"]:
                shutil.copy(model / file, path.parent)
            write_onnx(model, forms, HIDDEN_ONNX)
        case "int8.xml":
            write_form(POOLED_OPENVINO, model, forms, calibration)
            texts = calibration[:: max(1, len(calibration) // CALIBRATION_TEXTS)]
            one_by_one = sorted_batches(tokenizer_of(model), texts, 256, 1)
            write_int8_openvino(forms, (inputs for _, inputs in one_by_one))
        case "int8.onnx":
            write_form(POOLED_ONNX, model, forms, calibration)
            write_int8_onnx(forms)


def tokenizer_of(model: Path):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.no_padding()
    return tokenizer


def sorted_batches(tokenizer, texts: list[str], max_tokens: int, budget: int):
    """Of texts of falling length: where they stood, and the three inputs, padded to the longest."""
    tokenizer.enable_truncation(max_tokens)
    ids = [each.ids for each in tokenizer.encode_batch_fast(texts)]
    order = sorted(range(len(ids)), key=lambda text: -len(ids[text]))
    while order:
        longest = len(ids[order[0]])
        at, order = order[: max(1, budget // longest)], order[max(1, budget // longest) :]
        tokens, mask = np.zeros((2, len(at), longest), np.int64)
        for row, text in enumerate(at):
            tokens[row, : len(ids[text])] = ids[text]
            mask[row, : len(ids[text])] = 1
        yield at, [tokens, mask, np.zeros_like(mask)]


# Each function gives what makes unit vectors of texts, cut at so many tokens, by the model in a folder and its forms in another.


def by_batches(model: Path, threads: int, runner: Callable) -> Embed:
    """The runner makes what makes vectors of a batch's three inputs, so many batches at once, which are one or as many as threads.

    A thread a batch takes less than all threads on one batch after the other; where there are fewer batches, each has all threads.
    """
    tokenizer, pool, runner = tokenizer_of(model), ThreadPoolExecutor(threads), cache(runner)

    def embed(texts, max_tokens):
        batches = list(sorted_batches(tokenizer, texts, max_tokens, BUDGET))
        enough = len(batches) >= threads
        run, each = runner(threads if enough else 1), pool.map if enough else map
        vectors = None
        for (at, _), rows in zip(batches, each(run, [inputs for _, inputs in batches])):
            vectors = np.empty((len(texts), rows.shape[1]), np.float32) if vectors is None else vectors
            vectors[at] = rows
        return vectors

    return embed


def openvino(model: Path, forms: Path, threads: int, form: str = POOLED_OPENVINO, precision: str = "f32") -> Embed:
    import openvino

    core = openvino.Core()

    def runner(at_once):
        settings = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": at_once}
        compiled, of_thread = core.compile_model(forms / form, "CPU", settings), local()
        if (used := compiled.get_property("INFERENCE_PRECISION_HINT").to_string()) != precision:
            sys.exit(f"OpenVINO computes in {used} here, not in {precision}")

        def run(inputs):
            if not hasattr(of_thread, "request"):
                of_thread.request = compiled.create_infer_request()
            return of_thread.request.infer(inputs, share_inputs=True)[0]

        return run

    return by_batches(model, threads, runner)


def onnxruntime(model: Path, forms: Path, threads: int, form: str = POOLED_ONNX) -> Embed:
    import onnxruntime

    def runner(at_once):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads // at_once
        session = onnxruntime.InferenceSession(forms / form, options, providers=["CPUExecutionProvider"])
        return lambda inputs: session.run(None, dict(zip(INPUTS, inputs)))[0]

    return by_batches(model, threads, runner)


def sentence_transformers(model: Path, forms: Path, threads: int, dtype: str = "float32") -> Embed:
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(threads)
    loaded = SentenceTransformer(str(model), device="cpu", local_files_only=True, model_kwargs={"dtype": getattr(torch, dtype)})

    def embed(texts, max_tokens):
        loaded.max_seq_length = max_tokens
        vectors = loaded.encode(texts, batch_size=TEXTS_AT_A_TIME, convert_to_tensor=True, normalize_embeddings=True)
        return vectors.float().numpy()

    return embed


def fastembed(model: Path, forms: Path, threads: int) -> Embed:
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    name, folder = "local", forms / Path(HIDDEN_ONNX).parent
    dim = json.loads((model / "config.json").read_text())["hidden_size"]
    TextEmbedding.add_custom_model(name, PoolingType.MEAN, True, ModelSource(hf=name), dim, model_file=Path(HIDDEN_ONNX).name)
    loaded = TextEmbedding(name, threads=threads, specific_model_path=str(folder))

    def embed(texts, max_tokens):
        loaded.model.tokenizer.enable_truncation(max_tokens)
        # It takes texts as they come, and pads each batch to its longest: so they come sorted by length.
        order = sorted(range(len(texts)), key=lambda text: -len(texts[text]))
        vectors = np.empty((len(texts), dim), np.float32)
        vectors[order] = list(loaded.embed([texts[text] for text in order], batch_size=TEXTS_AT_A_TIME))
        return vectors

    return embed
