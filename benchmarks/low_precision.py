"""What low precision could gain on this processor: `python -m benchmarks.low_precision`.

Times torch's products in each number format over weights that no cache holds, and the other
steps of a layer of the 0.6B shape, each way that torch offers. Prints as it goes.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

HIDDEN, WIDE, HEADS, KEY_HEADS, HEAD = 1024, 3072, 16, 8, 128
WEIGHTS = 12
"""In turn: 36 MB of int8, more than a core's share of the last cache."""
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_bf16", "amx_int8")
SLOWEST = 5e8
"""Operations per second below which a kernel is a fallback, not worth timing."""

Function = Callable[[], Any]
Ways = dict[str, Function]


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[768, 256, 1536])
    parser.add_argument("--seconds", type=float, default=80, help="start no further part later")
    options = parser.parse_args()
    torch.set_num_threads(2)
    start = time.monotonic()
    _print_machine()
    parts: list[Callable[[], None]] = [
        lambda: print_extremes(),
        *(lambda rows=rows: print_products(rows, WIDE, HIDDEN) for rows in options.rows),
        lambda: print_products(768, HIDDEN, WIDE),
        lambda: print_products(768, 2 * WIDE, HIDDEN),
        lambda: print_steps(768),
        print_attention,
        lambda: print_compiled(768),
    ]
    with torch.inference_mode():
        for part in parts:
            if time.monotonic() - start < options.seconds:
                try:
                    part()
                except Exception as error:  # the other parts are findings all the same
                    print(type(error).__name__, error)
            print(f"-- {time.monotonic() - start:.0f} s", flush=True)


def _print_machine() -> None:
    text = subprocess.run(["lscpu"], capture_output=True, text=True, check=False).stdout  # noqa: S607
    lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    flags = lines.get("Flags", "").split()
    print(lines.get("Model name", platform.processor()).strip(), [f for f in FLAGS if f in flags])
    print({k: v.strip() for k, v in lines.items() if "cache" in k or k == "Core(s) per socket"})
    print(" ".join(f for f in flags if f.startswith(("avx", "amx"))))
    print(torch.__version__, torch.backends.cpu.get_cpu_capability(), torch.get_num_threads())
    print([line for line in torch.__config__.show().splitlines() if "MKL" in line][:2])
    bf16 = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    print("mkldnn bf16", bf16 and bf16(), {
        n: getattr(torch.cpu, n)() for n in dir(torch.cpu)
        if n.startswith("_is_")})  # fmt: skip


def print_extremes() -> None:
    """Whether int8 products of the largest numbers are exact, by input type."""
    weight = torch.full((64, HIDDEN), 127, dtype=torch.int8)
    packed = torch.ops.onednn.qlinear_prepack(weight, None)
    exact = 127.0 * 127 * HIDDEN
    for name, rows, zero in (
        ("u8", torch.full((32, HIDDEN), 255, dtype=torch.uint8), 128),
        ("s8", torch.full((32, HIDDEN), 127, dtype=torch.int8), 0),
    ):
        found = _qlinear(rows, zero, packed, torch.ones(64), torch.float32)
        print(f"{name} extremes: {found[0, 0].item() / exact:.4f} of the exact value")


def print_products(rows: int, out: int, width: int) -> None:
    """GFLOP/s of each product of (rows, width) with weights of (out, width)."""
    weights = [torch.randn(out, width) for _ in range(WEIGHTS)]
    for name, make in _products().items():
        try:
            for seconds in _seconds_of_product(make, weights, rows):
                speed = 2 * rows * out * width * WEIGHTS / seconds / 1e9
                print(f"{rows} x {width} x {out}  {name:<28} {speed:7.0f} GFLOP/s", flush=True)
        except Exception as error:  # noqa: BLE001 - what a torch lacks is a finding, too
            print(f"{rows} x {width} x {out}  {name:<28} {str(error).splitlines()[0][:90]}")


