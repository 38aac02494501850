#include "fused.h"

#include "kernels.h"

#include <algorithm>
#include <cmath>

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

namespace mimicd {
namespace {

thread_local uint64_t dropout_key = 0;
thread_local uint32_t dropout_stream = 0;

Dropout next_dropout(double p) {
    Dropout drop;
    if (p > 0) {
        drop.key = dropout_key;
        drop.stream = dropout_stream++;
        drop.threshold = static_cast<uint32_t>(std::lround(p * 65536));
        drop.scale = static_cast<float>(65536.0 / (65536.0 - drop.threshold));
    }
    return drop;
}

void save(AutogradContext* context, const Dropout& drop) {
    context->saved_data["dropout"] = at::IValue(std::vector<int64_t>{static_cast<int64_t>(drop.key), drop.stream, drop.threshold});
    context->saved_data["scale"] = static_cast<double>(drop.scale);
}

Dropout saved_dropout(AutogradContext* context) {
    const auto numbers = context->saved_data["dropout"].toIntVector();
    return {static_cast<uint64_t>(numbers[0]), static_cast<uint32_t>(numbers[1]), static_cast<uint32_t>(numbers[2]), static_cast<float>(context->saved_data["scale"].toDouble())};
}

bool here(const Tensor& x) { return x.is_cpu() && x.scalar_type() == at::kFloat; }

const float* read(const Tensor& x) { return x.data_ptr<float>(); }

float* write(const Tensor& x) { return x.data_ptr<float>(); }

// A leaf of mt_leaf, whose gradient is a slice of the flat one.
bool has_room(const Tensor& leaf) { return leaf.defined() && leaf.is_leaf() && leaf.requires_grad() && leaf.grad().defined() && leaf.grad().is_contiguous(); }

struct Linear : Function<Linear> {
    static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight, const c10::optional<Tensor>& added) {
        const auto rows = x.reshape({-1, x.size(-1)});
        const bool bias = added.has_value() && added->dim() == 1;
        auto y = !added.has_value() ? at::mm(rows, weight.t()) : at::addmm(bias ? *added : added->reshape({rows.size(0), weight.size(0)}), rows, weight.t());
        context->save_for_backward({rows, weight, bias ? *added : Tensor()});
        auto shape = x.sizes().vec();
        context->saved_data["shape"] = shape;
        context->saved_data["added"] = added.has_value();
        shape.back() = weight.size(0);
        return y.view(shape);
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        const auto saved = context->get_saved_variables();
        const auto &rows = saved[0], &weight = saved[1], &bias = saved[2];
        const auto g = gradients[0].reshape({rows.size(0), weight.size(0)}).contiguous();
        weight.mutable_grad().addmm_(g.t(), rows);
        if (bias.defined()) {
            kernels().add_rows(g.size(0), g.size(1), read(g), write(bias.grad()));
        }
        const auto gx = context->needs_input_grad(0) ? at::mm(g, weight).view(context->saved_data["shape"].toIntVector()) : Tensor();
        return {gx, Tensor(), context->saved_data["added"].toBool() && !bias.defined() ? gradients[0] : Tensor()};
    }
};

struct Mish : Function<Mish> {
    static Tensor forward(AutogradContext* context, const Tensor& x) {
        auto y = at::empty_like(x);
        kernels().mish(x.numel(), read(x), write(y));
        context->save_for_backward({x});
        return y;
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        const auto x = context->get_saved_variables()[0];
        const auto g = gradients[0].contiguous();
        auto gx = at::empty_like(x);
        kernels().mish_back(x.numel(), read(x), read(g), write(gx));
        return {gx};
    }
};

struct Gelu : Function<Gelu> {
    static Tensor forward(AutogradContext* context, const Tensor& x, double p) {
        const auto drop = next_dropout(p);
        auto y = at::empty_like(x);
        kernels().gelu(x.numel(), read(x), write(y), &drop);
        context->save_for_backward({x});
        save(context, drop);
        return y;
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        const auto x = context->get_saved_variables()[0];
        const auto g = gradients[0].contiguous();
        const auto drop = saved_dropout(context);
        auto gx = at::empty_like(x);
        kernels().gelu_back(x.numel(), read(x), read(g), write(gx), &drop);
        return {gx, Tensor()};
    }
};

struct Drop : Function<Drop> {
    static Tensor forward(AutogradContext* context, const Tensor& x, double p) {
        const auto drop = next_dropout(p);
        auto y = at::empty_like(x);
        kernels().dropout(x.numel(), read(x), write(y), &drop);
        save(context, drop);
        return y;
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        const auto g = gradients[0].contiguous();
        const auto drop = saved_dropout(context);
        auto gx = at::empty_like(g);
        kernels().dropout(g.numel(), read(g), write(gx), &drop);
        return {gx, Tensor()};
    }
};

struct LayerNorm : Function<LayerNorm> {
    static Tensor forward(AutogradContext* context, const Tensor& x, double eps) {
        const int64_t width = x.size(-1), rows = x.numel() / width;
        auto y = at::empty_like(x), inverse = at::empty({rows});
        kernels().norm(rows, width, read(x), static_cast<float>(eps), write(y), write(inverse));
        context->save_for_backward({y, inverse});
        return y;
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        const auto saved = context->get_saved_variables();
        const auto g = gradients[0].contiguous();
        auto gx = at::empty_like(g);
        kernels().norm_back(saved[1].numel(), g.size(-1), read(saved[0]), read(saved[1]), read(g), write(gx));
        return {gx, Tensor()};
    }
};

struct Modulate : Function<Modulate> {
    static Tensor forward(AutogradContext* context, const Tensor& h, const Tensor& parts, int64_t shift, int64_t scale, double eps) {
        const int64_t width = h.size(-1), rows = h.numel() / width, group = rows / parts.size(0), stride = parts.size(1);
        auto y = at::empty_like(h), normal = at::empty_like(h), inverse = at::empty({rows});
        kernels().modulate(rows, width, group, stride, read(h), static_cast<float>(eps), read(parts) + shift * width, read(parts) + scale * width, write(normal), write(inverse), write(y));
        context->save_for_backward({normal, inverse, parts});
        context->saved_data["shift"] = shift;
        context->saved_data["scale"] = scale;
        return y;
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        const auto saved = context->get_saved_variables();
        const auto &normal = saved[0], &inverse = saved[1], &parts = saved[2];
        const auto g = gradients[0].contiguous();
        const int64_t width = g.size(-1), rows = inverse.numel(), group = rows / parts.size(0), stride = parts.size(1);
        const int64_t shift = context->saved_data["shift"].toInt() * width, scale = context->saved_data["scale"].toInt() * width;
        auto gh = at::empty_like(g), gparts = at::zeros_like(parts);
        kernels().modulate_back(rows, width, group, stride, read(normal), read(inverse), read(parts) + scale, read(g), write(gh), write(gparts) + shift, write(gparts) + scale);
        return {gh, gparts, Tensor(), Tensor(), Tensor()};
    }
};

struct Gate : Function<Gate> {
    static Tensor forward(AutogradContext* context, const Tensor& h, const Tensor& parts, int64_t gate, const Tensor& x) {
        const int64_t width = h.size(-1), rows = h.numel() / width, group = rows / parts.size(0), stride = parts.size(1);
        auto y = at::empty_like(h);
        kernels().gate(rows, width, group, stride, read(h), read(parts) + gate * width, read(x), write(y));
        context->save_for_backward({parts, x});
        context->saved_data["gate"] = gate;
        return y;
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        const auto saved = context->get_saved_variables();
        const auto &parts = saved[0], &x = saved[1];
        const auto g = gradients[0].contiguous();
        const int64_t width = g.size(-1), rows = g.numel() / width, group = rows / parts.size(0), stride = parts.size(1);
        const int64_t gate = context->saved_data["gate"].toInt() * width;
        auto gx = at::empty_like(x), gparts = at::zeros_like(parts);
        kernels().gate_back(rows, width, group, stride, read(parts) + gate, read(x), read(g), write(gx), write(gparts) + gate);
        return {g, gparts, Tensor(), gx};
    }
};

Attention attention_shape(const Tensor& qkv, int64_t heads) {
    const int64_t length = qkv.size(1);
    return {length, (length + 15) / 16 * 16, heads, qkv.size(2) / 3 / heads};
}

Tensor attention_scratch(const Attention& shape) { return at::empty({(shape.width + 2 * shape.length) * shape.padded}); }

struct ShortAttention : Function<ShortAttention> {
    static Tensor forward(AutogradContext* context, const Tensor& qkv, int64_t heads, double p) {
        const auto drop = next_dropout(p);
        const auto shape = attention_shape(qkv, heads);
        const int64_t batch = qkv.size(0), row = qkv.size(1) * qkv.size(2);
        auto out = at::empty({batch, shape.length, heads * shape.width}), weights = at::empty({batch, heads, shape.length, shape.padded});
        const auto scratch = attention_scratch(shape);
        for (int64_t b = 0; b < batch; ++b) {
            kernels().attention(&shape, b, read(qkv) + b * row, write(weights) + b * heads * shape.length * shape.padded, write(out) + b * row / 3, &drop, write(scratch));
        }
        context->save_for_backward({qkv, weights});
        context->saved_data["heads"] = heads;
        save(context, drop);
        return out;
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        const auto saved = context->get_saved_variables();
        const auto &qkv = saved[0], &weights = saved[1];
        const int64_t heads = context->saved_data["heads"].toInt();
        const auto g = gradients[0].contiguous();
        const auto drop = saved_dropout(context);
        const auto shape = attention_shape(qkv, heads);
        const int64_t batch = qkv.size(0), row = qkv.size(1) * qkv.size(2);
        auto gqkv = at::empty_like(qkv);
        const auto scratch = attention_scratch(shape);
        for (int64_t b = 0; b < batch; ++b) {
            kernels().attention_back(&shape, b, read(qkv) + b * row, read(weights) + b * heads * shape.length * shape.padded, read(g) + b * row / 3, write(gqkv) + b * row, &drop, write(scratch));
        }
        return {gqkv, Tensor(), Tensor()};
    }
};

// One node instead of seven: libtorch's own work on each (finding the operation, the graph, sums of gradients) is a tenth of a step of the perceptron.
struct ResidualBlock : Function<ResidualBlock> {
    static Tensor forward(AutogradContext* context, const Tensor& h, const Tensor& n, const Tensor& f, const Tensor& up, const Tensor& up_bias, const Tensor& noise,
                          const Tensor& condition, const Tensor& down, const Tensor& down_bias, double p, double eps) {
        const auto drop = next_dropout(p);
        auto normal = at::empty_like(h), inverse = at::empty({h.size(0)});
        kernels().norm(h.size(0), h.size(1), read(h), static_cast<float>(eps), write(normal), write(inverse));
        auto u = at::addmm(up_bias, normal, up.t());
        u.addmm_(n, noise.t());
        u.addmm_(f, condition.t());
        auto m = at::empty_like(u);
        kernels().mish(u.numel(), read(u), write(m));
        if (drop.threshold != 0) {
            kernels().dropout(m.numel(), read(m), write(m), &drop);
        }
        auto y = at::add(h, down_bias);
        y.addmm_(m, down.t());
        context->save_for_backward({normal, inverse, n, f, u, m, up, up_bias, noise, condition, down, down_bias});
        save(context, drop);
        return y;
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        const auto saved = context->get_saved_variables();
        const auto &normal = saved[0], &inverse = saved[1], &n = saved[2], &f = saved[3], &u = saved[4], &m = saved[5];
        const auto &up = saved[6], &up_bias = saved[7], &noise = saved[8], &condition = saved[9], &down = saved[10], &down_bias = saved[11];
        const auto g = gradients[0].contiguous();
        const auto drop = saved_dropout(context);
        down.mutable_grad().addmm_(g.t(), m);
        kernels().add_rows(g.size(0), g.size(1), read(g), write(down_bias.grad()));
        auto gu = at::mm(g, down);
        if (drop.threshold != 0) {
            kernels().dropout(gu.numel(), read(gu), write(gu), &drop);
        }
        kernels().mish_back(u.numel(), read(u), read(gu), write(gu));
        up.mutable_grad().addmm_(gu.t(), normal);
        noise.mutable_grad().addmm_(gu.t(), n);
        condition.mutable_grad().addmm_(gu.t(), f);
        kernels().add_rows(gu.size(0), gu.size(1), read(gu), write(up_bias.grad()));
        auto gh = at::mm(gu, up);
        kernels().norm_back(gh.size(0), gh.size(1), read(normal), read(inverse), read(gh), write(gh));
        gh.add_(g);
        return {gh, at::mm(gu, noise), at::mm(gu, condition), Tensor(), Tensor(), Tensor(), Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
    }
};

// Part `index` of rows of parts, for all rows of a sample.
Tensor part(const Tensor& parts, int64_t index, int64_t width) { return parts.narrow(1, index * width, width).unsqueeze(1); }

}  // namespace

void seed_dropout(uint64_t key) {
    dropout_key = key;
    dropout_stream = 0;
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& added) {
    const bool bias = added.defined() && added.dim() == 1;
    if (here(x) && has_room(weight) && (!bias || has_room(added))) {
        return Linear::apply(x, weight, added.defined() ? c10::optional<Tensor>(added) : c10::nullopt);
    }
    return !added.defined() ? at::linear(x, weight) : bias ? at::linear(x, weight, added) : at::linear(x, weight) + added;
}

Tensor mish(const Tensor& x) { return here(x) ? Mish::apply(x.contiguous()) : at::mish(x); }

Tensor gelu(const Tensor& x, double p) { return here(x) ? Gelu::apply(x.contiguous(), p) : p > 0 ? at::dropout(at::gelu(x, "tanh"), p, true) : at::gelu(x, "tanh"); }

Tensor dropout(const Tensor& x, double p) { return p <= 0 ? x : here(x) ? Drop::apply(x.contiguous(), p) : at::dropout(x, p, true); }

Tensor layer_norm(const Tensor& x, double eps) {
    const int64_t width = x.size(-1);
    return here(x) ? LayerNorm::apply(x.contiguous(), eps) : at::layer_norm(x, at::IntArrayRef(&width, 1), {}, {}, eps);
}

Tensor modulate(const Tensor& h, const Tensor& parts, int64_t shift, int64_t scale, double eps) {
    const int64_t width = h.size(-1);
    TORCH_CHECK(h.dim() == 3 && parts.dim() == 2 && parts.size(0) == h.size(0) && (std::max(shift, scale) + 1) * width <= parts.size(1), "modulate: parts do not fit");
    return here(h) ? Modulate::apply(h.contiguous(), parts.contiguous(), shift, scale, eps) : layer_norm(h, eps) * (part(parts, scale, width) + 1.0) + part(parts, shift, width);
}

Tensor gate(const Tensor& h, const Tensor& parts, int64_t index, const Tensor& x) {
    const int64_t width = h.size(-1);
    TORCH_CHECK(h.dim() == 3 && h.sizes() == x.sizes() && parts.dim() == 2 && parts.size(0) == h.size(0) && (index + 1) * width <= parts.size(1), "gate: parts do not fit");
    return here(h) ? Gate::apply(h.contiguous(), parts.contiguous(), index, x.contiguous()) : h + part(parts, index, width) * x;
}

Tensor attention(const Tensor& qkv, int64_t heads, double p) {
    TORCH_CHECK(qkv.dim() == 3 && heads > 0 && qkv.size(2) % (3 * heads) == 0, "attention: [B, L, 3 W] with W a multiple of the heads expected");
    if (here(qkv)) {
        return ShortAttention::apply(qkv.contiguous(), heads, p);
    }
    const int64_t batch = qkv.size(0), length = qkv.size(1), width = qkv.size(2) / 3;
    const auto split = qkv.reshape({batch, length, 3 * heads, width / heads}).transpose(1, 2);
    const auto scores = at::matmul(split.narrow(1, 0, heads), split.narrow(1, heads, heads).transpose(2, 3)) * (1.0 / std::sqrt(static_cast<double>(width) / static_cast<double>(heads)));
    const auto weights = at::softmax(scores, -1);
    return at::matmul(p > 0 ? at::dropout(weights, p, true) : weights, split.narrow(1, 2 * heads, heads)).transpose(1, 2).reshape({batch, length, width});
}

Tensor residual_block(const Tensor& h, const Tensor& n, const Tensor& f, const Block& w, double p, double eps) {
    TORCH_CHECK(h.dim() == 2 && n.dim() == 2 && f.dim() == 2, "block: rows expected");
    if (here(h) && has_room(w.up) && has_room(w.up_bias) && has_room(w.noise) && has_room(w.condition) && has_room(w.down) && has_room(w.down_bias)) {
        return ResidualBlock::apply(h.contiguous(), n.contiguous(), f.contiguous(), w.up, w.up_bias, w.noise, w.condition, w.down, w.down_bias, p, eps);
    }
    const auto u = mimicd::linear(mimicd::layer_norm(h, eps), w.up, w.up_bias) + mimicd::linear(n, w.noise, Tensor()) + mimicd::linear(f, w.condition, Tensor());
    return h + mimicd::linear(mimicd::dropout(mimicd::mish(u), p), w.down, w.down_bias);
}

}  // namespace mimicd
