// One plan of the transformer of docs/networks.md by libtorch, the same as ours: Euler's method in K steps. Reads the file that ReferenceNetwork.Write writes; answers each line on standard input with the plan's numbers.
#include <torch/torch.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using torch::Tensor;

struct Linear {
    Tensor weight, bias;
    Tensor operator()(const Tensor& x) const { return torch::linear(x, weight, bias); }
};

struct Block {
    Linear modulation, qkv, out, up, down;
};

class File {
public:
    explicit File(const char* path) : in_(path, std::ios::binary) {
        if (!in_) throw std::runtime_error(std::string(path) + ": cannot be read");
    }
    template <typename T>
    std::vector<T> numbers(size_t count) {
        std::vector<T> values(count);
        in_.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(count * sizeof(T)));
        if (!in_) throw std::runtime_error("the file is too short");
        return values;
    }
    Tensor tensor(std::vector<int64_t> shape) {
        int64_t count = 1;
        for (auto n : shape) count *= n;
        auto values = numbers<float>(static_cast<size_t>(count));
        return torch::from_blob(values.data(), shape).clone();
    }
    Linear linear(int64_t outputs, int64_t inputs) {
        auto weight = tensor({outputs, inputs});
        return {weight, tensor({outputs})};
    }

private:
    std::ifstream in_;
};

Tensor layerNorm(const Tensor& x) { return torch::layer_norm(x, {x.size(-1)}, {}, {}, 1e-6); }

// Multi-head attention of x [rows, width].
Tensor attention(const Tensor& x, const Linear& qkv, const Linear& out, int64_t heads) {
    const auto rows = x.size(0), width = x.size(1);
    auto parts = qkv(x).view({rows, 3, heads, width / heads}).permute({1, 2, 0, 3});
    auto scores = torch::matmul(parts[0], parts[1].transpose(-2, -1)) / std::sqrt(static_cast<double>(width / heads));
    return out(torch::matmul(torch::softmax(scores, -1), parts[2]).transpose(0, 1).reshape({rows, width}));
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "libtorch-plan FILE\n");
        return 2;
    }
    try {
        at::set_num_threads(1);
        c10::InferenceMode inference;
        File file(argv[1]);
        const auto n = file.numbers<int32_t>(10);
        const int64_t L = n[0], D = n[1], W = n[2], H = n[3], X = n[4], depth = n[5], A = n[6], C = n[7], G = n[8], K = n[9];
        const auto s = file.numbers<double>(4);
        const double data = s[0], smallest = s[1], largest = s[2], rho = s[3];
        const auto noise0 = file.linear(W, 1), noise2 = file.linear(W, W);
        const auto conditionIn = file.linear(A * C, A), conditionQkv = file.linear(3 * C, C), conditionOut = file.linear(C, C), conditionProject = file.linear(W, A * C);
        const auto tokens = file.linear(W, D);
        std::vector<Block> blocks;
        for (int64_t i = 0; i < depth; i++) {
            auto modulation = file.linear(6 * W, W), qkv = file.linear(3 * W, W), out = file.linear(W, W), up = file.linear(X * W, W), down = file.linear(W, X * W);
            blocks.push_back({modulation, qkv, out, up, down});
        }
        const auto headModulation = file.linear(2 * W, W), headOut = file.linear(D, W);
        const auto condition = file.tensor({1, A}), noise = file.tensor({L, D}), present = file.tensor({D});

        auto positions = torch::empty({L, W});
        for (int64_t t = 0; t < L; t++)
            for (int64_t j = 0; j < W / 2; j++) {
                const double angle = t / std::pow(10000.0, j / (W / 2 - 1.0));
                positions[t][j] = std::sin(angle);
                positions[t][W / 2 + j] = std::cos(angle);
            }

        std::vector<double> sigmas;
        for (int64_t k = 0; k < K; k++) {
            const double a = std::pow(largest, 1 / rho), b = std::pow(smallest, 1 / rho);
            sigmas.push_back(std::pow(a + (K == 1 ? 0.0 : k / (K - 1.0)) * (b - a), rho));
        }
        sigmas.push_back(0);

        const auto network = [&](const Tensor& x, double c, const Tensor& ofCondition) {
            const auto embedded = noise2(torch::mish(noise0(torch::full({1, 1}, c)))) + ofCondition;
            const auto e = torch::silu(embedded);
            auto h = tokens(x) + positions;
            for (const auto& block : blocks) {
                const auto m = block.modulation(e).chunk(6, -1);
                h = layerNorm(h) * (1 + m[1]) + m[0];
                h = h + m[2] * attention(h, block.qkv, block.out, H);
                h = h + m[5] * block.down(torch::gelu(block.up(layerNorm(h) * (1 + m[4]) + m[3]), "tanh"));
            }
            const auto m = headModulation(e).chunk(2, -1);
            return headOut(layerNorm(h) * (1 + m[1]) + m[0]);
        };

        std::string line;
        while (std::getline(std::cin, line)) {
            // What depends on the condition alone is computed once a plan, as ours does.
            const auto ofCondition = conditionProject(attention(conditionIn(condition).view({A, C}), conditionQkv, conditionOut, G).view({1, A * C}));
            auto y = noise * sigmas[0];
            y[0] = present;
            for (int64_t k = 0; k < K; k++) {
                const double sigma = sigmas[k], total = data * data + sigma * sigma;
                const auto f = network(y / std::sqrt(total), std::log(sigma) / 4, ofCondition);
                const auto denoised = y * (data * data / total) + f * (sigma * data / std::sqrt(total));
                y = y + (y - denoised) * ((sigmas[k + 1] - sigma) / sigma);
                y[0] = present;
            }
            const auto* p = y.data_ptr<float>();
            for (int64_t i = 0; i < L * D; i++) std::printf("%.9g ", p[i]);
            std::printf("\n");
            std::fflush(stdout);
        }
        return 0;
    } catch (const std::exception& e) {
        std::fprintf(stderr, "libtorch-plan: %s\n", e.what());
        return 1;
    }
}