def _seconds_of_product(make: Any, weights: list[Tensor], rows: int) -> Iterator[float]:
    few = make(weights[:1], 32)
    if 2 * 32 * weights[0].numel() / _seconds(lambda: few(0)) < SLOWEST:
        raise RuntimeError("a fallback, far too slow")
    function = make(weights, rows)

    def each() -> None:
        for place in range(len(weights)):
            function(place)

    yield _seconds(each)


def _products() -> dict[str, Any]:
    """Each makes a function of a weight's number from the weights and a number of rows."""
    onednn = torch.ops.mkldnn

    def fp32(weights: list[Tensor], rows: int) -> Any:
        x = torch.randn(rows, weights[0].shape[1])
        return lambda i: F.linear(x, weights[i])

    def packed(dtype: torch.dtype) -> Any:
        def make(weights: list[Tensor], rows: int) -> Any:
            x = torch.randn(rows, weights[0].shape[1]).to(dtype)
            ws = [onednn._reorder_linear_weight(w.to(dtype), None) for w in weights]
            return lambda i: onednn._linear_pointwise(x, ws[i], None, "none", [], "")

        return make

    def bf16(weights: list[Tensor], rows: int) -> Any:
        x = torch.randn(rows, weights[0].shape[1]).bfloat16()
        ws = [w.bfloat16() for w in weights]
        return lambda i: F.linear(x, ws[i])

    def qlinear(zero: int, out: torch.dtype, sized: bool = False) -> Any:
        def make(weights: list[Tensor], rows: int) -> Any:
            x = torch.randint(-127, 128, (rows, weights[0].shape[1]), dtype=torch.int8)
            x = (x.int() + 128).to(torch.uint8) if zero else x
            shape = list(x.shape) if sized else None
            ws = [torch.ops.onednn.qlinear_prepack(_int8(w), shape) for w in weights]
            scales = torch.full((weights[0].shape[0],), 0.01)
            return lambda i: _qlinear(x, zero, ws[i], scales, out)

        return make

    def int_mm(weights: list[Tensor], rows: int) -> Any:
        x = torch.randint(-127, 128, (rows, weights[0].shape[1]), dtype=torch.int8)
        ws = [_int8(w).t() for w in weights]
        return lambda i: torch._int_mm(x, ws[i])

    def fbgemm(weights: list[Tensor], rows: int) -> Any:
        x = torch.randn(rows, weights[0].shape[1]) * 40
        scales, zeros = torch.full((weights[0].shape[0],), 0.01), torch.zeros(weights[0].shape[0])
        ws = [
            torch.ops.quantized.linear_prepack(
                torch._make_per_channel_quantized_tensor(
                    _int8(w), scales.double(), zeros.long(), 0
                ),
                None,
            )
            for w in weights
        ]
        product = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32
        return lambda i: product(x, 1.0, 128, ws[i])

    def weight_only(weights: list[Tensor], rows: int) -> Any:
        x = torch.randn(rows, weights[0].shape[1]).bfloat16()
        scales = torch.full((weights[0].shape[0],), 0.01).bfloat16()
        ws = [_int8(w) for w in weights]
        return lambda i: torch._weight_int8pack_mm(x, ws[i], scales)

    return {
        "fp32": fp32,
        "fp32 packed": packed(torch.float32),
        "bf16": bf16,
        "bf16 packed": packed(torch.bfloat16),
        "int8 u8 to fp32": qlinear(128, torch.float32),
        "int8 u8 to fp32, sized": qlinear(128, torch.float32, sized=True),
        "int8 u8 to bf16": qlinear(128, torch.bfloat16),
        "int8 s8 to fp32": qlinear(0, torch.float32),
        "int8 s8 to bf16": qlinear(0, torch.bfloat16),
        "int8 _int_mm": int_mm,
        "int8 quantized fp32 to fp32": fbgemm,
        "int8 weights only": weight_only,
    }


