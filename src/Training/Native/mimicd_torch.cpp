// The C shim between MimicD.Training and libtorch: plain C functions over opaque tensor pointers.
//
// Rules of this file:
//  - no exception crosses into C#: every call catches, keeps the text for its thread, and returns null or -1;
//  - a returned tensor pointer is owned by the caller, who gives it back to mt_free exactly once;
//  - only calls that exist in libtorch 1.13 and in 2.x are used.

#include "fused.h"
#include "kernels.h"

#include <torch/torch.h>

#include <dlfcn.h>
#include <malloc.h>

#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#define MT_API extern "C" __attribute__((visibility("default")))

using at::Tensor;

namespace {

thread_local std::string last_error;
std::atomic<int64_t> live_tensors{0};

Tensor* own(Tensor tensor) {
    auto* pointer = new Tensor(std::move(tensor));
    live_tensors.fetch_add(1, std::memory_order_relaxed);
    return pointer;
}

template <typename F>
int guarded_status(F&& body) {
    try {
        body();
        return 0;
    } catch (const c10::Error& e) {
        last_error = e.what_without_backtrace();
    } catch (const std::exception& e) {
        last_error = e.what();
    } catch (...) {
        last_error = "unknown error in libtorch";
    }
    return -1;
}

template <typename F>
Tensor* guarded(F&& body) {
    Tensor* result = nullptr;
    guarded_status([&] { result = own(body()); });
    return result;
}

at::IntArrayRef dims(const int64_t* shape, int count) {
    return at::IntArrayRef(shape, static_cast<size_t>(count));
}

}  // namespace

// ---- process ---------------------------------------------------------------------------------------------------------

MT_API const char* mt_last_error() { return last_error.c_str(); }

MT_API const char* mt_version() { return TORCH_VERSION; }

MT_API int64_t mt_live_tensors() { return live_tensors.load(std::memory_order_relaxed); }

MT_API int mt_cuda_available() { return torch::cuda::is_available() ? 1 : 0; }

// Element-wise threads are libtorch's own, matrix-product threads are OpenBLAS's where that is what libtorch was built on.
// Two pools that both use every core fight, so the caller sets them apart.
MT_API int mt_set_threads(int elementwise, int products) {
    return guarded_status([&] {
        // Every step frees what it made, in blocks large enough that malloc would give each back to the kernel and fault it in
        // again at the next step; that cost a seventh of a step. Keeping them costs nothing but what the largest step needs.
        mallopt(M_MMAP_THRESHOLD, 1 << 30);
        mallopt(M_TRIM_THRESHOLD, 1 << 30);
        mallopt(M_TOP_PAD, 1 << 26);
        at::set_num_threads(elementwise);
        using setter = void (*)(int);
        if (auto set = reinterpret_cast<setter>(dlsym(RTLD_DEFAULT, "openblas_set_num_threads"))) {
            set(products);
        }
    });
}

// The kernel that OpenBLAS chose for this processor or was told to by OPENBLAS_CORETYPE; another library's is not known.
MT_API const char* mt_products() {
    using getter = char* (*)();
    const auto get = reinterpret_cast<getter>(dlsym(RTLD_DEFAULT, "openblas_get_corename"));
    return get == nullptr ? "" : get();
}

// The instruction set of our own kernels.
MT_API const char* mt_kernels() { return mimicd::kernels().name; }

// Sets where dropout on this thread is drawn from. Off the CPU it is drawn by libtorch, by one generator for all threads.
MT_API int mt_seed_dropout(uint64_t seed, const char* device) {
    return guarded_status([&] {
        mimicd::seed_dropout(seed);
        if (!torch::Device(device).is_cpu()) {
            torch::manual_seed(seed);
        }
    });
}

// Returns the mode before the call.
MT_API int mt_grad_mode(int enabled) {
    const bool before = at::GradMode::is_enabled();
    at::GradMode::set_enabled(enabled != 0);
    return before ? 1 : 0;
}

// ---- making, reading, freeing ----------------------------------------------------------------------------------------

MT_API void mt_free(Tensor* tensor) {
    if (tensor != nullptr) {
        delete tensor;
        live_tensors.fetch_sub(1, std::memory_order_relaxed);
    }
}

MT_API Tensor* mt_from_floats(const float* data, const int64_t* shape, int rank, const char* device) {
    return guarded([&] {
        auto view = torch::from_blob(const_cast<float*>(data), dims(shape, rank), torch::kFloat32);
        const torch::Device target(device);
        return target.is_cpu() ? view.clone() : view.to(target);
    });
}

MT_API Tensor* mt_zeros(const int64_t* shape, int rank, const char* device) {
    return guarded([&] { return torch::zeros(dims(shape, rank), torch::TensorOptions(torch::kFloat32).device(torch::Device(device))); });
}

