#!/usr/bin/env python3
"""Make a tiny random-weights Llama and its tokenizer in a folder.

Nothing is downloaded: the tokenizer (byte-level BPE, 512 entries) is trained on
the text below and the weights are random. The output is gibberish, but every
engine treats the folder as an ordinary Hugging Face model.

    python make_tiny_model.py OUT_DIR [--hidden 256] [--layers 2] [--ctx 4096]

Needs: torch, transformers, tokenizers.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

TEXT = [
    "The quick brown fox jumps over the lazy dog.",
    "Prometheus scrapes targets over HTTP and stores samples as time series.",
    "A language model predicts the next token from the tokens before it.",
    '{"name": "value", "count": 12, "list": [1, 2, 3], "ok": true}',
    "You are a helpful assistant. Answer the question in one short sentence.",
    "Alert when the queue grows, when the cache is full, or when tokens stop.",
]

CHAT_TEMPLATE = (
    "{% for m in messages %}"
    "<|{{ m['role'] }}|>{{ m['content'] }}<|end|>"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

SPECIALS = [
    "<unk>",
    "<s>",
    "</s>",
    "<pad>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|tool|>",
    "<|end|>",
]


def make_tokenizer(vocab_size: int) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer with a chat template on ``TEXT``."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE(unk_token=None))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=SPECIALS,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(TEXT * 20, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--kv-heads", type=int, default=2)
    parser.add_argument("--vocab", type=int, default=512)
    parser.add_argument("--ctx", type=int, default=4096)
    parser.add_argument("--seed", type=int, default=7)
    return parser.parse_args()


def main() -> None:
    """Write the model, its tokenizer and its generation config."""
    arguments = parse_arguments()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read when transformers is imported

    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(arguments.seed)
    tokenizer = make_tokenizer(arguments.vocab)
    vocab_size = max(arguments.vocab, len(tokenizer))
    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=arguments.hidden,
        intermediate_size=arguments.hidden * 2,
        num_hidden_layers=arguments.layers,
        num_attention_heads=arguments.heads,
        num_key_value_heads=arguments.kv_heads,
        max_position_embeddings=arguments.ctx,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(arguments.out, safe_serialization=True)
    tokenizer.save_pretrained(arguments.out)
    generation = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    (arguments.out / "generation_config.json").write_text(json.dumps(generation))
    parameters = sum(weight.numel() for weight in model.parameters())
    print(f"{arguments.out}: {parameters} parameters, vocab {vocab_size}, context {arguments.ctx}")


if __name__ == "__main__":
    main()