def _int8(weight: Tensor) -> Tensor:
    return (weight * 30).clamp(-127, 127).to(torch.int8)


def _qlinear(x: Tensor, zero: int, weight: Tensor, scales: Tensor, out: torch.dtype) -> Tensor:
    zeros = torch.zeros(len(scales), dtype=torch.int32)
    product = torch.ops.onednn.qlinear_pointwise
    found: Tensor = product(
        x, 1.0, zero, weight, scales, zeros, None, 1.0, 0, out, "none", [], ""
    )  # fmt: skip
    return found


def print_steps(rows: int) -> None:
    """Milliseconds of each way to do the steps between the products, for one layer."""
    for width in (HIDDEN, WIDE):
        for dtype in (torch.float32, torch.bfloat16):
            x, y = torch.randn(rows, width).to(dtype), torch.randn(rows, width).to(dtype)
            weight, scale = torch.rand(width).to(dtype), torch.rand(rows, 1).to(dtype)
            _print_ways(f"{rows} x {width} {str(dtype)[6:]}", _row_steps(x, y, weight, scale))
    for dtype in (torch.float32, torch.bfloat16):
        _print_ways(f"rotary {str(dtype)[6:]}", _rotary_steps(rows, dtype))
    _print_ways("chunks of fp32", _chunked(rows))


def _row_steps(x: Tensor, y: Tensor, weight: Tensor, scale: Tensor) -> Ways:
    inverse, half = scale * 40, torch.tensor(128.5).to(x.dtype)
    zeros = torch.full((len(x),), 128)
    magic = torch.tensor(12582912.0)
    steps: Ways = {
        "copy": x.clone,
        "rms norm of transformers": lambda: _rms_norm(x, weight),
        "F.rms_norm": lambda: F.rms_norm(x, (x.shape[1],), weight),
        "rms norm by vector_norm": lambda: _lean_norm(x, weight),
        "vector_norm 2": lambda: torch.linalg.vector_norm(x, dim=-1, keepdim=True),
        "vecdot": lambda: torch.linalg.vecdot(x, x),
        "bmm": lambda: torch.bmm(x.unsqueeze(1), x.unsqueeze(2)),
        "vector_norm inf": lambda: torch.linalg.vector_norm(x, float("inf"), dim=-1),
        "abs amax": lambda: x.abs().amax(-1),
        "amax, amin": lambda: (x.amax(-1), x.amin(-1)),
        "aminmax": lambda: torch.aminmax(x, dim=-1),
        "mul rows": lambda: x * scale,
        "mul rows in place": lambda: y.mul_(scale * 0 + 1),
        "mul weight": lambda: x * weight,
        "silu": lambda: F.silu(x),
        "silu, mul": lambda: F.silu(x) * y,
        "silu, mul in place": lambda: F.silu(x).mul_(y),
        "add": lambda: x + y,
        "to fp32": lambda: x.float(),
        "to bf16": lambda: x.bfloat16(),
        "quantise mul round to": lambda: (x * inverse).round_().to(torch.int8),
        "quantise addcmul to u8": lambda: torch.addcmul(half, x, inverse).to(torch.uint8),
        "quantise only to u8": lambda: x.to(torch.uint8),
        "quantise only to s8": lambda: x.to(torch.int8),
    }
    if x.dtype == torch.float32:
        flat = scale.flatten().double()
        steps |= {
            "quantise per channel": lambda: torch.quantize_per_channel(
                x, flat, zeros, 0, torch.quint8
            ).int_repr(),
            "quantise per tensor": lambda: torch.quantize_per_tensor(
                x * inverse, 1.0, 128, torch.quint8
            ).int_repr(),
            "quantise magic": lambda: (
                torch.addcmul(magic, x, inverse).view(torch.int32).to(torch.int8)
            ),
        }
    return steps