MT_API int mt_to_floats(const Tensor* tensor, float* data, int64_t count) {
    return guarded_status([&] {
        TORCH_CHECK(tensor->numel() == count, "expected ", count, " elements, the tensor has ", tensor->numel());
        const auto host = tensor->detach().to(torch::kCPU, torch::kFloat32).contiguous();
        std::memcpy(data, host.data_ptr<float>(), static_cast<size_t>(count) * sizeof(float));
    });
}

MT_API int mt_assign(Tensor* target, const float* data, int64_t count) {
    return guarded_status([&] {
        TORCH_CHECK(target->numel() == count, "expected ", target->numel(), " elements, found ", count);
        at::NoGradGuard no_grad;
        target->copy_(torch::from_blob(const_cast<float*>(data), target->sizes(), torch::kFloat32));
    });
}

MT_API int mt_rank(const Tensor* tensor) { return static_cast<int>(tensor->dim()); }

MT_API int mt_size(const Tensor* tensor, int axis, int64_t* size) {
    return guarded_status([&] { *size = tensor->size(axis); });
}

MT_API void mt_shape(const Tensor* tensor, int64_t* shape) {
    for (int64_t i = 0; i < tensor->dim(); ++i) {
        shape[i] = tensor->size(i);
    }
}

MT_API int mt_item(const Tensor* tensor, double* value) {
    return guarded_status([&] { *value = tensor->item<double>(); });
}

// A leaf whose numbers and gradient live in slices of two flat tensors, so that one pass over the flat ones updates all weights.
MT_API Tensor* mt_leaf(const Tensor* values, const Tensor* gradients, int64_t offset, const int64_t* shape, int rank) {
    return guarded([&] {
        const auto sizes = dims(shape, rank);
        const int64_t count = c10::multiply_integers(sizes);
        auto leaf = values->narrow(0, offset, count).view(sizes).detach();
        leaf.requires_grad_(true);
        leaf.mutable_grad() = gradients->narrow(0, offset, count).view(sizes).detach();
        return leaf;
    });
}

// ---- differentiable operations ---------------------------------------------------------------------------------------

MT_API Tensor* mt_add(const Tensor* a, const Tensor* b) { return guarded([&] { return at::add(*a, *b); }); }
MT_API Tensor* mt_sub(const Tensor* a, const Tensor* b) { return guarded([&] { return at::sub(*a, *b); }); }
MT_API Tensor* mt_mul(const Tensor* a, const Tensor* b) { return guarded([&] { return at::mul(*a, *b); }); }
MT_API Tensor* mt_add_scalar(const Tensor* a, double b) { return guarded([&] { return at::add(*a, b); }); }
MT_API Tensor* mt_mul_scalar(const Tensor* a, double b) { return guarded([&] { return at::mul(*a, b); }); }
MT_API Tensor* mt_matmul(const Tensor* a, const Tensor* b) { return guarded([&] { return at::matmul(*a, *b); }); }
MT_API Tensor* mt_square(const Tensor* a) { return guarded([&] { return at::square(*a); }); }
MT_API Tensor* mt_mean(const Tensor* a) { return guarded([&] { return at::mean(*a); }); }
MT_API Tensor* mt_sum(const Tensor* a) { return guarded([&] { return at::sum(*a); }); }
MT_API Tensor* mt_exp(const Tensor* a) { return guarded([&] { return at::exp(*a); }); }
MT_API Tensor* mt_log(const Tensor* a) { return guarded([&] { return at::log(*a); }); }
MT_API Tensor* mt_sum_along(const Tensor* a, int64_t dim) { return guarded([&] { return at::sum(*a, at::IntArrayRef(&dim, 1)); }); }
MT_API Tensor* mt_log_sum_exp(const Tensor* a, int64_t dim) { return guarded([&] { return at::logsumexp(*a, at::IntArrayRef(&dim, 1)); }); }
MT_API Tensor* mt_silu(const Tensor* a) { return guarded([&] { return at::silu(*a); }); }
MT_API Tensor* mt_mish(const Tensor* a) { return guarded([&] { return mimicd::mish(*a); }); }
MT_API Tensor* mt_gelu(const Tensor* a, double dropout) { return guarded([&] { return mimicd::gelu(*a, dropout); }); }
MT_API Tensor* mt_softplus(const Tensor* a) { return guarded([&] { return at::softplus(*a); }); }
MT_API Tensor* mt_clamp(const Tensor* a, double low, double high) { return guarded([&] { return at::clamp(*a, low, high); }); }
MT_API Tensor* mt_minimum(const Tensor* a, const Tensor* b) { return guarded([&] { return at::minimum(*a, *b); }); }
MT_API Tensor* mt_softmax(const Tensor* a, int64_t dim) { return guarded([&] { return at::softmax(*a, dim); }); }
MT_API Tensor* mt_transpose(const Tensor* a, int64_t d0, int64_t d1) { return guarded([&] { return a->transpose(d0, d1); }); }
MT_API Tensor* mt_narrow(const Tensor* a, int64_t dim, int64_t start, int64_t length) { return guarded([&] { return a->narrow(dim, start, length); }); }
MT_API Tensor* mt_reshape(const Tensor* a, const int64_t* shape, int rank) { return guarded([&] { return a->reshape(dims(shape, rank)); }); }
MT_API Tensor* mt_dropout(const Tensor* a, double p) { return guarded([&] { return mimicd::dropout(*a, p); }); }

