"""Writes a random Qwen3 (hidden 128, 2 layers) that vLLM can serve: no weights are downloaded.

Runs in vLLM's own environment, which has torch and transformers:

    PYTHON make_tiny_model.py TARGET_FOLDER TEXT_FOLDER [pairs]

With `pairs` it scores pairs of texts instead of writing.
"""

import sys
from pathlib import Path

import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM, Qwen3ForSequenceClassification

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def main(target: Path, texts: Path, scores_pairs: bool) -> None:
    bpe = ByteLevelBPETokenizer()
    files = sorted(str(path) for path in texts.rglob("*.md"))
    bpe.train(files, vocab_size=4096, min_frequency=2, special_tokens=SPECIAL)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe._tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", model_max_length=4096
    )
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(target)
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=4096,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=4096,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        **({"num_labels": 1, "initializer_range": 0.3} if scores_pairs else {}),
    )
    (Qwen3ForSequenceClassification if scores_pairs else Qwen3ForCausalLM)(config).save_pretrained(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), "pairs" in sys.argv[3:])
