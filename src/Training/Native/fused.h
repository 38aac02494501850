// Differentiable operations over the kernels. On the CPU each is one node of libtorch's graph; elsewhere it is made of libtorch's own operations.
#pragma once

#include <torch/torch.h>

#include <cstdint>

namespace mimicd {

// Sets where this thread's next dropout masks are drawn from; every operation that drops takes the next stream under the key.
void seed_dropout(uint64_t key);

// x W^T + added, where added is a bias [O], rows like the result's, or undefined. The gradients of leaves that have room for one are added to it at once.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& added);

at::Tensor mish(const at::Tensor& x);
at::Tensor gelu(const at::Tensor& x, double dropout);
at::Tensor dropout(const at::Tensor& x, double p);
at::Tensor layer_norm(const at::Tensor& x, double eps);

// Of parts [B, P W] of which each row of h [B, L, W] in a sample uses parts `shift` and `scale`: layer_norm(h) (1 + scale) + shift.
at::Tensor modulate(const at::Tensor& h, const at::Tensor& parts, int64_t shift, int64_t scale, double eps);

// h + part `gate` times x.
at::Tensor gate(const at::Tensor& h, const at::Tensor& parts, int64_t gate, const at::Tensor& x);

// Scaled dot-product attention of each of `heads` heads, bidirectional; qkv [B, L, 3 W] has queries, then keys, then values. The result is [B, L, W].
at::Tensor attention(const at::Tensor& qkv, int64_t heads, double dropout);

// Weights of a block of the perceptron; `condition` and `noise` have no bias.
struct Block {
    const at::Tensor &up, &up_bias, &noise, &condition, &down, &down_bias;
};

// h + down(mish(up(layer_norm(h)) + noise(n) + condition(f))), with dropout after the Mish.
at::Tensor residual_block(const at::Tensor& h, const at::Tensor& n, const at::Tensor& f, const Block& weights, double dropout, double eps);

}  // namespace mimicd
