"""Features of a network beyond the plain one, by the names of its tensors, and whether the engine computes them.

One table holds a pattern of names, the feature's name, its role, and its treatment or the reason for no support. Names
are those below the backbone. A tensor that no row and no part of the plain network knows is refused, never left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from edgemoe_gen.base.names import shown

Role = Literal["folded", "unsupported", "behind", "training"]


@dataclass(frozen=True)
class Feature:
    """A row of the table.

    Attributes:
        title: the feature's name in a sentence.
        names: pattern to search for in a tensor's name.
        role: "folded": computed, after it was folded into the plain network. "unsupported": takes part in inference and
            is not computed, so the network is refused. "behind": comes after the last block and is not computed; the
            tokens are right without it, so the user may leave it out. "training": plays no part in inference.
        why: its treatment, or the reason why it is not computed.
        beside: the row holds only where another name has this pattern too.
    """

    title: str
    names: re.Pattern[str]
    role: Role
    why: str
    beside: re.Pattern[str] | None = None


def _row(title: str, names: str, role: Role, why: str, beside: str = "") -> Feature:
    return Feature(title, re.compile(names), role, why, re.compile(beside) if beside else None)


_ONLY = "used in training only"
# The first row that matches a name counts.
FEATURES: tuple[Feature, ...] = (
    # Training leaves these behind; nothing of inference reads them.
    _row("tam_model*", r"^tam_model\d*\.", "training", _ONLY),
    _row("num_batches_tracked", r"(^|[._])num_batches_tracked$", "training", "a counter of training"),
    _row("n_averaged", r"(^|[._])n_averaged$", "training", "a counter of training"),
    _row("num_updates", r"^(model_)?ema\w*\.?(decay|num_updates)$", "training", "a counter of training"),
    _row("total_ops", r"(^|\.)total_(ops|params)$", "training", "a profiler's counter"),
    _row("w_gate_aux", r"\.mlp\.gate\.(\d+\.)?w_(gate|noise)_aux$", "training", _ONLY),
    _row("head", r"\.mlp\.gate\.(\d+\.)?head\.(weight|bias)$", "training", _ONLY),
    _row("output_level", r"^decoders?\..*output_level_\d\.", "training", "an auxiliary output of training"),
    _row("mask_token", r"(^|\.)mask_token$", "training", "used in training only, for masked patches"),
    _row("MAE's decoder", r"^decoder_(embed|blocks|norm|pred|pos_embed)(\.|$)", "training", _ONLY),
    _row("DINO's head", r"(^|\.)(dino_head|ibot_head)\.", "training", _ONLY),
    _row("DINO's head", r"(^|\.)head\.(mlp|last_layer)\.", "training", _ONLY, r"(^|\.)head\.last_layer\."),
    _row("criterion", r"(^|\.)(criterion|loss_fn|dino_loss|ibot_patch_loss)\.", "training", _ONLY),
    _row("queue", r"^queue(_ptr)?$", "training", _ONLY),
    # Computed.
    _row("LayerScale", r"^blocks\.\d+\.(gamma_[12]|ls[12]\.gamma)$", "folded",
         "folded into the weights of the projection or MLP before it"),
    _row("q, k and v biases by themselves", r"\.attn\.[qkv]_bias$", "folded", "put together; a missing one is zero"),
    _row("experts one by one", r"\.mlp\.experts\.\d+\.", "folded", "put together"),
    _row("registers", r"^(reg_token|register_tokens)$", "folded", "tokens behind the class token"),
    _row("distillation token", r"^(dist_token$|head_dist\.)", "folded",
         "a token behind the class token; a classifier is the mean of its two heads"),
    _row("head on the mean of the patches", r"^fc_norm\.", "folded", "the mean is taken before the norm"),
    # Take part, and the engine does not compute them.
    _row("relative position bias (BEiT, Swin)",
         r"relative_position|rel_pos|relative_coords|cpb_mlp|(^|\.)attention_biases$", "unsupported",
         "it is added to the scores of attention"),
    _row("rotary position embedding",
         r"(^|[._])(rope|rotary|inv_freq|freqs?)(_\w+)?(\.|$)|(^|\.)periods$", "unsupported",
         "it turns queries and keys by their place"),
    _row("stages of several sizes (Swin and other pyramids)",
         r"^(layers|stages)\.\d+\.(blocks|downsample)\.|(^|\.)downsample\.", "unsupported",
         "every block must have the same tokens"),
    _row("QK norm", r"\.attn\.(q_norm|k_norm|norm_q|norm_k|ln_q|ln_k|qk_norm|q_ln|k_ln)(\.|$)", "unsupported",
         "queries and keys are normalised before their product"),
    _row("norm inside attention", r"\.attn\.(norm|inner_attn_ln|sub_norm|ln|attn_norm)\.", "unsupported",
         "it stands between attention and its projection"),
    _row("norm inside the MLP", r"\.mlp\.(norm|ffn_ln|ln|sub_norm)\.", "unsupported",
         "it stands between the MLP's two layers"),
    _row("gated MLP (SwiGLU)", r"\.mlp\.(w12|w[123]|fc1_[gx]|gate_proj|up_proj|down_proj|gate_up_proj|fc3)\.",
         "unsupported", "its hidden values are products of two"),
    _row("norm before the first block", r"^(norm_pre|ln_pre|pre_norm|norm_embed|embed_norm|patch_embed\.norm)\.",
         "unsupported", "it stands between position embedding and the first block"),
    _row("convolution stem", r"^patch_embed\.(?!proj\.(weight|bias)$)|^(stem|conv1|conv_stem)\.", "unsupported",
         "patches must be embedded by one linear layer"),
    _row("cosine attention", r"\.attn\.(logit_scale|temperature|tau|scale)$", "unsupported",
         "scores have a scale of their own"),
    _row("talking heads", r"\.attn\.(proj_[lw]|talking_heads\w*)\.", "unsupported", "heads are mixed with each other"),
    _row("class attention (CaiT)", r"^blocks_token_only\.", "unsupported", "its blocks have other tokens"),
    _row("adapters (LoRA)", r"(^|[._])(lora|adapter|adaptmlp|ssf|base_layer)(_\w+)?(\.|$)", "unsupported",
         "merge them into the weights before saving"),
    _row("prompt tokens", r"(^|[._])prompts?(_\w+)?(\.|$)|prompt_embeddings", "unsupported",
         "their place among the tokens is unknown"),
    _row("q, k and v in layers of their own", r"\.attn\.((q|k|v|kv|qk|in|to_\w+)(_proj|_linear|_w)?\.(weight|bias)"
         r"|in_proj_(weight|bias))$", "unsupported", "such networks differ in more than names (EVA turns them)"),
    _row("attention other than softmax over all tokens", r"\.attn\.(gating_param|pos_proj|sr|dwc|local_\w+|sinks?|"
         r"offset\w*|proj_q|proj_k)(\.|$)", "unsupported", "the engine computes plain attention"),
    _row("third layer in a block", r"^blocks\.\d+\.(norm3|ls3|gamma_3|cross_attn|local_mp|attn2|mlp2|conv\w*|cpe\w*)"
         r"(\.|$)", "unsupported", "a block is attention and an MLP"),
    _row("position embedding in parts", r"^(pos_embed\w+|row_embed|col_embed)(\.|$)|^pos_embed\.", "unsupported",
         "a network has one pos_embed"),
    _row("reparametrised weights", r"\.(weight_(g|v|orig|mask|u)|parametrizations\.\w+)(\.|$)", "unsupported",
         "write the plain weights before saving (torch.nn.utils.remove_weight_norm and its like)"),
    _row("quantised weights", r"(^|[._])(zero_point|_packed_params|qweight|qzeros|absmax|quant_state)(\.|$)",
         "unsupported", "give the float weights"),
    # Behind the last block.
    _row("attention pooling", r"^(attn_pool|attention_pool|probe|head\.probe)(\.|$)", "behind", "heads are linear"),
    _row("representation layer", r"^pre_logits\.", "behind", "heads are linear"),
    _row("head of several layers", r"^(head|heads|classifier|fc)\.(?!weight$|bias$)", "behind", "heads are linear"),
)  # fmt: skip


@dataclass(frozen=True)
class Findings:
    """Features that the names of a network show.

    Attributes:
        roles: the row of the table, by name of tensor.
    """

    roles: dict[str, Feature]

    def of(self, role: Role) -> dict[Feature, list[str]]:
        """Found rows of one role, with the names that showed them, in the order of the table."""
        found: dict[Feature, list[str]] = {}
        for name, row in self.roles.items():
            if row.role == role:
                found.setdefault(row, []).append(name)
        return {row: found[row] for row in FEATURES if row in found}


def find_features(names: Iterable[str]) -> Findings:
    """Looks every name up in the table."""
    every = list(names)
    rows = [row for row in FEATURES if row.beside is None or any(row.beside.search(name) for name in every)]
    roles = {}
    for name in every:
        row = next((row for row in rows if row.names.search(name)), None)
        if row is not None:
            roles[name] = row
    return Findings(roles)


def described(found: Mapping[Feature, list[str]]) -> str:
    """Features in a sentence, each with the first tensor that shows it: "LayerScale (tensor blocks.0.gamma_1)"."""
    parts = [f"{row.title} (tensor {shown(names[0])})" for row, names in found.items()]
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + f" and {parts[-1]}"