MT_API Tensor* mt_linear(const Tensor* x, const Tensor* weight, const Tensor* added) {
    return guarded([&] { return mimicd::linear(*x, *weight, added == nullptr ? Tensor() : *added); });
}

MT_API Tensor* mt_layer_norm(const Tensor* x, double eps) { return guarded([&] { return mimicd::layer_norm(*x, eps); }); }

MT_API Tensor* mt_modulate(const Tensor* h, const Tensor* parts, int64_t shift, int64_t scale, double eps) {
    return guarded([&] { return mimicd::modulate(*h, *parts, shift, scale, eps); });
}

MT_API Tensor* mt_gate(const Tensor* h, const Tensor* parts, int64_t gate, const Tensor* x) {
    return guarded([&] { return mimicd::gate(*h, *parts, gate, *x); });
}

MT_API Tensor* mt_attention(const Tensor* qkv, int64_t heads, double dropout) {
    return guarded([&] { return mimicd::attention(*qkv, heads, dropout); });
}

MT_API Tensor* mt_residual_block(const Tensor* h, const Tensor* n, const Tensor* f, const Tensor* up, const Tensor* up_bias, const Tensor* noise, const Tensor* condition,
                                 const Tensor* down, const Tensor* down_bias, double dropout, double eps) {
    return guarded([&] { return mimicd::residual_block(*h, *n, *f, {*up, *up_bias, *noise, *condition, *down, *down_bias}, dropout, eps); });
}

MT_API int mt_backward(const Tensor* loss) {
    return guarded_status([&] { loss->backward(); });
}

MT_API Tensor* mt_gradient(const Tensor* leaf) {
    return guarded([&] {
        TORCH_CHECK(leaf->grad().defined(), "the tensor has no gradient");
        return leaf->grad();
    });
}

// ---- the optimizer ---------------------------------------------------------------------------------------------------

MT_API int mt_zero(Tensor* tensor) {
    return guarded_status([&] { tensor->zero_(); });
}

// Of elements `start` to `start` + `count` of a flat tensor.
MT_API int mt_sum_squares(const Tensor* tensor, int64_t start, int64_t count, double* value) {
    return guarded_status([&] {
        TORCH_CHECK(start >= 0 && count >= 0 && start + count <= tensor->numel(), "no such elements");
        if (tensor->is_cpu()) {
            *value = mimicd::kernels().sum_squares(count, tensor->data_ptr<float>() + start);
            return;
        }
        at::NoGradGuard no_grad;
        *value = tensor->narrow(0, start, count).to(torch::kFloat64).square().sum().item<double>();
    });
}

// One AdamW step (Loshchilov and Hutter 2019, algorithm 2) and one step of the weights' exponential moving average, over elements `start` to `start` + `count`
// of flat tensors. The gradient is multiplied by `scale` first (clipping) and left at 0. On the CPU all of it is one pass over memory.
MT_API int mt_adamw(Tensor* weights, Tensor* gradients, Tensor* first, Tensor* second, Tensor* average, int64_t start, int64_t count, double scale, double rate,
                    double beta1, double beta2, double eps, double decay, int64_t step, double average_decay) {
    return guarded_status([&] {
        at::NoGradGuard no_grad;
        TORCH_CHECK(start >= 0 && count >= 0 && start + count <= weights->numel(), "no such elements");
        const double correction1 = 1.0 - std::pow(beta1, static_cast<double>(step));
        const double correction2 = 1.0 - std::pow(beta2, static_cast<double>(step));
        if (weights->is_cpu()) {
            const mimicd::AdamW constants{static_cast<float>(scale), static_cast<float>(beta1), static_cast<float>(beta2), static_cast<float>(1.0 - rate * decay),
                                          static_cast<float>(rate / correction1), static_cast<float>(1.0 / std::sqrt(correction2)), static_cast<float>(eps),
                                          static_cast<float>(average_decay)};
            mimicd::kernels().adamw(count, weights->data_ptr<float>() + start, gradients->data_ptr<float>() + start, first->data_ptr<float>() + start,
                                    second->data_ptr<float>() + start, average->data_ptr<float>() + start, &constants);
            return;
        }
        auto w = weights->narrow(0, start, count), g = gradients->narrow(0, start, count), m = first->narrow(0, start, count), v = second->narrow(0, start, count);
        g.mul_(scale);
        m.mul_(beta1).add_(g, 1.0 - beta1);
        v.mul_(beta2).addcmul_(g, g, 1.0 - beta2);
        w.mul_(1.0 - rate * decay);
        w.addcdiv_(m, v.sqrt().div_(std::sqrt(correction2)).add_(eps), -rate / correction1);
        average->narrow(0, start, count).mul_(average_decay).add_(w, 1.0 - average_decay);
        g.zero_();
    });
}