def _rms_norm(x: Tensor, weight: Tensor) -> Tensor:
    wide = x.float()
    wide *= torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-6)
    return weight * wide.to(x.dtype)


def _lean_norm(x: Tensor, weight: Tensor) -> Tensor:
    norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
    return (x * (norm.square() / x.shape[1] + 1e-6).rsqrt().to(x.dtype)).mul_(weight)


def _rotary_steps(rows: int, dtype: torch.dtype) -> Ways:
    q = torch.randn(rows, HEADS, HEAD).to(dtype)
    cos, sin = torch.rand(rows, 1, HEAD).to(dtype), torch.rand(rows, 1, HEAD).to(dtype)
    weight, half = torch.rand(HEAD).to(dtype), HEAD // 2
    turn = torch.polar(torch.ones(rows, 1, half), torch.rand(rows, 1, half))

    def theirs() -> Tensor:
        turned = torch.cat((-q[..., half:], q[..., :half]), dim=-1)
        return q * cos + turned * sin

    def ours() -> Tensor:
        turned = q * cos
        turned[..., :half].addcmul_(q[..., half:], sin[..., :half], value=-1)
        turned[..., half:].addcmul_(q[..., :half], sin[..., half:])
        return turned

    ways: Ways = {
        "norm": lambda: _rms_norm(q, weight),
        "lean norm": lambda: _lean_norm(q.view(-1, HEAD), weight),
        "as transformers": theirs,
        "in place": ours,
    }
    if dtype == torch.float32:
        pairs = torch.view_as_complex(q.view(rows, HEADS, half, 2))
        ways["complex"] = lambda: pairs * turn
    return ways


def _chunked(rows: int) -> Ways:
    """SiLU, product, largest of each row and quantising, by the number of rows at a time."""
    gates = torch.randn(rows, 2 * WIDE)
    scale = torch.rand(rows, 1)
    out = torch.empty(rows, WIDE, dtype=torch.int8)

    def way(size: int, source: Tensor) -> Function:
        def run() -> None:
            for first in range(0, rows, size):
                part, s = source[first : first + size], scale[first : first + size]
                gate = F.silu(part[:, :WIDE] * s).mul_(part[:, WIDE:])
                largest = gate.abs().amax(-1, keepdim=True).clamp_min_(1e-9)
                out[first : first + size].copy_(gate.mul_(127 / largest).round_())

        return run

    half = gates.bfloat16()
    return {f"silu, quantise {n} rows": way(n, gates) for n in (32, 64, 128, 256, rows)} | {
        f"silu, quantise {n} rows bf16": way(n, half) for n in (64, 128, rows)
    }


def print_attention() -> None:
    """Milliseconds of one layer's attention, by the lengths of the documents."""
    from qwen_rerank.scorers.local.attention import _block

    for count, length in ((16, 50), (6, 160), (2, 500), (1, 2000)):
        for dtype in (torch.float32, torch.bfloat16):
            ways = _attention_ways(_block, count, length, dtype)
            _print_ways(f"attention {count} x {length} {str(dtype)[6:]}", ways)


