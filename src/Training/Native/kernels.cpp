// See kernels.h. This file is compiled once for each instruction set (MIMICD_ISA names it); vectors of sixteen floats are what the compiler makes of them there, so
// sums are added up in the same order everywhere. Nothing here may leave a function behind that the linker could take for another instruction set's: no containers.

#include "kernels.h"

#include <algorithm>
#include <cmath>
#include <cstring>

// A call would take vectors through memory, and a loop over the parts of one keep it there.
#define ALWAYS inline __attribute__((always_inline))
#define UNROLLED _Pragma("GCC unroll 4")

namespace mimicd {
namespace MIMICD_ISA {
namespace {

constexpr int64_t Lanes = 16;

// Sixteen lanes of 32 bits in as many registers as the instruction set needs for them; the compiler takes a vector wider than a register apart number by number.
#if defined(__AVX512F__)
constexpr int Bytes = 64;
#elif defined(__AVX2__)
constexpr int Bytes = 32;
#else
constexpr int Bytes = 16;
#endif
constexpr int Parts = 64 / Bytes;

template <typename T>
struct Pack {
    typedef T Native __attribute__((vector_size(Bytes)));
    static constexpr int Width = Bytes / sizeof(T);

    Native part[Parts];

    T lane(int64_t i) const { return part[i / Width][i % Width]; }
    void set(int64_t i, T value) { part[i / Width][i % Width] = value; }
};

#define MIMICD_OPERATOR(op)                                                          \
    template <typename T>                                                            \
    ALWAYS Pack<T> operator op(Pack<T> a, Pack<T> b) { \
        UNROLLED                                                                     \
        for (int i = 0; i < Parts; ++i) {                                            \
            a.part[i] = a.part[i] op b.part[i];                                      \
        }                                                                            \
        return a;                                                                    \
    }
MIMICD_OPERATOR(+)
MIMICD_OPERATOR(-)
MIMICD_OPERATOR(*)
MIMICD_OPERATOR(/)
MIMICD_OPERATOR(&)
MIMICD_OPERATOR(|)
MIMICD_OPERATOR(^)
#undef MIMICD_OPERATOR

// Of each part, whatever f makes of it.
template <typename To, typename From, typename F>
ALWAYS Pack<To> mapped(Pack<From> a, F f) {
    Pack<To> result;
    UNROLLED
    for (int i = 0; i < Parts; ++i) {
        result.part[i] = (typename Pack<To>::Native)f(a.part[i]);
    }
    return result;
}

template <typename T>
ALWAYS Pack<T> all_of(T x) {
    Pack<T> result;
    UNROLLED
    for (int i = 0; i < Parts; ++i) {
        result.part[i] = typename Pack<T>::Native{} + x;
    }
    return result;
}

// The same bits.
template <typename To, typename From>
ALWAYS Pack<To> bits(Pack<From> a) {
    return mapped<To>(a, [](auto v) { return v; });
}

typedef Pack<float> Vec;
typedef Pack<int32_t> Ints;
typedef Pack<uint32_t> Words;
typedef Pack<uint64_t> Longs;

ALWAYS Vec all(float x) { return all_of(x); }
ALWAYS Vec operator+(Vec a, float b) { return a + all(b); }
ALWAYS Vec operator+(float a, Vec b) { return all(a) + b; }
ALWAYS Vec operator-(Vec a, float b) { return a - all(b); }
ALWAYS Vec operator-(float a, Vec b) { return all(a) - b; }
ALWAYS Vec operator-(Vec a) {
    return mapped<float>(a, [](auto v) { return -v; });
}
ALWAYS Vec operator*(Vec a, float b) { return a * all(b); }
ALWAYS Vec operator*(float a, Vec b) { return all(a) * b; }
ALWAYS Vec operator/(float a, Vec b) { return all(a) / b; }
ALWAYS Vec& operator+=(Vec& a, Vec b) { return a = a + b; }

template <typename T>
struct Loose {
    typedef T Native __attribute__((vector_size(Bytes), aligned(4), may_alias));
};

ALWAYS Vec load(const float* p) {
    Vec v;
    UNROLLED
    for (int i = 0; i < Parts; ++i) {
        v.part[i] = *reinterpret_cast<const Loose<float>::Native*>(p + i * Vec::Width);
    }
    return v;
}

ALWAYS void store(float* p, Vec v) {
    UNROLLED
    for (int i = 0; i < Parts; ++i) {
        *reinterpret_cast<Loose<float>::Native*>(p + i * Vec::Width) = v.part[i];
    }
}

ALWAYS Vec load_some(const float* p, int64_t n) {
    Vec v{};
    std::memcpy(&v, p, static_cast<size_t>(n) * sizeof(float));
    return v;
}

ALWAYS void store_some(float* p, Vec v, int64_t n) { std::memcpy(p, &v, static_cast<size_t>(n) * sizeof(float)); }

// Both pick lane by lane.
ALWAYS Vec least(Vec a, Vec b) {
    UNROLLED
    for (int i = 0; i < Parts; ++i) {
        a.part[i] = a.part[i] < b.part[i] ? a.part[i] : b.part[i];
    }
    return a;
}

ALWAYS Vec most(Vec a, Vec b) {
    UNROLLED
    for (int i = 0; i < Parts; ++i) {
        a.part[i] = a.part[i] > b.part[i] ? a.part[i] : b.part[i];
    }
    return a;
}

inline float total(Vec v) {
    float sum = 0;
    for (int64_t i = 0; i < Lanes; ++i) {
        sum += v.lane(i);
    }
    return sum;
}

// e^x: 2^n e^r with |r| <= ln(2)/2, e^r by its Taylor polynomial, whose remainder is below half a unit in the last place.
ALWAYS Vec exponential(Vec x) {
    x = most(least(x, all(88.0f)), all(-87.0f));
    // Adding 1.5 * 2^23 leaves the nearest integer in the low bits.
    const Vec shifted = x * 1.44269504f + 12582912.0f;
    const Vec n = shifted - 12582912.0f;
    // ln(2) in two parts, of which n times the first is exact.
    const Vec r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
    Vec p = all(1.0f / 5040);
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    return p * mapped<float>(bits<int32_t>(shifted), [](auto v) { return (v - 0x4B400000 + 127) << 23; });
}

template <typename F>
ALWAYS void each(int64_t n, const float* x, float* y, F f) {
    int64_t i = 0;
    for (; i + Lanes <= n; i += Lanes) {
        store(y + i, f(load(x + i)));
    }
    if (i < n) {
        store_some(y + i, f(load_some(x + i, n - i)), n - i);
    }
}

template <typename F>
ALWAYS void each(int64_t n, const float* x, const float* g, float* y, F f) {
    int64_t i = 0;
    for (; i + Lanes <= n; i += Lanes) {
        store(y + i, f(load(x + i), load(g + i)));
    }
    if (i < n) {
        store_some(y + i, f(load_some(x + i, n - i), load_some(g + i, n - i)), n - i);
    }
}

// ---- activations -----------------------------------------------------------------------------------------------------

// tanh(ln(1 + e^x)) = m / (m + 2) with m = e^x (e^x + 2): one exponential instead of three functions.
void mish(int64_t n, const float* x, float* y) {
    each(n, x, y, [](Vec v) {
        const Vec e = exponential(least(v, all(20.0f)));
        const Vec m = e * (e + 2.0f);
        return v * (m / (m + 2.0f));
    });
}

void mish_back(int64_t n, const float* x, const float* g, float* gx) {
    each(n, x, g, gx, [](Vec v, Vec gv) {
        const Vec e = exponential(least(v, all(20.0f)));
        const Vec m = e * (e + 2.0f);
        const Vec inverse = 1.0f / (m + 2.0f);
        return gv * (m * inverse + v * (4.0f * e * (e + 1.0f)) * inverse * inverse);
    });
}

constexpr float GeluSlope = 1.59576912f;  // 2 sqrt(2 / pi)
constexpr float GeluCubic = 0.044715f;

// 0.5 (1 + tanh(u)) is the logistic function of 2u.
ALWAYS Vec logistic(Vec v) { return 1.0f / (1.0f + exponential(-v)); }

ALWAYS Vec gelu_value(Vec v) { return v * logistic(GeluSlope * (v + GeluCubic * v * v * v)); }

ALWAYS Vec gelu_slope(Vec v) {
    const Vec s = logistic(GeluSlope * (v + GeluCubic * v * v * v));
    return s + v * s * (1.0f - s) * (GeluSlope * (1.0f + 3.0f * GeluCubic * v * v));
}

// ---- dropout ---------------------------------------------------------------------------------------------------------

constexpr int64_t Tile = 128;  // elements of sixteen bits in sixteen blocks of the generator

ALWAYS void multiply(Words a, uint32_t by, Words& high, Words& low) {
    constexpr uint64_t Low = 0xFFFFFFFFu;
    const Longs pairs = bits<uint64_t>(a);
    const Longs even = mapped<uint64_t>(pairs, [by](auto v) { return (v & Low) * static_cast<uint64_t>(by); });
    const Longs odd = mapped<uint64_t>(pairs, [by](auto v) { return (v >> 32) * static_cast<uint64_t>(by); });
    high = bits<uint32_t>(mapped<uint64_t>(even, [](auto v) { return v >> 32; }) | mapped<uint64_t>(odd, [](auto v) { return v & ~Low; }));
    low = bits<uint32_t>(mapped<uint64_t>(even, [](auto v) { return v & Low; }) | mapped<uint64_t>(odd, [](auto v) { return v << 32; }));
}

// What Tile elements are multiplied by: 0 or the scale.
ALWAYS void mask(const Dropout& drop, uint32_t part, uint32_t tile, Vec out[8]) {
    Words c0, c1 = all_of(drop.stream), c2 = all_of(part), c3 = all_of(0u);
    for (uint32_t i = 0; i < Lanes; ++i) {
        c0.set(i, tile * static_cast<uint32_t>(Lanes) + i);
    }
    uint32_t k0 = static_cast<uint32_t>(drop.key), k1 = static_cast<uint32_t>(drop.key >> 32);
    for (int round = 0; round < 10; ++round) {
        Words h0, l0, h1, l1;
        multiply(c0, 0xD2511F53u, h0, l0);
        multiply(c2, 0xCD9E8D57u, h1, l1);
        c0 = h1 ^ c1 ^ all_of(k0);
        c1 = l1;
        c2 = h0 ^ c3 ^ all_of(k1);
        c3 = l0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    const Words words[4] = {c0, c1, c2, c3};
    const Words scale = bits<uint32_t>(all(drop.scale));
    const uint32_t threshold = drop.threshold;
    for (int i = 0; i < 4; ++i) {
        out[i] = bits<float>(mapped<uint32_t>(words[i], [threshold](auto v) { return (v & 0xFFFFu) >= threshold; }) & scale);
        out[i + 4] = bits<float>(mapped<uint32_t>(words[i], [threshold](auto v) { return (v >> 16) >= threshold; }) & scale);
    }
}

// f(element index of a vector, its mask) over all elements of a part.
template <typename F>
inline void masked(int64_t n, const Dropout& drop, uint32_t part, F f) {
    Vec keep[8];
    std::fill(keep, keep + 8, all(1.0f));
    for (int64_t tile = 0; tile * Tile < n; ++tile) {
        if (drop.threshold != 0) {
            mask(drop, part, static_cast<uint32_t>(tile), keep);
        }
        for (int64_t i = 0; i < 8 && tile * Tile + i * Lanes < n; ++i) {
            f(tile * Tile + i * Lanes, keep[i]);
        }
    }
}

void gelu(int64_t n, const float* x, float* y, const Dropout* drop) {
    masked(n, *drop, 0, [&](int64_t i, Vec keep) {
        const int64_t room = std::min(n - i, Lanes);
        if (room == Lanes) {
            store(y + i, gelu_value(load(x + i)) * keep);
        } else {
            store_some(y + i, gelu_value(load_some(x + i, room)) * keep, room);
        }
    });
}

void gelu_back(int64_t n, const float* x, const float* g, float* gx, const Dropout* drop) {
    masked(n, *drop, 0, [&](int64_t i, Vec keep) {
        const int64_t room = std::min(n - i, Lanes);
        if (room == Lanes) {
            store(gx + i, load(g + i) * keep * gelu_slope(load(x + i)));
        } else {
            store_some(gx + i, load_some(g + i, room) * keep * gelu_slope(load_some(x + i, room)), room);
        }
    });
}

void dropout(int64_t n, const float* x, float* y, const Dropout* drop) {
    masked(n, *drop, 0, [&](int64_t i, Vec keep) {
        const int64_t room = std::min(n - i, Lanes);
        store_some(y + i, load_some(x + i, room) * keep, room);
    });
}

// ---- normalisation, modulation, gates --------------------------------------------------------------------------------

// The sum of f over a row, sixteen running sums at a time.
template <typename F>
inline float row_sum(int64_t width, F f) {
    Vec sum{};
    int64_t i = 0;
    for (; i + Lanes <= width; i += Lanes) {
        sum += f(i, Lanes);
    }
    if (i < width) {
        sum += f(i, width - i);
    }
    return total(sum);
}

ALWAYS Vec part(const float* p, int64_t room) { return room == Lanes ? load(p) : load_some(p, room); }

ALWAYS void put(float* p, Vec v, int64_t room) {
    if (room == Lanes) {
        store(p, v);
    } else {
        store_some(p, v, room);
    }
}

template <typename F>
inline void along(int64_t width, F f) {
    int64_t i = 0;
    for (; i + Lanes <= width; i += Lanes) {
        f(i, Lanes);
    }
    if (i < width) {
        f(i, width - i);
    }
}

inline float norm_row(int64_t width, const float* x, float eps, float* y) {
    const float mean = row_sum(width, [&](int64_t i, int64_t room) { return part(x + i, room); }) / static_cast<float>(width);
    const float variance = row_sum(width, [&](int64_t i, int64_t room) {
        Vec d = part(x + i, room) - mean;
        for (int64_t j = room; j < Lanes; ++j) {
            d.set(j, 0);
        }
        return d * d;
    }) / static_cast<float>(width);
    const float inverse = 1.0f / std::sqrt(variance + eps);
    along(width, [&](int64_t i, int64_t room) { put(y + i, (part(x + i, room) - mean) * inverse, room); });
    return inverse;
}

// dx = (g - mean(g) - y mean(g y)) / deviation.
template <typename G>
inline void norm_row_back(int64_t width, const float* y, float inverse, G g, float* gx) {
    const float mean = row_sum(width, [&](int64_t i, int64_t room) { return g(i, room); }) / static_cast<float>(width);
    const float along_y = row_sum(width, [&](int64_t i, int64_t room) { return g(i, room) * part(y + i, room); }) / static_cast<float>(width);
    along(width, [&](int64_t i, int64_t room) { put(gx + i, (g(i, room) - mean - part(y + i, room) * along_y) * inverse, room); });
}

void norm(int64_t rows, int64_t width, const float* x, float eps, float* y, float* inverse) {
    for (int64_t r = 0; r < rows; ++r) {
        inverse[r] = norm_row(width, x + r * width, eps, y + r * width);
    }
}

void norm_back(int64_t rows, int64_t width, const float* y, const float* inverse, const float* g, float* gx) {
    for (int64_t r = 0; r < rows; ++r) {
        const float* const row = g + r * width;
        norm_row_back(width, y + r * width, inverse[r], [&](int64_t i, int64_t room) { return part(row + i, room); }, gx + r * width);
    }
}

void modulate(int64_t rows, int64_t width, int64_t group, int64_t stride, const float* x, float eps, const float* shift, const float* scale, float* normal, float* inverse,
              float* y) {
    for (int64_t r = 0; r < rows; ++r) {
        float* const n = normal + r * width;
        const int64_t at = r / group * stride;
        inverse[r] = norm_row(width, x + r * width, eps, n);
        along(width, [&](int64_t i, int64_t room) { put(y + r * width + i, part(n + i, room) * (part(scale + at + i, room) + 1.0f) + part(shift + at + i, room), room); });
    }
}

void modulate_back(int64_t rows, int64_t width, int64_t group, int64_t stride, const float* normal, const float* inverse, const float* scale, const float* g, float* gx,
                   float* gshift, float* gscale) {
    for (int64_t r = 0; r < rows; ++r) {
        const float* const n = normal + r * width;
        const float* const row = g + r * width;
        const int64_t at = r / group * stride;
        const bool first = r % group == 0;
        along(width, [&](int64_t i, int64_t room) {
            const Vec gv = part(row + i, room), dot = gv * part(n + i, room);
            put(gshift + at + i, first ? gv : part(gshift + at + i, room) + gv, room);
            put(gscale + at + i, first ? dot : part(gscale + at + i, room) + dot, room);
        });
        norm_row_back(width, n, inverse[r], [&](int64_t i, int64_t room) { return part(row + i, room) * (part(scale + at + i, room) + 1.0f); }, gx + r * width);
    }
}

void gate(int64_t rows, int64_t width, int64_t group, int64_t stride, const float* h, const float* gates, const float* x, float* y) {
    for (int64_t r = 0; r < rows; ++r) {
        const int64_t at = r / group * stride;
        along(width, [&](int64_t i, int64_t room) { put(y + r * width + i, part(h + r * width + i, room) + part(gates + at + i, room) * part(x + r * width + i, room), room); });
    }
}

void gate_back(int64_t rows, int64_t width, int64_t group, int64_t stride, const float* gates, const float* x, const float* g, float* gx, float* ggate) {
    for (int64_t r = 0; r < rows; ++r) {
        const int64_t at = r / group * stride;
        const bool first = r % group == 0;
        along(width, [&](int64_t i, int64_t room) {
            const Vec gv = part(g + r * width + i, room), dot = gv * part(x + r * width + i, room);
            put(gx + r * width + i, gv * part(gates + at + i, room), room);
            put(ggate + at + i, first ? dot : part(ggate + at + i, room) + dot, room);
        });
    }
}

void add_rows(int64_t rows, int64_t width, const float* x, float* out) {
    constexpr int64_t Columns = 4 * Lanes;
    int64_t at = 0;
    for (; at + Columns <= width; at += Columns) {
        Vec a{}, b{}, c{}, d{};
        for (int64_t r = 0; r < rows; ++r) {
            const float* const p = x + r * width + at;
            a += load(p);
            b += load(p + Lanes);
            c += load(p + 2 * Lanes);
            d += load(p + 3 * Lanes);
        }
        store(out + at, load(out + at) + a);
        store(out + at + Lanes, load(out + at + Lanes) + b);
        store(out + at + 2 * Lanes, load(out + at + 2 * Lanes) + c);
        store(out + at + 3 * Lanes, load(out + at + 3 * Lanes) + d);
    }
    for (; at < width; at += Lanes) {
        const int64_t room = std::min(width - at, Lanes);
        Vec sum{};
        for (int64_t r = 0; r < rows; ++r) {
            sum += part(x + r * width + at, room);
        }
        put(out + at, part(out + at, room) + sum, room);
    }
}

// ---- attention over short sequences ----------------------------------------------------------------------------------

// C = A B for a handful of rows: a[i * row + k * step] times b[k * ldb + j].
template <int64_t Rows, int64_t Vectors>
inline void block(int64_t inner, const float* a, int64_t row, int64_t step, const float* b, int64_t ldb, float* c, int64_t ldc) {
    Vec sum[Rows][Vectors] = {};
    for (int64_t k = 0; k < inner; ++k) {
        Vec right[Vectors];
        for (int64_t j = 0; j < Vectors; ++j) {
            right[j] = load(b + k * ldb + j * Lanes);
        }
        for (int64_t i = 0; i < Rows; ++i) {
            const float left = a[i * row + k * step];
            for (int64_t j = 0; j < Vectors; ++j) {
                sum[i][j] += left * right[j];
            }
        }
    }
    for (int64_t i = 0; i < Rows; ++i) {
        for (int64_t j = 0; j < Vectors; ++j) {
            store(c + i * ldc + j * Lanes, sum[i][j]);
        }
    }
}

template <int64_t Vectors>
inline void column_blocks(int64_t rows, int64_t inner, const float* a, int64_t row, int64_t step, const float* b, int64_t ldb, float* c, int64_t ldc) {
    int64_t i = 0;
    for (; i + 4 <= rows; i += 4) {
        block<4, Vectors>(inner, a + i * row, row, step, b, ldb, c + i * ldc, ldc);
    }
    for (; i < rows; ++i) {
        block<1, Vectors>(inner, a + i * row, row, step, b, ldb, c + i * ldc, ldc);
    }
}

void product(int64_t rows, int64_t columns, int64_t inner, const float* a, int64_t row, int64_t step, const float* b, int64_t ldb, float* c, int64_t ldc) {
    int64_t j = 0;
    for (; j + 2 * Lanes <= columns; j += 2 * Lanes) {
        column_blocks<2>(rows, inner, a, row, step, b + j, ldb, c + j, ldc);
    }
    for (; j + Lanes <= columns; j += Lanes) {
        column_blocks<1>(rows, inner, a, row, step, b + j, ldb, c + j, ldc);
    }
    for (; j < columns; ++j) {
        for (int64_t i = 0; i < rows; ++i) {
            float sum = 0;
            for (int64_t k = 0; k < inner; ++k) {
                sum += a[i * row + k * step] * b[k * ldb + j];
            }
            c[i * ldc + j] = sum;
        }
    }
}

// to[j, padded] = from[length rows, `stride` apart, width numbers], transposed; what is left of a row is 0.
void transpose(int64_t length, int64_t padded, int64_t width, const float* from, int64_t stride, float* to) {
    for (int64_t j = 0; j < width; ++j) {
        for (int64_t t = 0; t < length; ++t) {
            to[j * padded + t] = from[t * stride + j];
        }
        std::fill(to + j * padded + length, to + (j + 1) * padded, 0.0f);
    }
}

void attention(const Attention* shape, int64_t sample, const float* qkv, float* weights, float* out, const Dropout* drop, float* scratch) {
    const int64_t length = shape->length, padded = shape->padded, width = shape->width, all_width = shape->heads * width, stride = 3 * all_width;
    const float root = 1.0f / std::sqrt(static_cast<float>(width));
    float* const turned = scratch;
    float* const kept = turned + width * padded;
    for (int64_t head = 0; head < shape->heads; ++head) {
        const float *const q = qkv + head * width, *const k = q + all_width, *const v = k + all_width;
        float* const p = weights + head * length * padded;
        transpose(length, padded, width, k, stride, turned);
        product(length, padded, width, q, stride, 1, turned, padded, p, padded);
        for (int64_t t = 0; t < length; ++t) {
            float* const row = p + t * padded;
            float top = row[0];
            for (int64_t s = 1; s < length; ++s) {
                top = std::max(top, row[s]);
            }
            along(padded, [&](int64_t i, int64_t) { store(row + i, exponential((load(row + i) - top) * root)); });
            std::fill(row + length, row + padded, 0.0f);
            const float inverse = 1.0f / row_sum(padded, [&](int64_t i, int64_t) { return load(row + i); });
            along(padded, [&](int64_t i, int64_t) { store(row + i, load(row + i) * inverse); });
        }
        const float* used = p;
        if (drop->threshold != 0) {
            masked(length * padded, *drop, static_cast<uint32_t>(sample * shape->heads + head), [&](int64_t i, Vec keep) { store(kept + i, load(p + i) * keep); });
            used = kept;
        }
        product(length, width, length, used, padded, 1, v, stride, out + head * width, all_width);
    }
}

void attention_back(const Attention* shape, int64_t sample, const float* qkv, const float* weights, const float* g, float* gqkv, const Dropout* drop, float* scratch) {
    const int64_t length = shape->length, padded = shape->padded, width = shape->width, all_width = shape->heads * width, stride = 3 * all_width;
    const float root = 1.0f / std::sqrt(static_cast<float>(width));
    float* const turned = scratch;
    float* const kept = turned + width * padded;
    float* const slope = kept + length * padded;
    for (int64_t head = 0; head < shape->heads; ++head) {
        const float *const q = qkv + head * width, *const k = q + all_width, *const v = k + all_width, *const gout = g + head * width;
        float *const gq = gqkv + head * width, *const gk = gq + all_width, *const gv = gk + all_width;
        const float* const p = weights + head * length * padded;
        transpose(length, padded, width, v, stride, turned);
        product(length, padded, width, gout, all_width, 1, turned, padded, slope, padded);
        const float* used = p;
        if (drop->threshold != 0) {
            masked(length * padded, *drop, static_cast<uint32_t>(sample * shape->heads + head), [&](int64_t i, Vec keep) {
                store(kept + i, load(p + i) * keep);
                store(slope + i, load(slope + i) * keep);
            });
            used = kept;
        }
        // gv = used^T gout
        product(length, width, length, used, 1, padded, gout, all_width, gv, stride);
        for (int64_t t = 0; t < length; ++t) {
            float* const row = slope + t * padded;
            const float* const weight = p + t * padded;
            const float mean = row_sum(padded, [&](int64_t i, int64_t) { return load(row + i) * load(weight + i); });
            along(padded, [&](int64_t i, int64_t) { store(row + i, load(weight + i) * (load(row + i) - mean) * root); });
        }
        product(length, width, length, slope, padded, 1, k, stride, gq, stride);
        product(length, width, length, slope, 1, padded, q, stride, gk, stride);
    }
}

// ---- the optimizer ---------------------------------------------------------------------------------------------------

double sum_squares(int64_t n, const float* x) {
    double sums[Lanes] = {};
    int64_t i = 0;
    for (; i + Lanes <= n; i += Lanes) {
        for (int64_t j = 0; j < Lanes; ++j) {
            sums[j] += static_cast<double>(x[i + j]) * x[i + j];
        }
    }
    double sum = 0;
    for (; i < n; ++i) {
        sum += static_cast<double>(x[i]) * x[i];
    }
    for (const double s : sums) {
        sum += s;
    }
    return sum;
}

void adamw(int64_t n, float* __restrict w, float* __restrict g, float* __restrict m, float* __restrict v, float* __restrict a, const AdamW* constants) {
    const AdamW c = *constants;
    for (int64_t i = 0; i < n; ++i) {
        const float gi = g[i] * c.scale;
        const float mi = c.beta1 * m[i] + (1.0f - c.beta1) * gi;
        const float vi = c.beta2 * v[i] + (1.0f - c.beta2) * gi * gi;
        const float wi = w[i] * c.keep - c.size * mi / (std::sqrt(vi) * c.root + c.eps);
        g[i] = 0;
        m[i] = mi;
        v[i] = vi;
        w[i] = wi;
        a[i] = c.average * a[i] + (1.0f - c.average) * wi;
    }
}

}  // namespace

#define MIMICD_TEXT(x) #x
#define MIMICD_NAME(x) MIMICD_TEXT(x)

extern const Kernels table;
const Kernels table = {MIMICD_NAME(MIMICD_ISA), mish, mish_back, gelu, gelu_back, dropout, norm, norm_back, modulate, modulate_back, gate, gate_back, add_rows, attention, attention_back, sum_squares, adamw};

}  // namespace MIMICD_ISA
}  // namespace mimicd
