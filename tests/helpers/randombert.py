"""A small random BERT in the form in which Bio_ClinicalBERT is published: a pickled .bin."""

import shutil
from pathlib import Path

from textbcs.text.encoders import encoder_folder


def write_random_bert(folder: Path) -> None:
    """Write configuration, vocabulary and weights of two layers of Bio_ClinicalBERT's width."""
    import torch
    from transformers import BertConfig, BertForPreTraining

    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(encoder_folder("minilm", "") / "vocab.txt", folder)
    torch.manual_seed(0)
    shape = {"num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    config = BertConfig(hidden_size=768, vocab_size=30522, **shape)
    config.save_pretrained(folder)
    torch.save(BertForPreTraining(config).state_dict(), folder / "pytorch_model.bin")