def _attention_ways(block: Any, count: int, length: int, dtype: torch.dtype) -> Ways:
    keys_of = length + 72
    q = torch.randn(length, HEADS, HEAD).to(dtype)
    k, v = (torch.randn(keys_of, KEY_HEADS, HEAD).to(dtype) for _ in range(2))
    mask = torch.full((length, keys_of), float("-inf"), dtype=dtype).triu(73)

    def blocks(size: int) -> Function:
        future = q.new_full((size, size), float("-inf")).triu(1)

        def run() -> None:
            for _ in range(count):
                for first in range(0, length, size):
                    end = min(first + size, length)
                    seen = 72 + end
                    block(q[first:end], k[:seen], v[:seen], HEAD**-0.5, future)

        return run

    def sdpa() -> None:
        qs, ks, vs = (t.transpose(0, 1).unsqueeze(0) for t in (q, k, v))
        for _ in range(count):
            F.scaled_dot_product_attention(qs, ks, vs, attn_mask=mask, enable_gqa=True)

    def grouped() -> None:
        """Flash kernels over keys that are repeated by hand."""
        qs = q.transpose(0, 1).unsqueeze(0)
        ks, vs = (t.transpose(0, 1).repeat_interleave(2, 0).unsqueeze(0) for t in (k, v))
        for _ in range(count):
            F.scaled_dot_product_attention(qs, ks, vs, attn_mask=mask)

    def heads(size: int) -> Function:
        """Head by head over contiguous copies, as linear layers."""
        future = q.new_full((size, size), float("-inf")).triu(1)

        def run() -> None:
            for _ in range(count):
                ks = k.transpose(0, 1).contiguous()
                vs = v.permute(1, 2, 0).contiguous()
                for first in range(0, length, size):
                    end = min(first + size, length)
                    rows, seen = end - first, 72 + end
                    grouped = (
                        (q[first:end] * HEAD**-0.5).transpose(0, 1).reshape(KEY_HEADS, -1, HEAD)
                    )
                    for head in range(KEY_HEADS):
                        scores = F.linear(grouped[head], ks[head, :seen])
                        scores.view(2, rows, -1)[:, :, -rows:] += future[:rows, :rows]
                        F.linear(scores.softmax(-1), vs[head, :, :seen].contiguous())

        return run

    return {
        "by head, blocks of 256": heads(256),
        "by head, blocks of 1024": heads(1024),
        "blocks of 64": blocks(64),
        "blocks of 128": blocks(128),
        "blocks of 256": blocks(256),
        "sdpa": sdpa,
        "sdpa, repeated": grouped,
    }


def print_compiled(rows: int) -> None:
    """The steps fused by torch's compiler, where there is a C++ compiler."""
    x, y = torch.randn(rows, WIDE), torch.randn(rows, WIDE)
    weight, scale = torch.rand(WIDE), torch.rand(rows, 1)

    def gate(x: Tensor, y: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        wide = F.silu(x * scale) * y
        largest = wide.abs().amax(-1, keepdim=True).clamp_min(1e-9)
        return (wide * (127 / largest)).round().to(torch.int8), largest * scale

    def norm(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        wide = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * weight
        largest = wide.abs().amax(-1, keepdim=True).clamp_min(1e-9)
        return (wide * (127 / largest)).round().to(torch.int8), largest

    try:
        fused, normed = torch.compile(gate, dynamic=True), torch.compile(norm, dynamic=True)
        narrow, small = x[:, :HIDDEN].contiguous(), weight[:HIDDEN]
        _print_ways(
            "eager", {"gate": lambda: gate(x, y, scale), "norm": lambda: norm(narrow, small)}
        )
        _print_ways(
            "compiled", {"gate": lambda: fused(x, y, scale), "norm": lambda: normed(narrow, small)}
        )
    except Exception as error:  # noqa: BLE001 - a machine without a compiler is a finding, too
        print(f"compiled: {str(error).splitlines()[0][:120]}")


def _print_ways(title: str, ways: Ways) -> None:
    for name, function in ways.items():
        try:
            print(f"{title}  {name:<28} {1000 * _seconds(function):8.3f} ms", flush=True)
        except Exception as error:  # noqa: BLE001 - what a torch lacks is a finding, too
            print(f"{title}  {name:<28} {str(error).splitlines()[0][:90]}")


def _seconds(function: Function) -> float:
    """Of one call, the best of up to 5 after a first one, or of fewer that take 1 s in all."""
    function()
    best, end = float("inf"), time.perf_counter() + 0.6
    for _ in range(5):
        start = time.perf_counter()
        function()
        now = time.perf_counter()
        best = min(best, now - start)
        if now > end:
            break
    return best


if __name__ == "__main__":
    main()
