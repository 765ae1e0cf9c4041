#!/usr/bin/env python3
"""Packs the figures of a reference implementation into tests/fixtures/parity.

  python scripts/pack_fixtures.py SOURCE

SOURCE holds forward/ (six Hugging Face ELECTRA models with inputs, outputs and gradients) and trajectory/ (twenty joint optimizer
steps in PyTorch). Weights and outputs are kept as they are. Gradients become 16-bit integers times a scale a tensor, an error of
at most 1.6e-5 of the largest entry, so that the fixtures stay small. Needs numpy, torch and safetensors.
"""
import pathlib
import shutil
import sys

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from safetensors.torch import load_file as load_torch


def narrow(tensors):
    """64-bit integers as 32-bit ones."""
    return {k: np.ascontiguousarray(v.astype(np.int32) if v.dtype == np.int64 else v) for k, v in tensors.items()}


def quantised(gradients):
    out = {}
    for name, gradient in gradients.items():
        scale = max(float(np.abs(gradient).max()), 1e-30) / 32767
        out[name] = np.round(gradient / scale).astype(np.int16)
        out[f"{name}.scale"] = np.array([scale], dtype=np.float32)
    return out


def main():
    source = pathlib.Path(sys.argv[1])
    target = pathlib.Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "parity"
    shutil.rmtree(target, ignore_errors=True)
    expected = load_file(source / "forward" / "expected.safetensors")
    (target / "forward").mkdir(parents=True)
    inputs = {k.removeprefix("inputs."): v for k, v in expected.items() if k.startswith("inputs.")}
    save_file(narrow(inputs), target / "forward" / "inputs.safetensors")
    for model in sorted(p for p in (source / "forward").iterdir() if p.is_dir()):
        shutil.copytree(model, target / "forward" / model.name)
        own = {k.removeprefix(f"{model.name}."): v for k, v in expected.items() if k.startswith(f"{model.name}.")}
        gradients = {k.removeprefix("grad."): v for k, v in own.items() if k.startswith("grad.")}
        outputs = {k: v for k, v in own.items() if not k.startswith("grad.") and k != "encoder_input"}
        save_file(quantised(gradients), target / "forward" / model.name / "gradients.safetensors")
        save_file(outputs, target / "forward" / model.name / "expected.safetensors")
    weights = target / "forward" / "generator_proj"
    tensors = load_torch(weights / "model.safetensors")
    torch.save(tensors, weights / "pytorch_model.bin")
    torch.save({name: tensor.half() for name, tensor in tensors.items()}, weights / "half.bin")
    shutil.copytree(source / "trajectory", target / "trajectory")
    batches = target / "trajectory" / "batches.safetensors"
    save_file(narrow(load_file(batches)), batches)


main()
