#include "kernels.h"

namespace mimicd {

namespace plain { extern const Kernels table; }

#ifdef MIMICD_X86
namespace avx2 { extern const Kernels table; }
namespace avx512 { extern const Kernels table; }
#endif

const Kernels& kernels() {
    static const Kernels& chosen = []() -> const Kernels& {
#ifdef MIMICD_X86
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
            return avx512::table;
        }
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
            return avx2::table;
        }
#endif
        return plain::table;
    }();
    return chosen;
}

}  // namespace mimicd
