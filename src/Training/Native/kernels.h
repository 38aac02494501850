// Element-wise and short-sequence arithmetic of the training step, on contiguous float32 rows. What libtorch 1.13 does here one function at a time, through
// memory, takes longer than the matrix products of the networks; its Mish alone takes four times a 256 x 256 x 256 product.
#pragma once

#include <cstdint>

namespace mimicd {

// A stream of dropout masks, Philox4x32-10 (Salmon et al. 2011) under `key`; sixteen bits an element.
struct Dropout {
    uint64_t key = 0;
    uint32_t stream = 0;     // one an operation of a step
    uint32_t threshold = 0;  // dropped where sixteen random bits are below it; 0: nothing is
    float scale = 1.0f;      // of what is kept
};

// One AdamW step and one step of the moving average; the shim says where the constants come from.
struct AdamW {
    float scale, beta1, beta2, keep, size, root, eps, average;
};

// The shape of an attention: `length` rows of queries, keys and values side by side (3 * heads * width numbers), and the length rounded up to 16.
struct Attention {
    int64_t length, padded, heads, width;
};

struct Kernels {
    const char* name;

    void (*mish)(int64_t n, const float* x, float* y);
    void (*mish_back)(int64_t n, const float* x, const float* g, float* gx);

    // GELU in its tanh form, then dropout.
    void (*gelu)(int64_t n, const float* x, float* y, const Dropout* drop);
    void (*gelu_back)(int64_t n, const float* x, const float* g, float* gx, const Dropout* drop);

    // Dropout alone; its own derivative.
    void (*dropout)(int64_t n, const float* x, float* y, const Dropout* drop);

    // y = normalised x over rows of `width`; `inverse` receives 1 / deviation of each row.
    void (*norm)(int64_t rows, int64_t width, const float* x, float eps, float* y, float* inverse);
    void (*norm_back)(int64_t rows, int64_t width, const float* y, const float* inverse, const float* g, float* gx);

    // y = normalised x * (1 + scale) + shift, where `group` rows share a row of scale and of shift, `stride` apart.
    void (*modulate)(int64_t rows, int64_t width, int64_t group, int64_t stride, const float* x, float eps, const float* shift, const float* scale, float* normal,
                     float* inverse, float* y);
    // Gradients; those of shift and scale are written.
    void (*modulate_back)(int64_t rows, int64_t width, int64_t group, int64_t stride, const float* normal, const float* inverse, const float* scale, const float* g,
                          float* gx, float* gshift, float* gscale);

    // y = h + gate * x.
    void (*gate)(int64_t rows, int64_t width, int64_t group, int64_t stride, const float* h, const float* gate, const float* x, float* y);
    void (*gate_back)(int64_t rows, int64_t width, int64_t group, int64_t stride, const float* gate, const float* x, const float* g, float* gx, float* ggate);

    // out += the sum of all rows.
    void (*add_rows)(int64_t rows, int64_t width, const float* x, float* out);

    // One sample: out [length, heads * width] and the attention weights before dropout [heads, length, padded], kept for the way back. Scratch has room for
    // (width + 2 length) * padded numbers.
    void (*attention)(const Attention* shape, int64_t sample, const float* qkv, float* weights, float* out, const Dropout* drop, float* scratch);
    void (*attention_back)(const Attention* shape, int64_t sample, const float* qkv, const float* weights, const float* g, float* gqkv, const Dropout* drop,
                           float* scratch);

    double (*sum_squares)(int64_t n, const float* x);
    void (*adamw)(int64_t n, float* w, float* g, float* m, float* v, float* a, const AdamW* constants);
};

// The widest that this processor has.
const Kernels& kernels();

}  // namespace mimicd
