// The C shim between MimicD.Training and libtorch: plain C functions over opaque tensor pointers.
//
// Rules of this file:
//  - no exception crosses into C#: every call catches, keeps the text for its thread, and returns null or -1;
//  - a returned tensor pointer is owned by the caller, who gives it back to mt_free exactly once;
//  - only calls that exist in libtorch 1.13 and in 2.x are used.

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

MT_API int mt_manual_seed(uint64_t seed) {
    return guarded_status([&] { torch::manual_seed(seed); });
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
MT_API Tensor* mt_mish(const Tensor* a) { return guarded([&] { return at::mish(*a); }); }
MT_API Tensor* mt_gelu_tanh(const Tensor* a) { return guarded([&] { return at::gelu(*a, "tanh"); }); }
MT_API Tensor* mt_softmax(const Tensor* a, int64_t dim) { return guarded([&] { return at::softmax(*a, dim); }); }
MT_API Tensor* mt_transpose(const Tensor* a, int64_t d0, int64_t d1) { return guarded([&] { return a->transpose(d0, d1); }); }
MT_API Tensor* mt_narrow(const Tensor* a, int64_t dim, int64_t start, int64_t length) { return guarded([&] { return a->narrow(dim, start, length); }); }
MT_API Tensor* mt_reshape(const Tensor* a, const int64_t* shape, int rank) { return guarded([&] { return a->reshape(dims(shape, rank)); }); }
MT_API Tensor* mt_dropout(const Tensor* a, double p) { return guarded([&] { return at::dropout(*a, p, /*train=*/true); }); }

MT_API Tensor* mt_linear(const Tensor* x, const Tensor* weight, const Tensor* bias) {
    return guarded([&] { return bias == nullptr ? at::linear(*x, *weight) : at::linear(*x, *weight, *bias); });
}

MT_API Tensor* mt_layer_norm(const Tensor* x, double eps) {
    return guarded([&] {
        const int64_t width = x->size(-1);
        return at::layer_norm(*x, at::IntArrayRef(&width, 1), {}, {}, eps);
    });
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

MT_API int mt_norm(const Tensor* tensor, double* value) {
    return guarded_status([&] {
        at::NoGradGuard no_grad;
        *value = tensor->norm().item<double>();
    });
}

// One AdamW step (Loshchilov and Hutter 2019, algorithm 2) and one step of the weights' exponential moving average, over flat tensors.
// The gradient is multiplied by `scale` first (clipping). On the CPU all of it is one pass over memory.
MT_API int mt_adamw(Tensor* weights, const Tensor* gradients, Tensor* first, Tensor* second, Tensor* average, double scale, double rate,
                    double beta1, double beta2, double eps, double decay, int64_t step, double average_decay) {
    return guarded_status([&] {
        at::NoGradGuard no_grad;
        const double correction1 = 1.0 - std::pow(beta1, static_cast<double>(step));
        const double correction2 = 1.0 - std::pow(beta2, static_cast<double>(step));
        if (weights->is_cpu()) {
            float* const w = weights->data_ptr<float>();
            const float* const g = gradients->data_ptr<float>();
            float* const m = first->data_ptr<float>();
            float* const v = second->data_ptr<float>();
            float* const a = average->data_ptr<float>();
            const float b1 = static_cast<float>(beta1), b2 = static_cast<float>(beta2), s = static_cast<float>(scale);
            const float keep = static_cast<float>(1.0 - rate * decay), size = static_cast<float>(rate / correction1);
            const float root = static_cast<float>(1.0 / std::sqrt(correction2)), e = static_cast<float>(eps);
            const float ad = static_cast<float>(average_decay);
            const int64_t count = weights->numel();
            for (int64_t i = 0; i < count; ++i) {
                const float gi = g[i] * s;
                const float mi = b1 * m[i] + (1.0f - b1) * gi;
                const float vi = b2 * v[i] + (1.0f - b2) * gi * gi;
                const float wi = w[i] * keep - size * mi / (std::sqrt(vi) * root + e);
                m[i] = mi;
                v[i] = vi;
                w[i] = wi;
                a[i] = ad * a[i] + (1.0f - ad) * wi;
            }
            return;
        }
        const auto g = gradients->mul(scale);
        first->mul_(beta1).add_(g, 1.0 - beta1);
        second->mul_(beta2).addcmul_(g, g, 1.0 - beta2);
        weights->mul_(1.0 - rate * decay);
        weights->addcdiv_(*first, second->sqrt().div_(std::sqrt(correction2)).add_(eps), -rate / correction1);
        average->mul_(average_decay).add_(*weights, 1.0 - average_decay);
    });
}
