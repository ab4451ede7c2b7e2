"""Writes crates/embed/tests/golden/masked_bert/: a tiny random BertForMaskedLM, its logits at masked places, and the gradients of their
cross-entropy.

    python tools/golden/masked_bert.py

torch==2.9.0 transformers==4.57.1 safetensors==0.8.0
"""

import json
import shutil
from pathlib import Path

import torch
from transformers import BertConfig, BertForMaskedLM

OUT = Path(__file__).resolve().parents[2] / "crates" / "embed" / "tests" / "golden" / "masked_bert"
VOCAB, MASK = 24, 4
ROWS = [[2, 7, MASK, 9, 3], [2, MASK, 3], [2, 12, 13, MASK, MASK, 11, 3]]
PLACES = [2, 6, 11, 12]  # counted through all rows
TARGETS = [8, 17, 21, 5]


def rounded(values):
    return [float(f"{value:.8g}") for value in values.detach().flatten().tolist()]


def main():
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=VOCAB, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=12, type_vocab_size=2, initializer_range=0.5,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )
    model = BertForMaskedLM(config).double()
    for name, parameter in model.named_parameters():
        if name.endswith("bias") or "LayerNorm" in name:
            parameter.data += 0.3 * torch.randn_like(parameter)
    width = max(map(len, ROWS))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in ROWS])
    attention = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in ROWS])
    logits = model(input_ids=ids, attention_mask=attention).logits[attention.bool()][PLACES]
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(TARGETS))
    loss.backward()
    predictions = model.cls.predictions
    gradients = {
        "words": model.bert.embeddings.word_embeddings.weight.grad,
        "dense": predictions.transform.dense.weight.grad.T,
        "norm": predictions.transform.LayerNorm.weight.grad,
        "bias": predictions.bias.grad,
    }
    shutil.rmtree(OUT, ignore_errors=True)
    golden = {
        "rows": ROWS, "places": PLACES, "targets": TARGETS, "logits": rounded(logits), "loss": rounded(loss)[0],
        "gradients": {name: rounded(gradient) for name, gradient in gradients.items()},
    }
    model.float().save_pretrained(OUT)
    (OUT / "golden.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
